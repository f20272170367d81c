import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseCertificate } from "../../crypto/certificate.ts";
import { readPem } from "../../crypto/pem.ts";
import { fitsAlgorithm, type SignatureAlgorithm } from "../../crypto/signature-algorithms.ts";
import { KbsError } from "../../errors.ts";
import { readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import { importPublicJwk } from "../../tokens/jwk.ts";
import { type SignerKey, type TrustedSigner, TrustedSigners } from "./signers.ts";

/** One entry of `referenceValues.trustedSigners`. */
export interface TrustedSignerConfig {
  readonly name: string;
  /** Files with PEM public keys, a JWK or a JWK set. */
  readonly keys: readonly string[];
  /** PEM file of roots. */
  readonly certificates?: string | undefined;
  readonly names: readonly string[];
}

/** By the key alone, because nothing else may choose. */
const ALGORITHMS: readonly SignatureAlgorithm[] = ["ES256", "ES384", "ES512", "EdDSA"];
const MAX_KEYS = 16;

/**
 * Reads the keys of every signer.
 * @param now - milliseconds since the epoch
 * @throws KbsError `internal` naming the option, for start-up
 */
export async function loadTrustedSigners(
  configs: readonly TrustedSignerConfig[],
  now: () => number,
): Promise<TrustedSigners> {
  const signers = await Promise.all(
    configs.map((config, at) => loadSigner(config, `referenceValues.trustedSigners[${at}]`)),
  );
  checkKeysOnce(signers);
  try {
    return new TrustedSigners(signers, now);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw misconfigured("referenceValues.trustedSigners", cause.message, cause);
  }
}

async function loadSigner(config: TrustedSignerConfig, path: string): Promise<TrustedSigner> {
  const { name, names, certificates } = config;
  const files = await Promise.all(config.keys.map((file, at) => loadKeys(file, `${path}.keys[${at}]`)));
  const keys = files.flat();
  if (keys.length > MAX_KEYS) throw misconfigured(path, `has more than ${MAX_KEYS} keys`);
  const anchors = certificates === undefined ? [] : await loadAnchors(certificates, `${path}.certificates`);
  return { name, names, keys, anchors };
}

async function loadKeys(file: string, path: string): Promise<readonly SignerKey[]> {
  const text = await read(file, path);
  if (text.includes("PRIVATE KEY"))
    throw misconfigured(path, "holds a private key; the server needs the public one");
  const keys = guarded(path, "holds no usable public key", () =>
    text.includes("-----BEGIN ") ? pemKeys(text) : jwkKeys(readJson(text)),
  );
  if (keys.length === 0) throw misconfigured(path, "holds no public key");
  return keys.map((key) => {
    const algorithm = ALGORITHMS.find((each) => fitsAlgorithm(each, key));
    if (algorithm === undefined)
      throw misconfigured(path, "holds a key that is not on P-256, P-384, P-521 or Ed25519");
    return { algorithm, key };
  });
}

function pemKeys(text: string): readonly KeyObject[] {
  return readPem(text)
    .filter(({ label }) => label === "PUBLIC KEY")
    .map(({ der }) => createPublicKey({ key: der, format: "der", type: "spki" }));
}

function jwkKeys(value: JsonValue): readonly KeyObject[] {
  const set = isObject(value) ? member(value, "keys") : undefined;
  return (isArray(set) ? set : [value]).map((jwk) => {
    if (!isObject(jwk) || member(jwk, "d") !== undefined || member(jwk, "k") !== undefined)
      throw new TypeError("not a public JWK");
    return importPublicJwk(jwk);
  });
}

async function loadAnchors(file: string, path: string): Promise<TrustedSigner["anchors"]> {
  const text = await read(file, path);
  const anchors = guarded(path, "holds a certificate that cannot be read", () =>
    readPem(text)
      .filter(({ label }) => label === "CERTIFICATE")
      .map(({ der }) => parseCertificate(der)),
  );
  if (anchors.length === 0) throw misconfigured(path, "holds no PEM certificate");
  return anchors;
}

/** One key for two signers would make each of them the other. */
function checkKeysOnce(signers: readonly TrustedSigner[]): void {
  const owners = new Map<string, string>();
  for (const { name, keys } of signers)
    for (const { key } of keys) {
      const id = key.export({ type: "spki", format: "der" }).toString("base64");
      if (owners.has(id) && owners.get(id) !== name)
        throw misconfigured("referenceValues.trustedSigners", `gives ${name} a key of ${owners.get(id)}`);
      owners.set(id, name);
    }
}

function guarded<T>(path: string, reason: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw misconfigured(path, reason, error);
  }
}

async function read(file: string, path: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw misconfigured(path, `${file} cannot be read`, error);
  }
}

function misconfigured(path: string, reason: string, cause?: unknown): KbsError {
  return new KbsError("internal", `${path}: ${reason}.`, cause === undefined ? {} : { cause });
}
