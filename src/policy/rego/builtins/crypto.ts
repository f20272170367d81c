import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { bytesFromText } from "../bytes.ts";
import { type Builtin, type BuiltinContext, define, stringAt } from "./builtin.ts";

type Algorithm = "md5" | "sha1" | "sha256" | "sha512";

function paid(text: string, ctx: BuiltinContext): Buffer {
  ctx.charge(1 + (text.length >> 6));
  return bytesFromText(text);
}

function digest(algorithm: Algorithm): Builtin {
  return define(`crypto.${algorithm}`, ["string"], "string", (args, ctx) =>
    createHash(algorithm)
      .update(paid(stringAt(args, 0), ctx))
      .digest("hex"),
  );
}

function hmac(algorithm: Algorithm): Builtin {
  return define(`crypto.hmac.${algorithm}`, ["string", "string"], "string", (args, ctx) => {
    const message = paid(stringAt(args, 0), ctx);
    return createHmac(algorithm, paid(stringAt(args, 1), ctx))
      .update(message)
      .digest("hex");
  });
}

function equalInConstantTime(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Digests of the UTF-8 bytes of a text, as lower-case hex. */
export const CRYPTO: readonly Builtin[] = [
  digest("md5"),
  digest("sha1"),
  digest("sha256"),
  hmac("md5"),
  hmac("sha1"),
  hmac("sha256"),
  hmac("sha512"),
  define("crypto.hmac.equal", ["string", "string"], "boolean", (args, ctx) =>
    equalInConstantTime(paid(stringAt(args, 0), ctx), paid(stringAt(args, 1), ctx)),
  ),
];
