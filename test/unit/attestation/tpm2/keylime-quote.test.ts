import { describe, expect, test } from "@jest/globals";
import { BANKS, type BankName } from "../../../../src/attestation/formats/tpm2/algorithms.ts";
import { Tpm2FormatError } from "../../../../src/attestation/formats/tpm2/cursor.ts";
import { readKeylimeQuote, readPcrDump } from "../../../../src/attestation/formats/tpm2/keylime-quote.ts";
import { makeQuote, tellTpm } from "../../../support/software-tpm/index.ts";

interface Selected {
  readonly bank: BankName;
  readonly pcrs: readonly number[];
}

/** The memory image of tpm2-tools: 16 places for selections, lists of eight digests with 64 bytes each. */
function dump(selections: readonly Selected[], value: (bank: BankName, pcr: number) => Buffer): Buffer {
  const head = Buffer.alloc(4 + 16 * 8);
  head.writeUInt32LE(selections.length, 0);
  for (const [i, { bank, pcrs }] of selections.entries()) {
    head.writeUInt16LE(BANKS[bank].id, 4 + i * 8);
    head.writeUInt8(3, 6 + i * 8);
    for (const pcr of pcrs)
      head.writeUInt8(head.readUInt8(7 + i * 8 + (pcr >> 3)) | (1 << (pcr & 7)), 7 + i * 8 + (pcr >> 3));
  }
  const digests = selections.flatMap(({ bank, pcrs }) => pcrs.map((pcr) => value(bank, pcr)));
  const count = Buffer.alloc(4);
  count.writeUInt32LE(Math.ceil(digests.length / 8));
  const lists: Buffer[] = [];
  for (let at = 0; at < digests.length; at += 8) lists.push(list(digests.slice(at, at + 8)));
  return Buffer.concat([head, count, ...lists]);
}

function list(digests: readonly Buffer[]): Buffer {
  const out = Buffer.alloc(4 + 8 * 66);
  out.writeUInt32LE(digests.length);
  for (const [i, digest] of digests.entries()) {
    out.writeUInt16LE(digest.length, 4 + i * 66);
    digest.copy(out, 6 + i * 66);
  }
  return out;
}

const SELECTIONS: readonly Selected[] = [
  { bank: "sha1", pcrs: [0, 7] },
  { bank: "sha256", pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 23] },
];
const filled = (bank: BankName, pcr: number) => Buffer.alloc(BANKS[bank].bytes, pcr + 1);
const good = dump(SELECTIONS, filled);
const changed = (at: number, value: number) => {
  const copy = Buffer.from(good);
  copy.writeUInt8(value, at);
  return copy;
};

describe("quotes of Keylime's agents", () => {
  test("values follow the selection over all lists", () => {
    const values = readPcrDump(good);
    expect([...values.keys()]).toEqual(["sha1", "sha256"]);
    expect(values.get("sha1")?.get(7)).toEqual(filled("sha1", 7));
    expect(values.get("sha256")?.get(23)).toEqual(filled("sha256", 23));
    expect(values.get("sha256")?.size).toBe(10);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["B29 17 selections", changed(0, 17)],
    ["an unknown bank", changed(4, 0x99)],
    ["a bitmap of five bytes", changed(6, 5)],
    ["one register more than values", changed(8, 0x01)],
    ["one register less than values", changed(7, 0x01)],
    ["B29 255 lists", changed(132, 255)],
    ["a list of nine digests", changed(136, 9)],
    ["a digest of 65 bytes", changed(140, 65)],
    ["a digest of another length than the bank's", changed(140, 32)],
    ["a byte less", good.subarray(0, -1)],
    ["a byte more", Buffer.concat([good, Buffer.alloc(1)])],
  ])("a dump with %s is refused", (_, bytes) => {
    expect(() => readPcrDump(bytes)).toThrow(Tpm2FormatError);
  });

  test.each([
    "",
    "r",
    "AA==:AA==:AA==",
    "rAA==:AA==",
    "rAA==:AA==:AA==:AA==",
    "rAA:AA==:AA==",
    `r${"A".repeat(40_000)}`,
  ])("%p is none", (text) => expect(() => readKeylimeQuote(text.slice(0, 40_001))).toThrow(Tpm2FormatError));

  test("are verified like any other, registers by the signed selection", async () => {
    const selections = SELECTIONS.map(({ bank, pcrs }) => ({ bank, pcrs }));
    const expected = { initDataDigest: undefined };
    const story = { form: "banks" as const, selections, expected };
    const { message, signature, values } = await makeQuote(story);
    const value = (bank: BankName, pcr: number) => values.get(bank)?.get(pcr) ?? Buffer.alloc(0);
    const text = (bytes: Buffer) =>
      `r${[message, signature, bytes].map((part) => part.toString("base64")).join(":")}`;
    const right = dump(SELECTIONS, value);
    const keylime = (bytes: Buffer) => ({
      ...story,
      // The quote of the story was signed anew, with another ECDSA signature over the same bytes.
      evidence: (evidence: Record<string, unknown>) => ({ ...evidence, tpm_quote: text(bytes) }) as never,
    });
    const { results } = await tellTpm(keylime(right));
    expect(results[0]?.claims).toMatchObject({ pcr23: value("sha256", 23).toString("hex") });
    const fewer = dump([{ bank: "sha256", pcrs: [0, 7] }], value);
    await expect(tellTpm(keylime(fewer))).rejects.toMatchObject({ check: "pcr-selection" });
    const other = dump(SELECTIONS, (bank, pcr) => (pcr === 7 ? filled(bank, 99) : value(bank, pcr)));
    await expect(tellTpm(keylime(other))).rejects.toMatchObject({ check: "pcr-digest" });
  });
});
