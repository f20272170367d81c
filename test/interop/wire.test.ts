import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { attest } from "../../src/cli/guest/client.ts";
import { type Ask, describeInterop, type InteropAnswer } from "../support/interop.ts";
import { openHandshake, type Product, product } from "../support/product.ts";

const KINDS = ["p256", "p521", "rsa"] as const;
const SECRET = "default/key/one";

function okOf([answer]: readonly InteropAnswer[]): unknown {
  if (answer === undefined || !("ok" in answer)) throw new Error(answer?.error ?? "no answer");
  return answer.ok;
}

/** A message as the crate printed it after reading it. */
async function through(ask: Ask, type: string, text: string): Promise<unknown> {
  return okOf(await ask([{ op: "wire", type, text }]));
}

describeInterop("the Rust crate kbs-types, which guests are built with", "rust", (ask) => {
  let server: Product;
  beforeAll(async () => {
    server = await product({ vendor: false });
    await server.provision(SECRET, "secret");
  });
  afterAll(() => server.close());

  test("its Request is understood, and our Challenge is what it expects", async () => {
    const request = await through(
      ask,
      "Request",
      JSON.stringify({ version: "0.4.0", tee: "sample", "extra-params": "" }),
    );
    const { status, text, json } = await server.send("POST", "/kbs/v0/auth", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    expect(status).toBe(200);
    expect(await through(ask, "Challenge", text)).toEqual(json);
  });

  test("its Attestation is understood, the runtime data in it bound as before", async () => {
    const handshake = await openHandshake(server);
    const attestation = await through(ask, "Attestation", await handshake.body());
    const { status, json } = await server.send("POST", "/kbs/v0/attest", {
      headers: { "content-type": "application/json", cookie: handshake.cookie },
      body: JSON.stringify(attestation),
    });
    expect(status).toBe(200);
    expect(json["token"]).toMatch(/^ey/);
  });

  test.each(KINDS)(
    "it reads our Response for a key of kind %s, and prints its header as we did",
    async (keyKind) => {
      const { token } = await attest(server.guest({ keyKind }));
      const { status, text, json } = await server.send("GET", `/kbs/v0/resource/${SECRET}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(status).toBe(200);
      const read = await through(ask, "Response", text);
      // The crate prints the header anew for the additional data: in another order the guest could not decrypt.
      expect(read).toEqual({ response: json, aad: json["protected"] });
    },
  );

  test.each([
    ["GET", "/kbs/v0/resource/default/key/one"],
    ["POST", "/kbs/v0/attest"],
    ["GET", "/kbs/v0/no-such-plugin/x"],
  ])("it reads the refusal of %s %s", async (method, path) => {
    const { status, text, json } = await server.send(method, path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(await through(ask, "ErrorInformation", text)).toEqual({
      type: json["type"],
      detail: json["detail"],
    });
  });
});
