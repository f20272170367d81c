import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openResponse } from "../../../src/cli/guest/decrypt.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { jwkThumbprint, p256PublicJwk } from "../../../src/tokens/jwk.ts";
import { type Issued, issueCertificate } from "../../support/certificates.ts";
import { type Answer, type Product, product } from "../../support/product.ts";
import { compact, NOW, p256, signAs, TEE_KEY } from "../../support/tokens.ts";

/** Tokens of other attestation services, shown to the whole product as Bearer. */
let server: Product;

const PATH = "default/key/one";
const EC = p256();
const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const WITHOUT_ALG = p256();
const PINNED = p256();
const STRANGER = p256();
const rsaJwk = RSA.publicKey.export({ format: "jwk" });
const pem = (key: KeyObject): string => String(key.export({ type: "spki", format: "pem" }));
const NOW_SECONDS = () => Math.floor(Date.now() / 1000);
/** Days from the moment around which test certificates are made to today. */
const TODAY = (Date.now() - NOW) / 86_400_000;

/** What reached the address of an issuer that the operator did not vouch for. */
let reached = 0;
const inside = createTcpServer((socket) => {
  reached++;
  socket.destroy();
});

let root: Issued;
let leaf: Issued;
let expired: Issued;
let foreign: Issued;

beforeAll(async () => {
  const validity = { from: TODAY - 1, to: TODAY + 1 };
  root = await issueCertificate({ name: "root", ca: true, ...validity });
  leaf = await issueCertificate({ name: "leaf", issuer: root, ...validity });
  expired = await issueCertificate({ name: "old", issuer: root, from: TODAY - 2, to: TODAY - 1 });
  foreign = await issueCertificate({ name: "root", ca: true, ...validity });
  const keys = [
    { ...p256PublicJwk(EC.publicKey), kid: "ec", alg: "ES256" },
    { ...rsaJwk, kid: "rsa", alg: "RS256" },
    { ...p256PublicJwk(WITHOUT_ALG.publicKey), kid: "bare" },
  ];
  await new Promise<void>((resolve) => inside.listen(0, "127.0.0.1", resolve));
  const { port } = inside.address() as AddressInfo; // it listens on an IP address
  server = await product({
    vendor: false,
    files: {
      "as.jwks": JSON.stringify({ keys }),
      "anchors.pem": root.x509.toString("pem"),
      "pinned.pem": pem(PINNED.publicKey),
    },
    sections: `tokens:
  trustedIssuers:
    - { issuer: set, algorithms: [ ES256, RS256 ], jwksFile: as.jwks }
    - { issuer: chain, certificates: anchors.pem }
    - { issuer: inside, jwksUri: "https://127.0.0.1:${port}/keys" }
    - { issuer: named, jwksUri: "https://localhost:${port}/keys" }
    - { issuer: pinned, audience: this-broker, publicKey: pinned.pem }
  extraTeeKeyPaths: [ /deep/er/key ]
`,
  });
  await server.provision(PATH, "attested secret");
});
afterAll(async () => {
  inside.close();
  await server.close();
});

function claims(issuer: string, changes: Record<string, unknown> = {}): JsonObject {
  const made = { iss: issuer, iat: NOW_SECONDS(), exp: NOW_SECONDS() + 300, "tee-pubkey": TEE_KEY.jwk };
  // Tests put things into claims that the type forbids; an undefined member is left out.
  return JSON.parse(JSON.stringify({ ...made, ...changes })) as JsonObject;
}

/** A token of the key set's issuer. */
function token(changes: Record<string, unknown> = {}, header: JsonObject = { alg: "ES256", kid: "ec" }) {
  return compact(header, claims("set", changes), signAs("ES256", EC.privateKey));
}

function show(bearer: string): Promise<Answer> {
  return server.send("GET", `/kbs/v0/resource/${PATH}`, { headers: { authorization: `Bearer ${bearer}` } });
}

async function released(bearer: string): Promise<string> {
  const { status, text } = await show(bearer);
  return status === 200 ? String(openResponse(Buffer.from(text), TEE_KEY)) : text;
}

async function expectRefused(bearer: string): Promise<void> {
  const { status, json } = await show(bearer);
  expect([status, json["code"]]).toEqual([401, "token-rejected"]);
  expect(json["type"]).toMatch(/\/TokenVerifierError$/);
}

describe("P40 time", () => {
  test("a token counts until it expired, and for the leeway", async () => {
    expect(await released(token())).toBe("attested secret");
    expect(await released(token({ exp: NOW_SECONDS() - 30 }))).toBe("attested secret");
    await expectRefused(token({ exp: NOW_SECONDS() - 61 }));
  });

  test.each([undefined, null, "9999999999", {}])("an exp of %j is none", async (exp) => {
    await expectRefused(token({ exp }));
  });

  test("one from the future does not count yet", async () => {
    await expectRefused(token({ nbf: NOW_SECONDS() + 120 }));
  });
});

describe("keys", () => {
  test("P41 C1 a key in the header is not a key of anybody, and nothing is fetched from there", async () => {
    const fetched: string[] = [];
    const trap = createServer((request, response) => {
      fetched.push(request.url ?? "");
      response.end(JSON.stringify({ keys: [p256PublicJwk(STRANGER.publicKey)] }));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => trap.once("listening", resolve));
    const url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
    const jwk = { ...p256PublicJwk(STRANGER.publicKey), alg: "ES256" };
    for (const header of [
      { alg: "ES256", jwk },
      { alg: "ES256", kid: "ec", jwk },
      { alg: "ES256", kid: jwkThumbprint(jwk), jwk },
      { alg: "ES256", jku: `${url}/jku` },
      { alg: "ES256", x5u: `${url}/x5u` },
      { alg: "ES256", kid: `${url}/kid` },
    ])
      for (const iss of ["set", "chain", url])
        await expectRefused(compact(header, claims(iss), signAs("ES256", STRANGER.privateKey)));
    expect(fetched).toEqual([]);
    await new Promise((resolve) => trap.close(resolve));
  });

  test("C5 a key set on this machine is not fetched unless the operator says so, by address or by name", async () => {
    for (const iss of ["inside", "named"])
      await expectRefused(
        compact({ alg: "ES256", kid: "any" }, claims(iss), signAs("ES256", STRANGER.privateKey)),
      );
    expect(reached).toBe(0);
  });

  test("P42 C3 a chain counts up to a configured anchor, with the leaf's own key", async () => {
    const der = ({ certificate }: Issued) => certificate.der.toString("base64");
    const signed = (signer: Issued, chain: readonly Issued[], named = signer) => {
      const jwk = { ...p256PublicJwk(named.certificate.publicKey), alg: "ES256", x5c: chain.map(der) };
      return compact({ alg: "ES256", jwk }, claims("chain"), signAs("ES256", signer.privateKey));
    };
    expect(await released(signed(leaf, [leaf]))).toBe("attested secret");
    expect(await released(signed(leaf, [leaf, root]))).toBe("attested secret");
    await expectRefused(signed(foreign, [leaf, root], foreign));
    await expectRefused(signed(foreign, [leaf, root], leaf));
    await expectRefused(signed(foreign, [foreign]));
    await expectRefused(signed(expired, [expired, root]));
    await expectRefused(signed(leaf, [root, leaf]));
  });

  test("P43 kid chooses in the key set: an unknown one, and a key without alg, verify nothing", async () => {
    await expectRefused(token({}, { alg: "ES256", kid: "other" }));
    await expectRefused(token({}, { alg: "ES256" }));
    const bare = compact(
      { alg: "ES256", kid: "bare" },
      claims("set"),
      signAs("ES256", WITHOUT_ALG.privateKey),
    );
    await expectRefused(bare);
  });

  test("C4 a token for another issuer or another broker does not count", async () => {
    const pinned = (changes: Record<string, unknown>) =>
      compact({ alg: "ES256" }, claims("pinned", changes), signAs("ES256", PINNED.privateKey));
    expect(await released(pinned({ aud: "this-broker" }))).toBe("attested secret");
    expect(await released(pinned({ aud: ["other", "this-broker"] }))).toBe("attested secret");
    for (const aud of [undefined, "other", ["other"], [], "this-broker "])
      await expectRefused(pinned({ aud }));
    await expectRefused(pinned({ aud: "this-broker", iss: "set" }));
    await expectRefused(token({ iss: "chain" }));
    await expectRefused(token({ iss: undefined }));
  });
});

describe("P44 C2 algorithms", () => {
  test("RS256 and ES256 count, each with its own key", async () => {
    expect(await released(token())).toBe("attested secret");
    const rsa = (alg: string) => compact({ alg, kid: "rsa" }, claims("set"), signAs(alg, RSA.privateKey));
    expect(await released(rsa("RS256"))).toBe("attested secret");
    await expectRefused(rsa("RS512"));
    await expectRefused(rsa("PS256"));
  });

  test.each([
    ["no algorithm", "none", "ec", () => Buffer.alloc(0)],
    ["HMAC with the public key as PEM", "HS256", "ec", signAs("HS256", Buffer.from(pem(EC.publicKey)))],
    ["HMAC with the RSA key as PEM", "HS256", "rsa", signAs("HS256", Buffer.from(pem(RSA.publicKey)))],
    ["an EC signature said to be RSA", "RS256", "ec", signAs("ES256", EC.privateKey)],
    ["an RSA key said to be EC", "ES256", "rsa", signAs("RS256", RSA.privateKey)],
    ["a signature of zeros", "ES256", "ec", () => Buffer.alloc(64)],
  ] as const)("%s is refused", async (_, alg, kid, signature) => {
    await expectRefused(compact({ alg, kid }, claims("set"), signature));
  });
});

describe("P45 the TEE key", () => {
  const at = (pointer: readonly string[]): Record<string, unknown> =>
    pointer.reduceRight<unknown>((value, name) => ({ [name]: value }), TEE_KEY.jwk) as Record<
      string,
      unknown
    >;

  test.each([
    [["tdx", "attester_runtime_data", "tee-pubkey"]],
    [["tdx", "attester_user_data", "tee-pubkey"]],
    [["customized_claims", "runtime_data", "tee-pubkey"]],
    [["submods", "cpu0", "ear.veraison.annotated-evidence", "runtime_data_claims", "tee-pubkey"]],
    [["tee-pubkey"]],
    [["deep", "er", "key"]],
  ])("is found at %j", async (pointer) => {
    expect(await released(token({ "tee-pubkey": undefined, ...at(pointer) }))).toBe("attested secret");
  });

  test("a token that carries none, or something else there, opens nothing", async () => {
    await expectRefused(token({ "tee-pubkey": undefined }));
    for (const key of [null, "", {}, { kty: "oct", k: "AAAA" }, { ...TEE_KEY.jwk, y: TEE_KEY.jwk["x"] }]) {
      const { status, json } = await show(token({ "tee-pubkey": key }));
      expect([status, json["code"]]).toEqual([401, "tee-key-rejected"]);
    }
  });

  test("P48 a foreign token is no reason to release: the policy decides, and what is not true denies", async () => {
    const deny = async (rule: string) => {
      await server.provision(PATH, "attested secret", `package policy\n${rule}\n`);
      return (await show(token())).status;
    };
    for (const rule of ['allow := "true"', "allow := 1", "allow if input.nowhere", "default allow := false"])
      expect([rule, await deny(rule)]).toEqual([rule, 403]);
    expect(await deny('allow if input.iss == "set"')).toBe(200);
    await server.provision(PATH, "attested secret");
  });
});

describe("P47 what the policy sees", () => {
  test("plugin, path as an array, query and the token", async () => {
    const policy = `package policy
default allow := false
allow if {
	data.plugin == "resource"
	data["resource-path"] == ["default", "key", "one"]
	data.query == {"a": "2"}
	input.iss == "set"
}`;
    await server.provision(PATH, "attested secret", policy);
    const ask = (query: string) =>
      server.send("GET", `/kbs/v0/resource/${PATH}${query}`, {
        headers: { authorization: `Bearer ${token()}` },
      });
    expect((await ask("?a=1&a=2")).status).toBe(200);
    const denied = await ask("?a=1");
    expect(denied.status).toBe(403);
    expect(denied.json["type"]).toMatch(/\/PolicyDeny$/);
    expect(denied.json["detail"]).toMatch(/^Access denied by policy/);
    await server.provision(PATH, "attested secret");
  });
});
