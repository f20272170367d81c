import { createHash } from "node:crypto";
import type { JsonObject } from "../json/value.ts";
import { canonicalJson } from "../json/write.ts";
import type { ReferenceValueLookup } from "../policy/policy-engine.ts";

/** Hexadecimal digits of a digest in an audit record. */
const DIGEST_DIGITS = 32;
/** Most reference values that one audit record names. */
const MAX_RECORDED = 64;
const UNKNOWN = "unknown";
const EXPIRED = "expired";

/** Notes which reference values a decision asked for, so that its record shows what it rested on. */
export class ConsultedValues {
  readonly lookup: ReferenceValueLookup;
  readonly #digests = new Map<string, string>();

  constructor(inner: ReferenceValueLookup) {
    this.lookup = async (ids, signal) => {
      const values = await inner(ids, signal);
      for (const id of ids)
        if (this.#digests.size < MAX_RECORDED)
          this.#digests.set(id, values.expired?.has(id) === true ? EXPIRED : digestOf(values.get(id)));
      return values;
    };
  }

  /** For the audit record: id → SHA-256 of the value's canonical JSON, shortened, `unknown` or `expired`; empty without any. */
  record(): { readonly referenceValues?: JsonObject } {
    return this.#digests.size === 0 ? {} : { referenceValues: Object.fromEntries(this.#digests) };
  }
}

function digestOf(value: Parameters<typeof canonicalJson>[0] | undefined): string {
  if (value === undefined || value === null) return UNKNOWN;
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, DIGEST_DIGITS);
}
