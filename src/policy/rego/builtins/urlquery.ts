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
  const bytes: Buffer[] = [];
  const parts = text.replaceAll("+", " ").split("%");
  bytes.push(Buffer.from(parts[0] ?? "", "utf8"));
  for (const part of parts.slice(1)) {
    const octet = Buffer.from(part.slice(0, 2), "hex");
    if (octet.length !== 1) throw badValue("invalid URL escape");
    bytes.push(octet, Buffer.from(part.slice(2), "utf8"));
  }
  return textFromBytes(Buffer.concat(bytes));
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
