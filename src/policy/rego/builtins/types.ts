/** Types of built-in operands and results, as far as the static analysis can use them. */
export type TypeSpec =
  | "any"
  | "null"
  | "boolean"
  | "number"
  | "string"
  | { readonly array: TypeSpec }
  | { readonly tuple: readonly TypeSpec[] }
  | { readonly set: TypeSpec }
  | { readonly object: { readonly key: TypeSpec; readonly value: TypeSpec } }
  | { readonly anyOf: readonly TypeSpec[] };

export const arrayOf = (array: TypeSpec): TypeSpec => ({ array });
export const tupleOf = (...tuple: readonly TypeSpec[]): TypeSpec => ({ tuple });
export const setOf = (set: TypeSpec): TypeSpec => ({ set });
export const objectOf = (key: TypeSpec, value: TypeSpec): TypeSpec => ({ object: { key, value } });
export const anyOf = (...specs: readonly TypeSpec[]): TypeSpec => ({ anyOf: specs });

export const ARRAY = arrayOf("any");
export const SET = setOf("any");
export const OBJECT = objectOf("any", "any");
/** An array or a set of anything. */
export const LIST = anyOf(ARRAY, SET);
/** An array or a set of strings. */
export const TEXTS = anyOf(arrayOf("string"), setOf("string"));
