import { ECDH, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { flattenedDecrypt, importJWK } from "jose";
import { TeeWrapper, type WrapRandomness } from "../../../src/broker/wrap.ts";
import { openLegacyResponse, openResponse } from "../../../src/cli/guest/decrypt.ts";
import { generateTeeKey, readTeeKey, type TeeKeyKind } from "../../../src/cli/guest/tee-key.ts";
import { parseTeePublicKey, type TeePublicKey } from "../../../src/protocol/jwk.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const P256: TeePublicKey = {
  kty: "EC",
  crv: "P-256",
  alg: "ECDH-ES+A256KW",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
};
const P521: TeePublicKey = {
  kty: "EC",
  crv: "P-521",
  alg: "ECDH-ES+A256KW",
  x: "ATXdZMZege5gmkhPHchb4iNsLd-fpdRTLQApLLvr-Yzx_siRqsWC2L-WJIJXfStoFtQujHb9hlEolh2_neHRXhbb",
  y: "AdoYtFKCNQdO2UOOUDK9sUIss6GJ_s7EEnHp9TAYbN3RF1zbqlHmR1liI5fWju_SoGjEAjOUoVD70f_tGgrlceSf",
};

/** The randomness of the published vectors: CEK 00…1f, IV 40…4b and a given ephemeral private key. */
function vectorRandomness(d: string): WrapRandomness {
  return {
    contentKey: () => Buffer.from(Array.from({ length: 32 }, (_, index) => index)),
    iv: () => Buffer.from(Array.from({ length: 12 }, (_, index) => 0x40 + index)),
    ephemeral: (ecdh) => ecdh.setPrivateKey(Buffer.from(d, "base64url")),
  };
}

function rejects(key: unknown): void {
  // Tests hand over what the type forbids.
  expect(() => new TeeWrapper().wrap(Buffer.from("x"), key as TeePublicKey, "jwe")).toThrow(
    expect.objectContaining({ code: "tee-key-rejected", kbsType: "JweError" }),
  );
}

describe("published vectors", () => {
  test("P53 A.1: P-256 with the given ephemeral key, CEK and IV", () => {
    const wrapper = new TeeWrapper({
      random: vectorRandomness("g0FCXK_t6dJLBZmu_f3v8cFSbtdbByF-uZv4wLdJi4E"),
    });
    expect(JSON.parse(wrapper.wrap(Buffer.from("conformance payload"), P256, "jwe"))).toEqual({
      protected:
        "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJtbmdjcHRCVnBfTU5ESl80ZVRiSE9mYUJidlgxNXl0TGxHUUVzS0dvT3lvIiwieSI6IndaLUVLVVhxS19aYW9XU2JLd0xfZVlWTWpWN1B6VUE0WXVpcGZxWnNjY0UifX0",
      encrypted_key: "ZMLfE3zPT1dViRCScPe6p5Dd8-MA9qdh9qQP135JmAuJXp_VGXlzVw",
      iv: "QEFCQ0RFRkdISUpL",
      ciphertext: "gdbARUlO6mKjp3IW6wVqNxanNg",
      tag: "vnMnyD6-bTWFuRs8sFnLDA",
    });
  });

  test("P53 A.1b: P-521 with the given ephemeral key, CEK and IV", () => {
    const wrapper = new TeeWrapper({
      random: vectorRandomness(
        "AAB9-55GnsYe8qAqrNrMChm54yxsRGcd8EvYG8Qfu8RG6fnZOEtGIMco_xwN9ao8-kAcvyo20CAiiVxZA_La8wLK",
      ),
    });
    expect(JSON.parse(wrapper.wrap(Buffer.from("conformance payload"), P521, "jwe"))).toMatchObject({
      encrypted_key: "k7fx-7DxSdTtETUpa9oQzXPX5XAXyAsLetXby7jf_JqhC6ZdyeNdSQ",
      tag: "y5thgcRaGHjm_56FAFkegQ",
    });
  });
});

describe("the answer a guest gets", () => {
  const kinds: readonly TeeKeyKind[] = ["p256", "p521", "rsa"];

  test.each(kinds)("P50 P51 the guest's own code opens it: %s", (kind) => {
    const key = generateTeeKey(kind);
    const answer = new TeeWrapper().wrap(Buffer.from("disk key"), parseTeePublicKey(key.jwk), "jwe");
    expect(openResponse(Buffer.from(answer), key).toString()).toBe("disk key");
  });

  test.each(kinds)("P57 an independent JOSE library opens it: %s", async (kind) => {
    const key = generateTeeKey(kind);
    const answer = new TeeWrapper().wrap(Buffer.from("disk key"), parseTeePublicKey(key.jwk), "jwe");
    const alg = String(key.jwk["alg"]);
    const secret = await importJWK(key.privateKey.export({ format: "jwk" }), alg);
    const { plaintext } = await flattenedDecrypt(JSON.parse(answer), secret);
    expect(Buffer.from(plaintext).toString()).toBe("disk key");
  });

  test("P52 the header is a fixed point of the guest's parse and print, for 1,000 keys", () => {
    const wrapper = new TeeWrapper();
    for (let count = 0; count < 1000; count++) {
      const answer = JSON.parse(wrapper.wrap(Buffer.from("x"), P256, "jwe"));
      const header = Buffer.from(answer.protected, "base64url").toString();
      expect(header).toMatch(
        /^\{"alg":"ECDH-ES\+A256KW","enc":"A256GCM","epk":\{"crv":"P-256","kty":"EC","x":"[\w-]{43}","y":"[\w-]{43}"\}\}$/,
      );
    }
  });

  test("P52 the RSA header has alg first and nothing else", () => {
    const key = generateTeeKey("rsa");
    const answer = JSON.parse(new TeeWrapper().wrap(Buffer.from("x"), parseTeePublicKey(key.jwk), "jwe"));
    expect(Buffer.from(answer.protected, "base64url").toString()).toBe(
      '{"alg":"RSA-OAEP-256","enc":"A256GCM"}',
    );
  });

  test("P54 exactly five members, in order, all unpadded base64url", () => {
    const answer = JSON.parse(new TeeWrapper().wrap(Buffer.alloc(100), P521, "jwe"));
    expect(Object.keys(answer)).toEqual(["protected", "encrypted_key", "iv", "ciphertext", "tag"]);
    for (const value of Object.values(answer)) expect(value).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  test("P55 ephemeral key, wrapped key and IV are new in every answer", () => {
    const wrapper = new TeeWrapper();
    const seen = new Set<string>();
    for (let count = 0; count < 500; count++) {
      const answer = JSON.parse(wrapper.wrap(Buffer.from("same"), P256, "jwe"));
      for (const name of ["protected", "encrypted_key", "iv", "ciphertext"]) seen.add(answer[name]);
    }
    expect(seen.size).toBe(2000);
  });

  test.each([0, 1 << 20])("P58 a secret of %i bytes comes back whole", (size) => {
    const key = generateTeeKey("p256");
    const secret = Buffer.alloc(size, 0xa5);
    const answer = new TeeWrapper().wrap(secret, parseTeePublicKey(key.jwk), "jwe");
    expect(openResponse(Buffer.from(answer), key).equals(secret)).toBe(true);
  });

  test("A12 A14 another key does not open it", () => {
    const answer = new TeeWrapper().wrap(Buffer.from("disk key"), P256, "jwe");
    const other = generateTeeKey("p256");
    expect(() => openResponse(Buffer.from(answer), other)).toThrow();
  });
});

describe("keys that are refused", () => {
  test("P56 B21 a point off the curve", () => {
    rejects({ ...P256, y: P256.x });
    rejects({ ...P521, y: P521.x });
  });

  test("P56 B21 a coordinate above the field prime, and the zero point", () => {
    const prime = Buffer.from("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", "hex");
    const generator = Buffer.from(
      ECDH.convertKey(
        "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "prime256v1",
        "hex",
        undefined,
        "uncompressed",
      ),
    );
    rejects({ ...P256, x: prime.toString("base64url"), y: generator.subarray(33).toString("base64url") });
    rejects({ ...P256, x: "A".repeat(43), y: "A".repeat(43) });
  });

  test("P56 coordinates of the wrong length", () => {
    rejects({ ...P256, x: Buffer.alloc(31, 1).toString("base64url") });
    rejects({ ...P256, x: "" });
  });

  test.each(["AQ", "Ag", "AA", "AAAAAQ"])("P56 RSA exponent %s", (e) => {
    const jwk = generateTeeKey("rsa").jwk;
    rejects({ ...jwk, e });
  });

  test("P56 an even RSA modulus", () => {
    rejects({ kty: "RSA", alg: "RSA-OAEP-256", n: Buffer.alloc(256, 2).toString("base64url"), e: "AQAB" });
  });

  test("RSA1_5 in the RFC 7516 form unless the operator allows it", () => {
    const key = generateTeeKey("rsa1_5");
    const jwk = parseTeePublicKey(key.jwk);
    rejects(jwk);
    const answer = new TeeWrapper({ allowRsa1_5: true }).wrap(Buffer.from("disk key"), jwk, "jwe");
    expect(openResponse(Buffer.from(answer), key).toString()).toBe("disk key");
  });

  test("anything but RSA1_5 in the form of protocol 0.1", () => {
    expect(() => new TeeWrapper().wrap(Buffer.from("x"), P256, "quasi-jwe")).toThrow(
      expect.objectContaining({ code: "tee-key-rejected" }),
    );
  });
});

test("protocol 0.1: the quasi-JWE opens with the guest's code, header as text, tag at the end", () => {
  const key = generateTeeKey("rsa1_5");
  const answer = new TeeWrapper().wrap(Buffer.from("disk key"), parseTeePublicKey(key.jwk), "quasi-jwe");
  expect(JSON.parse(answer)).toMatchObject({ protected: '{"alg":"RSA1_5","enc":"A256GCM"}', tag: "" });
  expect(openLegacyResponse(Buffer.from(answer), key).toString()).toBe("disk key");
});

test("the table of imported keys is bounded and does not mix keys up", () => {
  const wrapper = new TeeWrapper({ maxKeys: 2 });
  const keys = Array.from({ length: 6 }, () => generateTeeKey("p256"));
  for (const key of [...keys, ...keys]) {
    const answer = wrapper.wrap(Buffer.from("disk key"), parseTeePublicKey(key.jwk), "jwe");
    expect(openResponse(Buffer.from(answer), key).toString()).toBe("disk key");
  }
});

test("a P-384 key has no place in the protocol", () => {
  const jwk = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "jwk" });
  expect(() => parseTeePublicKey({ ...jwk, alg: "ECDH-ES+A256KW" } as never)).toThrow(
    expect.objectContaining({ code: "tee-key-rejected" }),
  );
});

describeShared("recorded answers of the reference server", "fixtures/transcripts", () => {
  const keys = JSON.parse(readFileSync(sharedPath("fixtures/transcripts/keys.json"), "utf8")).teePrivateKeys;
  const names = ["p256", "p521", "rsa2048"];

  test.each(names)("have the members, header order and lengths of ours: %s", (name) => {
    const theirs = recordedAnswer(`07-get-resource-${name}.json`);
    const key = readTeeKey(keys[name]);
    const ours = JSON.parse(
      new TeeWrapper().wrap(openResponse(Buffer.from(theirs), key), parseTeePublicKey(key.jwk), "jwe"),
    );
    const recorded = JSON.parse(theirs);
    expect(Object.keys(ours)).toEqual(Object.keys(recorded));
    for (const member of Object.keys(recorded)) expect(ours[member]).toHaveLength(recorded[member].length);
    const shape = (text: string) =>
      Buffer.from(text, "base64url")
        .toString()
        .replace(/"[\w-]{43,}"/g, '"…"');
    expect(shape(ours.protected)).toBe(shape(recorded.protected));
  });

  test("protocol 0.1.1", () => {
    const recorded = JSON.parse(recordedAnswer("0.1.1/07-get-resource-rsa2048.json"));
    const key = readTeeKey(keys.rsa2048, true);
    const secret = openLegacyResponse(Buffer.from(JSON.stringify(recorded)), key);
    const ours = JSON.parse(new TeeWrapper().wrap(secret, parseTeePublicKey(key.jwk), "quasi-jwe"));
    expect(ours.protected).toBe(recorded.protected);
    for (const member of Object.keys(recorded)) expect(ours[member]).toHaveLength(recorded[member].length);
  });

  test.each(["p256", "rsa2048"])("protocol 0.2.0 opens in the form of 0.4.0: %s", (name) => {
    const recorded = recordedAnswer(`0.2.0/07-get-resource-${name}.json`);
    expect(openResponse(Buffer.from(recorded), readTeeKey(keys[name])).length).toBeGreaterThan(0);
  });
});

function recordedAnswer(file: string): string {
  const exchanges = JSON.parse(readFileSync(sharedPath("fixtures/transcripts", file), "utf8"));
  return exchanges.at(-1).response.body;
}
