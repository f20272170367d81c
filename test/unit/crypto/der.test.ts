import { describe, expect, test } from "@jest/globals";
import {
  booleanValue,
  DerError,
  DerReader,
  integerBytes,
  oidText,
  readDer,
  smallInteger,
  TAG,
  timeValue,
  wholeBits,
} from "../../../src/crypto/der.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const node = (text: string) => readDer(hex(text));

describe("DER lengths", () => {
  test.each([
    ["an indefinite length", "30 80 00 00"],
    ["a long form for a short length", "04 81 01 00"],
    ["a long form with a leading zero", `04 82 00 80 ${"00".repeat(128)}`],
    ["a length beyond the data", "04 05 00"],
    ["a length of five octets", "04 85 00 00 00 00 01 00"],
    ["a cut length", "04 82 01"],
    ["nothing", ""],
    ["a tag number in several octets", "1f 01 00"],
    ["bytes after the element", "05 00 00"],
  ])("refuses %s", (_name, text) => {
    expect(() => node(text)).toThrow(DerError);
  });

  test("reads a length of two octets", () => {
    expect(node(`04 81 80 ${"00".repeat(128)}`).content).toHaveLength(128);
  });

  test("a reader stops at its own end", () => {
    const reader = new DerReader(hex("02 01 05 04 00"));
    expect(smallInteger(reader.next(TAG.integer))).toBe(5);
    expect(reader.optional(TAG.boolean)).toBeUndefined();
    expect(() => reader.end()).toThrow(DerError);
    expect(() => reader.next(TAG.integer)).toThrow(DerError);
    expect(reader.next(TAG.octetString).content).toHaveLength(0);
    expect(reader.atEnd).toBe(true);
    expect(() => reader.next()).toThrow(DerError);
  });
});

describe("DER values", () => {
  test.each([
    ["02 01 00", 0],
    ["02 01 7f", 127],
    ["02 02 00 ff", 255],
    ["02 04 7f ff ff ff", 0x7fffffff],
  ])("INTEGER %s is %d", (text, value) => {
    expect(smallInteger(node(text))).toBe(value);
  });

  test.each([
    "02 00",
    "02 02 00 01",
    "02 02 ff ff",
    "02 01 80",
    "02 05 00 80 00 00 00",
    "02 06 01 00 00 00 00 00",
  ])("refuses INTEGER %s", (text) => {
    expect(() => smallInteger(node(text))).toThrow(DerError);
  });

  test("keeps a large serial number as bytes", () => {
    expect(integerBytes(node("02 03 02 00 01")).toString("hex")).toBe("020001");
  });

  test("BOOLEAN is 00 or ff and nothing else", () => {
    expect(booleanValue(node("01 01 ff"))).toBe(true);
    expect(booleanValue(node("01 01 00"))).toBe(false);
    expect(() => booleanValue(node("01 01 01"))).toThrow(DerError);
  });

  test.each([
    ["06 03 55 04 03", "2.5.4.3"],
    ["06 0a 2b 06 01 04 01 9c 78 01 03 08", "1.3.6.1.4.1.3704.1.3.8"],
    ["06 03 88 37 03", "2.999.3"],
    ["06 09 2a 86 48 86 f7 0d 01 01 0a", "1.2.840.113549.1.1.10"],
  ])("OID %s is %s", (text, oid) => {
    expect(oidText(node(text))).toBe(oid);
  });

  test.each(["06 00", "06 02 55 80", "06 02 80 01", `06 0b 2b ${"ff".repeat(9)} 7f`])(
    "refuses OID %s",
    (text) => {
      expect(() => oidText(node(text))).toThrow(DerError);
    },
  );

  test("a BIT STRING with unused bits is no key and no signature", () => {
    expect(wholeBits(node("03 02 00 ff")).toString("hex")).toBe("ff");
    expect(() => wholeBits(node("03 02 01 fe"))).toThrow(DerError);
    expect(() => wholeBits(node("03 00"))).toThrow(DerError);
  });
});

describe("B30 times", () => {
  const time = (tag: number, text: string) =>
    timeValue({ tag, content: Buffer.from(text), whole: Buffer.alloc(0) });

  test.each([
    [TAG.utcTime, "260819140901Z", "2026-08-19T14:09:01.000Z"],
    [TAG.utcTime, "500101000000Z", "1950-01-01T00:00:00.000Z"],
    [TAG.utcTime, "491231235959Z", "2049-12-31T23:59:59.000Z"],
    [TAG.generalizedTime, "20500101000000Z", "2050-01-01T00:00:00.000Z"],
    [TAG.generalizedTime, "99991231235959Z", "9999-12-31T23:59:59.000Z"],
  ])("%d %s is %s", (tag, text, iso) => {
    expect(new Date(time(tag, text)).toISOString()).toBe(iso);
  });

  test.each([
    [TAG.utcTime, "2608191409Z"],
    [TAG.utcTime, "260819140901+0100"],
    [TAG.utcTime, "260229000000Z"],
    [TAG.utcTime, "261301000000Z"],
    [TAG.utcTime, "260101240000Z"],
    [TAG.generalizedTime, "20260819140901.5Z"],
    [TAG.generalizedTime, "260819140901Z"],
    [TAG.utf8String, "260819140901Z"],
    [TAG.utcTime, ""],
  ])("refuses %d %s", (tag, text) => {
    expect(() => time(tag, text)).toThrow(DerError);
  });
});
