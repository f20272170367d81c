/**
 * Quotes that do not carry their PCK chain (certification data of types 1 to 4): the leaf alone, or the platform's PPID,
 * in the clear or encrypted to Intel, with the TCB that the certificate was made for.
 */
import { writePem } from "../../../crypto/pem.ts";
import { DcapFault } from "./checks.ts";
import type { DcapCollateralSource, PckCertificateQuery } from "./collateral.ts";
import type { PckChain } from "./pck-chain.ts";
import { type CertificationData, type Quote, readQuoteHeader } from "./quote.ts";
import type { DcapTrustAnchors } from "./trust-anchors.ts";

/** Type → bytes of the PPID; CPUSVN (16), PCESVN and PCEID (2 each) follow. */
const PPID_BYTES: Readonly<Partial<Record<CertificationData["type"], number>>> = { 1: 16, 2: 256, 3: 384 };
const CPU_SVN_BYTES = 16;
const QE_ID_BYTES = 16;

/**
 * @param accept - gives the chain of a PEM text, or throws DcapFault when it does not verify or fit the quote
 * @throws DcapFault; KbsError `collateral-unavailable`
 */
export async function findPckChain(
  quote: Quote,
  source: DcapCollateralSource,
  accept: (pem: Buffer) => PckChain,
  signal: AbortSignal,
): Promise<PckChain> {
  const { type, data } = quote.certification;
  if (type === 5) return accept(data);
  if (type === 4) return completeLeaf(data, source.anchors, accept);
  const query = readPpidQuery(quote);
  if (source.pckCertificateChain === undefined)
    throw new DcapFault("unsupported", `certification data type ${type}, and no source of PCK certificates`);
  const fits = (pem: Buffer) => isFor(query, pem, accept);
  const found = await source.pckCertificateChain(query, fits, signal);
  if (found === undefined)
    throw new DcapFault(
      "unsupported",
      `certification data type ${type}, and no source knows its certificate`,
    );
  return accept(found);
}

/** A leaf in PEM (with a zero byte at the end or not) or DER; the authority that signed it is one at hand. */
function completeLeaf(
  data: Buffer,
  { authorities, roots }: DcapTrustAnchors,
  accept: (pem: Buffer) => PckChain,
): PckChain {
  const leaf = data[0] === 0x30 ? Buffer.from(writePem("CERTIFICATE", data)) : withoutZeros(data);
  let fault = new DcapFault("pck-chain", "a leaf of an authority that is not at hand");
  for (const authority of authorities) {
    const root = roots.find(({ subjectDer }) => subjectDer.equals(authority.issuerDer));
    if (root === undefined) continue;
    const rest = `\n${writePem("CERTIFICATE", authority.der)}${writePem("CERTIFICATE", root.der)}`;
    try {
      return accept(Buffer.concat([leaf, Buffer.from(rest)]));
    } catch (error) {
      if (!(error instanceof DcapFault)) throw error;
      // Every authority but the right one fails on its name; any other fault says more.
      if (error.check !== "pck-chain") fault = error;
    }
  }
  throw fault;
}

function withoutZeros(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

/** @throws DcapFault `unsupported` when the data has not the size of its type */
export function readPpidQuery(quote: Quote): PckCertificateQuery {
  const { type, data } = quote.certification;
  const size = PPID_BYTES[type];
  if (size === undefined || data.length !== size + CPU_SVN_BYTES + 4)
    throw new DcapFault("unsupported", `certification data type ${type} of ${data.length} bytes`);
  const ppid = data.subarray(0, size);
  const tcb = data.subarray(size);
  return {
    ppid: type === 1 ? ppid : undefined,
    encryptedPpid: type === 1 ? undefined : ppid,
    cpuSvn: tcb.subarray(0, CPU_SVN_BYTES),
    pceSvn: tcb.readUInt16LE(CPU_SVN_BYTES),
    pceId: tcb.toString("hex", CPU_SVN_BYTES + 2, CPU_SVN_BYTES + 4),
    qeId: readQuoteHeader(quote.header).userData.subarray(0, QE_ID_BYTES),
  };
}

/** Whether a chain verifies, its key signed the enclave's report, and it is for the platform that was asked for. */
function isFor(query: PckCertificateQuery, pem: Buffer, accept: (pem: Buffer) => PckChain): boolean {
  try {
    const { platform } = accept(pem);
    return platform.pceId === query.pceId && (query.ppid === undefined || platform.ppid.equals(query.ppid));
  } catch (error) {
    if (error instanceof DcapFault) return false;
    throw error;
  }
}
