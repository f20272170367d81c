/** Intel's statements under a root of our own: TCB info, QE identities, revocation lists, each with its issuers. */
import type { PieceName, RawPiece } from "../../../src/attestation/endorsements/intel-pieces.ts";
import { piecesFor } from "../../../src/attestation/endorsements/intel-pieces.ts";
import type { DcapCollateralQuery } from "../../../src/attestation/formats/dcap/collateral.ts";
import {
  type DcapTrustAnchors,
  dcapTrustAnchorsFromPem,
} from "../../../src/attestation/formats/dcap/trust-anchors.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import { issueIntelList, listNumber } from "../../../src/dev/intel-certificates.ts";
import { qeIdentity, signedStatement, tcbInfo } from "../../../src/dev/intel-statements.ts";
import { type Issued, issueCertificate } from "../certificates.ts";
import { NOW } from "../tokens.ts";

const DAY = 86_400_000;
/** keyCertSign and cRLSign. */
const ISSUES = 0x60;

export const FMSPC = "30806f000000";
export const OTHER_FMSPC = "90c06f000000";
export const QUERY: DcapCollateralQuery = { tee: "tdx", fmspc: FMSPC, ca: "platform" };

export interface FakeIntel {
  readonly root: Issued;
  readonly signer: Issued;
  readonly platform: Issued;
  readonly processor: Issued;
  readonly anchors: DcapTrustAnchors;
}

/** What a statement says beyond the usual. Days count from `NOW`. */
export interface Saying {
  readonly issued?: number;
  readonly expires?: number;
  readonly evaluation?: number;
  readonly crlNumber?: number;
  readonly revoked?: readonly string[];
  /** The FMSPC in the statement, whatever was asked for. */
  readonly fmspc?: string;
  /** Whose key signs. */
  readonly signer?: Issued;
}

export async function fakeIntel(): Promise<FakeIntel> {
  const years = { from: -1000, to: 5000 };
  const root = await issueCertificate({ name: "Intel SGX Root CA", ca: true, keyUsage: ISSUES, ...years });
  const authority = (name: string) =>
    issueCertificate({ name, issuer: root, ca: true, pathLength: 0, keyUsage: ISSUES, ...years });
  const signer = await issueCertificate({
    name: "Intel SGX TCB Signing",
    issuer: root,
    keyUsage: 0xc0,
    ...years,
  });
  return {
    root,
    signer,
    platform: await authority("Intel SGX PCK Platform CA"),
    processor: await authority("Intel SGX PCK Processor CA"),
    anchors: dcapTrustAnchorsFromPem([pem(root)]),
  };
}

/** A certificate of the signer's key that has ended, as Intel renewed its own: same name, same key. */
export function pastSigner({ root, signer }: FakeIntel): Promise<Issued> {
  const { keys } = signer;
  return issueCertificate({
    name: "Intel SGX TCB Signing",
    issuer: root,
    keyUsage: 0xc0,
    keys,
    from: -3000,
    to: -10,
  });
}

export function pem(...certificates: readonly Issued[]): string {
  return certificates.map(({ certificate }) => writePem("CERTIFICATE", certificate.der)).join("");
}

/** One statement, as a source gives it. */
export async function state(intel: FakeIntel, name: PieceName, saying: Saying = {}): Promise<RawPiece> {
  if (name.kind === "root-ca-crl")
    return { body: await list(intel.root, saying), issuerChain: Buffer.alloc(0) };
  if (name.kind === "pck-crl") {
    const issuer = intel[name.ca];
    return { body: await list(issuer, saying), issuerChain: Buffer.from(pem(issuer, intel.root)) };
  }
  const spec = { tee: name.tee, ...dates(saying), fmspc: FMSPC };
  const { privateKey } = saying.signer ?? intel.signer;
  const more = { tcbEvaluationDataNumber: saying.evaluation ?? 18 };
  const body =
    name.kind === "tcb-info"
      ? signedStatement(
          "tcbInfo",
          { ...tcbInfo({ ...spec, fmspc: saying.fmspc ?? name.fmspc }), ...more },
          privateKey,
        )
      : signedStatement("enclaveIdentity", { ...qeIdentity(spec), ...more }, privateKey);
  return { body, issuerChain: Buffer.from(pem(intel.signer, intel.root)) };
}

/** All that a quote needs. */
export async function stateAll(
  intel: FakeIntel,
  query: DcapCollateralQuery = QUERY,
  saying: Saying = {},
): Promise<{ readonly name: PieceName; readonly raw: RawPiece }[]> {
  return await Promise.all(
    piecesFor(query).map(async (name) => ({ name, raw: await state(intel, name, saying) })),
  );
}

function dates({ issued = -1, expires = 29 }: Saying) {
  const time = (days: number) => new Date(NOW + days * DAY).toISOString().replace(".000Z", "Z");
  return { issueDate: time(issued), nextUpdate: time(expires) };
}

function list(
  issuer: Issued,
  { issued = -1, expires = 29, crlNumber = 1, revoked = [], signer }: Saying,
): Promise<Buffer> {
  return issueIntelList({
    issuer: issuer.x509.subject,
    signingKey: (signer ?? issuer).privateKey,
    thisUpdate: new Date(NOW + issued * DAY),
    nextUpdate: new Date(NOW + expires * DAY),
    revokedSerials: revoked,
    extensions: [listNumber(crlNumber)],
  });
}
