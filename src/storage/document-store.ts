import { KbsError } from "../errors.ts";

/** Who wrote a document, and when. */
export interface Provenance {
  /** The administrator's name, as authentication gave it. */
  readonly by: string;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/** A named text with its history number. Immutable: a later write makes a new one. */
export interface StoredDocument extends Provenance {
  readonly name: string;
  readonly text: string;
  /** 1 for the first writing, one more for every replacement. Starts again after a deletion. */
  readonly version: number;
}

/** Small named texts that administrators write and servers read: policies, reference values. */
export interface DocumentStore {
  /** Absent is not an error. */
  get(name: string, signal: AbortSignal): Promise<StoredDocument | undefined>;
  /** Replaces. Durable when it returns; writes of one name happen one after the other. */
  put(name: string, text: string, provenance: Provenance, signal: AbortSignal): Promise<StoredDocument>;
  /** @returns whether it was there */
  delete(name: string, signal: AbortSignal): Promise<boolean>;
  list(signal: AbortSignal): AsyncIterable<StoredDocument>;
  /** @throws KbsError `storage-unavailable` */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Longest name in UTF-16 code units. */
export const MAX_DOCUMENT_NAME_LENGTH = 512;
/** Longest text in UTF-8 bytes. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * Any printable name goes, `:`, `/` and spaces included; only what cannot be printed or stored is refused.
 * @throws KbsError `malformed-request`
 */
export function checkDocument(name: string, text: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) throw new KbsError("malformed-request", `Name refused: ${fault}.`);
  if (Buffer.byteLength(text, "utf8") > MAX_DOCUMENT_BYTES)
    throw new KbsError("payload-too-large", `A document may have at most ${MAX_DOCUMENT_BYTES} bytes.`);
}

/** What is wrong with `name`, or `undefined`. */
export function nameFault(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.length > MAX_DOCUMENT_NAME_LENGTH)
    return `it is longer than ${MAX_DOCUMENT_NAME_LENGTH} characters`;
  if (/\p{Cc}/u.test(name)) return "it holds a control character";
  if (/\p{Surrogate}/u.test(name)) return "it is not well-formed Unicode";
  return undefined;
}
