/**
 * Logs of platform firmware: the crypto-agile form (TCG PC Client Platform Firmware Profile §10) that a TPM's log and a
 * confidential VM's CCEL share, and the older form with SHA-1 digests only (TCG EFI Protocol 1.2).
 */
import { isZero } from "../../../crypto/bytes.ts";
import { type HashName, hashById } from "./algorithms.ts";
import { LogCursor } from "./cursor.ts";
import {
  checkLength,
  EventLog,
  EventLogError,
  type EventLogParts,
  type LogEvent,
  type LoggedDigest,
  type LogLimits,
  Offsets,
  type SpecId,
} from "./event-log.ts";
import { EV, eventTypeName } from "./event-types.ts";

const SHA1_BYTES = 20;
const SPEC_ID_SIGNATURE = Buffer.from("Spec ID Event03\0", "latin1");
const STARTUP_LOCALITY = Buffer.from("StartupLocality\0", "latin1");
/** Localities in which a TPM starts (0, 3) or a hardware root of trust for measurement began (4). */
const LOCALITIES: readonly number[] = [0, 3, 4];
const MAX_ALGORITHMS = 16;
const END_MARK_BYTES = 8;

/** Digest sizes the log's header declares, by TPM_ALG_ID. */
type Sizes = ReadonlyMap<number, number>;

/**
 * Reads a firmware log of either form. Register numbers are those of the log: PCRs, or for a CCEL the indexes of the
 * UEFI specification (1 to 4 are RTMR 0 to 3 of a TD).
 *
 * @throws EventLogError
 */
export function parseTcgLog(bytes: Uint8Array, limits: LogLimits = {}): EventLog {
  checkLength(bytes, limits);
  const cursor = new LogCursor(bytes);
  const first = readLegacyEvent(cursor, 0);
  const header = readSpecId(first, cursor);
  if (header === undefined) return walk(new LogCursor(bytes), limits, undefined);
  return walk(cursor, limits, header);
}

interface Header {
  readonly specId: SpecId;
  readonly sizes: Sizes;
}

function walk(cursor: LogCursor, limits: LogLimits, header: Header | undefined): EventLog {
  const offsets = new Offsets(limits);
  const read = (at: LogCursor, index: number) =>
    header === undefined ? readLegacyEvent(at, index) : readAgileEvent(at, index, header.sizes);
  const { bytes } = cursor;
  let locality: number | undefined;
  let end = endOf(cursor);
  while (end === undefined) {
    const position = cursor.at;
    offsets.add(position);
    const type = skipEvent(cursor, header?.sizes);
    if (type === EV.noAction)
      locality ??= startupLocality(read(new LogCursor(bytes, position), offsets.count - 1));
    end = endOf(cursor);
  }
  return new EventLog({
    format: header === undefined ? "tcg1.2" : "tcg2",
    algorithms: header === undefined ? ["sha1"] : knownAlgorithms(header.sizes),
    ...(header === undefined ? {} : { specId: header.specId }),
    offsets: offsets.done(),
    read: (position, index) => read(new LogCursor(bytes, position), index),
    consumed: cursor.at,
    end,
    startupLocality: locality,
  });
}

/**
 * Checks an event and makes nothing of it: logs may have a million, and every event is read later on.
 *
 * @returns its type
 */
function skipEvent(cursor: LogCursor, sizes: Sizes | undefined): number {
  const position = cursor.at;
  cursor.skip(4, "a register number");
  const type = cursor.u32("an event type");
  if (sizes === undefined) cursor.skip(SHA1_BYTES, "a SHA-1 digest");
  else skipDigests(cursor, digestCount(cursor, sizes, position), sizes);
  cursor.skip(cursor.u32("the size of event data"), "event data");
  return type;
}

function digestCount(cursor: LogCursor, sizes: Sizes, position: number): number {
  const count = cursor.u32("a digest count");
  if (count > sizes.size)
    throw new EventLogError(`${count} digests where the log declares ${sizes.size} algorithms`, position);
  return count;
}

function skipDigests(cursor: LogCursor, count: number, sizes: Sizes): void {
  if (count > 1) readDigests(cursor, count, sizes);
  else if (count === 1)
    cursor.skip(declaredSize(cursor, cursor.u16("a digest algorithm"), sizes), "a digest");
}

function declaredSize(cursor: LogCursor, id: number, sizes: Sizes): number {
  const size = sizes.get(id);
  if (size === undefined) throw cursor.fault(`digest algorithm 0x${id.toString(16)}, which is not declared,`);
  return size;
}

function knownAlgorithms(sizes: Sizes): HashName[] {
  return [...sizes.keys()].flatMap((id) => hashById(id)?.name ?? []);
}

/**
 * Whether the log ends here: at the end of the bytes, at eight equal bytes of padding, or at a shorter rest of them.
 * A record for register 0 of type 0 would look like padding; there are none.
 */
function endOf(cursor: LogCursor): EventLogParts["end"] | undefined {
  if (cursor.left === 0) return "end of data";
  const filler = cursor.bytes[cursor.at];
  if (filler !== 0x00 && filler !== 0xff) return undefined;
  const mark = cursor.bytes.subarray(cursor.at, cursor.at + Math.min(END_MARK_BYTES, cursor.left));
  for (const byte of mark) if (byte !== filler) return undefined;
  return filler === 0 ? "zeros" : "ones";
}

function readLegacyEvent(cursor: LogCursor, index: number): LogEvent {
  const position = cursor.at;
  const register = cursor.u32("a register number");
  const type = cursor.u32("an event type");
  const value = cursor.take(SHA1_BYTES, "a SHA-1 digest");
  const data = cursor.take(cursor.u32("the size of event data"), "event data");
  return tcgEvent({ index, position, register, type, digests: [{ algorithm: "sha1", value }], data });
}

function readAgileEvent(cursor: LogCursor, index: number, sizes: Sizes): LogEvent {
  const position = cursor.at;
  const register = cursor.u32("a register number");
  const type = cursor.u32("an event type");
  const count = digestCount(cursor, sizes, position);
  const digests = readDigests(cursor, count, sizes);
  const data = cursor.take(cursor.u32("the size of event data"), "event data");
  return tcgEvent({ index, position, register, type, digests, data });
}

function readDigests(cursor: LogCursor, count: number, sizes: Sizes): LoggedDigest[] {
  const digests: LoggedDigest[] = [];
  const seen: number[] = [];
  for (let i = 0; i < count; i++) {
    const id = cursor.u16("a digest algorithm");
    const size = declaredSize(cursor, id, sizes);
    if (seen.includes(id)) throw cursor.fault(`two digests of algorithm 0x${id.toString(16)} in one event`);
    seen.push(id);
    const value = cursor.take(size, "a digest");
    const algorithm = hashById(id)?.name;
    if (algorithm !== undefined) digests.push({ algorithm, value });
  }
  return digests;
}

type TcgParts = Pick<LogEvent, "index" | "position" | "register" | "type" | "digests" | "data">;

/** Written out: spreading `parts` would cost more than all the rest of reading. */
function tcgEvent({ index, position, register, type, digests, data }: TcgParts): LogEvent {
  return {
    index,
    position,
    registerKind: "pcr",
    register,
    kind: "pcclient",
    type,
    typeName: eventTypeName(type),
    digests,
    data,
    extends: type !== EV.noAction,
  };
}

/**
 * The header of a crypto-agile log, if the first record is one. A guest whose firmware has no log sends a header whose
 * signature is zero instead of text; it counts only if the rest is exactly the structure. The register is not looked at:
 * firmware of confidential VMs writes 1 where the specification wants 0.
 *
 * @param cursor - behind the first record
 */
function readSpecId({ type, digests, data }: LogEvent, cursor: LogCursor): Header | undefined {
  if (type !== EV.noAction || data.length < SPEC_ID_SIGNATURE.length) return undefined;
  if (!digests.every(({ value }) => isZero(value))) return undefined;
  const signature = data.subarray(0, SPEC_ID_SIGNATURE.length);
  const body = new LogCursor(cursor.bytes, cursor.at - data.length + signature.length, cursor.at);
  if (signature.equals(SPEC_ID_SIGNATURE)) return parseSpecId("Spec ID Event03", body);
  return isZero(signature) ? withoutSignature(body) : undefined;
}

function withoutSignature(body: LogCursor): Header | undefined {
  try {
    return parseSpecId("", body);
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

function parseSpecId(signature: string, body: LogCursor): Header {
  const platformClass = body.u32("the platform class");
  const [minor, major, errata] = [body.u8("the version"), body.u8("the version"), body.u8("the errata")];
  const uintnBits = body.u8("the size of UINTN") * 32;
  const sizes = readSizes(body);
  const vendorInfo = body.take(body.u8("the size of vendor information"), "vendor information");
  if (body.left !== 0) throw body.fault(`a Spec ID event with ${body.left} bytes too many`);
  const version = `${major}.${minor} errata ${errata}`;
  return { specId: { signature, platformClass, version, uintnBits, vendorInfo }, sizes };
}

function readSizes(body: LogCursor): Map<number, number> {
  const count = body.u32("the number of algorithms");
  if (count === 0 || count > MAX_ALGORITHMS) throw body.fault(`a Spec ID event with ${count} algorithms`);
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const [id, size] = [body.u16("an algorithm"), body.u16("a digest size")];
    const known = hashById(id);
    if (sizes.has(id)) throw body.fault(`a Spec ID event with algorithm 0x${id.toString(16)} twice`);
    if (known !== undefined && known.size !== size)
      throw body.fault(`${known.name} digests of ${size} bytes`);
    sizes.set(id, size);
  }
  return sizes;
}

function startupLocality({ type, register, data }: LogEvent): number | undefined {
  if (type !== EV.noAction || register !== 0 || data.length !== STARTUP_LOCALITY.length + 1) return undefined;
  const locality = data[STARTUP_LOCALITY.length] ?? 0;
  const named = data.subarray(0, STARTUP_LOCALITY.length).equals(STARTUP_LOCALITY);
  return named && LOCALITIES.includes(locality) ? locality : undefined;
}
