/** How bytes lie in Vault, which keeps JSON. */
import { isUtf8 } from "node:buffer";
import { fromBase64 } from "../../crypto/bytes.ts";
import { KbsError } from "../../errors.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, member, writeJson } from "../../json/write.ts";

/**
 * `base64`: bytes as standard base64; `text`: a plain string, for secrets that people read in Vault; `trustee`: as the
 * reference server writes it, a list of byte numbers, and as it reads: a string, such a list, or any other JSON as text.
 */
export const VALUE_FORMATS = ["base64", "text", "trustee"] as const;
export type ValueFormat = (typeof VALUE_FORMATS)[number];

/** A value that does not follow its format. The message never holds any of it. */
export class ValueFault extends Error {
  constructor(what: string) {
    super(what);
    this.name = "ValueFault";
  }
}

/** @throws KbsError `malformed-request` for bytes that the format cannot hold */
export function printValue(value: Uint8Array, format: ValueFormat): JsonValue {
  if (format === "trustee") return [...value];
  if (format === "base64") return Buffer.from(value).toString("base64");
  if (!isUtf8(value))
    throw new KbsError("malformed-request", "This store keeps secrets as text, and the secret is not UTF-8.");
  return Buffer.from(value).toString("utf8");
}

/**
 * @param data - members of the secret in Vault
 * @throws ValueFault
 */
export function readValue(data: JsonObject, field: string, format: ValueFormat): Uint8Array {
  const value = member(data, field);
  if (value === undefined) throw new ValueFault(`it has no field ${field}`);
  if (isArray(value) && format !== "text") {
    const bytes = bytesOf(value);
    if (bytes !== undefined) return bytes;
  }
  if (typeof value === "string")
    return format === "base64" ? decoded(value, field) : Buffer.from(value, "utf8");
  if (format === "trustee") return Buffer.from(writeJson(value), "utf8");
  throw new ValueFault(`its field ${field} is no ${format}`);
}

function decoded(text: string, field: string): Buffer {
  const bytes = fromBase64(text);
  if (bytes === undefined) throw new ValueFault(`its field ${field} is no base64`);
  return bytes;
}

function bytesOf(list: readonly JsonValue[]): Buffer | undefined {
  const bytes = Buffer.alloc(list.length);
  for (const [at, value] of list.entries()) {
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 255) return undefined;
    bytes[at] = value;
  }
  return bytes;
}
