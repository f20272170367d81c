import { createHash } from "node:crypto";
import { type HashName, hashOf } from "../../src/attestation/formats/eventlog/algorithms.ts";
import { EV } from "../../src/attestation/formats/eventlog/event-types.ts";

/** An event to be written into a log. */
export interface WrittenEvent {
  readonly register: number;
  readonly type: number;
  readonly data: Buffer;
  /** What the digest is of, where it is not of the data. */
  readonly measured?: Buffer;
  /** Digests as they are, whatever the data. */
  readonly digests?: Readonly<Partial<Record<HashName, Buffer>>>;
}

export function digest(algorithm: HashName, data: Buffer): Buffer {
  return createHash(algorithm).update(data).digest();
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** The header of a crypto-agile log. */
export function specId(algorithms: readonly HashName[]): Buffer {
  const sizes = algorithms.map((name) => {
    const { id, size } = hashOf(name);
    return Buffer.concat([u16(id), u16(size)]);
  });
  const data = Buffer.concat([
    Buffer.from("Spec ID Event03\0"),
    u32(0),
    Buffer.from([0, 2, 0, 2]),
    u32(algorithms.length),
    ...sizes,
    Buffer.from([0]),
  ]);
  return Buffer.concat([u32(0), u32(EV.noAction), Buffer.alloc(20), u32(data.length), data]);
}

/** A crypto-agile log. */
export function agileLog(algorithms: readonly HashName[], events: readonly WrittenEvent[]): Buffer {
  return Buffer.concat([specId(algorithms), ...events.map((event) => agileEvent(algorithms, event))]);
}

export function agileEvent(algorithms: readonly HashName[], event: WrittenEvent): Buffer {
  const { register, type, data, measured = data, digests } = event;
  const written =
    digests === undefined ? algorithms : algorithms.filter((name) => digests[name] !== undefined);
  const parts = written.map((name) =>
    Buffer.concat([u16(hashOf(name).id), digests?.[name] ?? digest(name, measured)]),
  );
  return Buffer.concat([u32(register), u32(type), u32(written.length), ...parts, u32(data.length), data]);
}

/** A log of the older form: SHA-1 only, no header. */
export function legacyLog(events: readonly WrittenEvent[]): Buffer {
  return Buffer.concat(
    events.map(({ register, type, data, measured = data, digests }) =>
      Buffer.concat([
        u32(register),
        u32(type),
        digests?.sha1 ?? digest("sha1", measured),
        u32(data.length),
        data,
      ]),
    ),
  );
}

export const GUIDS = {
  global: Buffer.from("61dfe48bca93d211aa0d00e098032b8c", "hex"),
  database: Buffer.from("cbb219d73a3d9645a3bcdad00e67656f", "hex"),
  shim: Buffer.from("50ab5d6046e00043abb63dd810dd8b23", "hex"),
} as const;

/** UEFI_VARIABLE_DATA. */
export function variable(guid: Buffer, name: string, data: Buffer): Buffer {
  return Buffer.concat([guid, u64(name.length), u64(data.length), Buffer.from(name, "utf16le"), data]);
}

export function separator(register: number): WrittenEvent {
  return { register, type: EV.separator, data: Buffer.alloc(4) };
}

export function secureBoot(on: boolean, register = 7): WrittenEvent {
  const data = variable(GUIDS.global, "SecureBoot", Buffer.from([on ? 1 : 0]));
  return { register, type: EV.efiVariableDriverConfig, data };
}

/** GRUB's event: the digest is of the text behind the prefix. */
export function grub(register: number, prefix: string, text: string): WrittenEvent {
  return { register, type: EV.ipl, data: Buffer.from(`${prefix}${text}\0`), measured: Buffer.from(text) };
}

/** An event of the attestation agent in a guest. */
export function agentEvent(register: number, text: string): WrittenEvent {
  const bytes = Buffer.from(text);
  return { register, type: EV.eventTag, data: Buffer.concat([u32(0x4141454c), u32(bytes.length), bytes]) };
}

/** What registers hold after `digests`, starting from zeros. */
export function extended(algorithm: HashName, digests: readonly Buffer[]): Buffer {
  return digests.reduce(
    (value, next) => digest(algorithm, Buffer.concat([value, next])),
    Buffer.alloc(hashOf(algorithm).size),
  );
}
