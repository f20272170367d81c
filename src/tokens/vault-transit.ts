import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { KbsError } from "../errors.ts";
import type { JsonObject } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import type { VaultClient } from "../vault/client.ts";
import { VaultFault } from "../vault/fault.ts";
import { verifySignature } from "./algorithms.ts";
import {
  type PublicSigningKey,
  publicSigningKey,
  type SignerChain,
  type SigningAlgorithm,
  type TokenSigner,
} from "./signer.ts";
import type { SignerSource } from "./signer-source.ts";
import type { OfferedKey } from "./signing-keys.ts";

/** How Vault calls the keys and hashes of an algorithm (Vault API, secret/transit). */
const TRANSIT: Readonly<
  Record<SigningAlgorithm, { readonly type: string; readonly hash: string | undefined }>
> = {
  ES256: { type: "ecdsa-p256", hash: "sha2-256" },
  ES384: { type: "ecdsa-p384", hash: "sha2-384" },
  EdDSA: { type: "ed25519", hash: undefined },
};
/** DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4) up to the key itself. */
const ED25519_SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** Newest versions that are looked at; a key that was rotated for years has more. */
const MAX_VERSIONS = 8;

export interface VaultTransitOptions {
  readonly client: VaultClient;
  readonly mount: string;
  readonly key: string;
  readonly algorithm: SigningAlgorithm;
  /** Certificates of the newest version; a version without them is not used while there are some. */
  readonly readChain: () => Promise<SignerChain | undefined>;
}

/**
 * Signs with a key in the transit engine of Vault. Every version of the key is a key of its own here: rotating it in
 * Vault is all that an operator does. A version below `min_decryption_version` no longer counts anywhere.
 */
export class VaultTransit implements SignerSource {
  readonly complete = true;
  readonly #options: VaultTransitOptions;

  constructor(options: VaultTransitOptions) {
    this.#options = options;
  }

  /** Only Vault knows. */
  async changed(): Promise<boolean> {
    return true;
  }

  /**
   * @returns the versions of the key, oldest first
   * @throws KbsError `signer-unavailable`: Vault cannot be asked; `internal`: the key is not of the right type
   */
  async load(signal: AbortSignal): Promise<readonly OfferedKey[]> {
    const { client, mount, key, algorithm, readChain } = this.#options;
    const data = await asked(() => client.read(`${mount}/keys/${key}`, signal));
    if (member(data, "type") !== TRANSIT[algorithm].type)
      throw unusable(`the transit key is not of type ${TRANSIT[algorithm].type}, which ${algorithm} needs`);
    const offered = offeredKeys(versionsOf(data), algorithm, await readChain());
    if (offered.length === 0) throw unusable("the certificates are for no version of the transit key");
    return offered.map(({ key: each, version, since }) => ({ signer: this.#signer(each, version), since }));
  }

  #signer(key: PublicSigningKey, version: number): TokenSigner {
    return { ...key, sign: (data, signal) => this.#sign(key, version, data, signal) };
  }

  async #sign(key: PublicSigningKey, version: number, data: Buffer, signal: AbortSignal): Promise<Buffer> {
    const { client, mount, key: name } = this.#options;
    const { hash } = TRANSIT[key.algorithm];
    const path = `${mount}/sign/${name}${hash === undefined ? "" : `/${hash}`}`;
    const request = {
      input: data.toString("base64"),
      key_version: version,
      ...(hash === undefined ? {} : { marshaling_algorithm: "jws" }),
    };
    const signature = signatureOf(await asked(() => client.write(path, request, signal)), version);
    // Whatever the engine was set to do, a token that nobody can verify is never handed out.
    if (signature === undefined || !verifySignature(key.verificationKey, data, signature))
      throw unavailable("Vault's answer is not a signature by the key that was asked for");
    return signature;
  }
}

interface Offered extends Omit<Version, "key"> {
  readonly key: PublicSigningKey;
}

/**
 * The certificates belong to one version: older ones are shown without, newer ones wait for theirs.
 * @returns empty when they belong to none
 */
function offeredKeys(
  versions: readonly Version[],
  algorithm: SigningAlgorithm,
  chain: SignerChain | undefined,
): readonly Offered[] {
  if (chain === undefined)
    return versions.map((each) => ({ ...each, key: publicSigningKey(each.key, algorithm) }));
  const certified = versions.findLastIndex(({ key }) => isFor(chain, key));
  return versions.slice(0, certified + 1).map((each, at) => ({
    ...each,
    key: publicSigningKey(each.key, algorithm, at === certified ? chain : undefined),
  }));
}

function isFor({ certificates: [leaf] }: SignerChain, key: KeyObject): boolean {
  return leaf !== undefined && new X509Certificate(leaf).publicKey.equals(key);
}

interface Version {
  readonly version: number;
  readonly key: KeyObject;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

function versionsOf(data: JsonObject): readonly Version[] {
  const keys = member(data, "keys");
  const least = member(data, "min_decryption_version");
  if (!isObject(keys)) throw unavailable("Vault's answer holds no keys");
  return Object.entries(keys)
    .flatMap(([number, value]) => (isObject(value) ? [parseVersion(Number(number), value)] : []))
    .filter(({ version }) => typeof least !== "number" || version >= least)
    .sort((a, b) => a.version - b.version)
    .slice(-MAX_VERSIONS);
}

function parseVersion(version: number, value: JsonObject): Version {
  const publicKey = member(value, "public_key");
  const created = member(value, "creation_time");
  const since = typeof created === "string" ? Date.parse(created) : Number.NaN;
  if (!Number.isSafeInteger(version) || typeof publicKey !== "string" || Number.isNaN(since))
    throw unavailable("Vault's answer holds a key of an unknown form");
  return { version, since, key: parsePublicKey(publicKey) };
}

/** PEM, except for Ed25519, which is the bare key in base64. */
function parsePublicKey(text: string): KeyObject {
  try {
    if (text.includes("-----BEGIN")) return createPublicKey(text);
    const der = Buffer.concat([ED25519_SPKI_PREFIX, Buffer.from(text, "base64")]);
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch (cause) {
    throw unavailable("Vault's answer holds a key of an unknown form", cause);
  }
}

/** `vault:v3:…`: JWS marshaling is base64url, everything else is base64; the decoder takes both. */
function signatureOf(data: JsonObject, version: number): Buffer | undefined {
  const signature = member(data, "signature");
  const prefix = `vault:v${version}:`;
  if (typeof signature !== "string" || !signature.startsWith(prefix)) return undefined;
  return Buffer.from(signature.slice(prefix.length), "base64");
}

async function asked(ask: () => Promise<JsonObject>): Promise<JsonObject> {
  try {
    const data = member(await ask(), "data");
    if (!isObject(data)) throw new VaultFault("malformed");
    return data;
  } catch (error) {
    if (error instanceof VaultFault) throw unavailable(error.message, error);
    throw unavailable("nobody waits for Vault's answer any more");
  }
}

/** The public sentence names no address; the private reason goes to the log. */
function unavailable(reason: string, cause: unknown = new Error(reason)): KbsError {
  return new KbsError("signer-unavailable", "The token could not be signed: the signing service failed.", {
    cause,
  });
}

function unusable(reason: string): KbsError {
  return new KbsError("internal", `attestation.token.signer.vault: ${reason}.`);
}
