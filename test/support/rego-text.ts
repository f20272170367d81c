/** Small random policies as text: every construct may meet every other, and most of them compile. */
import fc from "fast-check";

const name = fc.constantFrom("a", "b", "c");
const variable = fc.constantFrom("x", "y", "z");
const scalar = fc.constantFrom("0", "1", "2", "true", "false", "null", '"a"', '"b"', "1.5", "-3", "`r`");

const reference = fc
  .tuple(
    fc.constantFrom("input", "data.policy", "data.base"),
    fc.array(
      fc.oneof(
        name.map((n) => `.${n}`),
        fc.constantFrom("[0]", '["a b"]'),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([root, steps]) => root + steps.join(""));

/** Terms over variables that are bound, references and constants. */
const { term } = fc.letrec<{ term: string; expr: string }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    reference,
    variable,
    fc.array(tie("expr"), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
    fc
      .array(tie("expr"), { minLength: 1, maxLength: 2 })
      .map((items) => `{${items.map((i) => `(${i})`).join(", ")}}`),
    fc.tuple(name, tie("expr")).map(([key, value]) => `{"${key}": (${value})}`),
    fc.tuple(tie("term"), reference).map(([head, domain]) => `[(${head}) | some v in ${domain}]`),
    fc
      .tuple(fc.constantFrom("count", "is_number", "type_name"), tie("expr"))
      .map(([f, arg]) => `${f}(${arg})`),
  ),
  expr: fc.oneof(
    { maxDepth: 3 },
    tie("term"),
    fc
      .tuple(tie("term"), fc.constantFrom("+", "-", "==", "!=", "<", ">=", "in"), tie("term"))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
  ),
}));

export const literal = fc.oneof(
  term,
  fc.tuple(variable, term).map(([v, t]) => `${v} = ${t}`),
  fc.tuple(variable, reference).map(([v, r]) => `some ${v}1 in ${r}; ${v} = ${v}1`),
  term.map((t) => `not ${t}`),
  fc.tuple(reference, term).map(([r, t]) => `every e in ${r} { e != ${t} }`),
  fc.tuple(term, scalar).map(([t, s]) => `${t} with input.a as ${s}`),
);

/** Binds what the others read, so that most bodies are safe. */
const BINDINGS = "x = 1; y = input.b; z = input.c";

const body = fc
  .array(literal, { minLength: 1, maxLength: 4 })
  .map((all) => `{ ${[BINDINGS, ...all].join("; ")} }`);

export const rule = fc.oneof(
  fc.tuple(name, body).map(([n, b]) => `${n} if ${b}`),
  fc.tuple(name, scalar, body, scalar).map(([n, v, b, w]) => `${n} := ${v} if ${b} else := ${w}`),
  fc.tuple(name, body).map(([n, b]) => `s${n} contains x if ${b}`),
  fc.tuple(name, body).map(([n, b]) => `o${n}[x] := y if ${b}`),
  fc.tuple(name, scalar).map(([n, v]) => `default ${n} := ${v}`),
);

export const rules = fc.array(rule, { minLength: 1, maxLength: 6 });

/** JSON with the members that the policies look for. */
export const document = fc.dictionary(
  name,
  fc.oneof(
    fc.constantFrom<unknown>(0, 1, 2, true, false, null, "a", 1.5),
    fc.array(fc.constantFrom<unknown>(0, 1, "a", null), { maxLength: 3 }),
    fc.dictionary(name, fc.constantFrom<unknown>(0, 1, "b", false)),
  ),
);
