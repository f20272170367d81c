/** A crypto-agile firmware log (TCG PC Client Platform Firmware Profile §9.2) and the registers that it gives. */
import { createHash } from "node:crypto";

const BANKS = [
  { name: "sha1", id: 0x0004, bytes: 20 },
  { name: "sha256", id: 0x000b, bytes: 32 },
] as const;
const EV_NO_ACTION = 3;
const EV_SEPARATOR = 4;
const EV_EFI_ACTION = 0x80000007;

interface Event {
  readonly pcr: number;
  readonly type: number;
  readonly data: Buffer;
}

const EVENTS: readonly Event[] = [
  { pcr: 0, type: EV_EFI_ACTION, data: Buffer.from("firmware") },
  { pcr: 7, type: EV_EFI_ACTION, data: Buffer.from("secure boot") },
  ...[0, 4, 7].map((pcr) => ({ pcr, type: EV_SEPARATOR, data: Buffer.alloc(4) })),
  { pcr: 4, type: EV_EFI_ACTION, data: Buffer.from("Calling EFI Application from Boot Option") },
  { pcr: 4, type: EV_EFI_ACTION, data: Buffer.from("a boot loader") },
];

export interface FirmwareLog {
  readonly bytes: Buffer;
  /** What the register of a bank holds after all events. */
  pcr(bank: string, pcr: number): Buffer;
  withoutLast(): Buffer;
  reordered(): Buffer;
  withOneMore(): Buffer;
}

export function firmwareLog(): FirmwareLog {
  const [first, second, ...rest] = EVENTS;
  const last = EVENTS.at(-1);
  if (first === undefined || second === undefined || last === undefined) throw new Error("no events");
  const swapped = [...EVENTS.slice(0, -2), last, ...EVENTS.slice(-2, -1)];
  return {
    bytes: print(EVENTS),
    pcr: replay,
    withoutLast: () => print(EVENTS.slice(0, -1)),
    reordered: () => print(swapped),
    withOneMore: () => print([first, second, ...rest, { ...last, data: Buffer.from("one more") }]),
  };
}

function replay(bank: string, pcr: number): Buffer {
  const bytes = BANKS.find(({ name }) => name === bank)?.bytes ?? 32;
  let value: Buffer = Buffer.alloc(bytes);
  for (const event of EVENTS)
    if (event.pcr === pcr)
      value = createHash(bank).update(value).update(createHash(bank).update(event.data).digest()).digest();
  return value;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

function print(events: readonly Event[]): Buffer {
  const specId = Buffer.concat([
    Buffer.from("Spec ID Event03\0"),
    u32(0),
    Buffer.from([0, 2, 105, 2]),
    u32(BANKS.length),
    ...BANKS.map(({ id, bytes }) => Buffer.concat([u16(id), u16(bytes)])),
    Buffer.from([0]),
  ]);
  const head = Buffer.concat([u32(0), u32(EV_NO_ACTION), Buffer.alloc(20), u32(specId.length), specId]);
  return Buffer.concat([head, ...events.map(printEvent)]);
}

function printEvent({ pcr, type, data }: Event): Buffer {
  const digests = BANKS.map(({ name, id }) =>
    Buffer.concat([u16(id), createHash(name).update(data).digest()]),
  );
  return Buffer.concat([u32(pcr), u32(type), u32(digests.length), ...digests, u32(data.length), data]);
}
