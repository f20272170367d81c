/** Text in EV_IPL events: what GRUB, shim and systemd say they measured, and over which bytes the digest is. */
import { utf8Text, utf16Text } from "./efi.ts";

export type TextSource =
  | "grub-command"
  | "grub-kernel-cmdline"
  | "grub-module-cmdline"
  | "stub-section"
  | "stub-text"
  | "label";

export interface CoveredText {
  readonly source: TextSource;
  readonly text: string;
  /** If the digest is that of these bytes, the text is what was measured. */
  readonly covered: Buffer;
}

/** GRUB's prefixes; the forms without a colon are from before 2.06. */
const PREFIXES: readonly (readonly [prefix: string, source: TextSource])[] = [
  ["grub_cmd: ", "grub-command"],
  ["grub_cmd ", "grub-command"],
  ["kernel_cmdline: ", "grub-kernel-cmdline"],
  ["grub_kernel_cmdline ", "grub-kernel-cmdline"],
  ["module_cmdline: ", "grub-module-cmdline"],
];

const NUL = Buffer.alloc(1);
const NUL16 = Buffer.alloc(2);

/** What the event's text says, whether or not the digest covers it. */
export function iplText(data: Buffer): { readonly source: TextSource; readonly text: string } | undefined {
  if (isUtf16(data)) {
    const text = utf16Text(data);
    return { source: text.startsWith(".") ? "stub-section" : "stub-text", text };
  }
  const text = utf8Text(untilNul(data));
  if (text === undefined) return undefined;
  const found = PREFIXES.find(([prefix]) => text.startsWith(prefix));
  return found === undefined
    ? { source: "label", text }
    : { source: found[1], text: text.slice(found[0].length) };
}

/** Bytes that the digest may be over, if the text is what was measured: producers differ in the terminator. */
export function boundText(data: Buffer): CoveredText[] {
  const said = iplText(data);
  if (said === undefined) return [];
  const covering = (bytes: Buffer, terminator: Buffer) =>
    [bytes, Buffer.concat([bytes, terminator])].map((covered) => ({ ...said, covered }));
  switch (said.source) {
    case "label":
      return [];
    case "stub-section":
      // The section's name in ASCII with its terminator; the digest of its content is the next event's.
      return [{ ...said, covered: Buffer.concat([Buffer.from(said.text), NUL]) }];
    case "stub-text":
      return covering(Buffer.from(said.text, "utf16le"), NUL16);
    default:
      return covering(Buffer.from(said.text), NUL);
  }
}

function isUtf16(data: Buffer): boolean {
  return data.length >= 4 && data[0] !== 0 && data[1] === 0;
}

function untilNul(data: Buffer): Buffer {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

/** Names td-shim gives to what it measures; 16 bytes with zeros, then the length and the bytes that the digest covers. */
const TD_PAYLOAD_INFO = Buffer.from("td_payload_info\0", "latin1");

/** The kernel command line that td-shim measured, and the padded bytes that its digest covers. */
export function tdPayloadInfo(data: Buffer): { readonly text: string; readonly covered: Buffer } | undefined {
  const start = TD_PAYLOAD_INFO.length + 4;
  if (data.length < start || !data.subarray(0, TD_PAYLOAD_INFO.length).equals(TD_PAYLOAD_INFO))
    return undefined;
  const length = data.readUInt32LE(TD_PAYLOAD_INFO.length);
  if (length !== data.length - start) return undefined;
  const covered = data.subarray(start);
  const text = utf8Text(untilNul(covered));
  return text === undefined ? undefined : { text, covered };
}
