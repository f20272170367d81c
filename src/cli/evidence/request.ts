/** What a person or a script asks of the offline verifier, checked before anything is read. */
import { fromHex } from "../../crypto/bytes.ts";
import { KbsError } from "../../errors.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";

export const OFFLINE_TEES = [
  "snp",
  "tdx",
  "sgx",
  "tpm",
  "az-snp-vtpm",
  "az-tdx-vtpm",
  "sample",
  "sampledevice",
] as const;
export type OfflineTee = (typeof OFFLINE_TEES)[number];

export interface EvidenceRequest {
  /** Given back as it came. */
  readonly id: string | number;
  readonly tee: OfflineTee;
  /** Evidence itself, or the path of a file that holds it. */
  readonly evidence: { readonly value: JsonValue } | { readonly path: string };
  /** Milliseconds since the epoch; `undefined`: now. */
  readonly at: number | undefined;
  readonly reportData: Buffer | undefined;
  readonly initData: Buffer | undefined;
  readonly trustAnchors: readonly string[];
  readonly collateral: readonly string[];
  /** The driver's section of `kbs.config.yaml`, as plain data. */
  readonly settings: unknown;
}

const MEMBERS = [
  "id",
  "tee",
  "evidence",
  "at",
  "reportData",
  "initData",
  "trustAnchors",
  "collateral",
  "settings",
];
const MAX_BINDING_BYTES = 64;
const MAX_PATHS = 64;

/** @throws KbsError `malformed-request` */
export function readRequest(json: JsonValue): EvidenceRequest {
  if (!isObject(json)) throw malformed("a request is a JSON object");
  const unknown = Object.keys(json).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) throw malformed(`"${unknown.slice(0, 40)}" is no member of a request`);
  const evidence = member(json, "evidence");
  if (evidence === undefined) throw malformed("evidence is required: an object, or the path of a file");
  return {
    id: readId(member(json, "id")) ?? required("id"),
    tee: parseTee(text(json, "tee") ?? required("tee")),
    evidence: typeof evidence === "string" ? { path: evidence } : { value: evidence },
    at: parseTime(text(json, "at")),
    reportData: parseBinding(text(json, "reportData"), "reportData"),
    initData: parseBinding(text(json, "initData"), "initData"),
    trustAnchors: texts(json, "trustAnchors"),
    collateral: texts(json, "collateral"),
    settings: member(json, "settings") ?? undefined,
  };
}

/** @returns undefined when it is neither text nor number */
export function readId(id: JsonValue | undefined): string | number | undefined {
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}

export function malformed(detail: string): KbsError {
  return new KbsError("malformed-request", detail);
}

function required(name: string): never {
  throw malformed(`${name} is required`);
}

function text(json: JsonObject, name: string): string | undefined {
  const value = member(json, name) ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw malformed(`${name} must be a text`);
}

function texts(json: JsonObject, name: string): readonly string[] {
  const value = member(json, name) ?? [];
  const list = isArray(value) ? value : [value];
  if (list.length > MAX_PATHS) throw malformed(`${name} has more than ${MAX_PATHS} entries`);
  return list.map((item) => {
    if (typeof item !== "string") throw malformed(`${name} must be a list of paths`);
    return item;
  });
}

function parseTee(tee: string): OfflineTee {
  const known = OFFLINE_TEES.find((name) => name === tee);
  if (known === undefined) throw malformed(`tee must be one of ${OFFLINE_TEES.join(", ")}`);
  return known;
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

export function parseTime(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const at = RFC3339.test(time) ? Date.parse(time.toUpperCase().replace(" ", "T")) : Number.NaN;
  if (Number.isNaN(at)) throw malformed("at must be a time as in RFC 3339, say 2026-06-01T00:00:00Z");
  return at;
}

/** Hexadecimal bytes the evidence has to carry. */
export function parseBinding(hex: string | undefined, name: string): Buffer | undefined {
  if (hex === undefined) return undefined;
  const bytes = fromHex(hex);
  if (bytes === undefined) throw malformed(`${name} must be hexadecimal digits, two per byte`);
  if (bytes.length > MAX_BINDING_BYTES) throw malformed(`${name} is longer than ${MAX_BINDING_BYTES} bytes`);
  return bytes;
}
