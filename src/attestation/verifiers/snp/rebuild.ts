/**
 * Rebuilds the 1184 bytes of a report from the JSON that guests print, in its present form (sev crate 6 and later)
 * and its older one (up to 5). Reserved areas the JSON leaves out are zero; had they been otherwise, the signature
 * would not hold.
 */
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { productOfCpuid } from "../../formats/sev-snp/product.ts";
import { type Layout, layoutOf, REPORT_BYTES, TCB_PARTS } from "../../formats/sev-snp/report.ts";

const MAX_FAULTS = 8;

/** What is wrong with evidence, a bounded number of sentences. */
export class Faults {
  readonly list: string[] = [];

  get any(): boolean {
    return this.list.length > 0;
  }

  add(fault: string): void {
    if (this.list.length < MAX_FAULTS) this.list.push(fault);
    else if (this.list.length === MAX_FAULTS) this.list.push("and more");
  }
}

type Field = readonly [name: string, at: number];
type BytesField = readonly [name: string, at: number, length: number];

const U32_FIELDS: readonly Field[] = [
  ["version", 0x00],
  ["guest_svn", 0x04],
  ["vmpl", 0x30],
  ["sig_algo", 0x34],
];
const U64_FIELDS: readonly Field[] = [
  ["policy", 0x08],
  ["plat_info", 0x40],
];
const BYTES_FIELDS: readonly BytesField[] = [
  ["family_id", 0x10, 16],
  ["image_id", 0x20, 16],
  ["report_data", 0x50, 64],
  ["measurement", 0x90, 48],
  ["host_data", 0xc0, 32],
  ["id_key_digest", 0xe0, 48],
  ["author_key_digest", 0x110, 48],
  ["report_id", 0x140, 32],
  ["report_id_ma", 0x160, 32],
  ["chip_id", 0x1a0, 64],
];
const TCB_FIELDS: readonly Field[] = [
  ["current_tcb", 0x38],
  ["reported_tcb", 0x180],
  ["committed_tcb", 0x1e0],
  ["launch_tcb", 0x1f0],
];
const SIGNATURE_FIELDS: readonly BytesField[] = [
  ["r", 0x2a0, 72],
  ["s", 0x2e8, 72],
];

/** Present form (sev crate 6 and later). */
const CPUID_FIELDS: readonly Field[] = [
  ["cpuid_fam_id", 0x188],
  ["cpuid_mod_id", 0x189],
  ["cpuid_step", 0x18a],
];
const FIRMWARE_FIELDS: readonly Field[] = [
  ["current", 0x1e8],
  ["committed", 0x1ec],
];
const MITIGATION_FIELDS: readonly Field[] = [
  ["launch_mit_vector", 0x1f8],
  ["current_mit_vector", 0x200],
];

/** Older form (sev crate up to 5): every byte has a name, reserved ones too. */
const OLD_U8_FIELDS: readonly Field[] = [
  ["current_build", 0x1e8],
  ["current_minor", 0x1e9],
  ["current_major", 0x1ea],
  ["_reserved_2", 0x1eb],
  ["committed_build", 0x1ec],
  ["committed_minor", 0x1ed],
  ["committed_major", 0x1ee],
  ["_reserved_3", 0x1ef],
];
const OLD_BYTES_FIELDS: readonly BytesField[] = [
  ["_reserved_1", 0x188, 24],
  ["_reserved_4", 0x1f8, 168],
];

export interface RebuiltReport {
  /** 1184 bytes. */
  readonly report: Buffer;
  /** The agent left the mitigation vectors out: a version 5 report cannot be rebuilt from that. */
  readonly withoutMitigations: boolean;
}

/** Every fault is added to `faults`; the bytes mean nothing when there is one. */
export function rebuildReport(json: JsonObject, faults: Faults): RebuiltReport {
  const old = Object.hasOwn(json, "_reserved_0") || Object.hasOwn(json, "_author_key_en");
  const report = Buffer.alloc(REPORT_BYTES);
  const writer = new Writer(json, report, faults, "attestation_report.");
  writer.u32(U32_FIELDS);
  writer.u64(U64_FIELDS);
  writer.bytes(BYTES_FIELDS);
  const signature = writer.child("signature");
  signature?.bytes(SIGNATURE_FIELDS);
  if (old) signature?.bytes([["_reserved", 0x330, 368]]);
  const withoutMitigations = old ? writeOldForm(writer, json) : writePresentForm(writer, json, report);
  return { report, withoutMitigations };
}

/** @returns false: this form carries all bytes */
function writeOldForm(writer: Writer, json: JsonObject): boolean {
  writer.u32([
    // One release of the crate had the new name for this word already.
    [Object.hasOwn(json, "_author_key_en") ? "_author_key_en" : "key_info", 0x48],
    ["_reserved_0", 0x4c],
  ]);
  writer.u8(OLD_U8_FIELDS);
  writer.bytes(OLD_BYTES_FIELDS);
  for (const [name, at] of TCB_FIELDS) writer.child(name)?.oldTcb(at);
  return false;
}

/** @returns whether the mitigation vectors were left out */
function writePresentForm(writer: Writer, json: JsonObject, report: Buffer): boolean {
  const version = report.readUInt32LE(0);
  writer.u32([["key_info", 0x48]]);
  if (version >= 3 || CPUID_FIELDS.some(([name]) => isGiven(json, name))) writer.u8(CPUID_FIELDS);
  const layout = tcbLayout(version, report);
  for (const [name, at] of TCB_FIELDS) writer.child(name)?.tcb(at, layout);
  for (const [name, at] of FIRMWARE_FIELDS)
    writer.child(name)?.u8([
      ["build", at],
      ["minor", at + 1],
      ["major", at + 2],
    ]);
  const given = MITIGATION_FIELDS.filter(([name]) => isGiven(json, name));
  writer.u64(given);
  return given.length < MITIGATION_FIELDS.length;
}

/** @returns undefined for a processor we do not know: its report is refused by name, whatever its TCB holds */
function tcbLayout(version: number, report: Buffer): Layout | undefined {
  const family = report.readUInt8(0x188);
  const known = version < 3 || productOfCpuid(family, report.readUInt8(0x189)) !== undefined;
  return known ? layoutOf(version, family) : undefined;
}

function isGiven(json: JsonObject, name: string): boolean {
  const value = member(json, name);
  return value !== undefined && value !== null;
}

/** Writes members of one JSON object to their place, noting every fault. */
class Writer {
  readonly #json: JsonObject;
  readonly #out: Buffer;
  readonly #faults: Faults;
  readonly #path: string;

  constructor(json: JsonObject, out: Buffer, faults: Faults, path: string) {
    this.#json = json;
    this.#out = out;
    this.#faults = faults;
    this.#path = path;
  }

  u8(fields: readonly Field[]): void {
    for (const [name, at] of fields) this.#out.writeUInt8(this.#integer(name, 0xff), at);
  }

  u32(fields: readonly Field[]): void {
    for (const [name, at] of fields) this.#out.writeUInt32LE(this.#integer(name, 0xffffffff), at);
  }

  /** 64-bit numbers: exact only as `bigint`, or below 2^53. */
  u64(fields: readonly Field[]): void {
    for (const [name, at] of fields) {
      const value = member(this.#json, name);
      const exact = typeof value === "bigint" || Number.isSafeInteger(value) ? BigInt(String(value)) : -1n;
      if (exact >= 0n && exact < 1n << 64n) this.#out.writeBigUInt64LE(exact, at);
      else this.#fault(name, value, "an exact integer from 0 to 2^64−1");
    }
  }

  bytes(fields: readonly BytesField[]): void {
    for (const [name, at, length] of fields) {
      const value = member(this.#json, name);
      if (!isArray(value) || value.length !== length) this.#fault(name, value, `an array of ${length} bytes`);
      else if (!copyBytes(value, this.#out, at)) this.#fault(name, value, "integers from 0 to 255");
    }
  }

  child(name: string): Writer | undefined {
    const value = member(this.#json, name);
    if (isObject(value)) return new Writer(value, this.#out, this.#faults, `${this.#path}${name}.`);
    this.#fault(name, value, "an object");
    return undefined;
  }

  /** `fmc` is a number on Turin and null (or absent) elsewhere; anything else would change or lose bytes. */
  tcb(at: number, known: Layout | undefined): void {
    const given: Layout = isGiven(this.#json, "fmc") ? "turin" : "early";
    const layout = known ?? given;
    if (layout !== given) {
      this.#fault("fmc", member(this.#json, "fmc"), layout === "turin" ? "a number on Turin" : "null");
      return;
    }
    const order = layout === "turin" ? [0, 1, 2, 3, 7] : [-1, 0, 1, 6, 7];
    TCB_PARTS.forEach((part, i) => {
      const place = order[i] ?? -1;
      if (place >= 0) this.u8([[part, at + place]]);
    });
  }

  /** The older form names the raw bytes after Milan's layout, whatever the product. */
  oldTcb(at: number): void {
    this.u8([
      ["bootloader", at],
      ["tee", at + 1],
      ["snp", at + 6],
      ["microcode", at + 7],
    ]);
    this.bytes([["_reserved", at + 2, 4]]);
  }

  #integer(name: string, max: number): number {
    const value = member(this.#json, name);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    this.#fault(name, value, `an integer from 0 to ${max}`);
    return 0;
  }

  #fault(name: string, value: JsonValue | undefined, wanted: string): void {
    this.#faults.add(`${this.#path}${name}: ${value === undefined ? "missing, " : ""}${wanted} is required`);
  }
}

/** @returns false at the first element that is not an integer from 0 to 255 */
export function copyBytes(from: readonly JsonValue[], to: Buffer, at: number): boolean {
  for (let i = 0; i < from.length; i++) {
    const value = from[i];
    if (typeof value !== "number" || value !== (value & 0xff)) return false;
    to[at + i] = value;
  }
  return true;
}
