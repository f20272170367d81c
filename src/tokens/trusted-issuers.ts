import { createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Certificate, parseCertificate } from "../crypto/certificate.ts";
import { readPem } from "../crypto/pem.ts";
import { KbsError } from "../errors.ts";
import { keyFits, type TokenAlgorithm } from "./algorithms.ts";
import { CertificateKeys } from "./certificate-keys.ts";
import { PROFILE_TAGS, TOKEN_ENCODINGS, type TokenEncoding } from "./forms.ts";
import { HttpsDocuments } from "./https-documents.ts";
import { parseKeySet } from "./jwk.ts";
import { FixedKeys, type KeySource } from "./key-source.ts";
import { RemoteKeySet } from "./remote-key-set.ts";
import { SIGNING_ALGORITHMS } from "./signer.ts";
import type { TrustedIssuer } from "./verify.ts";

/** One entry of `tokens.trustedIssuers`: exactly one of the four sources of keys is given. */
export interface TrustedIssuerConfig {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly algorithms: readonly TokenAlgorithm[];
  readonly jwksFile?: string | undefined;
  readonly jwksUri?: string | undefined;
  /** PEM file of roots in place of the system's, for `jwksUri`. */
  readonly jwksCertificates?: string | undefined;
  readonly dangerouslyAllowPrivateAddress?: boolean;
  /** PEM file of anchors for `x5c` chains. */
  readonly certificates?: string | undefined;
  /** Also accept anchors that are no self-signed roots. */
  readonly dangerouslyAllowIntermediateAnchors?: boolean;
  /** Extended key usages of which the signing certificate must have one. */
  readonly certificateUsages?: readonly string[] | undefined;
  readonly publicKey?: string | undefined;
  readonly encodings?: readonly TokenEncoding[];
  readonly profiles?: readonly string[] | undefined;
}

export interface TrustedIssuersWorld {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hears of key sets that could not be fetched. */
  readonly onFailure: (issuer: string, error: unknown) => void;
}

/** What logs and audit records call this server, and the attestation service that its broker uses elsewhere. */
export const OWN_ISSUER = "self";
export const REMOTE_ISSUER = "attestation-service";

const DEFAULT_ENCODINGS: readonly TokenEncoding[] = ["jwt"];

/** This server as an issuer: trusted by the keys in its memory, without any configuration. */
export function ownIssuer(keys: KeySource, issuer: string): TrustedIssuer {
  return {
    name: OWN_ISSUER,
    issuer,
    audience: undefined,
    algorithms: SIGNING_ALGORITHMS,
    encodings: TOKEN_ENCODINGS,
    profiles: Object.values(PROFILE_TAGS),
    handshakesOnly: true,
    keys,
  };
}

/**
 * Prepares the issuers whose tokens count here beside this server's own. Key sets at URLs are fetched when they are
 * first asked for, so that an issuer that is down does not keep this server from starting.
 *
 * @throws KbsError `internal` naming the option, for start-up
 */
export async function openTrustedIssuers(
  configs: readonly TrustedIssuerConfig[],
  world: TrustedIssuersWorld,
): Promise<readonly TrustedIssuer[]> {
  return Promise.all(
    configs.map(async (config, at) => {
      const path = `tokens.trustedIssuers[${at}]`;
      const { issuer, audience, algorithms, encodings = DEFAULT_ENCODINGS, profiles } = config;
      // Whoever calls himself as we do is told apart from us by his place in the configuration.
      const name = issuer === undefined || OURS.has(issuer) ? path : issuer;
      const keys = await openKeys(config, name, path, world);
      return { name, issuer, audience, algorithms, encodings, profiles, keys };
    }),
  );
}

const OURS: ReadonlySet<string> = new Set([OWN_ISSUER, REMOTE_ISSUER]);

async function openKeys(
  config: TrustedIssuerConfig,
  name: string,
  path: string,
  { now, onFailure }: TrustedIssuersWorld,
): Promise<KeySource> {
  const { jwksFile, jwksUri, certificates, publicKey } = config;
  try {
    if (publicKey !== undefined) return pinned(await readFile(publicKey, "utf8"), config.algorithms);
    if (jwksFile !== undefined) return keySetFile(await readFile(jwksFile));
    if (certificates !== undefined)
      return new CertificateKeys({
        anchors: anchorsOf(await readFile(certificates, "utf8")),
        allowIntermediateAnchors: config.dangerouslyAllowIntermediateAnchors === true,
        usages: config.certificateUsages,
        now,
      });
    if (jwksUri === undefined) throw new TypeError("it names no keys");
    const documents = await fetcherFor(jwksUri, config);
    return new RemoteKeySet({ url: jwksUri, documents, now, onFailure: (error) => onFailure(name, error) });
  } catch (cause) {
    const reason = cause instanceof TypeError ? cause.message : "its keys cannot be read";
    throw new KbsError("internal", `${path}: ${reason}.`, { cause });
  }
}

/** A pinned key stands for every algorithm that both it and the configuration know. */
function pinned(pem: string, algorithms: readonly TokenAlgorithm[]): KeySource {
  if (pem.includes("PRIVATE KEY")) throw new TypeError("publicKey holds a private key");
  const key: KeyObject = createPublicKey(pem);
  const usable = algorithms.filter((algorithm) => keyFits(algorithm, key));
  if (usable.length === 0) throw new TypeError("publicKey fits none of the algorithms");
  return new FixedKeys(usable.map((algorithm) => ({ kid: undefined, algorithm, key })));
}

function anchorsOf(pem: string): readonly Certificate[] {
  return readPem(pem)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ der }) => parseCertificate(der));
}

function keySetFile(text: Buffer): KeySource {
  const keys = parseKeySet(text);
  if (keys.length === 0) throw new TypeError("jwksFile holds no public key with kid and alg");
  return new FixedKeys(keys);
}

async function fetcherFor(url: string, config: TrustedIssuerConfig): Promise<HttpsDocuments> {
  const { jwksCertificates, dangerouslyAllowPrivateAddress } = config;
  // IPv6 literals stand in brackets in URLs only.
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  return new HttpsDocuments({
    privateHosts: dangerouslyAllowPrivateAddress === true ? [host] : [],
    ...(jwksCertificates === undefined
      ? {}
      : { certificateAuthorities: await readFile(jwksCertificates, "utf8") }),
  });
}
