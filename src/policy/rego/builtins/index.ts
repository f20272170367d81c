/** All functions a policy may call, one file per family. */

import { AGGREGATES } from "./aggregates.ts";
import { ARRAYS } from "./arrays.ts";
import type { Builtin } from "./builtin.ts";
import { CONVERSION } from "./conversion.ts";
import { CRYPTO } from "./crypto.ts";
import { ENCODING } from "./encoding.ts";
import { GLOB } from "./glob.ts";
import { GRAPHS } from "./graph.ts";
import { JSON_PATCH } from "./json-patch.ts";
import { JSON_PATHS } from "./json-paths.ts";
import { JWT } from "./jwt.ts";
import { NET } from "./net.ts";
import { NUMBERS } from "./numbers.ts";
import { OBJECTS } from "./objects.ts";
import { OPERATORS } from "./operators.ts";
import { REGEX } from "./regex.ts";
import { SEMVER } from "./semver.ts";
import { SPRINTF } from "./sprintf.ts";
import { STRING_TESTS } from "./string-tests.ts";
import { STRINGS } from "./strings.ts";
import { TIME } from "./time/index.ts";
import { TRACE } from "./trace.ts";
import { UNIT_FUNCTIONS } from "./units.ts";
import { URLQUERY } from "./urlquery.ts";
import { UUID } from "./uuid.ts";

export type { Builtin, BuiltinContext } from "./builtin.ts";
export { FORBIDDEN, type ForbiddenBuiltin } from "./forbidden.ts";
export { RegexCache } from "./regex-cache.ts";
export type { TypeSpec } from "./types.ts";

const FAMILIES: readonly (readonly Builtin[])[] = [
  OPERATORS,
  AGGREGATES,
  ARRAYS,
  OBJECTS,
  JSON_PATHS,
  JSON_PATCH,
  STRINGS,
  STRING_TESTS,
  SPRINTF,
  NUMBERS,
  CONVERSION,
  ENCODING,
  REGEX,
  UNIT_FUNCTIONS,
  GLOB,
  GRAPHS,
  NET,
  SEMVER,
  UUID,
  URLQUERY,
  CRYPTO,
  JWT,
  TRACE,
  TIME,
];

/** By name, the functions behind operators included. `print` is not here: it takes undefined arguments. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map(
  FAMILIES.flat().map((builtin) => [builtin.name, builtin]),
);
