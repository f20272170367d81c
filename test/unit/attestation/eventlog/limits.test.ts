import { describe, expect, test } from "@jest/globals";
import { endOfItem } from "../../../../src/attestation/formats/cel/cbor-items.ts";
import { EventLogError, parseEventLog } from "../../../../src/attestation/formats/eventlog/index.ts";

function faultOf(bytes: Buffer): EventLogError {
  try {
    parseEventLog(bytes);
  } catch (error) {
    if (error instanceof EventLogError) return error;
    throw error;
  }
  throw new Error("the log was read");
}

/** Were any of these read in time or memory that grows faster than the log, the test would not end. */
describe("B29 logs that are made to be slow", () => {
  const MEBIBYTES = 4 << 20;

  test("JSON that begins an array and goes on with blanks", () => {
    const blanks = Buffer.concat([Buffer.from("["), Buffer.alloc(MEBIBYTES - 1, " ")]);
    expect(faultOf(blanks).what).toBe("an array that does not end");
    const record = '{"pcr":4,"digests":[],"content_type":"systemd","content":{}}';
    const padded = Buffer.concat([Buffer.from(`[${record}]`), Buffer.alloc(MEBIBYTES - 100, "\n")]);
    expect(parseEventLog(padded)).toMatchObject({ format: "cel-json", count: 1 });
  });

  test("a CBOR record of a million items", () => {
    const head = Buffer.from([0xa1, 0x00, 0x9a, 0x00, 0x10, 0x00, 0x00]);
    const record = Buffer.concat([head, Buffer.alloc(1 << 20, 0x80)]);
    expect(() => endOfItem(record, 0)).toThrow("a record of more than 1024 items");
    expect(faultOf(record).what).toBe("a record of more than 1024 items");
  });
});
