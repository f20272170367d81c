import { createHash } from "node:crypto";
import { parse, TomlDate } from "smol-toml";
import { KbsError } from "../errors.ts";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";

/** Init-data of a guest: what the host configured it with, bound into the launch by its digest. */
export interface InitData {
  /** Over the exact characters received, with the algorithm that the document names. */
  readonly digest: Buffer;
  /** For policy and token, once the verifier has confirmed the digest. */
  readonly claims: JsonObject;
}

/** Init-data with the digest that evidence must carry; until it was seen there, nobody vouches for the rest. */
export interface ReceivedInitData {
  readonly digest: Buffer;
  /**
   * Reads the document. Call it after the evidence verified.
   * @throws KbsError `handshake-refused`
   */
  readonly open: () => InitData;
}

/** Longest document that is read, in UTF-8 bytes. */
export const MAX_INIT_DATA_BYTES = 1 << 20;
/** Longest document that is read before anybody vouches for it: reading a megabyte can take most of a second. */
const MAX_UNVOUCHED_LENGTH = 4 << 10;
/** Within how many characters a longer one names its algorithm. */
const HEAD_LENGTH = 16 << 10;
/** The member before the first table, as every tool writes it. */
const ALGORITHM_LINE = /^[ \t]*algorithm[ \t]*=[ \t]*["'](sha256|sha384|sha512|sm3)["'][ \t]*(?:#.*)?\r?$/m;
const MAX_TOML_DEPTH = 64;
/** SM3 is GB/T 32905; its 32 bytes fill HOST_DATA as those of SHA-256 do. */
const ALGORITHMS = ["sha256", "sha384", "sha512", "sm3"];
const POLICY_DATA = "policy_data := {";

/**
 * Takes an init-data document from a guest that has proved nothing yet. A long one is only hashed; that it names the
 * algorithm that was assumed is checked when it is read.
 *
 * @throws KbsError `handshake-refused`: see `readInitData`, or a long document that does not show its algorithm
 */
export function receiveInitData(body: string): ReceivedInitData {
  if (body.length <= MAX_UNVOUCHED_LENGTH) {
    const read = readInitData(body);
    return { digest: read.digest, open: () => read };
  }
  checkLength(body);
  const algorithm = ALGORITHM_LINE.exec(body.slice(0, HEAD_LENGTH))?.[1];
  if (algorithm === undefined)
    throw refused(
      `a long document begins with a line such as \`algorithm = "sha256"\` (${ALGORITHMS.join(", ")})`,
    );
  const digest = digestOf(algorithm, body);
  return { digest, open: () => opened(body, digest) };
}

function opened(body: string, digest: Buffer): InitData {
  const read = readInitData(body);
  if (!read.digest.equals(digest))
    throw refused("the line `algorithm` that it begins with is not its member");
  return read;
}

/**
 * Reads an init-data document (KBS protocol 0.4.0 §2.10): `version`, `algorithm` and the table `data`.
 *
 * @throws KbsError `handshake-refused`: too long, not TOML, a member missing or of another type, an algorithm
 *   that is not supported
 */
export function readInitData(body: string): InitData {
  checkLength(body);
  const document = tomlToJson(body);
  if (document === undefined) throw refused("it is not a TOML document");
  if (typeof member(document, "version") !== "string") throw refused("`version` must be a string");
  const algorithm = member(document, "algorithm");
  if (typeof algorithm !== "string" || !ALGORITHMS.includes(algorithm))
    throw refused(`\`algorithm\` must be one of ${ALGORITHMS.join(", ")}`);
  return {
    digest: digestOf(algorithm, body),
    claims: claimsOf(member(document, "data")),
  };
}

function checkLength(body: string): void {
  if (Buffer.byteLength(body) > MAX_INIT_DATA_BYTES)
    throw refused(`it is longer than ${MAX_INIT_DATA_BYTES} bytes`);
}

function digestOf(algorithm: string, body: string): Buffer {
  return createHash(algorithm).update(body, "utf8").digest();
}

function claimsOf(data: JsonValue | undefined): JsonObject {
  if (!isObject(data)) throw refused("`data` must be a table");
  const claims: [string, JsonValue][] = [];
  for (const [name, text] of Object.entries(data)) {
    if (typeof text !== "string") throw refused("every member of `data` must be a string");
    claims.push(claim(name, text));
  }
  // Object.fromEntries defines members, so `__proto__` stays an ordinary name.
  return Object.fromEntries(claims);
}

function claim(name: string, text: string): [string, JsonValue] {
  if (name === "cdh.toml" || name === "aa.toml") return [name, tomlToJson(text) ?? text];
  if (name !== "policy.rego") return [name, text];
  const agentData = agentPolicyData(text);
  return agentData === undefined ? [name, text] : ["agent_policy_claims", agentData];
}

/** The JSON document that ends a generated agent policy; `undefined` when the text ends otherwise. */
function agentPolicyData(rego: string): JsonValue | undefined {
  const start = rego.indexOf(POLICY_DATA);
  if (start < 0) return undefined;
  try {
    return readJson(rego.slice(start + POLICY_DATA.length - 1));
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

/** @returns `undefined` for a text that is not TOML or has no JSON form */
function tomlToJson(text: string): JsonObject | undefined {
  let value: JsonValue | undefined;
  try {
    value = toJson(parse(text, { maxDepth: MAX_TOML_DEPTH, integersAsBigInt: "asNeeded" }));
  } catch {
    // smol-toml throws several classes of error; each of them means that the text is not usable TOML.
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

/**
 * @param depth - dotted keys nest without brackets, which the parser's own bound does not count
 * @throws RangeError for a value that JSON lacks, and for nesting that nothing after this would print
 */
function toJson(value: unknown, depth = 0): JsonValue {
  if (depth > MAX_TOML_DEPTH) throw new RangeError("TOML nested too deep");
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => toJson(item, depth + 1));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toJson(item, depth + 1)]));
  throw new RangeError("a TOML value without JSON form");
}

function refused(reason: string): KbsError {
  return new KbsError("handshake-refused", `The init-data is refused: ${reason}.`);
}
