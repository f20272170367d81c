/** Intel's statements under a root of our own: TCB info, QE identities, revocation lists, each with its issuers. */
import { sign } from "node:crypto";
import type { PieceName, RawPiece } from "../../../src/attestation/endorsements/intel-pieces.ts";
import { piecesFor } from "../../../src/attestation/endorsements/intel-pieces.ts";
import type { DcapCollateralQuery } from "../../../src/attestation/formats/dcap/collateral.ts";
import {
  type DcapTrustAnchors,
  dcapTrustAnchorsFromPem,
} from "../../../src/attestation/formats/dcap/trust-anchors.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import { x509 } from "../../../src/crypto/x509.ts";
import { type Issued, issueCertificate } from "../certificates.ts";
import { NOW } from "../tokens.ts";

const DAY = 86_400_000;
/** keyCertSign and cRLSign. */
const ISSUES = 0x60;
const CRL_NUMBER = "2.5.29.20";

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
  const [member, text] =
    name.kind === "tcb-info"
      ? ["tcbInfo", JSON.stringify(tcbInfo(name.tee, saying.fmspc ?? name.fmspc, saying))]
      : ["enclaveIdentity", JSON.stringify(identity(name.tee, saying))];
  const { privateKey } = saying.signer ?? intel.signer;
  const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
  const body = Buffer.from(`{"${member}":${text},"signature":"${signature.toString("hex")}"}`);
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

function dates({ issued = -1, expires = 29, evaluation = 18 }: Saying) {
  return {
    issueDate: time(issued),
    nextUpdate: time(expires),
    tcbEvaluationDataNumber: evaluation,
  };
}

function time(days: number): string {
  return new Date(NOW + days * DAY).toISOString().replace(".000Z", "Z");
}

function tcbInfo(tee: "tdx" | "sgx", fmspc: string, saying: Saying) {
  const components = Array.from({ length: 16 }, () => ({ svn: 1 }));
  const tcb = { sgxtcbcomponents: components, pcesvn: 11 };
  const module = { mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "ff".repeat(8) };
  const level = { tcbDate: "2025-01-01T00:00:00Z", tcbStatus: "UpToDate" };
  return {
    id: tee === "tdx" ? "TDX" : "SGX",
    version: 3,
    ...dates(saying),
    fmspc: fmspc.toUpperCase(),
    pceId: "0000",
    tcbType: 0,
    ...(tee === "tdx" ? { tdxModule: module, tdxModuleIdentities: [] } : {}),
    tcbLevels: [{ tcb: tee === "tdx" ? { ...tcb, tdxtcbcomponents: components } : tcb, ...level }],
  };
}

function identity(tee: "tdx" | "sgx", saying: Saying) {
  return {
    id: tee === "tdx" ? "TD_QE" : "QE",
    version: 2,
    ...dates(saying),
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: `11${"00".repeat(15)}`,
    attributesMask: `FB${"FF".repeat(7)}${"00".repeat(8)}`,
    mrsigner: "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5",
    isvprodid: tee === "tdx" ? 2 : 1,
    tcbLevels: [{ tcb: { isvsvn: 4 }, tcbDate: "2025-01-01T00:00:00Z", tcbStatus: "UpToDate" }],
  };
}

async function list(
  issuer: Issued,
  { issued = -1, expires = 29, crlNumber = 1, revoked = [], signer }: Saying,
) {
  const made = await x509.X509CrlGenerator.create({
    issuer: issuer.x509.subject,
    thisUpdate: new Date(NOW + issued * DAY),
    nextUpdate: new Date(NOW + expires * DAY),
    entries: revoked.map((serialNumber) => ({ serialNumber, revocationDate: new Date(NOW + issued * DAY) })),
    extensions: [new x509.Extension(CRL_NUMBER, false, Buffer.from([2, 1, crlNumber]))],
    signingKey: (signer ?? issuer).keys.privateKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
  });
  return Buffer.from(made.rawData);
}
