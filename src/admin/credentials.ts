import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { SignJWT } from "jose";
import { KbsError } from "../errors.ts";
import { createFile, ensureFolder, removeFile } from "../storage/atomic-files.ts";
import type { AdminAlgorithm } from "./identity-providers.ts";

export interface AdminKeyFiles {
  /** PKCS#8 PEM, 0600: stays with the administrator. */
  readonly privateKey: string;
  /** SPKI PEM: goes into `admin.identityProviders`. */
  readonly publicKey: string;
}

/**
 * Makes an Ed25519 key pair for administrators' tokens. Existing files are never replaced: whoever
 * overwrites the key locks every administrator out.
 *
 * @throws KbsError `conflict` when one of the files exists; `storage-unavailable`
 */
export async function generateAdminKey(files: AdminKeyFiles): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const secret = String(privateKey.export({ type: "pkcs8", format: "pem" }));
  const open = String(publicKey.export({ type: "spki", format: "pem" }));
  await writeNew(files.privateKey, secret);
  try {
    await writeNew(files.publicKey, open);
  } catch (error) {
    // Half a pair is of no use, and would block the next try.
    await removeFile(files.privateKey);
    throw error;
  }
}

export interface AdminTokenRequest {
  /** PEM private key: Ed25519, P-256, P-384 or RSA. */
  readonly privateKeyFile: string;
  readonly issuer: string;
  readonly audience: string;
  readonly role: string;
  readonly subject?: string;
  readonly ttlSeconds: number;
  /** Chooses a key of the provider's JWK set. */
  readonly keyId?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Longest life of a token made here; a lost token cannot be called back. */
export const MAX_ADMIN_TOKEN_TTL_SECONDS = 366 * 24 * 3600;

/**
 * Signs a token that `admin.identityProviders` and `kbs-client --admin-token-file` take.
 *
 * @returns the compact JWS, without a newline
 * @throws KbsError `malformed-request` for an unusable key, an empty claim or a lifetime out of bounds
 */
export async function signAdminToken(request: AdminTokenRequest): Promise<string> {
  const { issuer, audience, role, subject, ttlSeconds, keyId } = request;
  if ([issuer, audience, role].includes("")) throw refused("issuer, audience and role must not be empty");
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_ADMIN_TOKEN_TTL_SECONDS)
    throw refused(`the lifetime must be 1 to ${MAX_ADMIN_TOKEN_TTL_SECONDS} seconds`);
  const key = await readPrivateKey(request.privateKeyFile);
  const issuedAt = Math.floor(request.now / 1000);
  return new SignJWT({ role })
    .setProtectedHeader({ alg: algorithmOf(key), typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject ?? role)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttlSeconds)
    .sign(key);
}

async function writeNew(file: string, text: string): Promise<void> {
  let created: boolean;
  try {
    await ensureFolder(dirname(resolve(file)));
    created = await createFile(resolve(file), Buffer.from(text, "utf8"));
  } catch (error) {
    throw new KbsError("storage-unavailable", `${file} cannot be written.`, { cause: error });
  }
  if (!created) throw new KbsError("conflict", `${file} exists already; it was not touched.`);
}

async function readPrivateKey(file: string): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(file));
  } catch (error) {
    throw refused(`${file} is not a readable, unencrypted PEM private key`, error);
  }
}

function algorithmOf(key: KeyObject): AdminAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "ed25519") return "EdDSA";
  if (type === "rsa") return "RS256";
  if (type === "ec" && details?.namedCurve === "prime256v1") return "ES256";
  if (type === "ec" && details?.namedCurve === "secp384r1") return "ES384";
  throw refused("the key must be Ed25519, P-256, P-384 or RSA");
}

function refused(reason: string, cause?: unknown): KbsError {
  return new KbsError(
    "malformed-request",
    `No token was made: ${reason}.`,
    cause === undefined ? {} : { cause },
  );
}
