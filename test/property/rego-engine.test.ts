/** What holds for every policy and every input. */
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { key } from "../../src/policy/rego/compare.ts";
import {
  compilePolicy,
  type Module,
  type Outcome,
  type Policy,
  parseModule,
  printModule,
} from "../../src/policy/rego/index.ts";
import { fromJson } from "../../src/policy/rego/json.ts";
import { document, literal, rules } from "../support/rego-text.ts";

const moduleOf = (texts: readonly string[]): string => `package policy\n\n${texts.join("\n\n")}\n`;

function compile(text: string): Policy | undefined {
  return compilePolicy([{ file: "policy.rego", text }]).policy;
}

/** The whole package, or why there is none: a conflict somewhere in it is an answer too. */
function evaluate(policy: Policy, input: unknown, limits = {}): string {
  return show(policy.evaluate("data.policy", { input, data: { base: { a: [1, 2] } }, limits }));
}

function show(outcome: Outcome): string {
  if (outcome.kind === "error") return outcome.error.code;
  return outcome.kind === "undefined" ? "undefined" : key(fromJson(outcome.value));
}

/** What the text says, without where it says it. */
function meaning(module: Module | undefined): string {
  const { packagePath, imports, rules: own } = module ?? { packagePath: [], imports: [], rules: [] };
  return JSON.stringify({ packagePath, imports, own }, (name, value: unknown) => {
    if (name === "loc") return undefined;
    return typeof value === "bigint" ? `${value}n` : value;
  });
}

/** Most of the random policies must compile, or the properties below say nothing. */
test("the generator makes policies that compile and give values", () => {
  const texts = fc.sample(rules, { numRuns: 300, seed: 1 }).map(moduleOf);
  const compiled = texts.flatMap((text) => compile(text) ?? []);
  expect(compiled.length).toBeGreaterThan(100);
  const answers = new Set(compiled.map((policy) => evaluate(policy, { a: 1, b: 2, c: [1] })));
  expect(answers.size).toBeGreaterThan(30);
});

const shuffledRules = rules.chain((texts) =>
  fc.tuple(fc.constant(texts), fc.shuffledSubarray(texts, { minLength: texts.length })),
);

describe("evaluation", () => {
  test("is the same whatever order the rules stand in", () => {
    fc.assert(
      fc.property(shuffledRules, document, ([texts, shuffled], input) => {
        const [one, other] = [compile(moduleOf(texts)), compile(moduleOf(shuffled))];
        expect(one === undefined).toBe(other === undefined);
        if (one === undefined || other === undefined) return;
        const [a, b] = [evaluate(one, input), evaluate(other, input)];
        // A definition that decides the rule may come before one that fails, or after it.
        if (!a.startsWith("eval_") && !b.startsWith("eval_")) expect(a).toBe(b);
      }),
      { numRuns: 300 },
    );
  });

  test("finds the same solutions whatever order the literals of a body stand in", () => {
    const set = (body: readonly string[]): string =>
      moduleOf([
        `p contains [x, y, z] if { ${[...body, "x = 1", "y = input.b", "z = input.c"].join("; ")} }`,
      ]);
    fc.assert(
      fc.property(fc.array(literal, { maxLength: 4 }), document, (body, input) => {
        const [one, other] = [compile(set(body)), compile(set(body.toReversed()))];
        expect(one === undefined).toBe(other === undefined);
        if (one === undefined || other === undefined) return;
        const [a, b] = [evaluate(one, input), evaluate(other, input)];
        if (!a.startsWith("eval_") && !b.startsWith("eval_")) expect(a).toBe(b);
      }),
      { numRuns: 300 },
    );
  });

  test("gives the same answer twice", () => {
    fc.assert(
      fc.property(rules, document, (texts, input) => {
        const policy = compile(moduleOf(texts));
        if (policy === undefined) return;
        const first = evaluate(policy, input);
        expect(evaluate(policy, input)).toBe(first);
      }),
      { numRuns: 200 },
    );
  });

  test("under `with` leaves no trace behind", () => {
    fc.assert(
      fc.property(rules, document, document, (texts, input, mock) => {
        const during = `[v | v := data.policy.a with input as ${JSON.stringify(mock)}]`;
        const seen = (name: string): string => `${name} := [v | v := data.policy.a]`;
        const probe = `package probe\nsame := before == after if { ${seen("before")}; count(${during}) >= 0; ${seen("after")} }`;
        const policy = compilePolicy([
          { file: "policy.rego", text: moduleOf(texts) },
          { file: "probe.rego", text: probe },
        ]).policy;
        if (policy === undefined) return;
        const outcome = policy.evaluate("data.probe.same", { input });
        if (outcome.kind === "value") expect(outcome.value).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("with more budget never turns an answer into a failure or another answer", () => {
    fc.assert(
      fc.property(rules, document, fc.integer({ min: 1, max: 60 }), (texts, input, steps) => {
        const policy = compile(moduleOf(texts));
        if (policy === undefined) return;
        const small = evaluate(policy, input, { steps });
        if (small !== "eval_budget_error") expect(evaluate(policy, input, { steps: steps * 10 })).toBe(small);
      }),
      { numRuns: 300 },
    );
  });

  test("ends in an outcome on any input, never in an exception", () => {
    fc.assert(
      fc.property(rules, fc.jsonValue(), (texts, input) => {
        const policy = compile(moduleOf(texts));
        if (policy !== undefined) expect(evaluate(policy, input)).toEqual(expect.any(String));
      }),
      { numRuns: 200 },
    );
  });
});

describe("text", () => {
  test("printed and read again means the same, and printing it again changes nothing", () => {
    fc.assert(
      fc.property(rules, (texts) => {
        const { module } = parseModule(moduleOf(texts), { file: "a" });
        if (module === undefined) return;
        const printed = printModule(module);
        const again = parseModule(printed, { file: "a" }).module;
        expect(meaning(again)).toBe(meaning(module));
        expect(again === undefined ? "" : printModule(again)).toBe(printed);
      }),
      { numRuns: 300 },
    );
  });

  const token = fc.oneof(
    fc.constantFrom(
      ...'package import as default else not some with null true false if contains in every a x input data [ ] { } ( ) , : ; . := = == != < + - * | & _ 1 007 1e9 "s" ` # \n'.split(
        " ",
      ),
      "\n",
      "package a\n",
      '$"{x}"',
    ),
    fc.string({ maxLength: 3 }),
  );

  test("of any kind is either a policy or refused with places inside it", () => {
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 40 }),
        fc.constantFrom("", "package p\n"),
        fc.constantFrom("v0", "v1"),
        (tokens, start, dialect) => {
          const text = start + tokens.join(" ");
          const { policy, findings } = compilePolicy([{ file: "f", text }], {
            dialect: dialect as "v0" | "v1",
          }); // one of the two above
          if (policy === undefined) expect(findings.some(({ severity }) => severity === "error")).toBe(true);
          const lines = text.split("\n");
          for (const { row, col } of findings) {
            expect(row).toBeGreaterThan(0);
            expect(row).toBeLessThanOrEqual(lines.length);
            expect(col).toBeGreaterThan(0);
            expect(col).toBeLessThanOrEqual([...(lines[row - 1] ?? "")].length + 1);
          }
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
