/**
 * IMA templates: which fields a measurement has and how they are laid out (Linux, Documentation/security/IMA-templates).
 */
import { EventLogError } from "../eventlog/event-log.ts";

export type FieldName =
  | "d-ng"
  | "d-ngv2"
  | "n-ng"
  | "sig"
  | "buf"
  | "d-modsig"
  | "modsig"
  | "evmsig"
  | "xattrnames"
  | "xattrlengths"
  | "xattrvalues"
  | "iuid"
  | "igid"
  | "imode";

const FIELDS: ReadonlySet<string> = new Set<FieldName>([
  "d-ng",
  "d-ngv2",
  "n-ng",
  "sig",
  "buf",
  "d-modsig",
  "modsig",
  "evmsig",
  "xattrnames",
  "xattrlengths",
  "xattrvalues",
  "iuid",
  "igid",
  "imode",
]);

/** Templates of the kernel; `ima`, the first of them, has a layout of its own. */
const TEMPLATES: ReadonlyMap<string, readonly FieldName[]> = new Map<string, readonly FieldName[]>([
  ["ima-ng", ["d-ng", "n-ng"]],
  ["ima-ngv2", ["d-ngv2", "n-ng"]],
  ["ima-sig", ["d-ng", "n-ng", "sig"]],
  ["ima-sigv2", ["d-ngv2", "n-ng", "sig"]],
  ["ima-buf", ["d-ng", "n-ng", "buf"]],
  ["ima-modsig", ["d-ng", "n-ng", "sig", "d-modsig", "modsig"]],
  [
    "evm-sig",
    ["d-ng", "n-ng", "evmsig", "xattrnames", "xattrlengths", "xattrvalues", "iuid", "igid", "imode"],
  ],
]);

/** The template whose digest covers a fixed form: a SHA-1 digest and the name, filled up with zeros. */
export const FIXED_TEMPLATE = "ima";
export const FIXED_DIGEST_BYTES = 20;
export const FIXED_NAME_BYTES = 256;

/**
 * The name of a template is not measured, only its data: whoever sends a list may call it another. So digest and path are
 * the first two fields of every template and of no other place, or a signature could pass for a file's digest.
 *
 * @param name - a template of the kernel, or an own one that an administrator put together: `d-ng|n-ng|sig`
 * @returns undefined for templates that nobody here knows; a digest and a name come first in all others
 */
export function templateFields(name: string): readonly FieldName[] | undefined {
  const known = TEMPLATES.get(name);
  if (known !== undefined) return known;
  const fields = name.split("|");
  const [digest, path, ...others] = fields;
  if ((digest !== "d-ng" && digest !== "d-ngv2") || path !== "n-ng" || !fields.every(isField))
    return undefined;
  const once = new Set(fields).size === fields.length;
  return once && !others.some((field) => FIRST_FIELDS.has(field)) ? fields : undefined;
}

const FIRST_FIELDS: ReadonlySet<string> = new Set<FieldName>(["d-ng", "d-ngv2", "n-ng"]);

function isField(name: string): name is FieldName {
  return FIELDS.has(name);
}

/** What a file was measured as. */
export interface FileDigest {
  /** The kernel's name, say `sha256`. */
  readonly algorithm: string;
  readonly value: Buffer;
  /** d-ngv2: `ima` or `verity`. */
  readonly type: string | undefined;
}

/** What a measurement says, from its template data. */
export interface ImaFields {
  readonly digest: FileDigest;
  /** A path, `boot_aggregate`, or the name of a buffer. */
  readonly path: string;
  readonly signature: Buffer | undefined;
  readonly buffer: Buffer | undefined;
}

/**
 * Reads template data: fields one after the other, each with its length in four bytes, little-endian.
 *
 * @param position - of the record in its list, for errors
 * @throws EventLogError
 */
export function readTemplateData(fields: readonly FieldName[], data: Buffer, position: number): ImaFields {
  const values = new Map<FieldName, Buffer>();
  let at = 0;
  for (const field of fields) {
    if (data.length - at < 4) throw new EventLogError("truncated template data", position);
    const length = data.readUInt32LE(at);
    if (length > data.length - at - 4) throw new EventLogError(`field ${field} is too long`, position);
    values.set(field, data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (at !== data.length)
    throw new EventLogError(`${data.length - at} bytes of template data too many`, position);
  const digest = readDigestField(values.get("d-ng") ?? values.get("d-ngv2") ?? NOTHING, position);
  const signature = values.get("sig");
  return {
    digest,
    path: nameText(values.get("n-ng") ?? NOTHING),
    // An empty field is how a file without signature looks.
    signature: signature === undefined || signature.length === 0 ? undefined : signature,
    buffer: values.get("buf"),
  };
}

const NOTHING = Buffer.alloc(0);

/** Name and terminator; some producers leave the terminator out. */
function nameText(bytes: Buffer): string {
  return bytes.toString("utf8", 0, bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length);
}

/** `sha256:` or `ima:sha256:`, a zero byte, the digest. */
function readDigestField(bytes: Buffer, position: number): FileDigest {
  const end = bytes.indexOf(0);
  const head = bytes.toString("latin1", 0, Math.max(0, end));
  if (end < 0 || !head.endsWith(":")) throw new EventLogError("a digest field without algorithm", position);
  const [first = "", second] = head.slice(0, -1).split(":");
  const value = bytes.subarray(end + 1);
  return second === undefined
    ? { algorithm: first, value, type: undefined }
    : { algorithm: second, value, type: first };
}
