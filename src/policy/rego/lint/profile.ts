/** What a host tells the linter about the way it uses policies. */
import type { Location } from "../errors.ts";

/** A use of policies: what the host asks for, and what it gives. */
export interface LintProfile {
  /** Rules that the host asks for; `required` ones decide something. */
  readonly entryPoints: readonly { readonly path: string; readonly required: boolean }[];
  /** Paths below `data` where the host puts documents. */
  readonly documents: readonly (readonly string[])[];
  /** Names of members of `input`, where they are known. */
  readonly input?: InputNames;
  /** Rules whose value is an object of integers that must fit into a signed byte. */
  readonly byteObjects?: readonly string[];
  /** The only names that those objects may have. */
  readonly byteNames?: readonly string[];
  /** Members of documents that should not be compared without others. */
  readonly companions?: readonly Companion[];
}

/** A policy that refers to `member` mentions `all` of the others, or one of `orOneOf`. */
export interface Companion {
  readonly member: string;
  readonly all: readonly string[];
  readonly orOneOf: readonly string[];
  readonly message: string;
}

/** Members by name; `*` stands for any other name. `any`: whatever is below is not known. */
export type InputNames = "any" | { readonly [name: string]: InputNames };

/** A remark that a pass makes; its severity is always a warning. */
export type Warn = (code: string, message: string, loc: Location) => void;
