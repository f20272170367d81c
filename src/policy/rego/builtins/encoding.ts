import { bytesFromText, textFromBytes } from "../bytes.ts";
import { BudgetError } from "../errors.ts";
import { type JsonLayout, JsonTextError, marshalJson, parseJson } from "../json.ts";
import { walkingSteps } from "../shape.ts";
import type { Value } from "../value.ts";
import {
  anyAt,
  type Builtin,
  type BuiltinContext,
  badType,
  badValue,
  define,
  objectAt,
  stringAt,
} from "./builtin.ts";
import { produced } from "./strings.ts";
import { objectOf } from "./types.ts";

/** Decodes base64 strictly: alphabet, padding and length; `undefined` when anything is off. */
export function decodeBase64(
  text: string,
  variant: "base64" | "base64url",
  padded: boolean,
): Buffer | undefined {
  const compact = text.replaceAll("\r", "").replaceAll("\n", "");
  const bytes = Buffer.from(compact, variant);
  const canonical = bytes.toString(variant);
  const expected = variant === "base64url" && padded ? pad(canonical) : canonical;
  // Go accepts non-zero trailing bits, so the last digit may differ; everything before it may not.
  return sameButTrailingBits(compact, expected) ? bytes : undefined;
}

function sameButTrailingBits(text: string, canonical: string): boolean {
  if (text === canonical) return true;
  const digits = canonical.length - (canonical.endsWith("==") ? 2 : canonical.endsWith("=") ? 1 : 0);
  const partial = digits % 4;
  if (text.length !== canonical.length || partial === 0) return false;
  return (
    text.slice(0, digits - 1) === canonical.slice(0, digits - 1) &&
    text.slice(digits) === canonical.slice(digits) &&
    isBase64Digit(text.charCodeAt(digits - 1), canonical.charCodeAt(digits - 1), partial)
  );
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function digitValue(unit: number): number {
  if (unit === 0x2b || unit === 0x2d) return 62;
  if (unit === 0x2f || unit === 0x5f) return 63;
  return ALPHABET.indexOf(String.fromCharCode(unit));
}

/** Whether a last digit differs from the canonical one in its unused bits only. */
function isBase64Digit(unit: number, canonical: number, partial: number): boolean {
  const value = digitValue(unit);
  const unusedBits = partial === 2 ? 4 : 2;
  return value >= 0 && value >> unusedBits === digitValue(canonical) >> unusedBits;
}

function pad(text: string): string {
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

/** The operand of a decoder, paid for before it is decoded. */
function encodedAt(args: readonly Value[], ctx: BuiltinContext): string {
  const text = stringAt(args, 0);
  ctx.charge(text.length >> 2);
  return text;
}

function decodedText(bytes: Buffer | undefined, what: string, ctx: BuiltinContext): string {
  if (bytes === undefined) throw badValue(`illegal ${what} data`);
  ctx.charge(bytes.length >> 4);
  return produced(textFromBytes(bytes), ctx);
}

function decodeUrl(text: string, ctx: BuiltinContext): string {
  const padded = text.includes("=");
  return decodedText(decodeBase64(text, "base64url", padded), "base64url", ctx);
}

function decodeHex(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "hex");
  return text.length % 2 === 0 && bytes.length * 2 === text.length ? bytes : undefined;
}

function encoder(name: string, encode: (bytes: Buffer) => string): Builtin {
  return define(name, ["string"], "string", (args, ctx) => {
    const text = stringAt(args, 0);
    ctx.stringBytes(text.length * 2);
    ctx.charge(text.length >> 6);
    return encode(bytesFromText(text));
  });
}

/** Reads JSON out of policy text. @throws BuiltinError, BudgetError */
export function unmarshal(text: string, ctx: BuiltinContext): Value {
  ctx.charge(text.length >> 4);
  ctx.stringBytes(text.length);
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonTextError) throw badValue(error.message);
    throw error;
  }
}

function isJson(value: Value, ctx: BuiltinContext): boolean {
  if (typeof value !== "string") return false;
  ctx.charge(value.length >> 4);
  try {
    parseJson(value);
    return true;
  } catch (error) {
    if (error instanceof JsonTextError) return false;
    throw error;
  }
}

/** JSON text of a value, counted. @throws BudgetError */
export function marshal(value: Value, layout: JsonLayout | undefined, ctx: BuiltinContext): string {
  ctx.charge(walkingSteps(value) * 4);
  return produced(marshalJson(value, layout, ctx.limits.stringLength), ctx);
}

function marshalWithOptions(args: readonly Value[], ctx: BuiltinContext): string {
  const value = anyAt(args, 0);
  const options = objectAt(args, 1);
  for (const name of options.keys())
    if (name !== "pretty" && name !== "indent" && name !== "prefix")
      throw badType("operand 2 object contained an unknown key");
  const indent = options.get("indent") ?? "\t";
  const prefix = options.get("prefix") ?? "";
  const pretty = options.get("pretty") ?? options.size > 0;
  if (typeof indent !== "string" || typeof prefix !== "string" || typeof pretty !== "boolean")
    throw badType('operand 2 "indent" and "prefix" must be strings and "pretty" a boolean');
  if (indent.length + prefix.length > ctx.limits.formatWidth) throw new BudgetError("formatWidth");
  return marshal(value, pretty ? { indent, prefix } : undefined, ctx);
}

const JSON_TEXT: readonly Builtin[] = [
  define("json.marshal", ["any"], "string", (args, ctx) => marshal(anyAt(args, 0), undefined, ctx)),
  define("json.marshal_with_options", ["any", objectOf("string", "any")], "string", marshalWithOptions),
  define("json.unmarshal", ["string"], "any", (args, ctx) => unmarshal(stringAt(args, 0), ctx)),
  define("json.is_valid", ["any"], "boolean", (args, ctx) => isJson(anyAt(args, 0), ctx)),
];

/** Base64, hex and JSON text. */
export const ENCODING: readonly Builtin[] = [
  encoder("base64.encode", (bytes) => bytes.toString("base64")),
  encoder("base64url.encode", (bytes) => pad(bytes.toString("base64url"))),
  encoder("base64url.encode_no_pad", (bytes) => bytes.toString("base64url")),
  encoder("hex.encode", (bytes) => bytes.toString("hex")),
  define("base64.decode", ["string"], "string", (args, ctx) =>
    decodedText(decodeBase64(encodedAt(args, ctx), "base64", true), "base64", ctx),
  ),
  define("base64.is_valid", ["any"], "boolean", (args) => {
    const text = anyAt(args, 0);
    return typeof text === "string" && decodeBase64(text, "base64", true) !== undefined;
  }),
  define("base64url.decode", ["string"], "string", (args, ctx) => decodeUrl(encodedAt(args, ctx), ctx)),
  define("hex.decode", ["string"], "string", (args, ctx) =>
    decodedText(decodeHex(encodedAt(args, ctx)), "hex", ctx),
  ),
  ...JSON_TEXT,
];
