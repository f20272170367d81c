/** What evidence of TDX and SGX has in common: `{ "quote": base64 }`. */
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonValue } from "../../../json/value.ts";
import { isObject, member } from "../../../json/write.ts";
import type { Trail } from "../../trail.ts";
import { decodeBase64 } from "./base64.ts";
import { type DcapCheck, DcapFault } from "./checks.ts";
import { MAX_QUOTE_BYTES } from "./quote.ts";

/** The quote of evidence; other members are not looked at. @throws DcapFault `malformed` */
export function readEvidenceQuote(evidence: JsonValue): Buffer {
  if (!isObject(evidence)) throw new DcapFault("malformed", "evidence that is no JSON object");
  const quote = member(evidence, "quote");
  if (typeof quote !== "string") throw new DcapFault("malformed", "quote: a base64 text is required");
  const bytes = decodeBase64(quote, MAX_QUOTE_BYTES);
  if (typeof bytes === "string") throw new DcapFault("malformed", `quote: ${bytes}`);
  return bytes;
}

/** Evidence that is still text. @throws DcapFault `malformed` */
export function evidenceText(evidence: string | Uint8Array): JsonValue {
  try {
    return readJson(evidence);
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw new DcapFault("malformed", `not JSON: ${error.message}`, error);
    throw error;
  }
}

/** Reads evidence; what is wrong with it becomes the first failed check. @throws EvidenceRejected */
export function readEvidence<Evidence>(trail: Trail<DcapCheck>, read: () => Evidence): Evidence {
  try {
    return read();
  } catch (error) {
    if (error instanceof DcapFault) throw trail.failed(error.check, error.message, undefined, error.cause);
    throw error;
  }
}
