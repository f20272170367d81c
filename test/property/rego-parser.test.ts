/** The parser and the printers on any text: nothing crashes, places are in the text, printed trees read the same. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readCases } from "../../src/policy/rego/conformance.ts";
import { meaningOf } from "../../src/policy/rego/format.ts";
import {
  compilePolicy,
  type Dialect,
  formatModule,
  type Module,
  parseModule,
  printModule,
} from "../../src/policy/rego/index.ts";
import { generateCase, Random } from "../support/rego-generator/index.ts";
import { describeShared, sharedPath } from "../support/shared.ts";

const FULL = process.env["KEYWARDEN_FULL"] === "1";
const GENERATED = FULL ? 3_000 : 200;
const FUZZ_RUNS = FULL ? 20_000 : 700;

/** The tree without places; numbers by value, as they may be written in several ways. */
function tree(module: Module): string {
  return meaningOf({ ...module, rules: JSON.parse(JSON.stringify(module.rules, withoutPlaces)) });
}

function withoutPlaces(this: unknown, name: string, value: unknown): unknown {
  if (name === "loc") return undefined;
  return typeof value === "bigint" ? `bigint ${value}` : value;
}

/** Undefined when both printers keep the tree, else what they made of the text. */
function lost(text: string, dialect: Dialect): string | undefined {
  const { module } = parseModule(text, { file: "a.rego", dialect });
  if (module === undefined) return undefined;
  for (const printed of [printModule(module), formatted(text, dialect)]) {
    const again = parseModule(printed, { file: "a.rego", dialect });
    if (again.module === undefined) return `${again.errors[0]?.message}:\n${printed}`;
    if (tree(again.module) !== tree(module)) return printed;
  }
  return undefined;
}

function formatted(text: string, dialect: Dialect): string {
  const result = formatModule("a.rego", text, dialect);
  return "text" in result ? result.text : "formatting refused what was parsed";
}

describe("print, then parse: the same tree", () => {
  test(`${GENERATED} generated modules`, () => {
    const failures = Array.from({ length: GENERATED }, (_, seed) => lost(generateCase(seed).text, "v1"));
    expect(failures.filter((failure) => failure !== undefined)).toEqual([]);
  });

  test("formatting a formatted text changes nothing", () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const once = formatted(generateCase(seed).text, "v1");
      expect(formatted(once, "v1")).toBe(once);
    }
  });
});

describeShared("print, then parse: the same tree, for OPA's evaluation suite", "opa-conformance", () => {
  test.each(["v1", "v0"] as const)("every module of %s", (dialect) => {
    let modules = 0;
    const failures: string[] = [];
    for (const file of readdirSync(sharedPath("opa-conformance", dialect))) {
      for (const { note, modules: texts } of readCases(sharedPath("opa-conformance", dialect, file))) {
        for (const text of texts ?? []) {
          modules += 1;
          const failure = lost(text, dialect);
          if (failure !== undefined) failures.push(`${note}: ${failure}`);
        }
      }
    }
    expect(failures).toEqual([]);
    expect(modules).toBeGreaterThan(500);
  });
});

const TOKENS = [
  ..."package import default else if contains some every in not with as true false null set".split(" "),
  ..."input data p q x y _ count walk print future.keywords rego.v1".split(" "),
  ...'{ } [ ] ( ) , : ; . := = == != < <= > >= + - * / % & | " ` $" # \\ \u0000 \ufeff'.split(" "),
  ...['"text"', '"\\u12', '"\\ud800"', "`raw`", '$"a{x}"', "0", "01", "1.", ".5", "1e999999", "-1", "1a"],
  "\n",
  "\t",
  "\r\n",
  "ä",
  "𝄞",
];

const soup = fc
  .array(fc.constantFrom(...TOKENS), { maxLength: 60 })
  .chain((tokens) => fc.constantFrom(" ", "", "\n").map((separator) => tokens.join(separator)));

/** A valid module with a piece cut out, doubled, or replaced. */
const mutated = fc
  .record({ seed: fc.nat(1_000), at: fc.nat(), length: fc.nat(12), piece: soup, kind: fc.nat(2) })
  .map(({ seed, at, length, piece, kind }) => {
    const { text } = generateCase(seed);
    const start = at % text.length;
    const removed = text.slice(start, start + length);
    const inserted = [piece, "", removed + removed][kind];
    return text.slice(0, start) + inserted + text.slice(start + length);
  });

const texts = fc.oneof(
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString()) },
  { weight: 3, arbitrary: soup },
  { weight: 2, arbitrary: soup.map((text) => `package a\np if { ${text} }`) },
  { weight: 2, arbitrary: soup.map((text) => `package a\n${text}`) },
  { weight: 4, arbitrary: mutated },
);

/** Rows and columns count from 1; the end of a text may be one past its last character. */
function isInside(place: { row: number; col: number }, text: string): boolean {
  const lines = text.replace(/^\ufeff/, "").split("\n");
  const line = lines[place.row - 1];
  return line !== undefined && place.col >= 1 && place.col <= [...line].length + 1;
}

describe("any text", () => {
  test("parses or is refused with a place in the text; what parses can be printed", () => {
    fc.assert(
      fc.property(texts, fc.constantFrom<Dialect>("v1", "v0"), (text, dialect) => {
        const { module, errors } = parseModule(text, { file: "a.rego", dialect });
        expect(module === undefined).toBe(errors.length > 0);
        for (const error of errors) {
          expect(error.code).toBe("rego_parse_error");
          expect(isInside(error.location, text)).toBe(true);
        }
        expect(lost(text, dialect)).toBeUndefined();
      }),
      { numRuns: FUZZ_RUNS },
    );
  });

  test("compiles or is refused with findings in the text; what compiles evaluates without throwing", () => {
    fc.assert(
      fc.property(texts, fc.nat(100), (text, seed) => {
        const { policy, findings } = compilePolicy([{ file: "a.rego", text }]);
        for (const finding of findings) expect(isInside(finding, text)).toBe(true);
        if (policy === undefined) {
          expect(findings.some(({ severity }) => severity === "error")).toBe(true);
          return;
        }
        const [input] = generateCase(seed).inputs;
        const outcome = policy.evaluate("data", { input, limits: { steps: 100_000 } });
        expect(["value", "undefined", "error"]).toContain(outcome.kind);
        if (outcome.kind === "error") expect(outcome.error.code).not.toBe("eval_internal_error");
      }),
      { numRuns: FUZZ_RUNS },
    );
  });

  test("places are found in tabs, wide characters and Windows line ends", () => {
    const random = new Random(1);
    for (let run = 0; run < 200; run += 1) {
      const before = random.many(0, 3, () => random.pick(["x := 1\r\n", 'y := "𝄞"\n', "# ä\n", "\t\n"]));
      const text = `package a\n${before.join("")}\t"𝄞" !`;
      const { errors } = parseModule(text, { file: "a.rego", dialect: "v1" });
      expect(errors.map(({ location }) => isInside(location, text))).not.toContain(false);
      expect(errors.length).toBeGreaterThan(0);
    }
  });
});
