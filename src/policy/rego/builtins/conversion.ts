import { RArray, RSet } from "../collections.ts";
import { parseNumber } from "../numbers.ts";
import { isArray, isNumber, isSet, type TypeName, typeName, type Value } from "../value.ts";
import {
  anyAt,
  type Builtin,
  type BuiltinContext,
  badOperand,
  badType,
  badValue,
  define,
  listAt,
} from "./builtin.ts";
import { ARRAY, anyOf, LIST, OBJECT, SET, type TypeSpec } from "./types.ts";

function toNumber(value: Value): Value {
  if (value === null || value === false) return 0;
  if (value === true) return 1;
  if (isNumber(value)) return value;
  if (typeof value !== "string") throw badOperand(0, "one of {null, boolean, number, string}", value);
  const number = value.startsWith("+-") ? undefined : parseNumber(plainDecimal(value));
  if (number !== undefined) return number;
  if (NOT_NUMBERS.has(value.toLowerCase())) throw badType("operand 1 must be the text of a number");
  throw badValue("operand is not the text of a number");
}

const NOT_NUMBERS: ReadonlySet<string> = new Set(
  ["inf", "infinity", "nan"].flatMap((name) => [name, `+${name}`, `-${name}`]),
);

/** OPA reads the text as Go reads a float: a plus sign and a point without digits after it are accepted. */
function plainDecimal(text: string): string {
  const unsigned = text.startsWith("+") ? text.slice(1) : text;
  const point = unsigned.indexOf(".");
  const before = unsigned.charAt(point - 1);
  const after = unsigned.charAt(point + 1);
  const bare =
    point > 0 && before >= "0" && before <= "9" && (after === "" || after === "e" || after === "E");
  return bare ? unsigned.slice(0, point) + unsigned.slice(point + 1) : unsigned;
}

const TYPES: readonly TypeName[] = ["null", "boolean", "number", "string", "array", "object", "set"];

function castTo(name: TypeName, result: TypeSpec): Builtin {
  return define(
    `cast_${name}`,
    ["any"],
    result,
    (args) => {
      const value = anyAt(args, 0);
      if (typeName(value) !== name) throw badOperand(0, name, value);
      return value;
    },
    { deprecated: true },
  );
}

function castArray(args: readonly Value[], ctx: BuiltinContext): Value {
  const value = anyAt(args, 0);
  if (isArray(value)) return value;
  const items = listAt(args, 0);
  ctx.cells(items.length);
  return RArray.of(items);
}

function castSet(args: readonly Value[], ctx: BuiltinContext): Value {
  const value = anyAt(args, 0);
  if (isSet(value)) return value;
  const items = listAt(args, 0);
  ctx.cells(items.length);
  ctx.charge(items.length);
  return RSet.of(items);
}

/** `any` and `all` look for literal booleans; other elements are neither. */
function quantifier(name: "any" | "all"): Builtin {
  return define(
    name,
    [LIST],
    "boolean",
    (args, ctx) => {
      const items = listAt(args, 0);
      ctx.charge(items.length >> 2);
      return name === "any" ? items.includes(true) : items.every((item) => item === true);
    },
    { deprecated: true },
  );
}

export const CONVERSION: readonly Builtin[] = [
  define("to_number", [anyOf("null", "boolean", "number", "string")], "number", (args) =>
    toNumber(anyAt(args, 0)),
  ),
  define("type_name", ["any"], "string", (args) => typeName(anyAt(args, 0))),
  ...TYPES.map((name) =>
    define(`is_${name}`, ["any"], "boolean", (args) => typeName(anyAt(args, 0)) === name),
  ),
  castTo("null", "null"),
  castTo("boolean", "boolean"),
  castTo("string", "string"),
  castTo("object", OBJECT),
  define("cast_array", ["any"], ARRAY, castArray, { deprecated: true }),
  define("cast_set", ["any"], SET, castSet, { deprecated: true }),
  quantifier("any"),
  quantifier("all"),
];
