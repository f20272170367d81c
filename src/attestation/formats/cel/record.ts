/**
 * One record of a Canonical Event Log (TCG Canonical Event Log Format 1.0): number, register, digests and content,
 * whatever the encoding.
 */
import { isZero } from "../../../crypto/bytes.ts";
import type { HashName } from "../eventlog/algorithms.ts";
import {
  EventLog,
  EventLogError,
  type LogEvent,
  type LogFormat,
  type LoggedDigest,
  type LogLimits,
  Offsets,
  type RegisterKind,
} from "../eventlog/event-log.ts";
import { EV, eventTypeName } from "../eventlog/event-types.ts";

/** Element types of the binary encoding; the CBOR encoding uses them as keys. */
export const CEL = {
  recnum: 0,
  pcr: 1,
  nvIndex: 2,
  digests: 3,
  management: 4,
  pcclient: 5,
  imaTemplate: 7,
  imaTlv: 8,
  systemd: 9,
  cos: 80,
  /** Register of a confidential VM, as Google's images write it. */
  ccRegister: 108,
} as const;

export const REGISTER_KINDS: ReadonlyMap<number, RegisterKind> = new Map([
  [CEL.pcr, "pcr"],
  [CEL.nvIndex, "nv"],
  [CEL.ccRegister, "cc"],
]);

/** What the content says, in the event's own members. */
export type CelContent = Pick<LogEvent, "kind" | "type" | "typeName" | "data" | "template" | "text">;

export interface CelRecord {
  /** Absent in logs of systemd. */
  readonly number: bigint | undefined;
  readonly registerKind: RegisterKind;
  readonly register: number;
  readonly digests: readonly LoggedDigest[];
  readonly content: CelContent;
}

export interface RecordReader {
  readonly format: LogFormat;
  /** @returns the record at `position` and where the next one begins */
  readonly read: (position: number) => { readonly record: CelRecord; readonly next: number };
  /** Where the first record begins, and the end of the log. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads every record once to check it and remembers where it lies.
 *
 * @throws EventLogError, also when record numbers do not grow by one
 */
export function celLog(reader: RecordReader, limits: LogLimits): EventLog {
  const offsets = new Offsets(limits);
  const algorithms = new Set<HashName>();
  const kinds = new Set<RegisterKind>();
  let expected: bigint | undefined;
  let position = reader.start;
  while (position < reader.end) {
    offsets.add(position);
    const { record, next } = reader.read(position);
    if (expected !== undefined && record.number !== expected)
      throw new EventLogError(
        `record ${record.number ?? "without number"} where ${expected} follows,`,
        position,
      );
    expected = record.number === undefined ? undefined : record.number + 1n;
    for (const { algorithm } of record.digests) algorithms.add(algorithm);
    kinds.add(record.registerKind);
    position = next;
  }
  if (offsets.count === 0) throw new EventLogError("a log without records", reader.start);
  return new EventLog({
    format: reader.format,
    algorithms: [...algorithms],
    offsets: offsets.done(),
    read: (at, index) => celEvent(reader.read(at).record, index, at),
    consumed: position,
    end: "end of data",
    // A log of both kinds counts as PCRs; its other records are asked for by name.
    registerKind: kinds.size === 1 && kinds.has("cc") ? "cc" : "pcr",
  });
}

function celEvent(record: CelRecord, index: number, position: number): LogEvent {
  const { registerKind, register, digests, content } = record;
  return { index, position, registerKind, register, digests, ...content, extends: isExtended(record) };
}

/** Management records are extended or not as their producer likes; one with zeros for digests was not. */
function isExtended({ content, digests }: CelRecord): boolean {
  if (content.kind === "pcclient") return content.type !== EV.noAction;
  if (content.kind !== "management") return true;
  return digests.some(({ value }) => !isZero(value));
}

export function pcclientContent(type: number, data: Buffer): CelContent {
  return { kind: "pcclient", type, typeName: eventTypeName(type), data };
}

export function imaContent(template: string, data: Buffer): CelContent {
  return { kind: "ima", type: CEL.imaTemplate, typeName: "IMA_TEMPLATE", data, template };
}

export function opaqueContent(type: number, data: Buffer): CelContent {
  return { kind: "opaque", type, typeName: `CEL_CONTENT_${type}`, data };
}

const TRANSITIONS = ["suspend", "hibernate", "kexec"];

export const MANAGEMENT = { version: 1, firmwareEnd: 2, timestamp: 80, transition: 81 } as const;

/** The numbers that some producers use in place of 80 and 81. */
const OTHER_NUMBERS: ReadonlyMap<number, number> = new Map([
  [0x80, MANAGEMENT.timestamp],
  [0x81, MANAGEMENT.transition],
]);

const MANAGEMENT_NAMES: ReadonlyMap<number, string> = new Map([
  [MANAGEMENT.version, "cel_version"],
  [MANAGEMENT.firmwareEnd, "firmware_end"],
  [MANAGEMENT.timestamp, "cel_timestamp"],
  [MANAGEMENT.transition, "state_trans"],
]);

/** @returns the number of a management record's name; undefined for a name that nobody knows */
export function managementType(name: string): number | undefined {
  for (const [type, known] of MANAGEMENT_NAMES) if (known === name) return type;
  return undefined;
}

/**
 * @param value - version as `major.minor`, time stamp or transition as number; ignored for firmware_end
 * @param data - the content's bytes where the encoding has such
 */
export function managementContent(
  type: number,
  value: string | number | bigint | undefined,
  data: Buffer,
): CelContent {
  const number = OTHER_NUMBERS.get(type) ?? type;
  const name = MANAGEMENT_NAMES.get(number) ?? `management ${type}`;
  const said = number === MANAGEMENT.transition ? (TRANSITIONS[Number(value)] ?? value) : value;
  const text = said === undefined ? name : `${name} ${said}`;
  return {
    kind: "management",
    type: number,
    typeName: managementTypeName(name),
    data,
    text,
  };
}

function managementTypeName(name: string): string {
  return `CEL_${name.replace(/^cel_/, "").toUpperCase().replaceAll(" ", "_")}`;
}

export function transitionNumber(name: string): number | undefined {
  const number = TRANSITIONS.indexOf(name);
  return number < 0 ? undefined : number;
}

const COS_TYPES = [
  "image_reference",
  "image_digest",
  "restart_policy",
  "image_id",
  "argument",
  "environment_variable",
  "override_argument",
  "override_environment",
  "launch_separator",
  "memory_monitor",
  "gpu_cc_mode",
  "gpu_device_attestation_binding",
];

/** @param whole - the complete content element, type and length included: that is what the digest covers */
export function cosContent(type: number, value: Buffer, whole: Buffer): CelContent {
  const name = COS_TYPES[type] ?? `cos_${type}`;
  const text = `${name} ${value.toString("utf8")}`.trimEnd();
  return { kind: "cos", type, typeName: `COS_${name.toUpperCase()}`, data: whole, text };
}

/** systemd's records: the digest is that of the string, or of a secret that is not in the log. */
export function systemdContent(text: string, eventType: string): CelContent {
  const typeName = `SYSTEMD_${eventType.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
  return { kind: "systemd", type: CEL.systemd, typeName, data: Buffer.from(text), text };
}

/** Refuses a second digest of one algorithm, which would leave open what was extended. */
export function addDigest(digests: LoggedDigest[], digest: LoggedDigest, position: number): void {
  if (digests.some(({ algorithm }) => algorithm === digest.algorithm))
    throw new EventLogError(`two ${digest.algorithm} digests in one record`, position);
  digests.push(digest);
}
