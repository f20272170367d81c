/**
 * Which files a machine may have run, in three forms: Keylime's runtime policy, a list as `sha256sum` prints it, and our
 * own document.
 */
import { RE2JS, RE2JSSyntaxException } from "re2js";
import { asBuffer } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import { JsonSyntaxError, readJson } from "../../../json/read.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isArray, isObject, member } from "../../../json/write.ts";
import { type HashName, hashByName } from "../eventlog/algorithms.ts";
import { parseChecksums } from "./checksums.ts";
import { KeyRing } from "./keys.ts";
import { ImaPolicyError } from "./policy-error.ts";

export interface ImaPolicy {
  /** SHA-256 of the document, in hexadecimal: which policy decided. */
  readonly id: string;
  /** Path → digests in lower-case hexadecimal. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether measurements of the path are not judged. */
  readonly excludes: (path: string) => boolean;
  /** Keyring → digests of keys that may be measured into it. */
  readonly keyrings: ReadonlyMap<string, ReadonlySet<string>>;
  readonly ignoredKeyrings: ReadonlySet<string>;
  /** Name → digests of other buffers, say `kexec-cmdline`. */
  readonly buffers: ReadonlyMap<string, ReadonlySet<string>>;
  /** Keys that sign files; lists start from a copy, for keys measured later join them. */
  readonly keys: KeyRing;
  readonly allowViolations: boolean;
  /** Algorithm of the list's template hashes, where the policy says. */
  readonly listAlgorithm: HashName | undefined;
}

const MOST_POLICY_BYTES = 64 * 1024 * 1024;
const MOST_PATTERNS = 1000;
const MOST_PATTERN_CHARACTERS = 1024;

/**
 * Reads a policy of any of the forms.
 *
 * @throws ImaPolicyError
 */
export function parseImaPolicy(bytes: Uint8Array): ImaPolicy {
  if (bytes.byteLength > MOST_POLICY_BYTES) throw new ImaPolicyError("the policy is too long");
  const id = digestHex("sha256", bytes);
  const text = asBuffer(bytes).toString("utf8");
  if (!/^\s*\{/.test(text)) return { ...EMPTY, id, keys: new KeyRing(), files: parseChecksums(text) };
  const json = readDocument(text);
  return "meta" in json ? keylimePolicy(json, id) : ownPolicy(json, id);
}

const EMPTY: Omit<ImaPolicy, "id" | "files" | "keys"> = {
  excludes: () => false,
  keyrings: new Map(),
  ignoredKeyrings: new Set(),
  buffers: new Map(),
  allowViolations: false,
  listAlgorithm: undefined,
};

function readDocument(text: string): JsonObject {
  try {
    const json = readJson(text);
    if (isObject(json)) return json;
  } catch (cause) {
    if (cause instanceof JsonSyntaxError)
      throw new ImaPolicyError(`the policy has ${cause.message}`, { cause });
    throw cause;
  }
  throw new ImaPolicyError("the policy is no JSON object");
}

/** Keylime's runtime policy, version 1. */
function keylimePolicy(json: JsonObject, id: string): ImaPolicy {
  const meta = member(json, "meta");
  if (!isObject(meta) || member(meta, "version") !== 1) throw new ImaPolicyError("meta.version is not 1");
  const ima = objectAt(json, "ima");
  if ((member(ima, "dm_policy") ?? null) !== null) throw new ImaPolicyError("ima.dm_policy is not supported");
  const algorithm = member(ima, "log_hash_alg");
  return {
    id,
    files: digestLists(json, "digests"),
    excludes: compilePatterns(textsAt(json, "excludes")),
    keyrings: digestLists(json, "keyrings"),
    ignoredKeyrings: new Set(textsAt(ima, "ignored_keyrings")),
    buffers: digestLists(json, "ima-buf"),
    keys: readKeys([textAt(json, "verification-keys") ?? ""]),
    allowViolations: false,
    listAlgorithm: algorithm === undefined ? undefined : algorithmAt(algorithm),
  };
}

function algorithmAt(value: JsonValue): HashName {
  const algorithm = typeof value === "string" ? hashByName(value) : undefined;
  if (algorithm === undefined) throw new ImaPolicyError("ima.log_hash_alg names no hash algorithm");
  return algorithm.name;
}

const OWN_MEMBERS = [
  "version",
  "files",
  "exclude",
  "keyrings",
  "ignoredKeyrings",
  "buffers",
  "keys",
  "allowViolations",
];

/** Our own form; docs/measured-boot.md describes it. */
function ownPolicy(json: JsonObject, id: string): ImaPolicy {
  const unknown = Object.keys(json).find((name) => !OWN_MEMBERS.includes(name));
  if (unknown !== undefined) throw new ImaPolicyError(`unknown member ${JSON.stringify(unknown)}`);
  if (member(json, "version") !== 1) throw new ImaPolicyError("version is not 1");
  const allowViolations = member(json, "allowViolations") ?? false;
  if (typeof allowViolations !== "boolean")
    throw new ImaPolicyError("allowViolations is neither true nor false");
  return {
    id,
    files: digestLists(json, "files"),
    excludes: compilePatterns(textsAt(json, "exclude")),
    keyrings: digestLists(json, "keyrings"),
    ignoredKeyrings: new Set(textsAt(json, "ignoredKeyrings")),
    buffers: digestLists(json, "buffers"),
    keys: readKeys(textsAt(json, "keys")),
    allowViolations,
    listAlgorithm: undefined,
  };
}

function readKeys(texts: readonly string[]): KeyRing {
  const keys = new KeyRing();
  for (const text of texts) {
    try {
      keys.addText(text);
    } catch (cause) {
      throw new ImaPolicyError("a file-signing key cannot be read", { cause });
    }
  }
  return keys;
}

function objectAt(json: JsonObject, name: string): JsonObject {
  const value = member(json, name) ?? {};
  if (!isObject(value)) throw new ImaPolicyError(`${name} is no object`);
  return value;
}

function textAt(json: JsonObject, name: string): string | undefined {
  const value = member(json, name) ?? undefined;
  if (value !== undefined && typeof value !== "string") throw new ImaPolicyError(`${name} is no text`);
  return value;
}

function textsAt(json: JsonObject, name: string): string[] {
  return texts(member(json, name) ?? [], name);
}

function texts(value: JsonValue, name: string): string[] {
  if (!isArray(value)) throw new ImaPolicyError(`${name} is no list`);
  return value.map((entry) => {
    if (typeof entry !== "string") throw new ImaPolicyError(`${name} has an entry that is no text`);
    return entry;
  });
}

/** Name → list of digests, each `<hex>` or `<algorithm>:<hex>`. */
function digestLists(json: JsonObject, name: string): ReadonlyMap<string, ReadonlySet<string>> {
  const lists = new Map<string, ReadonlySet<string>>();
  for (const [path, digests] of Object.entries(objectAt(json, name)))
    lists.set(path, new Set(texts(digests, `${name}[${JSON.stringify(path)}]`).map(plainDigest)));
  return lists;
}

/** The algorithm is told by the length, so a prefix only has to fit it. */
function plainDigest(text: string): string {
  const [, prefix, hex = ""] = /^(?:([a-z0-9-]+):)?([0-9a-fA-F]+)$/.exec(text) ?? [];
  const size = prefix === undefined ? undefined : hashByName(prefix)?.size;
  const fits =
    prefix === undefined ? [40, 56, 64, 96, 128].includes(hex.length) : hex.length === 2 * (size ?? 0);
  if (!fits) throw new ImaPolicyError(`${JSON.stringify(text.slice(0, 80))} is no digest`);
  return hex.toLowerCase();
}

/** One automaton for all patterns, in time linear in the path; each must match from the path's first character. */
function compilePatterns(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  if (patterns.length > MOST_PATTERNS) throw new ImaPolicyError(`more than ${MOST_PATTERNS} patterns`);
  for (const pattern of patterns) checkPattern(pattern);
  const all = RE2JS.compile(patterns.map((pattern) => `(?:${pattern})`).join("|"));
  return (path) => all.matcher(path).lookingAt();
}

/** Compiled alone, so that a pattern cannot close the group that it stands in. */
function checkPattern(pattern: string): void {
  const shown = JSON.stringify(pattern.slice(0, 80));
  if (pattern.length > MOST_PATTERN_CHARACTERS) throw new ImaPolicyError(`the pattern ${shown} is too long`);
  try {
    RE2JS.compile(pattern);
  } catch (cause) {
    if (cause instanceof RE2JSSyntaxException)
      throw new ImaPolicyError(
        `the pattern ${shown} cannot be used: look-around and back-references cannot`,
        { cause },
      );
    throw cause;
  }
}
