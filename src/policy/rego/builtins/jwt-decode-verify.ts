import { RArray, RObject } from "../collections.ts";
import { compare } from "../compare.ts";
import { fromBigInt, type Num, parseNumber } from "../numbers.ts";
import { isArray, isNumber, type Value } from "../value.ts";
import { type BuiltinContext, badValue, objectAt, stringAt } from "./builtin.ts";
import { verifyAsymmetric, verifySymmetric } from "./jwt-algorithms.ts";
import { readKeys, type VerificationKey } from "./jwt-keys.ts";
import { jsonObject, MAX_NESTED_TOKENS, nestedToken, readToken, type Token } from "./jwt-token.ts";

interface Constraints {
  readonly keys: readonly VerificationKey[];
  readonly secret: string | undefined;
  readonly alg: string | undefined;
  readonly iss: string | undefined;
  readonly aud: string | undefined;
  /** Nanoseconds since 1970; negative switches the checks of time off. */
  readonly time: Num;
}

const NAMES: ReadonlySet<Value> = new Set(["cert", "secret", "alg", "iss", "aud", "time"]);

function readConstraints(object: RObject, ctx: BuiltinContext): Constraints {
  for (const name of object.keys())
    if (!NAMES.has(name)) throw badValue("unknown token validation constraint");
  const cert = textOf(object, "cert");
  const secret = textOf(object, "secret");
  if (cert === undefined && secret === undefined) throw badValue("no verification key constraint");
  if (cert !== undefined && secret !== undefined) throw badValue("duplicate key constraints");
  const time = object.get("time") ?? fromBigInt(ctx.nowNs);
  if (!isNumber(time)) throw badValue("time constraint: must be a number");
  return {
    keys: cert === undefined ? [] : readKeys(cert, ctx),
    secret,
    alg: textOf(object, "alg"),
    iss: textOf(object, "iss"),
    aud: textOf(object, "aud"),
    time,
  };
}

function textOf(object: RObject, name: string): string | undefined {
  const value = object.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw badValue(`${name} constraint: must be a string`);
}

/**
 * Decodes a token and checks its signature, its times and what the constraints ask for. A token that fails any
 * of it gives `[false, {}, {}]`, so that unverified claims cannot be read by mistake.
 */
export function decodeVerify(args: readonly Value[], ctx: BuiltinContext): RArray {
  const text = stringAt(args, 0);
  const constraints = readConstraints(objectAt(args, 1), ctx);
  ctx.cells(4);
  const token = innermost(text, constraints, ctx);
  if (token === undefined) return REFUSED;
  const payload = jsonObject(token.payload, "payload", ctx);
  return claimsHold(payload, constraints) ? RArray.of([true, token.header, payload]) : REFUSED;
}

const REFUSED = RArray.of([false, RObject.EMPTY, RObject.EMPTY]);

/** The token inside all wrappings, each of which must verify; undefined when one does not. */
function innermost(text: string, constraints: Constraints, ctx: BuiltinContext): Token | undefined {
  let next = text;
  for (let level = 0; level < MAX_NESTED_TOKENS; level++) {
    const token = readToken(next, ctx);
    if (!signatureHolds(token, constraints, ctx)) return undefined;
    const inner = nestedToken(token);
    if (inner === undefined) return token;
    next = inner;
  }
  throw badValue("a JWT that is nested too deeply");
}

function signatureHolds(
  { header, signed, signature }: Token,
  constraints: Constraints,
  ctx: BuiltinContext,
): boolean {
  const alg = header.get("alg");
  // `crit` lists extensions that must be understood (RFC 7515 §4.1.11), and none is here.
  if (typeof alg !== "string" || header.has("crit")) return false;
  if (constraints.alg !== undefined && constraints.alg !== alg) return false;
  if (constraints.secret !== undefined)
    return verifySymmetric(alg, constraints.secret, signed, signature, ctx);
  const kid = header.get("kid");
  const named = constraints.keys.filter((key) => key.kid !== undefined && key.kid === kid);
  return verifyAsymmetric(alg, named.length > 0 ? named : constraints.keys, signed, signature, ctx);
}

function claimsHold(payload: RObject, { iss, aud, time }: Constraints): boolean {
  if (iss !== undefined && payload.get("iss") !== iss) return false;
  return audienceHolds(payload.get("aud"), aud) && timesHold(payload, time);
}

/** A token with an audience is for nobody else (RFC 7519 §4.1.3), so the constraint must then name it. */
function audienceHolds(audience: Value | undefined, wanted: string | undefined): boolean {
  if (audience === undefined) return wanted === undefined;
  if (wanted === undefined) return false;
  return isArray(audience) ? audience.items.includes(wanted) : audience === wanted;
}

function timesHold(payload: RObject, time: Num): boolean {
  const expires = nanosecondsOf(payload, "exp");
  const notBefore = nanosecondsOf(payload, "nbf");
  if (compare(time, 0) < 0) return true;
  if (expires !== undefined && compare(time, expires) >= 0) return false;
  return notBefore === undefined || compare(time, notBefore) >= 0;
}

/** A time claim in nanoseconds, from seconds that may have a fraction: the decimal point is moved exactly. */
function nanosecondsOf(payload: RObject, name: string): Num | undefined {
  const value = payload.get(name);
  if (value === undefined) return undefined;
  const scaled = isNumber(value) ? parseNumber(scaledText(String(value))) : undefined;
  if (scaled === undefined) throw badValue(`${name} value must be a number`);
  return scaled;
}

function scaledText(text: string): string {
  const [mantissa = text, exponent = "0"] = text.split("e");
  return `${mantissa}e${Number(exponent) + 9}`;
}
