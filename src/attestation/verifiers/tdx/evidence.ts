/**
 * Evidence of Confidential Containers guests on TDX: `{ "quote": base64, "cc_eventlog": base64 }`, from 2024-07 to
 * 2025-07 also with the agent's own log as text (`aa_eventlog`). Unknown members are ignored.
 */
import type { JsonValue } from "../../../json/value.ts";
import { isObject, member } from "../../../json/write.ts";
import { decodeBase64 } from "../../formats/dcap/base64.ts";
import { DcapFault } from "../../formats/dcap/checks.ts";
import { readEvidenceQuote } from "../../formats/dcap/evidence.ts";

/** An event log as it came, or what is wrong with it; it is judged after the quote. */
export type CarriedLog = { readonly bytes: Buffer } | { readonly fault: string };

export interface TdxEvidence {
  readonly quote: Buffer;
  /** Absent, null and empty mean that there is none. */
  readonly ccEventLog: CarriedLog | undefined;
  /** Text lines of older agents. */
  readonly aaEventLog: { readonly text: string } | { readonly fault: string } | undefined;
}

export const MAX_LOG_BYTES = 4 * 1024 * 1024;
const MAX_AA_LOG_CHARACTERS = 1024 * 1024;

/** @throws DcapFault `malformed` */
export function readTdxEvidence(evidence: JsonValue): TdxEvidence {
  const quote = readEvidenceQuote(evidence);
  if (!isObject(evidence)) throw new DcapFault("malformed", "evidence that is no JSON object");
  return {
    quote,
    ccEventLog: readLog(member(evidence, "cc_eventlog")),
    aaEventLog: readAgentLog(member(evidence, "aa_eventlog")),
  };
}

/** A quote alone, as the kernel hands it out. */
export function bareQuote(quote: Buffer): TdxEvidence {
  return { quote, ccEventLog: undefined, aaEventLog: undefined };
}

function readLog(value: JsonValue | undefined): CarriedLog | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") return { fault: "cc_eventlog: a base64 text or null is required" };
  const bytes = decodeBase64(value, MAX_LOG_BYTES);
  return typeof bytes === "string" ? { fault: `cc_eventlog: ${bytes}` } : { bytes };
}

function readAgentLog(value: JsonValue | undefined): TdxEvidence["aaEventLog"] {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") return { fault: "aa_eventlog: a text or null is required" };
  return value.length > MAX_AA_LOG_CHARACTERS ? { fault: "aa_eventlog is too long" } : { text: value };
}
