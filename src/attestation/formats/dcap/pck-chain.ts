/**
 * PCK certificate → Platform or Processor CA → pinned root. Verification is about bytes and roots only, so that a
 * verified chain can be kept; time and revocation are judged for each quote anew.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { type Certificate, parseCertificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import {
  commonName,
  isAuthority,
  isEndEntity,
  isSignedBy,
  profileFault,
  readPemChain,
} from "./certificates.ts";
import { DcapFault } from "./checks.ts";
import type { PckCa } from "./collateral.ts";
import { type PckPlatform, readPckPlatform } from "./pck.ts";
import type { DcapTrustAnchors } from "./trust-anchors.ts";

export interface PckChain {
  readonly leaf: Certificate;
  readonly platform: PckPlatform;
  readonly intermediate: Certificate;
  readonly ca: PckCa;
  readonly root: Certificate;
}

const LEAF_NAME = "Intel SGX PCK Certificate";
const CA_NAMES: Readonly<Record<string, PckCa>> = {
  "Intel SGX PCK Platform CA": "platform",
  "Intel SGX PCK Processor CA": "processor",
};
/** One per platform and TCB; an entry is a few kilobytes. */
const MAX_CHAINS = 4096;
/** Intel has two PCK authorities; test fleets add theirs. */
const MAX_AUTHORITIES = 64;

/** Verifies PCK chains up to pinned roots and remembers those that held. Safe to share: keys are hashes of the bytes. */
export class PckChains {
  readonly #anchors: DcapTrustAnchors;
  readonly #chains = new LRUCache<string, PckChain>({ max: MAX_CHAINS });
  /** PCK authorities with the pinned root that signed them. */
  readonly #authorities = new LRUCache<string, { intermediate: Certificate; root: Certificate }>({
    max: MAX_AUTHORITIES,
  });

  constructor(anchors: DcapTrustAnchors) {
    this.#anchors = anchors;
  }

  /**
   * @param pem - exactly leaf, PCK CA and root
   * @throws DcapFault `pck-chain` | `root-untrusted` | `pck-role` | `pck-extension`
   */
  verify(pem: Buffer): PckChain {
    const key = sha256(pem);
    const known = this.#chains.get(key);
    if (known !== undefined) return known;
    const chain = this.#verify(pem);
    this.#chains.set(key, chain);
    return chain;
  }

  #verify(pem: Buffer): PckChain {
    const [leafDer, intermediateDer, rootDer, ...more] = reading(() => readPemChain(pem));
    if (leafDer === undefined || intermediateDer === undefined || rootDer === undefined || more.length > 0)
      throw new DcapFault("pck-chain", "a chain that is not leaf, PCK CA and root");
    const leaf = reading(() => parseCertificate(leafDer));
    const key = sha256(intermediateDer);
    const known = this.#authorities.get(key);
    const intermediate = known?.intermediate ?? reading(() => parseCertificate(intermediateDer));
    const root = this.#findRoot(rootDer);
    const ca = roleOf(leaf, intermediate);
    failOn(issueFault(leaf, intermediate));
    if (known?.root !== root) {
      failOn(authorityFault(intermediate, root));
      this.#authorities.set(key, { intermediate, root });
    }
    return { leaf, platform: platformOf(leaf), intermediate, ca, root };
  }

  #findRoot(rootDer: Buffer): Certificate {
    const root = this.#anchors.roots.find(({ der }) => der.equals(rootDer));
    if (root !== undefined) return root;
    throw new DcapFault("root-untrusted", `another root (SHA-256 ${sha256(rootDer)})`);
  }
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DcapFault("pck-chain", `a malformed certificate chain: ${error.message}`, error);
  }
}

/** Names and flags: the same root signs other authorities and signers, and a leaf must not pass for a CA. */
function roleOf(leaf: Certificate, intermediate: Certificate): PckCa {
  if (commonName(leaf) !== LEAF_NAME || !isEndEntity(leaf))
    throw new DcapFault("pck-role", `${commonName(leaf)} in the place of the PCK certificate`);
  const ca = pckCaOf(intermediate);
  if (ca === undefined)
    throw new DcapFault("pck-role", `${commonName(intermediate)} in the place of the PCK authority`);
  return ca;
}

/** Which of the two PCK authorities a certificate claims to be; its signature is another question. */
export function pckCaOf(certificate: Certificate): PckCa | undefined {
  return isAuthority(certificate) ? CA_NAMES[commonName(certificate)] : undefined;
}

function failOn(fault: string | undefined): void {
  if (fault !== undefined) throw new DcapFault("pck-chain", fault);
}

/** @returns undefined when the pinned root signed the authority, and itself; a sentence otherwise */
export function authorityFault(authority: Certificate, root: Certificate): string | undefined {
  return (
    issueFault(authority, root) ??
    issueFault(root, root) ??
    (isAuthority(root) ? undefined : "the root is no authority")
  );
}

/** @returns undefined when `issuer` issued `certificate` and both have Intel's profile; a sentence otherwise */
function issueFault(certificate: Certificate, issuer: Certificate): string | undefined {
  const fault = profileFault(certificate) ?? profileFault(issuer);
  if (fault !== undefined) return fault;
  const name = commonName(certificate);
  if (!certificate.issuerDer.equals(issuer.subjectDer)) return `${name} names another issuer`;
  return isSignedBy(certificate, issuer) ? undefined : `${name} is not signed by ${commonName(issuer)}`;
}

function platformOf(leaf: Certificate): PckPlatform {
  try {
    return readPckPlatform(leaf);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DcapFault("pck-extension", error.message, error);
  }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
