/**
 * The ATTESTATION_REPORT of SEV-SNP (AMD 56860, "SEV Secure Nested Paging Firmware ABI", §7.3): 1184 bytes,
 * integers little-endian. Reading has no opinion: every check is made elsewhere, by name.
 */
import { isZero } from "../../../crypto/bytes.ts";
import { type Product, productOfCpuid, type VekKind } from "./product.ts";

/** Length of a report, signature included (56860 §7.3). */
export const REPORT_BYTES = 1184;
/** The signature covers the bytes before it. */
export const SIGNED_BYTES = 0x2a0;
/** VMPL of a report that the host asked for. */
export const HOST_VMPL = 0xffffffff;

/** TCB_VERSION: one security version number (0…255) per firmware part; order is per part only. */
export interface Tcb {
  /** First microcontroller; Turin only. */
  readonly fmc: number | undefined;
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}
/** In the order of text for people; not an order of strength. */
export const TCB_PARTS = ["fmc", "bootloader", "tee", "snp", "microcode"] as const;

/** Byte of each part in TCB_VERSION: Turin put the FMC first and moved the others. */
const TCB_LAYOUT = {
  early: { fmc: undefined, bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
} as const;
export type Layout = keyof typeof TCB_LAYOUT;

/** GUEST_POLICY bits (56860 §4.3). */
export const POLICY_BITS = {
  smt: 16n,
  "migration-agent": 18n,
  debug: 19n,
  "single-socket": 20n,
  cxl: 21n,
  "aes-256-xts": 22n,
  "rapl-off": 23n,
  "ciphertext-hiding": 24n,
  "page-swap-disabled": 25n,
} as const;
export type PolicyBit = keyof typeof POLICY_BITS;
/** GUEST_POLICY bit that must be one (56860 §4.3). */
export const POLICY_RESERVED_ONE = 17n;
/** From this GUEST_POLICY bit on all must be zero (56860 §4.3). */
export const POLICY_FIRST_RESERVED = 26n;

/** PLATFORM_INFO bits (56860 §7.3). Firmware sets further ones; unknown bits are no fault. */
export const PLATFORM_BITS = {
  smt: 0n,
  tsme: 1n,
  ecc: 2n,
  "rapl-off": 3n,
  "ciphertext-hiding": 4n,
  "alias-check": 5n,
  "iommu-write-safe": 6n,
  "sev-tio": 7n,
} as const;
export type PlatformBit = keyof typeof PLATFORM_BITS;

export interface FirmwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

export interface Report {
  readonly bytes: Buffer;
  readonly layout: Layout;
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Buffer;
  readonly imageId: Buffer;
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  readonly currentTcb: Tcb;
  readonly platformInfo: bigint;
  readonly authorKeyPresent: boolean;
  readonly maskChipKey: boolean;
  /** Raw 3-bit field: 0 VCEK, 1 VLEK, 7 none. */
  readonly signingKey: number;
  readonly reportData: Buffer;
  readonly measurement: Buffer;
  readonly hostData: Buffer;
  readonly idKeyDigest: Buffer;
  readonly authorKeyDigest: Buffer;
  readonly reportId: Buffer;
  readonly reportIdMa: Buffer;
  readonly reportedTcb: Tcb;
  /** `undefined` before version 3, which has no CPUID bytes. */
  readonly cpuid: { readonly family: number; readonly model: number; readonly stepping: number } | undefined;
  readonly chipId: Buffer;
  readonly committedTcb: Tcb;
  readonly current: FirmwareVersion;
  readonly committed: FirmwareVersion;
  readonly launchTcb: Tcb;
  /** `undefined` before version 5. */
  readonly launchMitigations: bigint | undefined;
  readonly currentMitigations: bigint | undefined;
}

/** @param bytes - exactly 1184; a view is kept, nothing is copied */
export function readReport(bytes: Buffer): Report {
  if (bytes.length !== REPORT_BYTES) throw new RangeError(`a report has ${REPORT_BYTES} bytes`);
  const version = bytes.readUInt32LE(0);
  const layout = layoutOf(version, bytes.readUInt8(0x188));
  const keyInfo = bytes.readUInt32LE(0x48);
  return {
    bytes,
    layout,
    version,
    guestSvn: bytes.readUInt32LE(0x04),
    policy: bytes.readBigUInt64LE(0x08),
    familyId: bytes.subarray(0x10, 0x20),
    imageId: bytes.subarray(0x20, 0x30),
    vmpl: bytes.readUInt32LE(0x30),
    signatureAlgorithm: bytes.readUInt32LE(0x34),
    currentTcb: readTcb(bytes, 0x38, layout),
    platformInfo: bytes.readBigUInt64LE(0x40),
    authorKeyPresent: (keyInfo & 1) !== 0,
    maskChipKey: (keyInfo & 2) !== 0,
    signingKey: (keyInfo >> 2) & 7,
    reportData: bytes.subarray(0x50, 0x90),
    measurement: bytes.subarray(0x90, 0xc0),
    hostData: bytes.subarray(0xc0, 0xe0),
    idKeyDigest: bytes.subarray(0xe0, 0x110),
    authorKeyDigest: bytes.subarray(0x110, 0x140),
    reportId: bytes.subarray(0x140, 0x160),
    reportIdMa: bytes.subarray(0x160, 0x180),
    reportedTcb: readTcb(bytes, 0x180, layout),
    cpuid: version >= 3 ? readCpuid(bytes) : undefined,
    chipId: bytes.subarray(0x1a0, 0x1e0),
    committedTcb: readTcb(bytes, 0x1e0, layout),
    current: readFirmwareVersion(bytes, 0x1e8),
    committed: readFirmwareVersion(bytes, 0x1ec),
    launchTcb: readTcb(bytes, 0x1f0, layout),
    launchMitigations: version >= 5 ? bytes.readBigUInt64LE(0x1f8) : undefined,
    currentMitigations: version >= 5 ? bytes.readBigUInt64LE(0x200) : undefined,
  };
}

/** Family 0x1A brought the new order of TCB_VERSION; the bytes are inside the signed area. */
export function layoutOf(version: number, cpuidFamily: number): Layout {
  return version >= 3 && cpuidFamily === 0x1a ? "turin" : "early";
}

function readTcb(bytes: Buffer, at: number, layout: Layout): Tcb {
  const place = TCB_LAYOUT[layout];
  return {
    fmc: place.fmc === undefined ? undefined : bytes.readUInt8(at + place.fmc),
    bootloader: bytes.readUInt8(at + place.bootloader),
    tee: bytes.readUInt8(at + place.tee),
    snp: bytes.readUInt8(at + place.snp),
    microcode: bytes.readUInt8(at + place.microcode),
  };
}

/** Writes TCB_VERSION; the caller's buffer holds zeros there. */
export function writeTcb(bytes: Buffer, at: number, layout: Layout, tcb: Tcb): void {
  const place = TCB_LAYOUT[layout];
  if (place.fmc !== undefined) bytes.writeUInt8(tcb.fmc ?? 0, at + place.fmc);
  bytes.writeUInt8(tcb.bootloader, at + place.bootloader);
  bytes.writeUInt8(tcb.tee, at + place.tee);
  bytes.writeUInt8(tcb.snp, at + place.snp);
  bytes.writeUInt8(tcb.microcode, at + place.microcode);
}

function readCpuid(bytes: Buffer) {
  return { family: bytes.readUInt8(0x188), model: bytes.readUInt8(0x189), stepping: bytes.readUInt8(0x18a) };
}

function readFirmwareVersion(bytes: Buffer, at: number): FirmwareVersion {
  return { build: bytes.readUInt8(at), minor: bytes.readUInt8(at + 1), major: bytes.readUInt8(at + 2) };
}

/** Product line by the CPUID bytes; `undefined` for version 2 and for lines without a root here. */
export function reportProduct(report: Report): Product | undefined {
  return report.cpuid && productOfCpuid(report.cpuid.family, report.cpuid.model);
}

/** The kind of key the report says signed it. */
export function signingKeyKind(report: Report): VekKind | undefined {
  return (["VCEK", "VLEK"] as const)[report.signingKey];
}

/** r and s as 48-byte big-endian numbers, joined. The upper 24 bytes are for `reservedBytesSet` to check. */
export function reportSignature(report: Report): Buffer {
  const signature = Buffer.alloc(96);
  for (let i = 0; i < 48; i++) {
    signature[i] = report.bytes.readUInt8(0x2a0 + 47 - i);
    signature[48 + i] = report.bytes.readUInt8(0x2e8 + 47 - i);
  }
  return signature;
}

/** @param bit - number of the bit, 0 being the lowest */
export function hasBit(word: bigint, bit: bigint): boolean {
  return ((word >> bit) & 1n) === 1n;
}

type Range = readonly [from: number, to: number, name: string];

const RESERVED_ALWAYS: readonly Range[] = [
  [0x4c, 0x50, "0x4C"],
  [0x18b, 0x1a0, "0x18B"],
  [0x1eb, 0x1ec, "0x1EB"],
  [0x1ef, 0x1f0, "0x1EF"],
  [0x208, 0x2a0, "0x208"],
  [0x2d0, 0x2e8, "signature r above 48 bytes"],
  [0x318, 0x330, "signature s above 48 bytes"],
  [0x330, 0x4a0, "0x330"],
];
const RESERVED_BEFORE_3: Range = [0x188, 0x18b, "0x188 (CPUID, version 3 and later)"];
const RESERVED_BEFORE_5: Range = [0x1f8, 0x208, "0x1F8 (mitigation vectors, version 5)"];
const TCB_OFFSETS: readonly (readonly [at: number, name: string])[] = [
  [0x38, "CURRENT_TCB"],
  [0x180, "REPORTED_TCB"],
  [0x1e0, "COMMITTED_TCB"],
  [0x1f0, "LAUNCH_TCB"],
];
const TCB_RESERVED: Readonly<Record<Layout, readonly [from: number, to: number]>> = {
  early: [2, 6],
  turin: [4, 7],
};

/** Names of the reserved fields that are not zero, offsets in bytes; empty when all is well. */
export function reservedBytesSet(report: Report): string[] {
  const [from, to] = TCB_RESERVED[report.layout];
  const ranges: Range[] = [
    ...RESERVED_ALWAYS,
    ...TCB_OFFSETS.map(([at, name]): Range => [at + from, at + to, `${name} reserved bytes`]),
  ];
  if (report.version < 3) ranges.push(RESERVED_BEFORE_3);
  if (report.version < 5) ranges.push(RESERVED_BEFORE_5);
  const set = ranges.filter(([a, b]) => !isZero(report.bytes.subarray(a, b))).map(([, , name]) => name);
  if (report.bytes.readUInt32LE(0x48) >>> 5 !== 0) set.push("key info bits 31:5");
  return set;
}

/** For people: each part with its version. */
export function tcbText(tcb: Tcb): string {
  const fmc = tcb.fmc === undefined ? "" : `fmc ${tcb.fmc}, `;
  return `${fmc}bootloader ${tcb.bootloader}, tee ${tcb.tee}, snp ${tcb.snp}, microcode ${tcb.microcode}`;
}

/** `major.minor.build`, as AMD names firmware. */
export function firmwareText(version: FirmwareVersion): string {
  return `${version.major}.${version.minor}.${version.build}`;
}
