import { createHash, timingSafeEqual } from "node:crypto";
import type { Generation } from "../protocol/handshake.ts";
import { type Tee, teeByName } from "../protocol/tee.ts";

export type HashAlgorithm = "sha256" | "sha384" | "sha512";

/**
 * The challenge a session waits for. Most are 32 random bytes; IBM Secure Execution makes its own text, which
 * travels in the cookie while it fits and as a digest when it does not.
 */
export type SessionNonce =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "digest"; readonly digest: Uint8Array };

/** An open handshake: everything the server must remember between `/auth` and `/attest`. */
export interface OpenSession {
  /** 32 lower-case hex digits. */
  readonly id: string;
  readonly tee: Tee;
  readonly generation: Generation;
  readonly hashAlgorithm: HashAlgorithm;
  readonly nonce: SessionNonce;
  /** Appraisal policies that the guest chose among those it may; `undefined`: it left that to the server. */
  readonly policyId: string | undefined;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const RECORD_VERSION = 1;
/** A record with the policies that the guest chose; the other form stays as it was for all who chose nothing. */
const RECORD_VERSION_WITH_POLICY = 2;
const ID_BYTES = 16;
export const NONCE_BYTES = 32;
const DIGEST_BYTES = 32;
/**
 * Longest text nonce carried whole: with a policy id, too, the cookie stays below the 3,900 bytes that real clients were
 * seen to send back.
 */
const MAX_TEXT_BYTES = 2600;
const MAX_POLICY_BYTES = 200;
const HEAD_BYTES = 5;

// The numbers are the wire format of cookies in flight during an upgrade: append, never renumber.
const GENERATIONS: readonly Generation[] = ["0.1", "0.2", "0.4"];
const HASHES: readonly HashAlgorithm[] = ["sha256", "sha384", "sha512"];
const NONCE_KINDS = ["bytes", "text", "digest"] as const;

/** The nonce for a text made by a verifier. */
export function textNonce(text: string): SessionNonce {
  if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return { kind: "text", text };
  return { kind: "digest", digest: sha256(text) };
}

/** The text a guest sees and hashes; `undefined` when only its digest travelled. */
export function nonceText(nonce: SessionNonce): string | undefined {
  if (nonce.kind === "bytes") return Buffer.from(nonce.bytes).toString("base64");
  return nonce.kind === "text" ? nonce.text : undefined;
}

/** Whether the guest's nonce is the one of this session, byte for byte. */
export function nonceEquals(nonce: SessionNonce, seen: string): boolean {
  if (nonce.kind === "digest") return timingSafeEqual(nonce.digest, sha256(seen));
  const expected = Buffer.from(nonceText(nonce) ?? "", "utf8");
  const given = Buffer.from(seen, "utf8");
  return expected.length === given.length && timingSafeEqual(expected, given);
}

/**
 * Layout: version, generation, hash, nonce kind, length of the TEE name (one byte each) ‖ TEE name ‖ id (16) ‖
 * issued at, expires at (u48, milliseconds, big-endian) ‖ in version 2, length (u8) and text of the policy id ‖ nonce.
 *
 * @throws RangeError when a member has no such form
 */
export function encodeSession(session: OpenSession): Buffer {
  const tee = Buffer.from(session.tee, "latin1");
  const policy = policyBytes(session.policyId);
  const nonce = nonceBytes(session.nonce);
  const record = Buffer.alloc(HEAD_BYTES + tee.length + ID_BYTES + 12 + policy.length + nonce.length);
  record[0] = policy.length === 0 ? RECORD_VERSION : RECORD_VERSION_WITH_POLICY;
  record[1] = indexIn(GENERATIONS, session.generation);
  record[2] = indexIn(HASHES, session.hashAlgorithm);
  record[3] = indexIn(NONCE_KINDS, session.nonce.kind);
  record[4] = tee.length;
  let at = HEAD_BYTES;
  at += tee.copy(record, at);
  at += record.write(session.id, at, ID_BYTES, "hex");
  at = record.writeUIntBE(session.issuedAt, at, 6);
  at = record.writeUIntBE(session.expiresAt, at, 6);
  at += policy.copy(record, at);
  record.set(nonce, at);
  return record;
}

function policyBytes(policyId: string | undefined): Buffer {
  if (policyId === undefined) return Buffer.alloc(0);
  const text = Buffer.from(policyId, "utf8");
  if (text.length === 0 || text.length > MAX_POLICY_BYTES) throw new RangeError("a policy id has no form");
  return Buffer.concat([Buffer.of(text.length), text]);
}

/** @returns `undefined` for bytes of another layout, say of a newer release */
export function decodeSession(record: Buffer): OpenSession | undefined {
  const generation = GENERATIONS[record[1] ?? -1];
  const hashAlgorithm = HASHES[record[2] ?? -1];
  const teeLength = record[4] ?? 0;
  const rest = HEAD_BYTES + teeLength;
  const withPolicy = record[0] === RECORD_VERSION_WITH_POLICY;
  if (
    !(withPolicy || record[0] === RECORD_VERSION) ||
    generation === undefined ||
    hashAlgorithm === undefined
  )
    return undefined;
  const end = rest + ID_BYTES + 12;
  const policyLength = withPolicy ? (record[end] ?? 0) : 0;
  const nonceAt = withPolicy ? end + 1 + policyLength : end;
  if (record.length < nonceAt || (withPolicy && policyLength === 0)) return undefined;
  const tee = teeByName(record.toString("latin1", HEAD_BYTES, rest));
  const nonce = decodeNonce(NONCE_KINDS[record[3] ?? -1], record.subarray(nonceAt));
  if (tee === undefined || nonce === undefined) return undefined;
  return {
    id: record.toString("hex", rest, rest + ID_BYTES),
    tee,
    generation,
    hashAlgorithm,
    nonce,
    policyId: withPolicy ? record.toString("utf8", end + 1, nonceAt) : undefined,
    issuedAt: record.readUIntBE(rest + ID_BYTES, 6),
    expiresAt: record.readUIntBE(rest + ID_BYTES + 6, 6),
  };
}

function nonceBytes(nonce: SessionNonce): Uint8Array {
  if (nonce.kind === "text") return Buffer.from(nonce.text, "utf8");
  return nonce.kind === "bytes" ? nonce.bytes : nonce.digest;
}

function decodeNonce(kind: SessionNonce["kind"] | undefined, bytes: Buffer): SessionNonce | undefined {
  if (kind === "text") return { kind, text: bytes.toString("utf8") };
  if (kind === "bytes") return bytes.length === NONCE_BYTES ? { kind, bytes } : undefined;
  if (kind === "digest") return bytes.length === DIGEST_BYTES ? { kind, digest: bytes } : undefined;
  return undefined;
}

function indexIn<T>(table: readonly T[], value: T): number {
  const index = table.indexOf(value);
  if (index < 0) throw new RangeError("a session member has no form");
  return index;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
