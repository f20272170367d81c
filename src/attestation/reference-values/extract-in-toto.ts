import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import { parseDsse } from "./dsse.ts";
import { readPayloadJson } from "./extract-sample.ts";
import { Collected, type Extraction, malformed, shown } from "./manifest.ts";
import { parseTime } from "./times.ts";

/**
 * Type `in-toto`: an in-toto statement, in a DSSE envelope or, without any signature, by itself. What becomes a value
 * depends on what the statement says of its subjects; of a predicate that is not listed here nothing does, because a
 * report that something is broken has subjects as well.
 */

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPES: readonly JsonValue[] = [
  "https://in-toto.io/Statement/v1",
  "https://in-toto.io/Statement/v0.1",
];
/** Predicate of our own: `{"issuedAt": …, "expiresAt"?: …, "values": {name: value}}`. */
export const REFERENCE_VALUES_PREDICATE = "urn:keywarden:reference-values:v1";
const MAX_SUBJECTS = 10_000;
/** Digests of subjects that become values, and their length in hexadecimal digits. Others are too weak or no hashes. */
const DIGESTS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

type Reader = (statement: JsonObject, predicate: JsonObject) => Extraction;

const PREDICATES: Readonly<Record<string, Reader>> = {
  [REFERENCE_VALUES_PREDICATE]: readOwn,
  "https://slsa.dev/provenance/v1": (statement, predicate) =>
    readSubjects(statement, timeAt(predicate, ["runDetails", "metadata", "finishedOn"])),
  "https://slsa.dev/provenance/v0.2": (statement, predicate) =>
    readSubjects(statement, timeAt(predicate, ["metadata", "buildFinishedOn"])),
};

/** @throws KbsError `reference-value-invalid` with line and column, or a JSON pointer into the statement */
export function extractInToto(payload: Buffer): Extraction {
  const outer = objectOf(readPayloadJson(payload), "");
  if (member(outer, "payloadType") === undefined) return readStatement(outer);
  const envelope = parseDsse(outer);
  if (envelope.payloadType !== PAYLOAD_TYPE)
    throw malformed("unsupported", `the envelope must hold ${PAYLOAD_TYPE}`, "/payloadType");
  const statement = objectOf(readPayloadJson(envelope.payload), "");
  return { ...readStatement(statement), signature: envelope.signature };
}

function readStatement(statement: JsonObject): Extraction {
  if (!STATEMENT_TYPES.includes(member(statement, "_type") ?? null))
    throw malformed("unsupported", "not an in-toto statement of version 1 or 0.1", "/_type");
  const type = member(statement, "predicateType");
  const read = typeof type === "string" && Object.hasOwn(PREDICATES, type) ? PREDICATES[type] : undefined;
  if (read === undefined)
    throw malformed(
      "unsupported",
      `no reference values are taken from predicates of the type ${typeof type === "string" ? shown(type) : "that it has"}; supported are: ${Object.keys(PREDICATES).join(", ")}`,
      "/predicateType",
    );
  return read(statement, objectOf(member(statement, "predicate"), "/predicate"));
}

function readOwn(_statement: JsonObject, predicate: JsonObject): Extraction {
  const collected = new Collected();
  const values = objectOf(member(predicate, "values"), "/predicate/values");
  for (const [name, value] of Object.entries(values))
    collected.add(name, value, `/predicate/values/${pointerStep(name)}`);
  const issuedAt = timeAt(predicate, ["issuedAt"]);
  if (issuedAt === undefined)
    throw malformed("payload-malformed", "the predicate must say when it was issued", "/predicate/issuedAt");
  const validUntil = timeAt(predicate, ["expiresAt"]);
  return { ...collected.finish(), issuedAt, ...(validUntil === undefined ? {} : { validUntil }) };
}

/** Every subject's name becomes the name of a list: the digests of all subjects that bear it. */
function readSubjects(statement: JsonObject, issuedAt: number | undefined): Extraction {
  const subjects = member(statement, "subject");
  if (!isArray(subjects) || subjects.length === 0 || subjects.length > MAX_SUBJECTS)
    throw malformed("payload-malformed", `a statement has 1 to ${MAX_SUBJECTS} subjects`, "/subject");
  const collected = new Collected();
  const digests = new Map<string, Set<string>>();
  for (const [at, subject] of subjects.entries()) {
    const { name, found } = subjectOf(subject, `/subject/${at}`);
    if (found.length === 0)
      collected.leaveOut("a subject without a SHA-2 digest of 256 bits or more", `/subject/${at}`);
    const known = digests.get(name) ?? new Set();
    for (const digest of found) digests.set(name, known.add(digest));
  }
  for (const [name, each] of digests) collected.add(name, [...each], "/subject");
  return { ...collected.finish(), ...(issuedAt === undefined ? {} : { issuedAt }) };
}

function subjectOf(value: JsonValue, position: string): { name: string; found: readonly string[] } {
  const subject = objectOf(value, position);
  const name = member(subject, "name");
  if (typeof name !== "string")
    throw malformed("payload-malformed", "a subject has a name", `${position}/name`);
  const digest = objectOf(member(subject, "digest"), `${position}/digest`);
  const found = Object.entries(DIGESTS).flatMap(([algorithm, digits]) => {
    const hex = member(digest, algorithm);
    if (hex === undefined) return [];
    if (typeof hex !== "string" || hex.length !== digits || !/^[0-9a-fA-F]*$/.test(hex))
      throw malformed(
        "value-invalid",
        `a ${algorithm} digest has ${digits} hexadecimal digits`,
        `${position}/digest`,
      );
    return [hex.toLowerCase()];
  });
  return { name, found };
}

/** @returns `undefined` when it is not there; a time that cannot be read is refused */
function timeAt(object: JsonObject, path: readonly string[]): number | undefined {
  let value: JsonValue | undefined = object;
  for (const step of path) value = isObject(value) ? member(value, step) : undefined;
  if (value === undefined || value === null) return undefined;
  const time = typeof value === "string" ? parseTime(value) : undefined;
  if (time === undefined)
    throw malformed("payload-malformed", "an RFC 3339 time is expected", `/predicate/${path.join("/")}`);
  return time;
}

function objectOf(value: JsonValue | undefined, position: string): JsonObject {
  if (isObject(value)) return value;
  throw malformed("payload-malformed", "an object is expected", position === "" ? "the whole" : position);
}

/** RFC 6901 */
function pointerStep(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
