import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { KbsError } from "../errors.ts";
import { createFile, ensureFolder } from "../storage/atomic-files.ts";
import { createSigner, privateKeyFrom, type SigningAlgorithm, type TokenSigner } from "./signer.ts";

/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** A fresh private key that fits the algorithm. */
export function generateSigningKey(algorithm: SigningAlgorithm): KeyObject {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519").privateKey;
  const namedCurve = algorithm === "ES384" ? "P-384" : "P-256";
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

/**
 * Reads the signing key, and makes it when the file is not there: PKCS#8, mode 0600. Several processes may start at
 * once; one of them makes the key, all of them use it.
 *
 * @throws KbsError `internal`: the file is unusable, or others may read it; `storage-unavailable`
 */
export async function loadOrCreateSigner(
  keyFile: string,
  algorithm: SigningAlgorithm = "ES256",
): Promise<{ signer: TokenSigner; created: boolean }> {
  const created = await createKeyFile(resolve(keyFile), algorithm);
  if (((await modeOf(keyFile)) & OTHERS) !== 0)
    throw unusable(keyFile, "the token signing key is open to other users; chmod 600 it, or make a new one");
  return { signer: await readSigner(keyFile, algorithm), created };
}

async function createKeyFile(path: string, algorithm: SigningAlgorithm): Promise<boolean> {
  if (await exists(path)) return false;
  const pem = generateSigningKey(algorithm).export({ type: "pkcs8", format: "pem" });
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

async function readSigner(file: string, algorithm: SigningAlgorithm): Promise<TokenSigner> {
  try {
    return createSigner(privateKeyFrom(await readFile(file, "utf8")), algorithm);
  } catch (cause) {
    throw unusable(file, `it must be a readable private key that fits ${algorithm}`, cause);
  }
}

function unusable(file: string, reason: string, cause?: unknown): KbsError {
  return new KbsError("internal", `${file}: ${reason}.`, cause === undefined ? {} : { cause });
}
