/** What a report is bound to: the caller's digests against fields of the quote. */
import { equalBytes, resize, toHex } from "../../../crypto/bytes.ts";
import type { Trail } from "../../trail.ts";
import type { DcapCheck } from "./checks.ts";

const REPORT_DATA_BYTES = 64;

/**
 * REPORTDATA against the digest of nonce and TEE key, padded with zeros to 64 bytes (KBS protocol 0.4.0, binding of
 * evidence).
 *
 * @param digest - at most 64 bytes; `undefined` only offline, where the binding is told as not checked
 * @throws EvidenceRejected `report-data`
 */
export function checkReportData(
  trail: Trail<DcapCheck>,
  reportData: Buffer,
  digest: Uint8Array | undefined,
): void {
  if (digest === undefined) {
    trail.notChecked("report-data", "the caller expects nothing");
    return;
  }
  const fits = digest.byteLength > 0 && digest.byteLength <= REPORT_DATA_BYTES;
  const wanted = resize(digest, REPORT_DATA_BYTES);
  const expected = fits ? toHex(wanted) : `a binding of 1 to ${REPORT_DATA_BYTES} bytes`;
  trail.require("report-data", fits && equalBytes(reportData, wanted), toHex(reportData), expected);
}

/**
 * The configuration id (MRCONFIGID, CONFIGID) against the init-data digest, cut or padded with zeros to its size. Zero
 * is a value like any other. Without init-data nothing is compared (KBS protocol 0.4.0 §2.10).
 *
 * @throws EvidenceRejected `init-data`
 */
export function checkInitData(
  trail: Trail<DcapCheck>,
  configId: Buffer,
  digest: Uint8Array | undefined,
): void {
  if (digest === undefined) {
    trail.notChecked("init-data", "no init-data was sent");
    return;
  }
  const wanted = resize(digest, configId.length);
  const equal = digest.byteLength > 0 && equalBytes(configId, wanted);
  trail.require("init-data", equal, toHex(configId), toHex(wanted));
}
