/** A fault in configuration: where (YAML path, `verifiers.snp.allowedVmpls[0]`), and what to do about it. */
export interface ConfigFault {
  readonly path: string;
  readonly message: string;
}

export type ConfigResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** One section of `kbs.config.yaml`: turns what YAML held into a typed value, reporting all faults at once. */
export interface ConfigSection<T> {
  /** @param value - plain data; `undefined` when the section is absent, which gives the defaults */
  parse(value: unknown, path: string): ConfigResult<T>;
}
