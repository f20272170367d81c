/** Register values as people have them: written on the command line, in JSON, or printed by tpm2_pcrread. */
import { HASH_ALGORITHMS, type HashName, hashByName } from "../../attestation/formats/eventlog/index.ts";
import { fromHex } from "../../crypto/bytes.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject } from "../../json/write.ts";
import { readNamedFileOrInput } from "../files.ts";
import { misuse, type World } from "../world.ts";

/** Bank → register → value. */
export type Registers = ReadonlyMap<HashName, ReadonlyMap<number, Buffer>>;

const INLINE = /^\s*\d+\s*=/;

/** @throws CommandFailure (misuse) */
export async function readRegisters(source: string, world: World): Promise<Registers> {
  if (INLINE.test(source)) return grouped(source.split(",").map((pair) => inlinePair(pair)));
  const text = (await readNamedFileOrInput(source, "file of register values", world)).toString("utf8");
  return /^\s*\{/.test(text) ? fromJson(text) : fromLines(text);
}

interface Entry {
  readonly bank: HashName | undefined;
  readonly register: number;
  readonly value: string;
}

function inlinePair(pair: string): Entry {
  const [register, value, ...more] = pair.split("=").map((part) => part.trim());
  if (value === undefined || more.length > 0)
    throw misuse(`${JSON.stringify(pair)} is not <register>=<hex>.`);
  return { bank: undefined, register: Number(register), value };
}

/** `{"sha256": {"0": "<hex>"}}`, or registers at once: then their length tells the bank. */
function fromJson(text: string): Registers {
  const entries: Entry[] = [];
  const add = (bank: HashName | undefined, values: JsonObject) => {
    for (const [register, value] of Object.entries(values))
      entries.push({ bank, register: Number(register), value: textOf(value) });
  };
  const json = parse(text);
  for (const [name, value] of Object.entries(json)) {
    if (!isObject(value)) entries.push({ bank: undefined, register: Number(name), value: textOf(value) });
    else add(bankNamed(name), value);
  }
  return grouped(entries);
}

function parse(text: string): JsonObject {
  try {
    const json = readJson(text);
    if (isObject(json)) return json;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw misuse(`The register values are JSON with ${error.message}.`);
  }
  throw misuse("The register values are no JSON object.");
}

function textOf(value: JsonValue): string {
  if (typeof value !== "string") throw misuse("A register value is no text.");
  return value;
}

function bankNamed(name: string): HashName {
  const algorithm = hashByName(name);
  if (algorithm === undefined) throw misuse(`${JSON.stringify(name)} is no bank of registers.`);
  return algorithm.name;
}

/** Lines of tpm2_pcrread: the bank's name with a colon, then `0 : 0x<hex>`. */
function fromLines(text: string): Registers {
  let bank: HashName | undefined;
  const entries: Entry[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, name, register, value] =
      /^\s*(?:([a-z0-9_]+)\s*:|(\d+)\s*[:=]\s*([0-9a-fA-Fx]+))\s*$/.exec(line) ?? [];
    if (name !== undefined) bank = bankNamed(name);
    else if (value !== undefined) entries.push({ bank, register: Number(register), value });
    else if (line.trim() !== "")
      throw misuse(`The line ${JSON.stringify(line.slice(0, 80))} is no register value.`);
  }
  return grouped(entries);
}

function grouped(entries: readonly Entry[]): Registers {
  const banks = new Map<HashName, Map<number, Buffer>>();
  for (const { bank, register, value } of entries) {
    const bytes = fromHex(value.replace(/^0x/i, ""));
    const algorithm = bank ?? HASH_ALGORITHMS.find(({ size }) => size === bytes?.length)?.name;
    if (bytes === undefined || algorithm === undefined || !Number.isInteger(register) || register < 0)
      throw misuse(`Register ${register} has no value in hexadecimal of a bank's length.`);
    if (bytes.length !== hashByName(algorithm)?.size)
      throw misuse(`Register ${register} is too short or too long for ${algorithm}.`);
    const values = banks.get(algorithm) ?? new Map<number, Buffer>();
    if (values.has(register)) throw misuse(`Register ${register} has two values.`);
    banks.set(algorithm, values.set(register, bytes));
  }
  if (banks.size === 0) throw misuse("There is no register value to compare with.");
  return banks;
}

/** The bank asked for, or the one there is. Values whose bank only their length told may be another of that length. */
export function bankOf(registers: Registers, asked: HashName | undefined): HashName {
  const [only] = registers.keys();
  if (asked === undefined) {
    if (only === undefined || registers.size > 1)
      throw misuse("Say which bank to compare: --bank sha256, say.");
    return only;
  }
  if (!registers.has(asked)) throw misuse(`There are no register values of the bank ${asked}.`);
  return asked;
}
