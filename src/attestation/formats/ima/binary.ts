import { LogCursor } from "../eventlog/cursor.ts";
import { EventLogError } from "../eventlog/event-log.ts";
import { type ImaRecord, isViolation } from "./ima-record.ts";
import {
  FIXED_DIGEST_BYTES,
  FIXED_NAME_BYTES,
  FIXED_TEMPLATE,
  type ImaFields,
  readTemplateData,
  templateFields,
} from "./template.ts";

/** Longest template name; the kernel's own have at most ten characters. */
const MAX_TEMPLATE_NAME = 256;

/**
 * One record of binary_runtime_measurements: register, template hash, name and data of the template, integers
 * little-endian.
 *
 * @param hashBytes - size of template hashes in this list
 * @throws EventLogError
 */
export function readBinaryRecord(
  bytes: Buffer,
  position: number,
  hashBytes: number,
  index: number,
): { readonly record: ImaRecord; readonly next: number } {
  const cursor = new LogCursor(bytes, position);
  const register = cursor.u32("a register number");
  const templateHash = cursor.take(hashBytes, "a template hash");
  const nameLength = cursor.u32("the length of a template name");
  if (nameLength > MAX_TEMPLATE_NAME) throw cursor.fault("a template name that is too long");
  const template = cursor.take(nameLength, "a template name").toString("latin1");
  const { data, fields } =
    template === FIXED_TEMPLATE ? readFixed(cursor) : readData(cursor, template, position);
  const violation = isViolation(templateHash);
  const record = { index, position, register, templateHash, template, data, fields, violation };
  return { record, next: cursor.at };
}

interface Content {
  readonly data: Buffer;
  readonly fields: ImaFields;
}

function readData(cursor: LogCursor, template: string, position: number): Content {
  const names = templateFields(template);
  if (names === undefined) throw new EventLogError("a template that is not known", position);
  const data = cursor.take(cursor.u32("the length of template data"), "template data");
  return { data, fields: readTemplateData(names, data, position) };
}

function readFixed(cursor: LogCursor): Content {
  const digest = cursor.take(FIXED_DIGEST_BYTES, "a file digest");
  const name = cursor.take(cursor.u32("the length of a name"), "a name");
  return fixedContent(digest, name, cursor.at);
}

/** @throws EventLogError when the name is longer than the template has room for */
export function fixedContent(digest: Buffer, name: Buffer, position: number): Content {
  if (name.length >= FIXED_NAME_BYTES)
    throw new EventLogError("a name that is too long for its template", position);
  const data = Buffer.alloc(FIXED_DIGEST_BYTES + FIXED_NAME_BYTES);
  digest.copy(data);
  name.copy(data, FIXED_DIGEST_BYTES);
  const path = name.toString("utf8");
  return {
    data,
    fields: {
      digest: { algorithm: "sha1", value: digest, type: undefined },
      path,
      signature: undefined,
      buffer: undefined,
    },
  };
}
