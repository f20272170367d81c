import { createHash } from "node:crypto";
import { createTwoFilesPatch } from "diff";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";
import { isObject, member, writeJson } from "../json/write.ts";

/** A policy that an administrator stored in place of one that comes with the program. */
export interface ShippedDifference {
  readonly name: string;
  readonly version: number;
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
  /** Lower-case hex SHA-384 of the two texts. */
  readonly shippedHash: string;
  readonly storedHash: string;
  /**
   * Whether the shipped text is another one now than when this one was stored, so that somebody should look at what
   * is new; `undefined`: nobody noted what was shipped then.
   */
  readonly shippedChanged: boolean | undefined;
  /** Unified, from shipped to stored; `undefined` when the texts are too different to be compared. */
  readonly diff: string | undefined;
}

/** What was shipped when a text was stored. */
export interface ShippedOrigin {
  readonly shippedHash: string;
  readonly storedHash: string;
}

/** Not a name that a policy can have, so no upload reaches it. */
const ORIGIN_PREFIX = ".shipped-origin/";
/** Edits after which two texts have nothing to do with each other; finding them takes time quadratic in this. */
const MAX_EDITS = 2_000;

/** Name of the document that remembers the origin of the policy `name`. */
export function originName(name: string): string {
  return ORIGIN_PREFIX + name;
}

/** @returns the name of the policy, `undefined` for any other document */
export function policyOfOrigin(document: string): string | undefined {
  return document.startsWith(ORIGIN_PREFIX) ? document.slice(ORIGIN_PREFIX.length) : undefined;
}

export function printOrigin({ shippedHash, storedHash }: ShippedOrigin): string {
  return writeJson({ shippedHash, storedHash });
}

/** @returns `undefined` for a text that this program did not write: then nothing is known */
export function parseOrigin(text: string): ShippedOrigin | undefined {
  let value: JsonValue;
  try {
    value = readJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
  const shippedHash = isObject(value) ? member(value, "shippedHash") : undefined;
  const storedHash = isObject(value) ? member(value, "storedHash") : undefined;
  if (typeof shippedHash !== "string" || typeof storedHash !== "string") return undefined;
  return { shippedHash, storedHash };
}

/** Lower-case hex SHA-384. */
export function textHash(text: string): string {
  return createHash("sha384").update(text, "utf8").digest("hex");
}

/** @returns `undefined` when the texts are equal */
export function shippedDifference(
  stored: Pick<ShippedDifference, "name" | "version" | "by" | "at"> & { readonly text: string },
  shipped: string,
  origin: ShippedOrigin | undefined,
): ShippedDifference | undefined {
  const { name, version, by, at, text } = stored;
  if (text === shipped) return undefined;
  const shippedHash = textHash(shipped);
  const storedHash = textHash(text);
  const known = origin?.storedHash === storedHash ? origin : undefined;
  const shippedChanged = known === undefined ? undefined : known.shippedHash !== shippedHash;
  return {
    name,
    version,
    by,
    at,
    shippedHash,
    storedHash,
    shippedChanged,
    diff: diffOf(name, shipped, text),
  };
}

function diffOf(name: string, shipped: string, stored: string): string | undefined {
  const options = { maxEditLength: MAX_EDITS, context: 3 };
  return createTwoFilesPatch(`shipped/${name}.rego`, `stored/${name}.rego`, shipped, stored, "", "", options);
}
