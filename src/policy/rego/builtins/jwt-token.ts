import { strictText } from "../bytes.ts";
import type { RObject } from "../value.ts";
import { isObject } from "../value.ts";
import { type BuiltinContext, badValue } from "./builtin.ts";
import { decodeBase64, unmarshal } from "./encoding.ts";

/** Nested tokens are unwrapped this deep. */
export const MAX_NESTED_TOKENS = 8;

/** The parts of a compact JWS. */
export interface Token {
  readonly header: RObject;
  readonly payload: string;
  readonly signature: Buffer;
  /** What the signature covers. */
  readonly signed: string;
}

/** @throws BuiltinError when the text is no compact JWS; an encrypted token is none */
export function readToken(text: string, ctx: BuiltinContext): Token {
  ctx.charge(1 + (text.length >> 4));
  ctx.stringBytes(text.length);
  const [first, second, third, ...more] = text.split(".", 5);
  if (second === undefined) throw badValue("encoded JWT had no period separators");
  if (third === undefined || first === undefined || more.length > 0)
    throw badValue(`encoded JWT must have 3 sections, found ${text.split(".").length}`);
  const header = jsonObject(part(first, "header").toString("utf8"), "header", ctx);
  if (header.has("enc")) throw badValue("JWT is a JWE object, which is not supported");
  const payload = strictText(part(second, "payload"));
  if (payload === undefined) throw badValue("JWT payload is not UTF-8 text");
  return { header, payload, signature: part(third, "signature"), signed: `${first}.${second}` };
}

function part(text: string, what: string): Buffer {
  const bytes = decodeBase64(text, "base64url", text.includes("="));
  if (bytes === undefined) throw badValue(`JWT ${what} had invalid encoding`);
  return bytes;
}

/** @throws BuiltinError when the text is no JSON object */
export function jsonObject(text: string, what: string, ctx: BuiltinContext): RObject {
  const value = unmarshal(text, ctx);
  if (!isObject(value)) throw badValue(`JWT ${what} is not a JSON object`);
  return value;
}

/** The token inside a nested one (RFC 7519 §5.2), which may be written as a JSON string; else undefined. */
export function nestedToken(token: Token): string | undefined {
  const contentType = token.header.get("cty");
  if (typeof contentType !== "string" || contentType.toUpperCase() !== "JWT") return undefined;
  const { payload } = token;
  return payload.startsWith('"') && payload.endsWith('"') ? payload.slice(1, -1) : payload;
}
