/** Intel's statements one by one: what they are called, and what a source gives for a name. */
import { DcapFault } from "../formats/dcap/checks.ts";
import type { DcapCollateral, DcapCollateralQuery, DcapTee, PckCa } from "../formats/dcap/collateral.ts";
import type { CollateralPiece, CollateralPieces, PieceFacts } from "../formats/dcap/pieces.ts";

/** Names one statement. All parts are digits and fixed words, so that they can be parts of paths. */
export type PieceName =
  | { readonly kind: "tcb-info"; readonly tee: DcapTee; readonly fmspc: string }
  | { readonly kind: "qe-identity"; readonly tee: DcapTee }
  | { readonly kind: "pck-crl"; readonly ca: PckCa }
  | { readonly kind: "root-ca-crl" };

/** A statement as it came, byte for byte; nobody verified it. */
export interface RawPiece {
  readonly body: Buffer;
  /** PEM, not percent-encoded any more; empty for the root's revocation list, which needs none. */
  readonly issuerChain: Buffer;
}

/** A statement that verified, where it is from, and what it says about itself. */
export interface GenuinePiece extends RawPiece {
  readonly facts: PieceFacts;
  readonly origin: string;
  /** An operator's own file, not an answer of a service. */
  readonly isFile: boolean;
}

/** The four statements that one quote needs. */
export function piecesFor({ tee, fmspc, ca }: DcapCollateralQuery): readonly PieceName[] {
  return [
    { kind: "tcb-info", tee, fmspc },
    { kind: "qe-identity", tee },
    { kind: "pck-crl", ca },
    { kind: "root-ca-crl" },
  ];
}

/** Put together again. @param pieces - in the order of `piecesFor` */
export function collateralOf(
  pieces: readonly [RawPiece, RawPiece, RawPiece, RawPiece],
  origin: string,
): DcapCollateral {
  const [tcbInfo, qeIdentity, pckCrl, rootCaCrl] = pieces;
  return {
    tcbInfo: tcbInfo.body,
    tcbInfoIssuerChain: tcbInfo.issuerChain,
    qeIdentity: qeIdentity.body,
    qeIdentityIssuerChain: qeIdentity.issuerChain,
    pckCrl: pckCrl.body,
    pckCrlIssuerChain: pckCrl.issuerChain.length === 0 ? undefined : pckCrl.issuerChain,
    rootCaCrl: rootCaCrl.body,
    origin,
  };
}

/** Text that is different for every name: words, digits, `-` and `/`. */
export function pieceKey(name: PieceName): string {
  switch (name.kind) {
    case "tcb-info":
      return `tcb-info/${name.tee}-${name.fmspc}`;
    case "qe-identity":
      return `qe-identity/${name.tee}`;
    case "pck-crl":
      return `crl/pck-${name.ca}`;
    case "root-ca-crl":
      return "crl/root";
  }
}

/** For people. */
export function pieceTitle(name: PieceName): string {
  switch (name.kind) {
    case "tcb-info":
      return `TCB info of ${name.tee.toUpperCase()} for FMSPC ${name.fmspc}`;
    case "qe-identity":
      return `identity of the ${name.tee.toUpperCase()} quoting enclave`;
    case "pck-crl":
      return `revocation list of the PCK ${name.ca} CA`;
    case "root-ca-crl":
      return "revocation list of the root CA";
  }
}

/**
 * Verifies a statement as the one that was asked for.
 *
 * @returns the fault as a sentence, or what the statement says about itself
 */
export function judgePiece(
  pieces: CollateralPieces,
  name: PieceName,
  { body, issuerChain }: RawPiece,
): PieceFacts | string {
  // A name and the bytes for it are exactly what a piece is made of.
  const piece = { ...name, body, issuerChain } as CollateralPiece;
  try {
    return pieces.verify(piece);
  } catch (error) {
    if (error instanceof DcapFault) return `${error.check}: ${error.message}`;
    throw error;
  }
}

/** Whether it counts at `now` (milliseconds), with `grace` beyond its end. */
export function isCurrent({ countsFrom, expiresAt }: PieceFacts, now: number, grace = 0): boolean {
  return countsFrom <= now && now <= expiresAt + grace;
}

/** Whether exchanging `held` for `next` would take something back that Intel said already. */
export function isOlder(next: PieceFacts, held: PieceFacts): boolean {
  if (next.issuedAt < held.issuedAt) return true;
  // A fresh date on an old evaluation is what a proxy can ask Intel for.
  if ((next.evaluationNumber ?? 0) < (held.evaluationNumber ?? 0)) return true;
  return (next.crlNumber ?? 0n) < (held.crlNumber ?? 0n);
}
