import type { JsonObject, JsonValue } from "../../../src/json/value.ts";

/** The report as agents with the sev crate up to version 5 printed it: every byte has a name. */
export function printOldReport(bytes: Buffer): JsonObject {
  const list = (at: number, length: number): JsonValue => [...bytes.subarray(at, at + length)];
  const u32 = (at: number) => bytes.readUInt32LE(at);
  const tcb = (at: number): JsonValue => ({
    bootloader: bytes.readUInt8(at),
    tee: bytes.readUInt8(at + 1),
    _reserved: list(at + 2, 4),
    snp: bytes.readUInt8(at + 6),
    microcode: bytes.readUInt8(at + 7),
  });
  const firmware = (name: string, at: number) => ({
    [`${name}_build`]: bytes.readUInt8(at),
    [`${name}_minor`]: bytes.readUInt8(at + 1),
    [`${name}_major`]: bytes.readUInt8(at + 2),
  });
  return {
    version: u32(0x00),
    guest_svn: u32(0x04),
    policy: bytes.readBigUInt64LE(0x08),
    family_id: list(0x10, 16),
    image_id: list(0x20, 16),
    vmpl: u32(0x30),
    sig_algo: u32(0x34),
    current_tcb: tcb(0x38),
    plat_info: bytes.readBigUInt64LE(0x40),
    _author_key_en: u32(0x48),
    _reserved_0: u32(0x4c),
    report_data: list(0x50, 64),
    measurement: list(0x90, 48),
    host_data: list(0xc0, 32),
    id_key_digest: list(0xe0, 48),
    author_key_digest: list(0x110, 48),
    report_id: list(0x140, 32),
    report_id_ma: list(0x160, 32),
    reported_tcb: tcb(0x180),
    _reserved_1: list(0x188, 24),
    chip_id: list(0x1a0, 64),
    committed_tcb: tcb(0x1e0),
    ...firmware("current", 0x1e8),
    _reserved_2: bytes.readUInt8(0x1eb),
    ...firmware("committed", 0x1ec),
    _reserved_3: bytes.readUInt8(0x1ef),
    launch_tcb: tcb(0x1f0),
    _reserved_4: list(0x1f8, 168),
    signature: { r: list(0x2a0, 72), s: list(0x2e8, 72), _reserved: list(0x330, 368) },
  };
}
