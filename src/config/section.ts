import type { JsonObject } from "../json/value.ts";

/** A fault in configuration: where (YAML path, `verifiers.snp.allowedVmpls[0]`), and what to do about it. */
export interface ConfigFault {
  readonly path: string;
  readonly message: string;
  /** Where in the text, counted from 1; absent when the text has no such place. */
  readonly line?: number;
  readonly col?: number;
}

export type ConfigResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** One section of `kbs.config.yaml`: turns what YAML held into a typed value, reporting all faults at once. */
export interface ConfigSection<T> {
  /** @param value - plain data; `undefined` when the section is absent, which gives the defaults */
  parse(value: unknown, path: string): ConfigResult<T>;
  /**
   * JSON Schema of what may be written: every option with its sentence and default. The reference
   * configuration at the root of the repository is printed from it.
   */
  readonly jsonSchema?: JsonObject;
}
