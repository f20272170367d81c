import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { readPem } from "../crypto/pem.ts";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import { createFile, ensureFolder } from "../storage/atomic-files.ts";
import type { VerificationKey } from "./algorithms.ts";
import { ecThumbprint, p256PublicJwk } from "./jwk.ts";

/** Signs attestation tokens. */
export interface TokenSigner {
  readonly algorithm: "ES256";
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** Public key as published: `kty crv x y alg kid use`, and `x5c` when it has a certificate chain. */
  readonly publicJwk: JsonObject;
  readonly verificationKey: VerificationKey;
  /**
   * @param data - JWS signing input
   * @returns 64 bytes, r and s (RFC 7518 §3.4)
   */
  sign(data: Buffer): Buffer;
}

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/**
 * @param chain - DER certificates, leaf first
 * @throws TypeError when the key is not P-256, or the leaf is for another key
 */
export function createSigner(privateKey: KeyObject, chain: readonly Buffer[] = []): TokenSigner {
  const publicKey = createPublicKey(privateKey);
  const bare = p256PublicJwk(publicKey);
  const [leaf] = chain;
  if (leaf !== undefined && !new X509Certificate(leaf).publicKey.equals(publicKey))
    throw new TypeError("the first certificate is not for the signing key");
  const kid = ecThumbprint(bare);
  const x5c = chain.map((der) => der.toString("base64"));
  return {
    algorithm: "ES256",
    kid,
    publicJwk: { ...bare, alg: "ES256", kid, use: "sig", ...(x5c.length === 0 ? {} : { x5c }) },
    verificationKey: { kid, algorithm: "ES256", key: publicKey },
    sign: (data) => sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" }),
  };
}

/**
 * A signer from PEM texts.
 *
 * @param keyPem - P-256, PKCS#8 or SEC 1, not encrypted
 * @param chainPem - certificates, leaf first; the leaf must be for the key
 * @throws TypeError
 */
export function signerFromPem(keyPem: string, chainPem?: string): TokenSigner {
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch (cause) {
    throw new TypeError("the signing key is not an unencrypted PEM private key", { cause });
  }
  return createSigner(key, chainPem === undefined ? [] : certificatesOf(chainPem));
}

/**
 * Reads the signing key, and makes it when the file is not there: P-256, PKCS#8, mode 0600. Several processes
 * may start at once; one of them makes the key, all of them use it.
 *
 * @throws KbsError `internal`: the file is unusable, or others may read it; `storage-unavailable`
 */
export async function loadOrCreateSigner(
  keyFile: string,
): Promise<{ signer: TokenSigner; created: boolean }> {
  const created = await createKeyFile(resolve(keyFile));
  if (((await modeOf(keyFile)) & OTHERS) !== 0)
    throw unusable(keyFile, "the token signing key is open to other users; chmod 600 it, or make a new one");
  return { signer: await readSigner(keyFile), created };
}

async function createKeyFile(path: string): Promise<boolean> {
  if (await exists(path)) return false;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  try {
    await ensureFolder(dirname(path));
    return await createFile(path, Buffer.from(pem));
  } catch (cause) {
    throw new KbsError("storage-unavailable", `${path} cannot be written.`, { cause });
  }
}

async function modeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).mode;
  } catch (cause) {
    throw unusable(file, "it cannot be read", cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

async function readSigner(file: string): Promise<TokenSigner> {
  try {
    return signerFromPem(await readFile(file, "utf8"));
  } catch (cause) {
    throw unusable(file, "it must be a readable PEM P-256 key", cause);
  }
}

function certificatesOf(pem: string): Buffer[] {
  const chain = readPem(pem)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ der }) => der);
  if (chain.length === 0) throw new TypeError("the certificate chain holds no PEM certificate");
  return chain;
}

function unusable(file: string, reason: string, cause?: unknown): KbsError {
  return new KbsError("internal", `${file}: ${reason}.`, cause === undefined ? {} : { cause });
}
