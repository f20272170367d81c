/**
 * Intel's statements, verified one by one and remembered. What is said here holds for bytes and roots only; time,
 * revocation and whether a statement is about the platform in question are judged anew for each quote.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Certificate } from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { commonName, isEndEntity, readCertificates } from "./certificates.ts";
import { DcapFault } from "./checks.ts";
import type { DcapTee, PckCa } from "./collateral.ts";
import { authorityFault, pckCaOf } from "./pck-chain.ts";
import { checkListIssuer, type NumberedList, readList } from "./revocation-lists.ts";
import { readSignedJson, SignedJsonError, type SignedMember } from "./signed-json.ts";
import { type QeIdentity, readQeIdentity, readTcbInfo, type TcbInfo } from "./statements.ts";
import type { DcapTrustAnchors } from "./trust-anchors.ts";

/** One statement as a source has it, with what it is meant to be. */
export type CollateralPiece =
  | {
      readonly kind: "tcb-info";
      readonly tee: DcapTee;
      /** 12 hexadecimal digits. */
      readonly fmspc: string;
      readonly body: Buffer;
      readonly issuerChain: Buffer;
    }
  | {
      readonly kind: "qe-identity";
      readonly tee: DcapTee;
      readonly body: Buffer;
      readonly issuerChain: Buffer;
    }
  | { readonly kind: "pck-crl"; readonly ca: PckCa; readonly body: Buffer; readonly issuerChain: Buffer }
  | { readonly kind: "root-ca-crl"; readonly body: Buffer };

/** What a genuine statement says about itself. Times are milliseconds since the epoch. */
export interface PieceFacts {
  readonly issuedAt: number;
  /** When both the statement and the certificate of its signer count. */
  readonly countsFrom: number;
  readonly expiresAt: number;
  /** TCB evaluation data number; for TCB info and QE identity. */
  readonly evaluationNumber: number | undefined;
  /** For revocation lists. */
  readonly crlNumber: bigint | undefined;
}

/** Who signed TCB info or a QE identity. */
export interface TcbSigner {
  readonly certificate: Certificate;
  readonly root: Certificate;
}

const SIGNER_NAME = "Intel SGX TCB Signing";

/** Statements remembered: a few per kind of platform; the largest have some ten kilobytes. */
const MAX_STATEMENTS = 1024;
/** What did not verify is among them for a while, and a service that lies need not be brief. */
const MAX_STATEMENT_BYTES = 64 * 1024 * 1024;

/**
 * Verifies statements up to the pinned roots. Results are remembered by the bytes, so that the same statement again
 * costs no cryptography, and the same buffer again not even a hash.
 */
export class CollateralPieces {
  readonly #anchors: DcapTrustAnchors;
  /** Buffer → the one of the same bytes that the memories below know. */
  readonly #same = new WeakMap<Buffer, Buffer>();
  readonly #byHash = new LRUCache<string, Buffer>({
    max: MAX_STATEMENTS,
    maxSize: MAX_STATEMENT_BYTES,
    sizeCalculation: ({ length }) => length + 1,
  });
  readonly #signers = new WeakMap<Buffer, TcbSigner>();
  readonly #lists = new WeakMap<Buffer, NumberedList>();
  /** Fingerprints of the authorities that were found to have signed a list. */
  readonly #listIssuers = new WeakMap<NumberedList, string>();
  readonly #tcbInfos = new WeakMap<Buffer, Statement<TcbInfo>>();
  readonly #identities = new WeakMap<Buffer, Statement<QeIdentity>>();

  constructor(anchors: DcapTrustAnchors) {
    this.#anchors = anchors;
  }

  /**
   * Verifies one statement. Not whether it counts now: see `issuedAt` and `expiresAt`.
   *
   * @throws DcapFault naming what does not hold
   */
  verify(piece: CollateralPiece): PieceFacts {
    switch (piece.kind) {
      case "tcb-info":
        return statementFacts(this.#verifyTcbInfo(piece), this.signer(piece.issuerChain));
      case "qe-identity": {
        const signer = this.signer(piece.issuerChain);
        return statementFacts(this.qeIdentity(piece.body, signer, piece.tee), signer);
      }
      case "pck-crl":
        return listFacts(this.list(piece.body, this.#pckAuthority(piece.issuerChain, piece.ca)));
      case "root-ca-crl":
        return listFacts(this.#rootList(piece.body));
    }
  }

  #verifyTcbInfo(piece: Extract<CollateralPiece, { kind: "tcb-info" }>): TcbInfo {
    const info = this.tcbInfo(piece.body, this.signer(piece.issuerChain), piece.tee);
    if (info.fmspc !== piece.fmspc.toLowerCase())
      throw new DcapFault("fmspc", `TCB info for ${info.fmspc} instead of ${piece.fmspc.toLowerCase()}`);
    return info;
  }

  /**
   * The TCB signing certificate of an issuer chain: exactly that certificate and a pinned root.
   *
   * @throws DcapFault `tcb-signer`
   */
  signer(bytes: Buffer): TcbSigner {
    const chain = this.#canonical(bytes);
    const known = this.#signers.get(chain);
    if (known !== undefined) return known;
    const [certificate, root] = this.#readChain(chain, "tcb-signer");
    const fault =
      authorityFault(certificate, root) ??
      (commonName(certificate) === SIGNER_NAME && isEndEntity(certificate)
        ? undefined
        : `${commonName(certificate)} in the place of the TCB signing certificate`);
    if (fault !== undefined) throw new DcapFault("tcb-signer", fault);
    const signer = { certificate, root };
    this.#signers.set(chain, signer);
    return signer;
  }

  /** Two certificates, the second of which is pinned. */
  #readChain(chain: Buffer, check: "tcb-signer" | "crl-issuer"): readonly [Certificate, Certificate] {
    const [certificate, carried, ...more] = reading(() => readCertificates(chain), check);
    if (certificate === undefined || carried === undefined || more.length > 0)
      throw new DcapFault(check, "an issuer chain that is not issuer and root");
    const root = this.#anchors.roots.find(({ der }) => der.equals(carried.der));
    if (root === undefined)
      throw new DcapFault(check, `an issuer chain with another root (SHA-256 ${carried.fingerprint})`);
    return [certificate, root];
  }

  #pckAuthority(chain: Buffer, ca: PckCa): Certificate {
    const [certificate, root] = this.#readChain(chain, "crl-issuer");
    const fault =
      authorityFault(certificate, root) ??
      (pckCaOf(certificate) === ca
        ? undefined
        : `${commonName(certificate)} in the place of the ${ca} authority`);
    if (fault !== undefined) throw new DcapFault("crl-issuer", fault);
    return certificate;
  }

  /**
   * A list that `issuer` signed; the issuer is trusted already.
   *
   * @throws DcapFault `crl-format` | `crl-issuer` | `crl-signature`
   */
  list(bytes: Buffer, issuer: Certificate): NumberedList {
    const list = this.parseList(bytes);
    if (this.#listIssuers.get(list) !== issuer.fingerprint) checkListIssuer(list, issuer);
    this.#listIssuers.set(list, issuer.fingerprint);
    return list;
  }

  /** A list that nobody verified. @throws DcapFault `crl-format` */
  parseList(bytes: Buffer): NumberedList {
    const key = this.#canonical(bytes);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const list = readList(bytes);
    this.#lists.set(key, list);
    return list;
  }

  #canonical(bytes: Buffer): Buffer {
    const known = this.#same.get(bytes);
    if (known !== undefined) return known;
    const hash = createHash("sha256").update(bytes).digest("base64");
    const same = this.#byHash.get(hash) ?? bytes;
    this.#byHash.set(hash, same);
    this.#same.set(bytes, same);
    return same;
  }

  #rootList(bytes: Buffer): NumberedList {
    const { issuerDer } = this.parseList(bytes);
    const root = this.#anchors.roots.find(({ subjectDer }) => subjectDer.equals(issuerDer));
    if (root === undefined) throw new DcapFault("crl-issuer", "a revocation list of another authority");
    return this.list(bytes, root);
  }

  /** @throws DcapFault `tcb-info-signature` | `tcb-info-id` | `tcb-info-format` */
  tcbInfo(body: Buffer, signer: TcbSigner, tee: DcapTee): TcbInfo {
    return remembered(this.#tcbInfos, this.#canonical(body), signer, tee, () =>
      readTcbInfo(signedBy(signer, body, "tcbInfo", "tcb-info-signature"), tee),
    );
  }

  /** @throws DcapFault `qe-identity-signature` | `qe-identity-id` | `qe-identity-format` */
  qeIdentity(body: Buffer, signer: TcbSigner, tee: DcapTee): QeIdentity {
    return remembered(this.#identities, this.#canonical(body), signer, tee, () =>
      readQeIdentity(signedBy(signer, body, "enclaveIdentity", "qe-identity-signature"), tee),
    );
  }
}

interface Statement<T> {
  readonly signer: string;
  readonly tee: DcapTee;
  readonly value: T;
}

function remembered<T>(
  memory: WeakMap<Buffer, Statement<T>>,
  body: Buffer,
  { certificate }: TcbSigner,
  tee: DcapTee,
  read: () => T,
): T {
  const known = memory.get(body);
  if (known?.signer === certificate.fingerprint && known.tee === tee) return known.value;
  const value = read();
  memory.set(body, { signer: certificate.fingerprint, tee, value });
  return value;
}

function signedBy(
  { certificate }: TcbSigner,
  body: Buffer,
  name: SignedMember,
  check: "tcb-info-signature" | "qe-identity-signature",
) {
  try {
    return readSignedJson(body, name, certificate.publicKey);
  } catch (error) {
    if (error instanceof SignedJsonError) throw new DcapFault(check, error.message, error);
    throw error;
  }
}

function reading<T>(read: () => T, check: "tcb-signer" | "crl-issuer"): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw new DcapFault(check, `a malformed chain: ${error.message}`, error);
    throw error;
  }
}

/** Intel renewed the signer's certificate with the same key: which of the two came along decides what counts when. */
function statementFacts(
  { issuedAt, expiresAt, evaluationNumber }: TcbInfo | QeIdentity,
  { certificate: { notBefore, notAfter } }: TcbSigner,
): PieceFacts {
  return {
    issuedAt,
    countsFrom: Math.max(issuedAt, notBefore),
    expiresAt: Math.min(expiresAt, notAfter),
    evaluationNumber,
    crlNumber: undefined,
  };
}

function listFacts({ thisUpdate, nextUpdate, number }: NumberedList): PieceFacts {
  return {
    issuedAt: thisUpdate,
    countsFrom: thisUpdate,
    // A list without an end is refused when it is read; an end in the past is the safe reading of its absence.
    expiresAt: nextUpdate ?? thisUpdate,
    evaluationNumber: undefined,
    crlNumber: number,
  };
}
