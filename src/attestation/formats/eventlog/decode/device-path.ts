/** UEFI device paths (UEFI 2.10 §10.3) as the texts that policies of the field compare with. */
import { guidText, utf16Text } from "./efi.ts";

const MAX_NODES = 64;
const END_OF_PATH = 0x7f;
const HEADER_BYTES = 4;

type Printer = (data: Buffer) => string;

/**
 * @returns one text per node; undefined when the path is malformed
 */
export function devicePathTexts(bytes: Buffer): string[] | undefined {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (texts.length >= MAX_NODES || bytes.length - at < HEADER_BYTES) return undefined;
    const [type, subtype, length] = [
      bytes.readUInt8(at),
      bytes.readUInt8(at + 1),
      bytes.readUInt16LE(at + 2),
    ];
    if (length < HEADER_BYTES || length > bytes.length - at) return undefined;
    if (type === END_OF_PATH) return texts;
    texts.push(nodeText(type, subtype, bytes.subarray(at + HEADER_BYTES, at + length)));
    at += length;
  }
  return texts;
}

/** The file a path ends in, `\EFI\BOOT\BOOTX64.EFI` say. */
export function fileOf(texts: readonly string[]): string | undefined {
  const file = texts.findLast((text) => text.startsWith("File("));
  return file?.slice("File(".length, -1);
}

/** Node texts by type and subtype, with the length that the data must have at least. */
const PRINTERS: ReadonlyMap<number, readonly [minimum: number, print: Printer]> = new Map([
  [0x0101, [2, (data) => `Pci(${data[0]},${data[1]})`]],
  [0x0201, [8, acpiText]],
  [0x0305, [2, (data) => `USB(${data[0]},${data[1]})`]],
  [0x030b, [33, macText]],
  [0x030c, [15, ipv4Text]],
  [0x0315, [20, (data) => `FibreEx(0x${hex(data, 4, 12)},0x${hex(data, 12, 20)})`]],
  [0x0401, [38, hardDriveText]],
  [0x0403, [16, (data) => `VenMedia(${upperGuid(data)},${data.toString("hex", 16)})`]],
  [0x0404, [0, (data) => `File(${utf16Text(data)})`]],
  [0x0501, [4, bbsText]],
]);

function nodeText(type: number, subtype: number, data: Buffer): string {
  const [minimum, print] = PRINTERS.get(type * 256 + subtype) ?? [0, undefined];
  if (print === undefined || data.length < minimum) return `Path(${type},${subtype},${data.toString("hex")})`;
  return print(data);
}

function acpiText(data: Buffer): string {
  const id = data.readUInt32LE(0);
  const letters = [10, 5, 0].map((shift) => String.fromCharCode(0x40 + ((id >> shift) & 0x1f))).join("");
  const number = (id >>> 16).toString(16).toUpperCase().padStart(4, "0");
  return `ACPI(${letters}${number},${data.readUInt32LE(4)})`;
}

function macText(data: Buffer): string {
  const address = data
    .toString("hex", 0, 32)
    .toUpperCase()
    .replace(/(?:00)+$/, "");
  return `Mac(${address},0x${hex(data, 32, 33)})`;
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: "TCP", 17: "UDP" };

/** The reference implementation prints the octets of addresses backwards; policies know no other form. */
function ipv4Text(data: Buffer): string {
  const address = (at: number) => [...data.subarray(at, at + 4)].reverse().join(".");
  const protocol = PROTOCOLS[data.readUInt16LE(12)] ?? "";
  const origin = data[14] === 0 ? "DHCP" : data[14] === 1 ? "Static" : "";
  const rest = data.length >= 23 ? `,${data.readUInt32LE(15)},${data.readUInt32LE(19)}` : "";
  return `IPv4(${address(4)},${protocol},${origin},${address(0)}${rest})`;
}

function hardDriveText(data: Buffer): string {
  const number = data.readUInt32LE(0);
  const range =
    number === 0
      ? ""
      : `,0x${data.readBigUInt64LE(4).toString(16)},0x${data.readBigUInt64LE(12).toString(16)}`;
  const signatureType = data[37];
  if (signatureType === 1)
    return `HD(${number},MBR,0x${data.readUInt32LE(20).toString(16).padStart(8, "0")}${range})`;
  if (signatureType === 2) return `HD(${number},GPT,${upperGuid(data.subarray(20, 36))}${range})`;
  return `HD(${number},${signatureType}${range})`;
}

const BBS_TYPES: Readonly<Record<number, string>> = {
  1: "Floppy",
  2: "HD",
  3: "CDROM",
  4: "PCMCIA",
  5: "USB",
  6: "Network",
};

function bbsText(data: Buffer): string {
  const type = data.readUInt16LE(0);
  const end = data.indexOf(0, 4);
  const text = data.toString("latin1", 4, end < 0 ? data.length : end);
  return `BBS(${BBS_TYPES[type] ?? type},${text},${data.readUInt16LE(2)})`;
}

function upperGuid(data: Buffer): string {
  return guidText(data.subarray(0, 16)).toUpperCase();
}

function hex(data: Buffer, from: number, to: number): string {
  return data.toString("hex", from, to);
}
