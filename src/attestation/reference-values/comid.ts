import { toHex } from "../../crypto/bytes.ts";
import { type CborMap, CborTag, type CborValue, encodeCbor, isCborBytes } from "../../crypto/cbor.ts";
import { asBytes, asList, asMap, asPair, optionalText, untagged } from "./cbor-walk.ts";
import { type Collected, malformed, shown } from "./manifest.ts";

/**
 * Reference triples of a CoMID (draft-ietf-rats-corim §5.1.5): an environment, and what is measured in it when all is
 * well. The name of a value is what there is of vendor, model, measurement key, name and serial number, joined by
 * slashes, then `digests` or `raw_bytes`. What such a name cannot tell apart is refused or left out, never mixed.
 */

const COMID = { triples: 4 } as const;
const TRIPLES = { reference: 0 } as const;
const ENVIRONMENT = { class: 0, instance: 1, group: 2 } as const;
const CLASS = { vendor: 1, model: 2 } as const;
const MEASUREMENT = { key: 0, value: 1, authorizedBy: 2 } as const;
const VALUE = { digests: 2, raw: 4, rawMask: 5, serial: 8, name: 11 } as const;
/** Members of measurement-values-map that become neither value nor name, for telling what was left out. */
const OTHER_MEMBERS: ReadonlyMap<CborValue, string> = new Map([
  [0, "version"],
  [1, "svn"],
  [3, "flags"],
  [6, "MAC address"],
  [7, "IP address"],
  [9, "UEID"],
  [10, "UUID"],
  [13, "keys"],
  [14, "integrity registers"],
  [15, "integer range"],
]);
const TAG = { uuid: 37, bytes: 560 } as const;
const UUID_BYTES = 16;
/** Digests by their length in bytes: SHA-256, SHA-384 and SHA-512 and nothing shorter. */
const MIN_DIGEST_BYTES = 32;
const MAX_DIGEST_BYTES = 64;

/** Digests of one name, and the environment they belong to. */
interface Gathered {
  readonly environment: string;
  readonly position: string;
  readonly digests: Set<string>;
}

/** @throws KbsError `reference-value-invalid` */
export function collectComid(item: CborValue, position: string, collected: Collected): void {
  const triples = asMap(asMap(untagged(item, 506), position).get(COMID.triples), `${position}.triples`);
  const reference = triples.get(TRIPLES.reference);
  for (const kind of triples.keys())
    if (kind !== TRIPLES.reference) collected.leaveOut(`triples of kind ${kind}`, `${position}.triples`);
  if (reference === undefined) return;
  const place = `${position}.triples.reference`;
  new TripleReader(collected).read(asList(reference, place), place);
}

class TripleReader {
  readonly #collected: Collected;
  readonly #gathered = new Map<string, Gathered>();

  constructor(collected: Collected) {
    this.#collected = collected;
  }

  read(triples: readonly CborValue[], position: string): void {
    for (const [at, triple] of triples.entries()) this.#triple(triple, `${position}[${at}]`);
    for (const [name, { digests, position: place }] of this.#gathered)
      this.#collected.add(name, [...digests], place);
  }

  #triple(triple: CborValue, position: string): void {
    const [environment, measurements] = asPair(triple, position);
    const map = asMap(environment, `${position}.environment`);
    const scope = narrowScope(map);
    if (scope !== undefined) {
      this.#collected.leaveOut(`values for ${scope} only`, position);
      return;
    }
    const path = classPath(map, `${position}.environment.class`);
    const id = toHex(encodeCbor(map));
    for (const [at, measurement] of asList(measurements, `${position}.measurements`).entries())
      this.#measurement(measurement, { path, id }, `${position}.measurements[${at}]`);
  }

  #measurement(
    item: CborValue,
    environment: { readonly path: readonly string[]; readonly id: string },
    position: string,
  ): void {
    const measurement = asMap(item, position);
    const value = asMap(measurement.get(MEASUREMENT.value), `${position}.value`);
    if (measurement.has(MEASUREMENT.authorizedBy)) {
      this.#collected.leaveOut("a measurement that only certain keys may report", position);
      return;
    }
    const key = keyPart(measurement.get(MEASUREMENT.key), position);
    const parts = [...key, optionalText(value, VALUE.name, `${position}.name`), serialOf(value, position)];
    const path = [...environment.path, ...parts.filter((part) => part !== undefined)];
    for (const label of value.keys()) {
      const what = OTHER_MEMBERS.get(label);
      if (what !== undefined) this.#collected.leaveOut(`the ${what} of a measurement`, position);
    }
    this.#digests(value, [...path, "digests"].join("/"), environment.id, `${position}.digests`);
    this.#raw(value, [...path, "raw_bytes"].join("/"), `${position}.raw-value`);
  }

  #digests(value: CborMap, name: string, environment: string, position: string): void {
    const list = value.get(VALUE.digests);
    if (list === undefined) return;
    const known = this.#gathered.get(name) ?? { environment, position, digests: new Set() };
    if (known.environment !== environment) throw ambiguous(name, position);
    for (const [at, digest] of asList(list, position).entries())
      known.digests.add(digestHex(digest, `${position}[${at}]`));
    this.#gathered.set(name, known);
  }

  #raw(value: CborMap, name: string, position: string): void {
    const raw = value.get(VALUE.raw);
    if (raw === undefined) return;
    if (value.has(VALUE.rawMask) || !(raw instanceof CborTag) || raw.tag !== TAG.bytes) {
      this.#collected.leaveOut("a raw value that is not plain bytes, or is under a mask", position);
      return;
    }
    const hex = toHex(asBytes(raw.value, position));
    if (this.#collected.values.get(name) === hex) return;
    if (this.#collected.values.has(name)) throw ambiguous(name, position);
    this.#collected.add(name, hex, position);
  }
}

/** A name does not hold these: its value would count for every machine. */
function narrowScope(environment: CborMap): string | undefined {
  if (environment.has(ENVIRONMENT.instance)) return "one machine";
  return environment.has(ENVIRONMENT.group) ? "a group of machines" : undefined;
}

function classPath(environment: CborMap, position: string): readonly string[] {
  const value = environment.get(ENVIRONMENT.class);
  if (value === undefined) return [];
  const map = asMap(value, position);
  return [
    optionalText(map, CLASS.vendor, `${position}.vendor`),
    optionalText(map, CLASS.model, `${position}.model`),
  ].filter((part) => part !== undefined);
}

/** Text, `claim<N>` for a number, or a UUID; keys of other kinds give no part of the name. */
function keyPart(key: CborValue | undefined, position: string): readonly string[] {
  if (typeof key === "string") return [key];
  if (
    (typeof key === "number" && Number.isInteger(key) && key >= 0) ||
    (typeof key === "bigint" && key >= 0n)
  )
    return [`claim${key}`];
  if (!(key instanceof CborTag) || key.tag !== TAG.uuid) return [];
  const bytes = asBytes(key.value, `${position}.key`);
  if (bytes.byteLength !== UUID_BYTES)
    throw malformed("payload-malformed", `a UUID has ${UUID_BYTES} bytes`, `${position}.key`);
  return [toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")];
}

function serialOf(value: CborMap, position: string): string | undefined {
  return optionalText(value, VALUE.serial, `${position}.serial-number`);
}

/** `[algorithm, bytes]`; the algorithm is a number or a name of the Named Information registry. */
function digestHex(digest: CborValue, position: string): string {
  const [algorithm, bytes] = asPair(digest, position);
  if (typeof algorithm !== "number" && typeof algorithm !== "string")
    throw malformed("payload-malformed", "a digest names its algorithm by a number or a text", position);
  if (!isCborBytes(bytes)) throw malformed("payload-malformed", "a digest is a byte string", position);
  const { byteLength } = bytes;
  if (byteLength < MIN_DIGEST_BYTES || byteLength > MAX_DIGEST_BYTES)
    throw malformed("value-invalid", `a digest of ${byteLength} bytes is not accepted`, position);
  return toHex(bytes);
}

function ambiguous(name: string, position: string) {
  return malformed(
    "name-ambiguous",
    `${shown(name)} would stand for values of two environments or two raw values; tell them apart by vendor, model or measurement key`,
    position,
  );
}
