/**
 * The event log of older agents (`aa_eventlog`): text lines, of which the first is `INIT <algorithm>/<initial value>`,
 * later ones `<domain> <operation> <content>`. Every line extends RTMR3 by its digest, the first one included.
 */
import { createHash } from "node:crypto";
import { isZero } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";

export interface AgentLog {
  /** What the lines extend the initial value to. */
  readonly register: Buffer;
  /** One object per line after the first. */
  readonly events: readonly JsonObject[];
}

const INIT = /^INIT (sha(?:256|384|512))\/([0-9a-f]{64,128})$/i;
const LINE = /^(\S+) (\S+)(?: (.*))?$/;
const BYTES: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64 };
const MAX_LINES = 10_000;

/** @returns the replayed log, or a sentence that says what is wrong */
export function readAgentLog(text: string): AgentLog | string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > MAX_LINES) return `more than ${MAX_LINES} lines`;
  const init = INIT.exec(lines[0] ?? "");
  const algorithm = init?.[1]?.toLowerCase() ?? "";
  const initial = Buffer.from(init?.[2] ?? "", "hex");
  if (initial.length !== BYTES[algorithm]) return "no INIT line with an algorithm and its initial value";
  // A register begins with zeros. Whoever could name another beginning could leave out the events before it.
  if (!isZero(initial)) return "an INIT line whose initial value is not zero";
  const events: JsonObject[] = [];
  for (const line of lines.slice(1)) {
    const [, domain, operation, content] = LINE.exec(line) ?? [];
    if (domain === undefined || operation === undefined) return "a line that is no event";
    events.push({ domain, operation, content: content ?? "" });
  }
  let register: Buffer = initial;
  for (const line of lines) register = extend(algorithm, register, line);
  return { register, events };
}

function extend(algorithm: string, value: Buffer, line: string): Buffer {
  const digest = createHash(algorithm).update(line).digest();
  return createHash(algorithm).update(value).update(digest).digest();
}
