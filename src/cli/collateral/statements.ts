/** What vendors' statements say about themselves, verified one by one: the rows that `keywarden collateral` prints. */

import type { AmdMaterial } from "../../attestation/endorsements/amd-material.ts";
import type { AmdEntry, BundleEntry } from "../../attestation/endorsements/bundle.ts";
import { type IntelMaterial, withIssuers } from "../../attestation/endorsements/intel-material.ts";
import { isOlder, judgePiece, pieceKey, pieceTitle } from "../../attestation/endorsements/intel-pieces.ts";
import { CollateralPieces, type PieceFacts } from "../../attestation/formats/dcap/pieces.ts";
import type { DcapTrustAnchors } from "../../attestation/formats/dcap/trust-anchors.ts";
import { isSignedBy, verifyChain } from "../../attestation/formats/sev-snp/chain.ts";
import { SNP_CHECKS } from "../../attestation/formats/sev-snp/checks.ts";
import {
  commonName,
  isSelfIssued,
  type TrustAnchors,
} from "../../attestation/formats/sev-snp/trust-anchors.ts";
import { readVek } from "../../attestation/formats/sev-snp/vek.ts";
import { Trail } from "../../attestation/trail.ts";
import { EvidenceRejected } from "../../attestation/verifier.ts";
import type { Certificate } from "../../crypto/certificate.ts";
import type { RevocationList } from "../../crypto/crl.ts";
import { DerError } from "../../crypto/der.ts";

/** One statement: what it is, when it counts, and what is wrong with it. */
export interface Statement {
  readonly title: string;
  /** Milliseconds since the epoch; unknown of a statement that did not verify. */
  readonly issuedAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** Numbers of evaluation or list. */
  readonly number: string;
  /** TCB evaluation data number; zero where there is none. */
  readonly evaluation: number;
  /** A sentence; `undefined`: genuine up to the vendor's root. */
  readonly fault: string | undefined;
  readonly entry: { readonly intel: BundleEntry } | { readonly amd: AmdEntry };
}

/** Roots that count. */
export interface Anchors {
  readonly intel: DcapTrustAnchors;
  readonly amd: TrustAnchors;
}

/**
 * Statements in a steady order. Of one that came with several possible issuers, the right one, and of several
 * certificates of that one the one that counts longest.
 */
export function intelStatements(material: IntelMaterial, { intel }: Anchors): readonly Statement[] {
  const pieces = new CollateralPieces(intel);
  const found = new Map<string, Statement>();
  for (const entry of withIssuers(material, intel.roots)) {
    const key = `${pieceKey(entry.name)} ${entry.body.toString("base64")}`;
    const facts = judgePiece(pieces, entry.name, entry);
    if (!isBetter(facts, found.get(key))) continue;
    found.set(key, { title: pieceTitle(entry.name), entry: { intel: entry }, ...rowOf(facts) });
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, statement]) => statement);
}

function isBetter(facts: PieceFacts | string, held: Statement | undefined): boolean {
  if (held === undefined || held.fault !== undefined) return true;
  return typeof facts !== "string" && facts.expiresAt > (held.expiresAt ?? 0);
}

function rowOf(
  facts: PieceFacts | string,
): Pick<Statement, "issuedAt" | "expiresAt" | "number" | "evaluation" | "fault"> {
  if (typeof facts === "string")
    return { issuedAt: undefined, expiresAt: undefined, number: "", evaluation: 0, fault: facts };
  const { issuedAt, expiresAt, evaluationNumber, crlNumber } = facts;
  const number = evaluationNumber === undefined ? `list ${crlNumber}` : `evaluation ${evaluationNumber}`;
  return { issuedAt, expiresAt, number, evaluation: evaluationNumber ?? 0, fault: undefined };
}

/** AMD's certificates and revocation lists; certificates of others are passed over. */
export function amdStatements(material: AmdMaterial, { amd }: Anchors): readonly Statement[] {
  const certificates = material.certificates.filter((it) => !isSelfIssued(it));
  const authorities = certificates.filter((it) => amd.roots.some((root) => isIssuedBy(it, root)));
  return [
    ...unique(certificates).map((it) => certificateStatement(it, authorities, amd)),
    ...unique(material.revocationLists).map((it) => listStatement(it, amd)),
  ];
}

function unique<T extends { readonly fingerprint: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.fingerprint, item])).values()];
}

function certificateStatement(
  certificate: Certificate,
  authorities: readonly Certificate[],
  anchors: TrustAnchors,
): Statement {
  const { notBefore, notAfter, der } = certificate;
  const direct = authorities.includes(certificate);
  return {
    title: direct ? `certificate of ${commonName(certificate)}` : vekTitle(certificate),
    issuedAt: notBefore,
    expiresAt: notAfter,
    number: "",
    evaluation: 0,
    fault: direct ? undefined : vekFault(certificate, authorities, anchors),
    entry: { amd: { kind: "certificate", der } },
  };
}

function isIssuedBy(certificate: Certificate, root: Certificate): boolean {
  return certificate.issuerDer.equals(root.subjectDer) && isSignedBy(certificate, root);
}

/** Which chip it is: the beginning of its id is enough to tell them apart. */
function vekTitle(certificate: Certificate): string {
  try {
    const { subjectKind, issuerProduct, hardwareId } = readVek(certificate);
    const chip = hardwareId === undefined ? "" : `, chip ${hardwareId.toString("hex", 0, 8)}…`;
    return `${subjectKind} of ${issuerProduct}${chip}`;
  } catch (error) {
    if (error instanceof DerError) return `certificate of ${commonName(certificate)}`;
    throw error;
  }
}

function vekFault(
  { der }: Certificate,
  authorities: readonly Certificate[],
  anchors: TrustAnchors,
): string | undefined {
  const trail = new Trail("snp", SNP_CHECKS);
  try {
    verifyChain(
      trail,
      { vek: der, label: undefined, asks: authorities.map((it) => it.der), arks: [] },
      anchors,
    );
    return undefined;
  } catch (error) {
    if (error instanceof EvidenceRejected) return error.detail;
    throw error;
  }
}

function listStatement(list: RevocationList, { roots }: TrustAnchors): Statement {
  const issuer = roots.find((root) => root.subjectDer.equals(list.issuerDer) && isSignedBy(list, root));
  return {
    title: `revocation list of ${issuer === undefined ? "an unknown authority" : commonName(issuer)}`,
    issuedAt: list.thisUpdate,
    // A list without an end is of no use to anybody.
    expiresAt: list.nextUpdate ?? list.thisUpdate,
    number: `${list.revoked.size} revoked`,
    evaluation: 0,
    fault: issuer === undefined ? "no pinned root signed it" : undefined,
    entry: { amd: { kind: "revocation-list", der: list.der } },
  };
}

/** Genuine statements, of several with one name only the newest: what is worth carrying. */
export function newest(statements: readonly Statement[]): readonly Statement[] {
  const best = new Map<string, Statement>();
  for (const statement of statements) {
    if (statement.fault !== undefined) continue;
    const key =
      "intel" in statement.entry
        ? pieceKey(statement.entry.intel.name)
        : amdKey(statement, statement.entry.amd);
    const held = best.get(key);
    if (held === undefined || isOlder(factsOf(held), factsOf(statement))) best.set(key, statement);
  }
  return [...best.values()];
}

/** Certificates are all different; lists of one authority are editions of one. */
function amdKey({ title }: Statement, { kind, der }: AmdEntry): string {
  return kind === "certificate" ? der.toString("base64") : title;
}

function factsOf({ issuedAt = 0, expiresAt = 0, evaluation }: Statement): PieceFacts {
  return {
    issuedAt,
    countsFrom: issuedAt,
    expiresAt,
    evaluationNumber: evaluation,
    crlNumber: undefined,
  };
}

/** Platforms that the statements are meant for and do not cover, as sentences. */
export function gaps(statements: readonly Statement[]): readonly string[] {
  const names = statements.flatMap(({ entry }) => ("intel" in entry ? [entry.intel.name] : []));
  const has = (key: string) => names.some((name) => pieceKey(name).startsWith(key));
  const wanted = new Set<string>();
  for (const name of names) {
    if (name.kind !== "tcb-info") continue;
    if (!has(`qe-identity/${name.tee}`))
      wanted.add(`no identity of the ${name.tee.toUpperCase()} quoting enclave`);
    // Machines with TDX are the Platform CA's.
    const list = name.tee === "tdx" ? "crl/pck-platform" : "crl/pck-";
    if (!has(list))
      wanted.add(`no revocation list of ${name.tee === "tdx" ? "the PCK platform CA" : "a PCK CA"}`);
    if (!has("crl/root")) wanted.add("no revocation list of Intel's root CA");
  }
  return [...wanted];
}
