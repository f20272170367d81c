import { bytesFromText, textFromBytes } from "../bytes.ts";
import { ObjectBuilder, RArray } from "../collections.ts";
import { memberName } from "../json.ts";
import { TextBuffer } from "../text.ts";
import { isArray, isSet, type RObject, type Value } from "../value.ts";
import {
  type Builtin,
  type BuiltinContext,
  badType,
  badValue,
  define,
  objectAt,
  stringAt,
} from "./builtin.ts";
import { produced } from "./strings.ts";
import { anyOf, arrayOf, objectOf, TEXTS } from "./types.ts";

/** Form encoding: space as `+`, everything but letters, digits and `-_.~` as `%XX` of its UTF-8 bytes. */
function encode(text: string): string {
  let out = "";
  for (const byte of bytesFromText(text)) out += ENCODED[byte] ?? "";
  return out;
}

const ENCODED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (isUnreserved(character)) return character;
  return byte === 0x20 ? "+" : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

function isUnreserved(character: string): boolean {
  return (
    (character >= "0" && character <= "9") ||
    (character >= "A" && character <= "Z") ||
    (character >= "a" && character <= "z") ||
    "-_.~".includes(character)
  );
}

function decode(text: string): string {
  const bytes = bytesFromText(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === PERCENT) {
      bytes[length++] = hexDigit(bytes[at + 1]) * 16 + hexDigit(bytes[at + 2]);
      at += 2;
    } else bytes[length++] = byte === PLUS ? SPACE : byte;
  }
  return textFromBytes(bytes.subarray(0, length));
}

const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

/** @throws BuiltinError for anything but 0-9, a-f and A-F */
function hexDigit(byte: number | undefined): number {
  const digit = byte === undefined ? -1 : "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
  if (digit < 0) throw badValue("invalid URL escape");
  return digit;
}

function decodeObject(query: string, ctx: BuiltinContext): RObject {
  const fields = new Map<string, string[]>();
  for (const field of query.split("&")) {
    if (field === "") continue;
    if (field.includes(";")) throw badValue("invalid semicolon separator in query");
    const equals = field.indexOf("=");
    const name = decode(equals < 0 ? field : field.slice(0, equals));
    const values = fields.get(name) ?? [];
    values.push(equals < 0 ? "" : decode(field.slice(equals + 1)));
    fields.set(name, values);
    ctx.cells(2);
    ctx.charge(1);
  }
  const builder = new ObjectBuilder();
  for (const [name, values] of fields) builder.set(name, RArray.of(values));
  return builder.build();
}

function encodeObject(object: RObject, ctx: BuiltinContext): string {
  const out = new TextBuffer(ctx.limits.stringLength);
  for (const [name, value] of object.entries())
    for (const text of fieldValues(value)) {
      ctx.charge(1 + (text.length >> 4));
      out.append(`${out.text === "" ? "" : "&"}${encode(memberName(name))}=${encode(text)}`);
    }
  return produced(out.text, ctx);
}

function fieldValues(value: Value): readonly string[] {
  if (typeof value === "string") return [value];
  const items = isArray(value) ? value.items : isSet(value) ? value.members() : [null];
  return items.map((item) => {
    if (typeof item === "string") return item;
    throw badType("operand 1 values must be string, array[string], or set[string]");
  });
}

export const URLQUERY: readonly Builtin[] = [
  define("urlquery.encode", ["string"], "string", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.stringBytes(text.length * 3);
    ctx.charge(text.length >> 3);
    return encode(text);
  }),
  define("urlquery.decode", ["string"], "string", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.charge(text.length >> 3);
    return produced(decode(text), ctx);
  }),
  define("urlquery.decode_object", ["string"], objectOf("string", arrayOf("string")), (args, ctx) => {
    const query = stringAt(args, 0);
    ctx.charge(query.length >> 3);
    ctx.stringBytes(query.length);
    return decodeObject(query, ctx);
  }),
  define("urlquery.encode_object", [objectOf("string", anyOf("string", TEXTS))], "string", (args, ctx) =>
    encodeObject(objectAt(args, 0), ctx),
  ),
];
