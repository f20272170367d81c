import { RArray } from "../collections.ts";
import type { Value } from "../value.ts";
import { type Builtin, type BuiltinContext, badValue, define, stringAt } from "./builtin.ts";
import { verifyAsymmetric, verifySymmetric } from "./jwt-algorithms.ts";
import { decodeVerify } from "./jwt-decode-verify.ts";
import { readKeys } from "./jwt-keys.ts";
import { jsonObject, MAX_NESTED_TOKENS, nestedToken, readToken } from "./jwt-token.ts";
import { OBJECT, objectOf, tupleOf } from "./types.ts";

/** Header, payload and signature as hex, of the innermost token. Nothing is verified. */
function decode(args: readonly Value[], ctx: BuiltinContext): RArray {
  let text = stringAt(args, 0);
  for (let level = 0; level < MAX_NESTED_TOKENS; level++) {
    const token = readToken(text, ctx);
    const inner = nestedToken(token);
    if (inner === undefined) {
      ctx.cells(4);
      return RArray.of([
        token.header,
        jsonObject(token.payload, "payload", ctx),
        token.signature.toString("hex"),
      ]);
    }
    text = inner;
  }
  throw badValue("a JWT that is nested too deeply");
}

/** The token's own `alg` plays no part: the policy chose the algorithm by choosing the function. */
function asymmetric(alg: string): Builtin {
  return define(`io.jwt.verify_${alg.toLowerCase()}`, ["string", "string"], "boolean", (args, ctx) => {
    const token = readToken(stringAt(args, 0), ctx);
    const keys = readKeys(stringAt(args, 1), ctx);
    const named = keys.filter((key) => key.kid !== undefined && key.kid === token.header.get("kid"));
    return verifyAsymmetric(alg, named.length > 0 ? named : keys, token.signed, token.signature, ctx);
  });
}

function symmetric(alg: string): Builtin {
  return define(`io.jwt.verify_${alg.toLowerCase()}`, ["string", "string"], "boolean", (args, ctx) => {
    const token = readToken(stringAt(args, 0), ctx);
    return verifySymmetric(alg, stringAt(args, 1), token.signed, token.signature, ctx);
  });
}

export const JWT: readonly Builtin[] = [
  define("io.jwt.decode", ["string"], tupleOf(OBJECT, OBJECT, "string"), decode),
  define(
    "io.jwt.decode_verify",
    ["string", objectOf("string", "any")],
    tupleOf("boolean", OBJECT, OBJECT),
    decodeVerify,
    { deterministic: false },
  ),
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"].map(
    asymmetric,
  ),
  ...["HS256", "HS384", "HS512"].map(symmetric),
];
