import { createPrivateKey } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compactDecrypt, flattenedDecrypt } from "jose";
import { sampleAttester } from "../../../src/cli/guest/attester.ts";
import { attest, getResource } from "../../../src/cli/guest/client.ts";
import { runtimeDataDigest } from "../../../src/cli/guest/generation.ts";
import { generateTeeKey, type TeeKey } from "../../../src/cli/guest/tee-key.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { attestOutcome, openHandshake, type Product, product } from "../../support/product.ts";

/** The encrypted answers of the whole product, as they stand on the wire. */
let server: Product;
const PATH = "default/key/one";
const SECRET = "attested secret";

beforeAll(async () => {
  server = await product({ vendor: false });
  await server.provision(PATH, SECRET);
});
afterAll(() => server.close());

interface Jwe {
  readonly protected: string;
  readonly encrypted_key: string;
  readonly iv: string;
  readonly ciphertext: string;
  readonly tag: string;
}

async function answers(teeKey: TeeKey, count: number): Promise<string[]> {
  const { token } = await attest(server.guest({ teeKey: () => teeKey }));
  const headers = { authorization: `Bearer ${token}` };
  const all = await Promise.all(
    Array.from({ length: count }, () => server.send("GET", `/kbs/v0/resource/${PATH}`, { headers })),
  );
  return all.map(({ status, text }) => {
    if (status !== 200) throw new Error(text);
    return text;
  });
}

const header = ({ protected: text }: Jwe): string => Buffer.from(text, "base64url").toString();

describe("the form", () => {
  test.each(["p256", "p521", "rsa"] as const)(
    "P54 five members and no more for %s, unpadded",
    async (kind) => {
      const [text = ""] = await answers(generateTeeKey(kind), 1);
      const jwe: Jwe = JSON.parse(text);
      expect(Object.keys(jwe)).toEqual(["protected", "encrypted_key", "iv", "ciphertext", "tag"]);
      for (const value of Object.values(jwe)) expect(value).toMatch(/^[A-Za-z0-9_-]+$/);
    },
  );

  test("P52 the header is what the guest prints after parsing it: members sorted, no white space", async () => {
    for (const kind of ["p256", "p521"] as const)
      for (const text of await answers(generateTeeKey(kind), 20)) {
        const { alg, enc, epk, ...rest } = JSON.parse(header(JSON.parse(text)));
        expect(rest).toEqual({});
        const { crv, kty, x, y } = epk;
        expect(header(JSON.parse(text))).toBe(
          `{"alg":"${alg}","enc":"${enc}","epk":{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}}`,
        );
      }
  });

  test("P55 ephemeral key, wrapped key, IV and ciphertext are new in every answer", async () => {
    const jwes: Jwe[] = (await answers(generateTeeKey("p256"), 50)).map((text) => JSON.parse(text));
    for (const name of ["protected", "encrypted_key", "iv", "ciphertext"] as const)
      expect(new Set(jwes.map((jwe) => jwe[name])).size).toBe(jwes.length);
  });

  test("P57 a JOSE library opens it", async () => {
    const teeKey = generateTeeKey("p256");
    const [text = ""] = await answers(teeKey, 1);
    const jwe: Jwe = JSON.parse(text);
    const { plaintext } = await flattenedDecrypt(jwe, teeKey.privateKey);
    expect(Buffer.from(plaintext).toString()).toBe(SECRET);
    const parts = [jwe.protected, jwe.encrypted_key, jwe.iv, jwe.ciphertext, jwe.tag];
    const again = await compactDecrypt(parts.join("."), teeKey.privateKey);
    expect(Buffer.from(again.plaintext).toString()).toBe(SECRET);
  });

  test("P53 the key of the published vectors is served like any other", async () => {
    const jwk = {
      kty: "EC",
      crv: "P-256",
      alg: "ECDH-ES+A256KW",
      x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
      y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
    };
    const d = "7xM-tcWD3C7amIO0UODiwzyzibsvhc-VBY1y_V7Fsqs";
    const privateKey = createPrivateKey({ key: { ...jwk, d }, format: "jwk" });
    const [text = ""] = await answers({ kind: "p256", privateKey, jwk }, 1);
    const { plaintext } = await flattenedDecrypt(JSON.parse(text), privateKey);
    expect(Buffer.from(plaintext).toString()).toBe(SECRET);
  });
});

test("P51 RSA1_5 is for guests of protocol 0.1, unless an operator says so", async () => {
  const guest = { keyKind: "rsa1_5" } as const;
  expect(await attestOutcome(server.guest(guest))).toMatchObject({ answer: { code: "tee-key-rejected" } });
  const lenient = await product({ vendor: false, attestation: "dangerouslyAllowRsa1_5: true" });
  try {
    await lenient.provision(PATH, SECRET);
    expect(String(await getResource(lenient.guest(guest), PATH))).toBe(SECRET);
  } finally {
    await lenient.close();
  }
});

describe("P56 keys that nothing is encrypted to", () => {
  const good = generateTeeKey("p256").jwk;
  const { x = "", y = "" } = good;
  const zero = Buffer.alloc(32).toString("base64url");
  const aboveThePrime = Buffer.alloc(32, 0xff).toString("base64url");
  const cases: readonly (readonly [string, JsonObject])[] = [
    ["x and y exchanged", { ...good, x: y, y: x }],
    ["the point zero", { ...good, x: zero, y: zero }],
    ["a coordinate above the field prime", { ...good, x: aboveThePrime }],
    ["a coordinate of 31 bytes", { ...good, x: Buffer.alloc(31, 1).toString("base64url") }],
    ["a coordinate of 33 bytes", { ...good, x: Buffer.alloc(33, 1).toString("base64url") }],
    ["an empty coordinate", { ...good, y: "" }],
    ["the name of another curve", { ...good, crv: "P-521" }],
    ["a curve that nobody offers", { ...good, crv: "P-384" }],
    ["an unknown kind", { ...good, kty: "OKP" }],
    ["an unknown algorithm", { ...good, alg: "dir" }],
    ["no algorithm", { kty: "EC", crv: "P-256", x, y }],
    [
      "RSA of 1024 bits",
      { kty: "RSA", alg: "RSA-OAEP-256", n: Buffer.alloc(128, 0xff).toString("base64url"), e: "AQAB" },
    ],
    [
      "RSA with exponent 1",
      { kty: "RSA", alg: "RSA-OAEP-256", n: String(generateTeeKey("rsa").jwk["n"]), e: "AQ" },
    ],
  ];

  test.each(cases)("B21 %s is refused at /attest, and the server goes on", async (_, jwk) => {
    const handshake = await openHandshake(server);
    const reportData = runtimeDataDigest("sha384", handshake.nonce, jwk, "");
    const body = JSON.parse(await handshake.body());
    body["runtime-data"]["tee-pubkey"] = jwk;
    body["tee-evidence"].primary_evidence = await sampleAttester.collect({
      reportData,
      initDataDigest: undefined,
    });
    const answer = await server.send("POST", "/kbs/v0/attest", {
      body: JSON.stringify(body),
      headers: { cookie: handshake.cookie },
    });
    expect(answer).toMatchObject({ status: 401, json: { code: "tee-key-rejected" } });
    expect(answer.json["type"]).toMatch(/\/JweError$/);
    expect(await attestOutcome(server.guest())).toMatchObject({ token: expect.any(String) });
  });
});
