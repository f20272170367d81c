import { test } from "@jest/globals";
import fc from "fast-check";
import { CookieJar } from "../../src/cli/guest/cookie-jar.ts";
import { openLegacyResponse, openResponse, ResponseUnreadable } from "../../src/cli/guest/decrypt.ts";
import { readRefusal } from "../../src/cli/guest/refusal.ts";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";

const KEYS = [
  generateTeeKey("p256"),
  generateTeeKey("p521"),
  generateTeeKey("rsa"),
  generateTeeKey("rsa1_5"),
];
const URL_OF_AUTH = new URL("http://kbs.test/kbs/v0/auth");

/** Things that a hostile server may put in place of a member. */
const anything = fc.oneof(
  fc.string(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("base64url")),
  fc.jsonValue(),
);
const epk = fc.record({
  crv: fc.oneof(fc.constant("P-256"), anything),
  kty: anything,
  x: anything,
  y: anything,
});
const header = fc.record(
  {
    alg: fc.oneof(fc.constantFrom("ECDH-ES+A256KW", "RSA-OAEP-256", "RSA1_5"), anything),
    enc: fc.oneof(fc.constant("A256GCM"), anything),
    epk: fc.oneof(epk, anything),
  },
  { requiredKeys: [] },
);
const answer = fc.record(
  {
    protected: fc.oneof(
      header.map((value) => Buffer.from(JSON.stringify(value)).toString("base64url")),
      header.map((value) => JSON.stringify(value)),
      anything,
    ),
    encrypted_key: anything,
    iv: anything,
    ciphertext: anything,
    tag: anything,
  },
  { requiredKeys: [] },
);

test("whatever the server answers, a guest opens nothing and fails in one way only", () => {
  const bodies = fc.oneof(
    answer.map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(
      bodies,
      fc.constantFrom(...KEYS),
      fc.constantFrom(openResponse, openLegacyResponse),
      (body, key, open) => {
        try {
          open(body, key);
        } catch (error) {
          return error instanceof ResponseUnreadable;
        }
        return false;
      },
    ),
    { numRuns: 500 },
  );
});

test("no refusal makes a guest fail, and each has a sentence", () => {
  const bodies = fc.oneof(
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(bodies, fc.integer({ min: 300, max: 599 }), (body, status) => {
      const refusal = readRefusal("resource", status, body);
      return refusal.status === status && (refusal.message !== "" || refusal.answer["detail"] === "");
    }),
  );
});

test("a cookie comes back as it was set, among lines of any kind, and never more than twenty", () => {
  const word = fc.stringMatching(/^[A-Za-z0-9_.~-]{1,40}$/);
  const noise = fc.array(fc.string(), { maxLength: 60 });
  fc.assert(
    fc.property(word, word, noise, (name, value, lines) => {
      const jar = new CookieJar(() => 0);
      jar.store(URL_OF_AUTH, { "set-cookie": [`${name}=${value}; Max-Age=10; HttpOnly`, ...lines] });
      const alone = new CookieJar(() => 0);
      alone.store(URL_OF_AUTH, { "set-cookie": lines.map((line, index) => `c${index}=1; ${line}`) });
      const sent = (jar.header(URL_OF_AUTH) ?? "").split("; ");
      const others = (alone.header(URL_OF_AUTH) ?? "").split("; ");
      return (
        (sent.includes(`${name}=${value}`) || lines.some((line) => line.includes(name))) &&
        others.length <= 20
      );
    }),
  );
});
