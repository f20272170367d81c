/**
 * What certificates of TPM keys have to say (TCG EK Credential Profile 2.5 §3; TCG Platform and AK credential
 * profiles): endorsement keys and attestation keys.
 */
import type { KeyObject } from "node:crypto";
import { type Certificate, extendedKeyUsages, hasKeyUsage, OID } from "../../../crypto/certificate.ts";
import { DerError, DerReader, oidText, readDer, stringValue, TAG } from "../../../crypto/der.ts";
import {
  type CertificateAuthorities,
  CertificateChainError,
  type ChainOptions,
  constraintsOf,
  nameOf,
  readCertificateList,
  verifyCertificatePath,
} from "./certificate-chain.ts";
import { keyFingerprint } from "./keys.ts";

/** Extended key usages of the TCG. */
const EK_CERTIFICATE = "2.23.133.8.1";
const AK_CERTIFICATE = "2.23.133.8.3";
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const DIRECTORY_NAME = 0xa4;

const TPM_ATTRIBUTES = {
  "2.23.133.2.1": "manufacturer",
  "2.23.133.2.2": "model",
  "2.23.133.2.3": "firmwareVersion",
} as const;

const KEY_USAGE = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4 } as const;
/** Critical extensions that are read here, or that say nothing a verifier has to obey. */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  SUBJECT_ALTERNATIVE_NAME,
  "2.5.29.9",
  "2.5.29.32",
]);

export interface TpmIdentity {
  /** `id:` and eight hexadecimal digits. */
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmwareVersion?: string;
}

export interface EndorsementCertificate extends TpmIdentity {
  readonly publicKey: KeyObject;
  /** SHA-256 over the key's canonical SubjectPublicKeyInfo, lower-case hex. */
  readonly ekFingerprint: string;
  /** SHA-256 over the certificate's DER, lower-case hex. */
  readonly fingerprint: string;
  /** Name of the pinned authority that vouches for it. */
  readonly authority: string;
}

/**
 * Verifies an endorsement key's certificate.
 *
 * @param chain - DER; the key's certificate first, then whatever authorities came along
 * @throws CertificateChainError
 */
export function verifyEndorsementCertificate(
  chain: readonly Buffer[],
  authorities: CertificateAuthorities,
  options: ChainOptions,
): EndorsementCertificate {
  const { leaf, authority } = verifyLeaf(chain.map(withoutPadding), authorities, options);
  if (!usages(leaf).includes(EK_CERTIFICATE))
    throw new CertificateChainError(`${nameOf(leaf)} is not marked as an endorsement key's certificate`);
  const rsa = leaf.publicKey.asymmetricKeyType === "rsa";
  if (!mayBeUsed(leaf, rsa ? KEY_USAGE.keyEncipherment : KEY_USAGE.keyAgreement))
    throw new CertificateChainError(`${nameOf(leaf)} has the wrong key usage for an endorsement key`);
  const { publicKey, fingerprint } = leaf;
  return {
    publicKey,
    ekFingerprint: keyFingerprint(publicKey),
    fingerprint,
    authority: nameOf(authority),
    ...tpmIdentity(leaf),
  };
}

/**
 * Verifies a certificate that says of a key that it is an attestation key: a cloud provider's, or one made with an
 * IDevID.
 *
 * @param chain - DER; the key's certificate first
 * @throws CertificateChainError
 */
export function verifyAttestationCertificate(
  chain: readonly Buffer[],
  authorities: CertificateAuthorities,
  options: ChainOptions,
): { readonly publicKey: KeyObject; readonly fingerprint: string; readonly authority: string } {
  const { leaf, authority } = verifyLeaf(chain, authorities, options);
  const named = usages(leaf);
  if (named.length > 0 && !named.includes(AK_CERTIFICATE))
    throw new CertificateChainError(`${nameOf(leaf)} is not marked as an attestation key's certificate`);
  if (!mayBeUsed(leaf, KEY_USAGE.digitalSignature))
    throw new CertificateChainError(`${nameOf(leaf)} may not be used for signatures`);
  return { publicKey: leaf.publicKey, fingerprint: leaf.fingerprint, authority: nameOf(authority) };
}

/** TPMs hand out the whole NV area: bytes after the certificate are padding, and nobody's. */
function withoutPadding(bytes: Buffer): Buffer {
  try {
    return new DerReader(bytes).next(TAG.sequence).whole;
  } catch (error) {
    // What is no DER is left for the reader, which says what is wrong.
    if (error instanceof DerError) return bytes;
    throw error;
  }
}

function verifyLeaf(chain: readonly Buffer[], authorities: CertificateAuthorities, options: ChainOptions) {
  const [leaf, ...carried] = readCertificateList(chain);
  if (leaf === undefined) throw new CertificateChainError("no certificate");
  if (constraintsOf(leaf).ca)
    throw new CertificateChainError(`${nameOf(leaf)} is an authority, not a key's certificate`);
  for (const [oid, { critical }] of leaf.extensions)
    if (critical && !KNOWN_CRITICAL.has(oid))
      throw new CertificateChainError(`${nameOf(leaf)} has the unknown critical extension ${oid}`);
  const path = verifyCertificatePath(leaf, carried, authorities, options);
  const authority = path.at(-1);
  if (authority === undefined) throw new CertificateChainError("no authority vouches for the certificate");
  return { leaf, authority };
}

/** Absent key usage permits every use (RFC 5280 §4.2.1.3). */
function mayBeUsed(certificate: Certificate, bit: number): boolean {
  if (!certificate.extensions.has(OID.keyUsage)) return true;
  return readOr(certificate, "key usage", () => hasKeyUsage(certificate, bit));
}

function usages(certificate: Certificate): readonly string[] {
  return readOr(certificate, "extended key usage", () => extendedKeyUsages(certificate) ?? []);
}

/** Manufacturer, model and version from the directory name among the subject's alternative names. */
function tpmIdentity(certificate: Certificate): TpmIdentity {
  const extension = certificate.extensions.get(SUBJECT_ALTERNATIVE_NAME);
  if (extension === undefined) return {};
  return readOr(certificate, "subject alternative name", () => {
    const names = new DerReader(readDer(extension.value, TAG.sequence).content);
    const identity: Record<string, string> = {};
    while (!names.atEnd) {
      const name = names.next();
      if (name.tag === DIRECTORY_NAME)
        readDirectoryName(readDer(name.content, TAG.sequence).content, identity);
    }
    return identity;
  });
}

function readDirectoryName(content: Buffer, identity: Record<string, string>): void {
  const rdns = new DerReader(content);
  while (!rdns.atEnd) {
    const rdn = rdns.enter(TAG.set);
    while (!rdn.atEnd) {
      const attribute = rdn.enter(TAG.sequence);
      const oid = oidText(attribute.next(TAG.oid));
      const text = stringValue(attribute.next()).slice(0, 100);
      // Object.entries forgets which texts are keys.
      const member = Object.entries(TPM_ATTRIBUTES).find(([known]) => known === oid)?.[1];
      if (member !== undefined) identity[member] = text;
    }
  }
}

function readOr<T>(certificate: Certificate, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new CertificateChainError(`${nameOf(certificate)} has a malformed ${what}`, cause);
  }
}
