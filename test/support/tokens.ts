import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";
import type { JsonObject } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";

/** 2026-06-01T00:00:00Z, the moment at which tests of tokens take place. */
export const NOW = Date.UTC(2026, 5, 1);
export const NOW_SECONDS = NOW / 1000;

export const TEE_KEY = generateTeeKey("p256");

/** Claims of a good token; a test replaces what it is about. */
export function tokenClaims(changes: Record<string, unknown> = {}): JsonObject {
  // Tests put things into claims that the type forbids.
  return {
    iss: "verifier",
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    "tee-pubkey": TEE_KEY.jwk,
    ...changes,
  } as JsonObject;
}

export function without(claims: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(claims).filter(([member]) => member !== name));
}

/** A compact JWS over any header; `signature` decides what stands at the end. */
export function compact(header: JsonObject, claims: JsonObject, signature: (data: Buffer) => Buffer): string {
  const part = (value: JsonObject) => Buffer.from(writeJson(value)).toString("base64url");
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${signature(Buffer.from(signed)).toString("base64url")}`;
}

const HASH = { "256": "sha256", "384": "sha384", "512": "sha512" } as const;

/** Signs as `alg` says, by hand, so that tests can say one thing in the header and do another. */
export function signAs(alg: string, key: KeyObject | Buffer): (data: Buffer) => Buffer {
  const bits = alg.slice(2);
  const hash = bits === "384" ? HASH["384"] : bits === "512" ? HASH["512"] : HASH["256"];
  return (data) => {
    if (Buffer.isBuffer(key)) return createHmac(hash, key).update(data).digest();
    if (alg === "EdDSA") return sign(null, data, key);
    if (alg.startsWith("ES")) return sign(hash, data, { key, dsaEncoding: "ieee-p1363" });
    if (alg.startsWith("PS"))
      return sign(hash, data, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    return sign(hash, data, key);
  };
}

export function p256() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}
