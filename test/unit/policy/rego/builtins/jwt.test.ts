import { constants, createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { sourceForm } from "../../../../../src/policy/rego/text.ts";
import { call, type Literal, NOW_NS, run } from "../../../../support/rego-builtins.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const curves = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ES512: generateKeyPairSync("ec", { namedCurve: "P-521" }),
};
const ed = generateKeyPairSync("ed25519");
const SECRET = "a secret that nobody knows";

type Header = Readonly<Record<string, Literal>>;

function part(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** A token signed with a key of any kind, or with the secret for HMAC algorithms. */
function token(alg: string, key: KeyObject | undefined, payload: unknown, header: Header = {}): string {
  const signed = `${part({ alg, ...header })}.${part(payload)}`;
  return `${signed}.${signature(alg, key, signed).toString("base64url")}`;
}

function signature(alg: string, key: KeyObject | undefined, signed: string): Buffer {
  const digest = `sha${alg.slice(2)}`;
  if (key === undefined) return createHmac(digest, SECRET).update(signed).digest();
  if (alg === "EdDSA") return sign(null, Buffer.from(signed), key);
  if (alg.startsWith("ES")) return sign(digest, Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  if (alg.startsWith("PS"))
    return sign(digest, Buffer.from(signed), {
      key,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    });
  return createSign(digest).update(signed).sign(key);
}

function pem(key: KeyObject): string {
  return String(key.export({ type: "spki", format: "pem" }));
}

function jwk(key: KeyObject, more: object = {}): string {
  return JSON.stringify({ ...key.export({ format: "jwk" }), ...more });
}

const PAIRS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((alg) => [alg, rsa] as const),
  ...Object.entries(curves),
  ["EdDSA", ed] as const,
];

describe.each(PAIRS)("io.jwt.verify_%s", (alg, pair) => {
  const name = `io.jwt.verify_${alg.toLowerCase()}`;
  const good = token(alg, pair.privateKey, { sub: "guest" });

  test("accepts the signature with a PEM key, a JWK and a key set", () => {
    expect(call(name, good, pem(pair.publicKey))).toBe("true");
    expect(call(name, good, jwk(pair.publicKey))).toBe("true");
    expect(call(name, good, `{"keys":[${jwk(otherRsa.publicKey)},${jwk(pair.publicKey, { alg })}]}`)).toBe(
      "true",
    );
  });

  test("refuses every changed part", () => {
    const [header = "", payload = "", mac = ""] = good.split(".");
    const forged = [
      [header, part({ sub: "host" }), mac],
      [part({ alg, x: 1 }), payload, mac],
      [header, payload, `${mac.startsWith("A") ? "B" : "A"}${mac.slice(1)}`],
      [header, payload, ""],
    ];
    for (const parts of forged) expect(call(name, parts.join("."), pem(pair.publicKey))).toBe("false");
  });

  test("refuses a key of another kind or one meant for another algorithm", () => {
    const stranger = alg === "EdDSA" ? curves.ES256 : ed;
    expect(call(name, good, pem(stranger.publicKey))).toBe("false");
    expect(call(name, good, jwk(pair.publicKey, { alg: "none" }))).toBe("false");
  });
});

describe("keys", () => {
  const good = token("RS256", rsa.privateKey, {}, { kid: "k1" });

  test("the one the token names is taken alone", () => {
    const set = (kid: string) =>
      `{"keys":[${jwk(otherRsa.publicKey, { kid: "k1" })},${jwk(rsa.publicKey, { kid })}]}`;
    expect(call("io.jwt.verify_rs256", good, set("k2"))).toBe("false");
    expect(call("io.jwt.verify_rs256", good, set("k1"))).toBe("true");
  });

  test.each([
    ["not a key", "x"],
    ["a private key", String(rsa.privateKey.export({ type: "pkcs8", format: "pem" }))],
    ["text after the PEM block", `${pem(rsa.publicKey)}x`],
    ["an incomplete JWK", '{"kty":"RSA","e":"AQAB"}'],
    ["a symmetric JWK", '{"kty":"oct","k":"AAAA"}'],
    ["too many keys", `{"keys":[${Array.from({ length: 40 }, () => jwk(ed.publicKey)).join(",")}]}`],
  ])("%s is an error", (_, key) => {
    expect(call("io.jwt.verify_rs256", good, key)).toBe("eval_builtin_error");
  });

  test("a public key is no HMAC secret", () => {
    const confused = `${part({ alg: "HS256" })}.${part({})}`;
    const mac = createHmac("sha256", pem(rsa.publicKey)).update(confused).digest("base64url");
    expect(call("io.jwt.verify_rs256", `${confused}.${mac}`, pem(rsa.publicKey))).toBe("false");
    expect(
      sourceForm(run("io.jwt.decode_verify", [`${confused}.${mac}`, { cert: pem(rsa.publicKey) }]) ?? null),
    ).toBe("[false, {}, {}]");
  });
});

test.each(["HS256", "HS384", "HS512"])("%s compares the code", (alg) => {
  const good = token(alg, undefined, {});
  const name = `io.jwt.verify_${alg.toLowerCase()}`;
  expect(call(name, good, SECRET)).toBe("true");
  expect(call(name, good, `${SECRET}x`)).toBe("false");
  expect(call(name, good.slice(0, -4), SECRET)).toBe("false");
});

describe("io.jwt.decode", () => {
  const nested = token("HS256", undefined, token("HS256", undefined, { a: 1 }), { cty: "JWT" });

  test("gives header, payload and signature", () => {
    const text = `${part({ alg: "none" })}.${part({ a: 18446744073709551615n.toString() })}._w`;
    expect(call("io.jwt.decode", text)).toBe('[{"alg": "none"}, {"a": "18446744073709551615"}, "ff"]');
  });

  test("unwraps nested tokens", () => {
    expect(call("io.jwt.decode", nested)).toMatch(/^\[\{"alg": "HS256"\}, \{"a": 1\}, /);
  });

  test("bounds the nesting", () => {
    let deep = token("HS256", undefined, { a: 1 });
    for (let level = 0; level < 10; level++) deep = token("HS256", undefined, deep, { cty: "JWT" });
    expect(call("io.jwt.decode", deep)).toBe("eval_builtin_error");
  });

  test.each([
    "",
    "a.b",
    "a.b.c.d",
    `${part({ enc: "A128GCM" })}.${part({})}.`,
    `${part([])}.${part({})}.`,
    `${part({})}.${part("[]")}.`,
    `%%.${part({})}.`,
    `${part({})}.${part({})}.%`,
  ])("refuses %j", (text) => {
    expect(call("io.jwt.decode", text)).toBe("eval_builtin_error");
  });
});

describe("io.jwt.decode_verify", () => {
  const seconds = Number(NOW_NS / 1_000_000_000n);
  const check = (payload: unknown, constraints: Record<string, Literal> = {}, header: Header = {}) => {
    const text = token("RS256", rsa.privateKey, payload, header);
    const answer = call("io.jwt.decode_verify", text, { cert: pem(rsa.publicKey), ...constraints });
    return answer?.startsWith("[") ? answer.startsWith("[true") : answer;
  };

  test.each<[string, unknown, Record<string, Literal>, boolean]>([
    ["a token without conditions", {}, {}, true],
    ["one that has not expired", { exp: seconds + 1 }, {}, true],
    ["one that expires now", { exp: seconds }, {}, false],
    ["one from the future", { nbf: seconds + 1 }, {}, false],
    ["one valid from now", { nbf: seconds }, {}, true],
    [
      "a fraction of a second before it expires",
      { exp: 1589385771.1234 },
      { time: 1589385771123399999n },
      true,
    ],
    ["the fraction at which it expires", { exp: 1589385771.1234 }, { time: 1589385771123400000n }, false],
    ["an expired one with the check switched off", { exp: 1 }, { time: -1 }, true],
    ["the wanted issuer", { iss: "a" }, { iss: "a" }, true],
    ["another issuer", { iss: "b" }, { iss: "a" }, false],
    ["no issuer", {}, { iss: "a" }, false],
    ["the wanted audience", { aud: "a" }, { aud: "a" }, true],
    ["the wanted audience among others", { aud: ["b", "a"] }, { aud: "a" }, true],
    ["another audience", { aud: ["b"] }, { aud: "a" }, false],
    ["an audience that nobody asked for", { aud: "a" }, {}, false],
    ["no audience", {}, { aud: "a" }, false],
    ["the wanted algorithm", {}, { alg: "RS256" }, true],
    ["another algorithm", {}, { alg: "RS512" }, false],
  ])("%s", (_, payload, constraints, valid) => {
    expect(check(payload, constraints)).toBe(valid);
  });

  test("critical extensions are not understood", () => {
    expect(check({}, {}, { crit: ["x"] })).toBe(false);
  });

  test.each<[string, unknown, Record<string, Literal>]>([
    ["a time that is no number", { exp: "soon" }, {}],
    ["an unknown constraint", {}, { issuer: "a" }],
    ["a constraint of the wrong type", {}, { iss: 1 }],
    ["two keys", {}, { secret: "x" }],
  ])("%s is an error", (_, payload, constraints) => {
    expect(check(payload, constraints)).toBe("eval_builtin_error");
  });

  test("a secret verifies HMAC tokens only", () => {
    const answer = (alg: string, key: KeyObject | undefined) =>
      call("io.jwt.decode_verify", token(alg, key, { a: 1 }), { secret: SECRET });
    expect(answer("HS256", undefined)).toBe('[true, {"alg": "HS256"}, {"a": 1}]');
    expect(answer("RS256", rsa.privateKey)).toBe("[false, {}, {}]");
    expect(call("io.jwt.decode_verify", token("HS256", undefined, {}), {})).toBe("eval_builtin_error");
  });
});
