/**
 * Our own bundle: one JSON file with everything that an operator carries to a site without a network. It is a means of
 * transport, not of trust: whoever reads it verifies every part.
 *
 * ```json
 * {
 *   "format": "keywarden-collateral",
 *   "version": 1,
 *   "createdAt": "2026-06-01T00:00:00Z",
 *   "intel": [ { "kind": "tcb-info", "tee": "tdx", "fmspc": "90c06f000000", "body": "…", "issuerChain": "PEM" } ],
 *   "amd": [ { "kind": "certificate", "der": "base64" } ]
 * }
 * ```
 *
 * `body` is the text of a statement byte for byte, or the base64 of a revocation list's DER.
 */
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import type { PieceName, RawPiece } from "./intel-pieces.ts";

export interface BundleEntry extends RawPiece {
  readonly name: PieceName;
}

export interface AmdEntry {
  readonly kind: "certificate" | "revocation-list";
  readonly der: Buffer;
}

export interface Bundle {
  /** RFC 3339. */
  readonly createdAt: string;
  readonly intel: readonly BundleEntry[];
  readonly amd: readonly AmdEntry[];
}

/** JSON that says it is a bundle and is none. The message says where. */
export class BundleFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BundleFormatError";
  }
}

const FORMAT = "keywarden-collateral";
const VERSION = 1;
const MAX_ENTRIES = 10_000;
const FMSPC = /^[0-9a-f]{12}$/;

export function isBundle(json: JsonValue): boolean {
  return isObject(json) && member(json, "format") === FORMAT;
}

/** @throws BundleFormatError */
export function readBundle(json: JsonValue): Bundle {
  if (!isObject(json) || member(json, "format") !== FORMAT)
    throw new BundleFormatError(`a bundle says "format": "${FORMAT}"`);
  if (member(json, "version") !== VERSION)
    throw new BundleFormatError(`a bundle of another version than ${VERSION}`);
  return {
    createdAt: text(json, "createdAt", "the bundle"),
    intel: list(json, "intel").map(readIntelEntry),
    amd: list(json, "amd").map(readAmdEntry),
  };
}

export function printBundle({ createdAt, intel, amd }: Bundle): JsonObject {
  return {
    format: FORMAT,
    version: VERSION,
    createdAt,
    intel: intel.map(({ name, body, issuerChain }) => ({
      ...name,
      body: isList(name) ? body.toString("base64") : body.toString("utf8"),
      ...(issuerChain.length === 0 ? {} : { issuerChain: issuerChain.toString("utf8") }),
    })),
    amd: amd.map(({ kind, der }) => ({ kind, der: der.toString("base64") })),
  };
}

function isList({ kind }: PieceName): boolean {
  return kind === "pck-crl" || kind === "root-ca-crl";
}

function readIntelEntry(json: JsonValue, at: number): BundleEntry {
  const where = `intel[${at}]`;
  if (!isObject(json)) throw new BundleFormatError(`${where} is no object`);
  const name = readName(json, where);
  const body = text(json, "body", where);
  const chain = member(json, "issuerChain");
  if (chain !== undefined && typeof chain !== "string")
    throw new BundleFormatError(`${where}.issuerChain is no text`);
  return {
    name,
    body: isList(name) ? base64(body, `${where}.body`) : Buffer.from(body, "utf8"),
    issuerChain: Buffer.from(chain ?? "", "utf8"),
  };
}

function readName(json: JsonObject, where: string): PieceName {
  const [kind, tee, ca, fmspc] = ["kind", "tee", "ca", "fmspc"].map((name) => member(json, name));
  if (kind === "root-ca-crl") return { kind };
  if (kind === "pck-crl" && (ca === "platform" || ca === "processor")) return { kind, ca };
  if (tee === "tdx" || tee === "sgx") {
    if (kind === "qe-identity") return { kind, tee };
    if (kind === "tcb-info" && typeof fmspc === "string" && FMSPC.test(fmspc)) return { kind, tee, fmspc };
  }
  throw new BundleFormatError(`${where} names no statement: kind, tee, fmspc or ca is missing or unknown`);
}

function readAmdEntry(json: JsonValue, at: number): AmdEntry {
  const where = `amd[${at}]`;
  if (!isObject(json)) throw new BundleFormatError(`${where} is no object`);
  const kind = member(json, "kind");
  if (kind !== "certificate" && kind !== "revocation-list")
    throw new BundleFormatError(`${where}.kind is neither certificate nor revocation-list`);
  return { kind, der: base64(text(json, "der", where), `${where}.der`) };
}

function list(json: JsonObject, name: string): readonly JsonValue[] {
  const value = member(json, name) ?? [];
  if (!isArray(value)) throw new BundleFormatError(`${name} is no list`);
  if (value.length > MAX_ENTRIES) throw new BundleFormatError(`${name} has more than ${MAX_ENTRIES} entries`);
  return value;
}

function text(json: JsonObject, name: string, where: string): string {
  const value = member(json, name);
  if (typeof value !== "string") throw new BundleFormatError(`${where}: ${name} is missing or no text`);
  return value;
}

function base64(value: string, where: string): Buffer {
  const bytes = Buffer.from(value, "base64");
  if (bytes.toString("base64") !== value) throw new BundleFormatError(`${where} is not base64 with padding`);
  return bytes;
}
