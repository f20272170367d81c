import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import { KbsError } from "../../../src/errors.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import type { TokenAlgorithm } from "../../../src/tokens/algorithms.ts";
import { p256PublicJwk, parseKeySet } from "../../../src/tokens/jwk.ts";
import { FixedKeys } from "../../../src/tokens/key-source.ts";
import { parsePointer, TEE_KEY_POINTERS } from "../../../src/tokens/tee-key.ts";
import { TokenVerifier, type TokenVerifierOptions, type TrustedIssuer } from "../../../src/tokens/verify.ts";
import {
  compact,
  NOW,
  NOW_SECONDS,
  p256,
  signAs,
  TEE_KEY,
  tokenClaims,
  without,
} from "../../support/tokens.ts";

const PAIR = p256();
const REJECTED = expect.objectContaining({ code: "token-rejected", kbsType: "TokenVerifierError" });
const signal = new AbortController().signal;

function issuer(changes: Partial<TrustedIssuer> = {}): TrustedIssuer {
  return {
    name: "verifier",
    issuer: "verifier",
    audience: undefined,
    algorithms: ["ES256"],
    keys: new FixedKeys([{ kid: "1", algorithm: "ES256", key: PAIR.publicKey }]),
    ...changes,
  };
}

function verifier(options: Partial<TokenVerifierOptions> = {}): TokenVerifier {
  return new TokenVerifier({ issuers: [issuer()], now: () => NOW, ...options });
}

const HEADER: JsonObject = { typ: "JWT", alg: "ES256", kid: "1" };

function token(
  claims: JsonObject = tokenClaims(),
  header: JsonObject = HEADER,
  key: KeyObject = PAIR.privateKey,
) {
  return compact(header, claims, signAs("ES256", key));
}

function verify(text: string, options?: Partial<TokenVerifierOptions>) {
  return verifier(options).verify(text, signal);
}

test("a good token gives its claims, its TEE key and the time at which it ends", async () => {
  const verified = await verify(token());
  expect(verified.claims).toEqual(tokenClaims());
  expect(verified.teePublicKey).toEqual(TEE_KEY.jwk);
  expect(verified.validUntil).toBe(NOW + 360_000);
  expect(verified.issuer).toBe("verifier");
});

describe("P40 AS-056 time", () => {
  test("60 s after exp it no longer counts; a second before it does", async () => {
    const text = token(tokenClaims({ exp: NOW_SECONDS }));
    await expect(verify(text, { now: () => NOW + 59_999 })).resolves.toBeDefined();
    await expect(verify(text, { now: () => NOW + 60_000 })).rejects.toEqual(REJECTED);
  });

  test.each([undefined, null, "1795530982", true, [1]])("exp %j is refused", async (exp) => {
    const claims = exp === undefined ? without(tokenClaims(), "exp") : tokenClaims({ exp });
    await expect(verify(token(claims))).rejects.toEqual(REJECTED);
  });

  test("nbf is respected with the same leeway", async () => {
    await expect(verify(token(tokenClaims({ nbf: NOW_SECONDS + 60 })))).resolves.toBeDefined();
    await expect(verify(token(tokenClaims({ nbf: NOW_SECONDS + 61 })))).rejects.toEqual(REJECTED);
    await expect(verify(token(tokenClaims({ nbf: "now" })))).rejects.toEqual(REJECTED);
  });

  test("a remembered token ends at its time too", async () => {
    let now = NOW;
    const remembering = verifier({ now: () => now });
    const text = token();
    await remembering.verify(text, signal);
    now = NOW + 359_999;
    await expect(remembering.verify(text, signal)).resolves.toBeDefined();
    now = NOW + 360_000;
    await expect(remembering.verify(text, signal)).rejects.toEqual(REJECTED);
  });
});

describe("C1 P41 keys that a token names", () => {
  const attacker = p256();
  const jwk = { ...p256PublicJwk(attacker.publicKey), alg: "ES256" };

  test.each<[string, JsonObject]>([
    ["jwk", { jwk }],
    ["jwk with the trusted kid", { jwk: { ...jwk, kid: "1" }, kid: "1" }],
    ["jku", { jku: "https://attacker.example/jwks.json", kid: "1" }],
    ["x5u", { x5u: "https://attacker.example/chain.pem", kid: "1" }],
    ["x5c", { x5c: ["AAAA"], kid: "1" }],
  ])("%s does not make it trusted, and nothing is fetched", async (_, extra) => {
    const fetched = jest.spyOn(globalThis, "fetch");
    const forged = token(tokenClaims(), { typ: "JWT", alg: "ES256", ...extra }, attacker.privateKey);
    await expect(verify(forged)).rejects.toEqual(REJECTED);
    expect(fetched).not.toHaveBeenCalled();
    fetched.mockRestore();
  });

  test("a header that shows a key beside the trusted kid changes nothing", async () => {
    await expect(verify(token(tokenClaims(), { ...HEADER, jwk }))).resolves.toBeDefined();
  });
});

describe("C2 P44 algorithms", () => {
  const pem = Buffer.from(PAIR.publicKey.export({ type: "spki", format: "pem" }));
  const der = PAIR.publicKey.export({ type: "spki", format: "der" });

  test.each(["none", "None", "NONE", ""])("alg %j", async (alg) => {
    const unsigned = compact({ ...HEADER, alg }, tokenClaims(), () => Buffer.alloc(0));
    await expect(verify(unsigned)).rejects.toEqual(REJECTED);
  });

  test.each([
    ["HS256", pem],
    ["HS256", der],
    ["HS384", pem],
    ["HS512", pem],
  ])("%s keyed with the public key", async (alg, key) => {
    const forged = compact({ ...HEADER, alg }, tokenClaims(), signAs(alg, key));
    await expect(verify(forged)).rejects.toEqual(REJECTED);
  });

  test("AS-055 a header that names another algorithm than the key has", async () => {
    const swapped = compact({ ...HEADER, alg: "ES384" }, tokenClaims(), signAs("ES256", PAIR.privateKey));
    await expect(verify(swapped)).rejects.toEqual(REJECTED);
  });

  test("a header without alg", async () => {
    await expect(verify(token(tokenClaims(), { typ: "JWT", kid: "1" }))).rejects.toEqual(REJECTED);
  });

  test("AS-061 crit, whatever it names", async () => {
    await expect(verify(token(tokenClaims(), { ...HEADER, crit: ["b64"], b64: true }))).rejects.toEqual(
      REJECTED,
    );
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rows: readonly [TokenAlgorithm, { publicKey: KeyObject; privateKey: KeyObject }][] = [
    ["ES256", PAIR],
    ["ES384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["ES512", generateKeyPairSync("ec", { namedCurve: "P-521" })],
    ["EdDSA", generateKeyPairSync("ed25519")],
    ["RS256", rsa],
    ["RS384", rsa],
    ["RS512", rsa],
    ["PS256", rsa],
    ["PS384", rsa],
    ["PS512", rsa],
  ];

  test.each(rows)("%s counts where it is allowed and nowhere else", async (algorithm, pair) => {
    const keys = new FixedKeys([{ kid: "1", algorithm, key: pair.publicKey }]);
    const text = compact({ ...HEADER, alg: algorithm }, tokenClaims(), signAs(algorithm, pair.privateKey));
    await expect(
      verify(text, { issuers: [issuer({ keys, algorithms: [algorithm] })] }),
    ).resolves.toBeDefined();
    const others = rows.map(([name]) => name).filter((name) => name !== algorithm);
    await expect(verify(text, { issuers: [issuer({ keys, algorithms: others })] })).rejects.toEqual(REJECTED);
  });

  test("an RSA key of 1024 bits verifies nothing", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const keys = new FixedKeys([{ kid: "1", algorithm: "RS256", key: weak.publicKey }]);
    const text = compact({ ...HEADER, alg: "RS256" }, tokenClaims(), signAs("RS256", weak.privateKey));
    await expect(verify(text, { issuers: [issuer({ keys, algorithms: ["RS256"] })] })).rejects.toEqual(
      REJECTED,
    );
  });
});

describe("P43 kid", () => {
  test("an unknown or absent kid", async () => {
    await expect(verify(token(tokenClaims(), { ...HEADER, kid: "2" }))).rejects.toEqual(REJECTED);
    await expect(verify(token(tokenClaims(), { typ: "JWT", alg: "ES256" }))).rejects.toEqual(REJECTED);
  });

  test("AS-055 a JWK set counts by its kid and alg; keys without either are no keys", async () => {
    const jwk = p256PublicJwk(PAIR.publicKey);
    const set = (key: JsonObject) => parseKeySet(JSON.stringify({ keys: [key] }));
    expect(set({ ...jwk, kid: "1", alg: "ES256" })).toHaveLength(1);
    expect(set({ ...jwk, kid: "1" })).toHaveLength(0);
    expect(set({ ...jwk, alg: "ES256" })).toHaveLength(0);
    for (const alg of ["none", "HS256", "ES384", "RS256"])
      expect(set({ ...jwk, kid: "1", alg })).toHaveLength(0);
    expect(set({ ...jwk, kid: "1", alg: "ES256", use: "enc" })).toHaveLength(0);
    expect(set({ kty: "oct", k: "AAAA", kid: "1", alg: "HS256" })).toHaveLength(0);
    const keys = new FixedKeys(set({ ...jwk, kid: "1", alg: "ES256" }));
    await expect(verify(token(), { issuers: [issuer({ keys })] })).resolves.toBeDefined();
  });

  test.each(["", "[]", "{}", '{"keys":{}}', "not json"])("%j is no JWK set", (text) => {
    expect(() => parseKeySet(text)).toThrow(TypeError);
  });

  test("one kid twice is no JWK set", () => {
    const jwk = { ...p256PublicJwk(PAIR.publicKey), kid: "1", alg: "ES256" };
    expect(() => parseKeySet(JSON.stringify({ keys: [jwk, jwk] }))).toThrow(TypeError);
  });
});

describe("C4 issuer and audience", () => {
  test.each(["other", undefined, null, ["verifier"]])("iss %j", async (iss) => {
    await expect(verify(token(tokenClaims({ iss })))).rejects.toEqual(REJECTED);
  });

  test("aud as text and as array; another one, and none", async () => {
    const options = { issuers: [issuer({ audience: "broker-a" })] };
    for (const aud of ["broker-a", ["x", "broker-a"]])
      await expect(verify(token(tokenClaims({ aud })), options)).resolves.toBeDefined();
    for (const aud of ["broker-b", ["broker-b"], undefined, [], { "broker-a": 1 }])
      await expect(verify(token(tokenClaims({ aud })), options)).rejects.toEqual(REJECTED);
  });

  test("a key of one issuer cannot speak for another", async () => {
    const other = p256();
    const keys = new FixedKeys([{ kid: "2", algorithm: "ES256", key: other.publicKey }]);
    const issuers = [issuer(), issuer({ name: "other", issuer: "other", keys })];
    const forged = token(tokenClaims(), { ...HEADER, kid: "2" }, other.privateKey);
    await expect(verify(forged, { issuers })).rejects.toEqual(REJECTED);
    const honest = token(tokenClaims({ iss: "other" }), { ...HEADER, kid: "2" }, other.privateKey);
    await expect(verify(honest, { issuers })).resolves.toMatchObject({ issuer: "other" });
  });

  test("no trusted issuer, no trusted token", async () => {
    await expect(verify(token(), { issuers: [] })).rejects.toEqual(REJECTED);
  });
});

describe("P45 AS-059 the TEE key", () => {
  const at = (pointer: string, key: JsonValue): JsonObject =>
    parsePointer(pointer).reduceRight<JsonValue>((value, name) => ({ [name]: value }), key) as JsonObject;

  test.each(TEE_KEY_POINTERS)("at %s", async (pointer) => {
    const claims = { ...without(tokenClaims(), "tee-pubkey"), ...at(pointer, TEE_KEY.jwk) };
    await expect(verify(token(claims))).resolves.toMatchObject({ teePublicKey: TEE_KEY.jwk });
  });

  test("at a configured pointer, which comes first", async () => {
    const other = generateTeeKey("p521");
    const claims = tokenClaims({ "my.org/ext": { "a~b": [other.jwk] } });
    const extraTeeKeyPointers = [parsePointer("/my.org~1ext/a~0b/0")];
    await expect(verify(token(claims), { extraTeeKeyPointers })).resolves.toMatchObject({
      teePublicKey: other.jwk,
    });
  });

  test("dots are literal", async () => {
    const claims = {
      ...without(tokenClaims(), "tee-pubkey"),
      submods: {
        cpu0: {
          ear: { veraison: { "annotated-evidence": { runtime_data_claims: { "tee-pubkey": TEE_KEY.jwk } } } },
        },
      },
    };
    await expect(verify(token(claims))).rejects.toEqual(REJECTED);
  });

  test("A15 none at all, or something that is no key", async () => {
    await expect(verify(token(without(tokenClaims(), "tee-pubkey")))).rejects.toEqual(REJECTED);
    for (const key of [null, "", {}, { kty: "oct", k: "AAAA" }])
      await expect(verify(token(tokenClaims({ "tee-pubkey": key })))).rejects.toMatchObject({
        code: "tee-key-rejected",
      });
  });

  test("an inherited name leads nowhere", async () => {
    const extraTeeKeyPointers = [parsePointer("/constructor"), parsePointer("/__proto__/x")];
    await expect(verify(token(), { extraTeeKeyPointers })).resolves.toMatchObject({
      teePublicKey: TEE_KEY.jwk,
    });
  });
});

describe("A14 nothing in a token can be changed", () => {
  test("every flipped bit is refused", async () => {
    const text = token();
    const strict = verifier();
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
      await expect(strict.verify(changed, signal)).rejects.toBeInstanceOf(KbsError);
    }
  });

  test("another TEE key under the old signature", async () => {
    const [header, , signature] = token().split(".");
    const other = tokenClaims({ "tee-pubkey": generateTeeKey("p256").jwk });
    const payload = Buffer.from(JSON.stringify(other)).toString("base64url");
    await expect(verify(`${header}.${payload}.${signature}`)).rejects.toEqual(REJECTED);
  });

  test("a part in another spelling of the same bytes", async () => {
    const text = token();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(text.at(-1) ?? "");
    const respelled = [1, 2, 3].map((bits) => `${text.slice(0, -1)}${alphabet[last + bits]}`);
    for (const changed of [...respelled, `${text}=`, `${text} `, `${text}\n`, text.replace(".", "=.")])
      await expect(verify(changed)).rejects.toEqual(REJECTED);
  });

  test("the signature in its DER form", async () => {
    const { sign } = await import("node:crypto");
    const text = compact(HEADER, tokenClaims(), (data) => sign("sha256", data, PAIR.privateKey));
    await expect(verify(text)).rejects.toEqual(REJECTED);
  });
});

test("no text makes the verifier fail otherwise than by refusing", async () => {
  const strict = verifier();
  const part = fc.oneof(
    fc.string(),
    fc.base64String(),
    fc.json().map((json) => Buffer.from(json).toString("base64url")),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.array(part, { maxLength: 4 }).map((parts) => parts.join(".")),
      ),
      async (text) => {
        await expect(strict.verify(text, signal)).rejects.toBeInstanceOf(KbsError);
      },
    ),
  );
});

describe("remembered tokens", () => {
  test("A8 what is remembered holds no token", async () => {
    const remembering = verifier();
    const text = token();
    await remembering.verify(text, signal);
    const [, payload = "", signature = ""] = text.split(".");
    const dump = inspect(remembering, { depth: Infinity, showHidden: true, maxArrayLength: null });
    expect(dump).not.toContain(signature);
    expect(dump).not.toContain(payload);
  });

  test("a key source whose keys changed is asked again", async () => {
    let version = 0;
    let keys = [{ kid: "1", algorithm: "ES256" as const, key: PAIR.publicKey }];
    const source = {
      get version() {
        return version;
      },
      candidates: () => ({ version, keys }),
    };
    const remembering = verifier({ issuers: [issuer({ keys: source })] });
    const text = token();
    await remembering.verify(text, signal);
    keys = [];
    version++;
    await expect(remembering.verify(text, signal)).rejects.toEqual(REJECTED);
  });

  test("a second look costs no signature", async () => {
    const candidates = jest.fn(() => ({
      version: 0,
      keys: [{ kid: "1", algorithm: "ES256" as const, key: PAIR.publicKey }],
    }));
    const remembering = verifier({ issuers: [issuer({ keys: { version: 0, candidates } })] });
    const text = token();
    await remembering.verify(text, signal);
    await remembering.verify(text, signal);
    expect(candidates).toHaveBeenCalledTimes(1);
  });

  test("the table is bounded", async () => {
    const candidates = jest.fn(() => ({
      version: 0,
      keys: [{ kid: "1", algorithm: "ES256" as const, key: PAIR.publicKey }],
    }));
    const remembering = verifier({
      issuers: [issuer({ keys: { version: 0, candidates } })],
      maxRemembered: 1,
    });
    const [first, second] = [token(tokenClaims({ n: 1 })), token(tokenClaims({ n: 2 }))];
    for (const text of [first, second, first]) await remembering.verify(text, signal);
    expect(candidates).toHaveBeenCalledTimes(3);
  });
});

test("P2 a token of 100 KiB is read; one beyond 1 MiB is refused unread", async () => {
  await expect(verify(token(tokenClaims({ filler: "x".repeat(100_000) })))).resolves.toBeDefined();
  await expect(verify("x".repeat((1 << 20) + 1))).rejects.toEqual(REJECTED);
});
