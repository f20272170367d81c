/**
 * ECDSA over a digest that somebody else computed. OpenSSL behind Node hashes whatever it is given, so the equation
 * (FIPS 186-5 §6.4.2) is put together here: OpenSSL multiplies points, what is left is one addition.
 */
import { createECDH, type KeyObject } from "node:crypto";
import { DerReader, integerBytes, readDer, TAG } from "./der.ts";

interface Curve {
  /** Node's name. */
  readonly name: string;
  /** Field prime; 3 modulo 4 on all of these curves, which makes square roots one power. */
  readonly p: bigint;
  /** Order. */
  readonly n: bigint;
  readonly b: bigint;
  readonly bytes: number;
}

/** FIPS 186-5, SP 800-186 §3.2.1. The coefficient a is −3 on all of them. */
const CURVES: readonly Curve[] = [
  {
    name: "prime256v1",
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    bytes: 32,
  },
  {
    name: "secp384r1",
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    bytes: 48,
  },
];

/**
 * Verifies a signature over `digest`, which is not hashed again.
 *
 * @param key - public key on P-256 or P-384
 * @param signature - DER, as X.509 has it
 * @returns false for other keys and for anything malformed
 */
export function verifyEcdsaDigest(key: KeyObject, digest: Uint8Array, signature: Buffer): boolean {
  const curve = CURVES.find(({ name }) => name === key.asymmetricKeyDetails?.namedCurve);
  const numbers = curve === undefined ? undefined : readSignature(signature, curve);
  if (curve === undefined || numbers === undefined) return false;
  const { r, s } = numbers;
  const e = leftmostBits(digest, curve);
  const w = inverse(s, curve.n);
  const u1 = (e * w) % curve.n;
  const u2 = (r * w) % curve.n;
  // A digest of zero would need the point at infinity; no hash gives one.
  if (u1 === 0n) return false;
  const base = multiplyBase(u1, curve);
  const other = multiply(u2, key, curve);
  return sumIs(base, other, r, curve);
}

function readSignature(
  signature: Buffer,
  { n }: Curve,
): { readonly r: bigint; readonly s: bigint } | undefined {
  try {
    const reader = new DerReader(readDer(signature, TAG.sequence).content);
    const [r, s] = [
      toNumber(integerBytes(reader.next(TAG.integer))),
      toNumber(integerBytes(reader.next(TAG.integer))),
    ];
    reader.end();
    return r > 0n && r < n && s > 0n && s < n ? { r, s } : undefined;
  } catch {
    return undefined;
  }
}

/** As many bits of the digest as the order has (a whole number of bytes on these curves). */
function leftmostBits(digest: Uint8Array, { bytes }: Curve): bigint {
  return toNumber(Buffer.from(digest.subarray(0, bytes)));
}

interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** u·G, both coordinates: the public key that belongs to u. */
function multiplyBase(u: bigint, curve: Curve): Point {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(toBytes(u, curve));
  const point = ecdh.getPublicKey();
  return { x: toNumber(point.subarray(1, 1 + curve.bytes)), y: toNumber(point.subarray(1 + curve.bytes)) };
}

/** The x coordinate of u·Q: what a key agreement gives. */
function multiply(u: bigint, key: KeyObject, curve: Curve): bigint {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(toBytes(u, curve));
  // An uncompressed point ends a SubjectPublicKeyInfo.
  const point = key.export({ type: "spki", format: "der" }).subarray(-(1 + 2 * curve.bytes));
  return toNumber(ecdh.computeSecret(point));
}

/**
 * Whether u1·G + u2·Q has the x coordinate r. A key agreement does not tell the sign of y, so either is tried: the
 * other one is the equation for −Q, and whoever can solve that has Q's private key as well.
 */
function sumIs(base: Point, otherX: bigint, r: bigint, { p, n, b }: Curve): boolean {
  const y = power(mod(otherX ** 3n - 3n * otherX + b, p), (p + 1n) / 4n, p);
  if (mod(base.x - otherX, p) === 0n) return false;
  return [y, p - y].some((otherY) => {
    const slope = mod((otherY - base.y) * inverse(mod(otherX - base.x, p), p), p);
    return mod(slope * slope - base.x - otherX, p) % n === r;
  });
}

function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** Extended Euclid; `value` is not zero and the modulus prime. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [mod(value, modulus), modulus, 1n, 0n];
  while (a > 1n) {
    const quotient = a / b;
    [a, b] = [b, a % b];
    [x, y] = [y, x - quotient * y];
  }
  return mod(x, modulus);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square, left] = [1n, base, exponent];
  while (left > 0n) {
    if ((left & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
    left >>= 1n;
  }
  return result;
}

function toNumber(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString("hex")}`);
}

function toBytes(value: bigint, { bytes }: Curve): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, "0"), "hex");
}
