import { compareText, type Ordering } from "../compare.ts";
import { skipDigits } from "../numbers.ts";
import { anyAt, type Builtin, badValue, define, stringAt } from "./builtin.ts";

interface Version {
  readonly numbers: readonly bigint[];
  /** Identifiers of the pre-release; empty for a release. Build metadata has no order and is dropped. */
  readonly preRelease: readonly string[];
}

/** A version as SemVer 2.0.0 §2 to §10 writes it; a leading `v` is accepted, as newer OPA does. */
function parseVersion(tagged: string): Version | undefined {
  const text = tagged.startsWith("v") ? tagged.slice(1) : tagged;
  const [withoutMetadata = "", metadata] = cut(text, "+");
  const [core = "", preRelease] = cut(withoutMetadata, "-");
  const numbers = core.split(".").map((part) => (hasLeadingZero(part) ? undefined : parseInt64(part)));
  if (numbers.length !== 3 || !isIdentifiers(metadata, true) || !isIdentifiers(preRelease, false))
    return undefined;
  const known = numbers.filter((number) => number !== undefined);
  return known.length === 3
    ? { numbers: known, preRelease: preRelease ? preRelease.split(".") : [] }
    : undefined;
}

/** What stands before and behind the first separator. */
function cut(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function parseInt64(text: string): bigint | undefined {
  if (text === "" || text.length > 32 || !isDigits(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** Dot-separated identifiers; a numeric one has no leading zero except in build metadata (SemVer 2.0.0 §9, §10). */
function isIdentifiers(text: string | undefined, zerosAllowed: boolean): boolean {
  if (text === undefined) return true;
  return text.split(".").every((identifier) => {
    if (identifier === "" || ![...identifier].every(isIdentifierCharacter)) return false;
    return zerosAllowed || !hasLeadingZero(identifier) || !isDigits(identifier);
  });
}

function hasLeadingZero(text: string): boolean {
  return text.length > 1 && text.startsWith("0");
}

function isDigits(text: string): boolean {
  return skipDigits(text, 0) === text.length;
}

function isIdentifierCharacter(character: string): boolean {
  return (
    character === "-" ||
    (character >= "0" && character <= "9") ||
    (character >= "a" && character <= "z") ||
    (character >= "A" && character <= "Z")
  );
}

function compareVersions(a: Version, b: Version): Ordering {
  for (const [at, number] of a.numbers.entries()) {
    const other = b.numbers[at] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  // A release comes after all its pre-releases.
  if (a.preRelease.length === 0 || b.preRelease.length === 0)
    return order(b.preRelease.length === 0 ? 0 : 1, a.preRelease.length === 0 ? 0 : 1);
  return comparePreReleases(a.preRelease, b.preRelease);
}

function order(a: number, b: number): Ordering {
  return a === b ? 0 : a < b ? -1 : 1;
}

function comparePreReleases(a: readonly string[], b: readonly string[]): Ordering {
  for (const [at, identifier] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const result = compareIdentifiers(identifier, other);
    if (result !== 0) return result;
  }
  return a.length < b.length ? -1 : 0;
}

/** Numbers by value and before words; words by ASCII. */
function compareIdentifiers(a: string, b: string): Ordering {
  const [numberA, numberB] = [parseInt64(a), parseInt64(b)];
  if (numberA !== undefined && numberB !== undefined)
    return numberA === numberB ? 0 : numberA < numberB ? -1 : 1;
  if (numberA !== undefined) return -1;
  if (numberB !== undefined) return 1;
  return compareText(a, b);
}

function version(text: string): Version {
  const parsed = parseVersion(text);
  if (parsed === undefined) throw badValue("a string that is not a valid SemVer");
  return parsed;
}

export const SEMVER: readonly Builtin[] = [
  define("semver.compare", ["string", "string"], "number", (args, ctx) => {
    const [a, b] = [stringAt(args, 0), stringAt(args, 1)];
    ctx.charge(a.length + b.length);
    return compareVersions(version(a), version(b));
  }),
  define("semver.is_valid", ["any"], "boolean", (args, ctx) => {
    const text = anyAt(args, 0);
    if (typeof text !== "string") return false;
    ctx.charge(text.length);
    return parseVersion(text) !== undefined;
  }),
];
