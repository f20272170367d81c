import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { FlattenedEncrypt } from "jose";
import { openLegacyResponse, openResponse, ResponseUnreadable } from "../../../../src/cli/guest/decrypt.ts";
import { generateTeeKey, readTeeKey, type TeeKey } from "../../../../src/cli/guest/tee-key.ts";
import { describeShared, sharedPath } from "../../../support/shared.ts";

/** Vector A.1 of the protocol description: CEK 00…1f, IV 40…4b. */
const P256_KEY = ecKey({
  crv: "P-256",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
  d: "7xM-tcWD3C7amIO0UODiwzyzibsvhc-VBY1y_V7Fsqs",
});
const P256_ANSWER = {
  protected:
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJtbmdjcHRCVnBfTU5ESl80ZVRiSE9mYUJidlgxNXl0TGxHUUVzS0dvT3lvIiwieSI6IndaLUVLVVhxS19aYW9XU2JLd0xfZVlWTWpWN1B6VUE0WXVpcGZxWnNjY0UifX0",
  encrypted_key: "ZMLfE3zPT1dViRCScPe6p5Dd8-MA9qdh9qQP135JmAuJXp_VGXlzVw",
  iv: "QEFCQ0RFRkdISUpL",
  ciphertext: "gdbARUlO6mKjp3IW6wVqNxanNg",
  tag: "vnMnyD6-bTWFuRs8sFnLDA",
};
const HEADER: Record<string, unknown> = JSON.parse(
  Buffer.from(P256_ANSWER.protected, "base64url").toString(),
);

function ecKey(jwk: { crv: string; x: string; y: string; d: string }): TeeKey {
  const key = createPrivateKey({ key: { kty: "EC", ...jwk }, format: "jwk" });
  return readTeeKey(key.export({ type: "pkcs8", format: "pem" }).toString());
}

function bytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

test("opens vector A.1 (P-256)", () => {
  expect(openResponse(bytes(P256_ANSWER), P256_KEY).toString()).toBe("conformance payload");
});

test("the JWK of a key has exactly the members of the protocol, in the order of its clients", () => {
  expect(JSON.stringify(P256_KEY.jwk)).toBe(
    '{"kty":"EC","crv":"P-256","alg":"ECDH-ES+A256KW","x":"ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ","y":"44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A"}',
  );
});

test.each(["protected", "encrypted_key", "iv", "ciphertext", "tag"])(
  "refuses an answer without %s",
  (name) => {
    expect(() => openResponse(bytes({ ...P256_ANSWER, [name]: undefined }), P256_KEY)).toThrow(
      ResponseUnreadable,
    );
  },
);

test("refuses padded base64url, as the deployed guests do", () => {
  const padded = { ...P256_ANSWER, tag: `${P256_ANSWER.tag}==` };
  expect(() => openResponse(bytes(padded), P256_KEY)).toThrow("`tag` is not unpadded base64url");
});

test("refuses a flipped bit in every member", () => {
  for (const name of ["encrypted_key", "iv", "ciphertext", "tag"] as const) {
    const flipped = Buffer.from(P256_ANSWER[name], "base64url");
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    const answer = { ...P256_ANSWER, [name]: flipped.toString("base64url") };
    expect(() => openResponse(bytes(answer), P256_KEY)).toThrow(ResponseUnreadable);
  }
});

test("refuses another guest's answer", () => {
  expect(() => openResponse(bytes(P256_ANSWER), generateTeeKey("p256"))).toThrow("does not unwrap");
  expect(() => openResponse(bytes(P256_ANSWER), generateTeeKey("p521"))).toThrow("another curve");
  expect(() => openResponse(bytes(P256_ANSWER), generateTeeKey("rsa"))).toThrow("not for this guest's key");
});

/** The header bytes are not what the guest authenticates: it prints what it parsed. */
test("opens only what survives the guests' re-serialisation of the header", () => {
  const header = Buffer.from(JSON.stringify(HEADER, null, 1));
  const spaced = { ...P256_ANSWER, protected: header.toString("base64url") };
  expect(openResponse(bytes(spaced), P256_KEY).toString()).toBe("conformance payload");
});

test.each(["p256", "p521"] as const)(
  "cannot open a %s answer whose header is not in the sorted order",
  async (kind) => {
    const key = generateTeeKey(kind);
    // This library prints `epk` as x, crv, kty, y: correct by RFC 7516, unreadable to a guest.
    const sealed = await new FlattenedEncrypt(Buffer.from("secret"))
      .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM" })
      .encrypt(importable(key));
    expect(() => openResponse(bytes(sealed), key)).toThrow("do not match their authentication tag");
  },
);

test("opens an RSA-OAEP-256 answer of another implementation", async () => {
  const key = generateTeeKey("rsa");
  const sealed = await new FlattenedEncrypt(Buffer.from("secret"))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
    .encrypt(importable(key));
  expect(openResponse(bytes(sealed), key).toString()).toBe("secret");
});

test("opens an empty resource", async () => {
  const key = generateTeeKey("rsa");
  const sealed = await new FlattenedEncrypt(new Uint8Array())
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
    .encrypt(importable(key));
  expect(openResponse(bytes(sealed), key)).toHaveLength(0);
});

test("refuses `enc` before `alg`, as the guests' header has `alg` first", async () => {
  const key = generateTeeKey("rsa");
  const sealed = await new FlattenedEncrypt(Buffer.from("secret"))
    .setProtectedHeader({ enc: "A256GCM", alg: "RSA-OAEP-256" })
    .encrypt(importable(key));
  expect(() => openResponse(bytes(sealed), key)).toThrow(ResponseUnreadable);
});

test.each(["", "[]", "<html>", "{", '{"protected":1}'])("refuses %j in place of an answer", (body) => {
  expect(() => openResponse(Buffer.from(body), P256_KEY)).toThrow(ResponseUnreadable);
  expect(() => openLegacyResponse(Buffer.from(body), P256_KEY)).toThrow(ResponseUnreadable);
});

function importable(key: TeeKey) {
  return { ...key.jwk, alg: String(key.jwk["alg"]) };
}

describeShared("traffic of the real client", "fixtures/transcripts", () => {
  const { teePrivateKeys, secret } = readShared("keys.json");

  test.each([
    ["07-get-resource-p256", "p256"],
    ["07-get-resource-p521", "p521"],
    ["07-get-resource-rsa2048", "rsa2048"],
    ["09-get-resource-by-token-p256", "p256"],
    ["09-get-resource-by-token-p521", "p521"],
    ["09-get-resource-by-token-rsa2048", "rsa2048"],
    ["0.2.0/07-get-resource-p256", "p256"],
    ["0.2.0/07-get-resource-rsa2048", "rsa2048"],
    ["0.2.0/09-get-resource-by-token-p256", "p256"],
    ["0.2.0/09-get-resource-by-token-rsa2048", "rsa2048"],
  ])("%s opens to the secret", (file, key) => {
    expect(openResponse(lastBody(file), readTeeKey(teePrivateKeys[key])).toString()).toBe(secret);
  });

  test.each(["0.1.1/07-get-resource-rsa2048", "0.1.1/09-get-resource-by-token-rsa2048"])(
    "%s opens to the secret",
    (file) => {
      const key = readTeeKey(teePrivateKeys.rsa2048, true);
      expect(openLegacyResponse(lastBody(file), key).toString()).toBe(secret);
      expect(() => openResponse(lastBody(file), key)).toThrow(ResponseUnreadable);
    },
  );
});

/** Absent data gives nothing to read: the suite above is then skipped by name, but its body still runs. */
function readShared(path: string) {
  const file = sharedPath("fixtures/transcripts", path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

function lastBody(file: string): Buffer {
  return Buffer.from(readShared(`${file}.json`).at(-1).response.body);
}
