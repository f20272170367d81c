/**
 * What Intel states about platforms, as raw bytes: the contract between the verification of DCAP quotes and the
 * places such statements come from (Intel's service, a PCCS, an offline bundle, a folder, a cache).
 *
 * Rules for every source: nothing is kept before it verified (`verifyPiece` of pieces.ts, or the `accept` callback);
 * no address is ever taken from evidence or from collateral; bytes are handed on unchanged, for signatures cover
 * bytes.
 */
import type { DcapTrustAnchors } from "./trust-anchors.ts";

export type DcapTee = "tdx" | "sgx";

/** The two authorities that issue PCK certificates, by the names that the `ca` parameter of the service has. */
export type PckCa = "platform" | "processor";

/** One complete set of statements. None of it is trusted: the verification judges every member anew (or by hash). */
export interface DcapCollateral {
  /** Body of the answer, byte for byte: `{"tcbInfo":{…},"signature":"<128 hex>"}`. */
  readonly tcbInfo: Buffer;
  /** PEM (not percent-encoded any more): TCB signing certificate, root. */
  readonly tcbInfoIssuerChain: Buffer;
  /** Body of the answer, byte for byte: `{"enclaveIdentity":{…},"signature":"<128 hex>"}`. */
  readonly qeIdentity: Buffer;
  readonly qeIdentityIssuerChain: Buffer;
  /** DER, PEM or hexadecimal text, as it came. */
  readonly pckCrl: Buffer;
  /** PEM: PCK CA, root. For sources that verify the list before any quote came; quotes bring the CA along. */
  readonly pckCrlIssuerChain: Buffer | undefined;
  /** DER, PEM or hexadecimal text, as it came. */
  readonly rootCaCrl: Buffer;
  /** Where it comes from, for the list of checks: "the cache", "the given collateral". */
  readonly origin: string;
}

/** What collateral is asked for. The PCK chain behind it is verified before anybody asks. */
export interface DcapCollateralQuery {
  readonly tee: DcapTee;
  /** 12 lower-case hexadecimal digits, of the PCK certificate. */
  readonly fmspc: string;
  /** By the issuer name of the PCK certificate. */
  readonly ca: PckCa;
}

/** Certification data of types 1 to 3: the quote names its PCK certificate instead of carrying it. */
export interface PckCertificateQuery {
  /** 16 bytes in the clear (type 1), or 256 or 384 bytes encrypted to Intel (types 2 and 3). */
  readonly ppid: Buffer | undefined;
  readonly encryptedPpid: Buffer | undefined;
  /** 16 bytes. */
  readonly cpuSvn: Buffer;
  readonly pceSvn: number;
  /** 4 lower-case hexadecimal digits, in the order of the bytes. */
  readonly pceId: string;
  /** 16 bytes: the first of the quote's user data, by which a PCCS knows platforms. */
  readonly qeId: Buffer;
}

export interface DcapCollateralSource {
  /** Roots that count. Nothing a source reads can add one. */
  readonly anchors: DcapTrustAnchors;
  /** Operator's files that could not be read; any fault refuses evidence. */
  readonly faults: readonly string[];
  /**
   * Gives the collateral for one kind of platform.
   *
   * @param accept - whether a set is genuine, usable now and fits the quote, and what is wrong otherwise (a sentence):
   *   for choosing among an operator's files. If none is accepted, one is given back all the same, so that the refusal
   *   names the check. Statements of services are verified one by one before they are kept, and given back without
   *   being asked about: that a platform is revoked, say, is no fault of the service
   * @returns undefined when no source has a set: Intel does not know the platform, or nothing is configured
   * @throws KbsError `collateral-unavailable` when a source could not be asked, or lied
   */
  collateral(
    query: DcapCollateralQuery,
    accept: (collateral: DcapCollateral) => string | undefined,
    signal: AbortSignal,
  ): Promise<DcapCollateral | undefined>;
  /**
   * Looks for a PCK certificate with its chain (PEM: leaf, PCK CA, and the root or not) that a quote names by PPID.
   *
   * @param accept - whether a candidate verifies and fits the quote; others are neither kept nor given back
   * @throws KbsError `collateral-unavailable`
   */
  pckCertificateChain?(
    query: PckCertificateQuery,
    accept: (chainPem: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<Buffer | undefined>;
}
