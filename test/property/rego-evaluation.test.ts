/** What must hold for every policy and every input, on generated ones. */
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  compilePolicy,
  type EvaluationRequest,
  evaluateQuery,
  type Module,
  type Outcome,
  type Policy,
  type Probe,
  parseModule,
  printModule,
} from "../../src/policy/rego/index.ts";
import { BASE, type GeneratedCase, generateCase, Random } from "../support/rego-generator/index.ts";

const MODULES = process.env["KEYWARDEN_FULL"] === "1" ? 2_000 : 100;
/** Of budgets only steps are counted here: time is not the same twice. */
const PATIENT = { wallClockMilliseconds: 60_000 };
const DATA = { base: BASE };

function compile(text: string): Policy | undefined {
  return compilePolicy([{ file: "module.rego", text }]).policy;
}

function request(input: unknown, more: EvaluationRequest = {}): EvaluationRequest {
  const { limits, ...others } = more;
  const document = input === undefined ? {} : { input };
  return { ...document, data: DATA, strict: false, ...others, limits: { ...PATIENT, ...limits } };
}

/** The answer without what it cost. */
function told(outcome: Outcome): unknown {
  if (outcome.kind === "value") return outcome.value;
  return outcome.kind === "undefined" ? "is undefined" : `failed with ${outcome.error.code}`;
}

interface Ready {
  readonly made: GeneratedCase;
  readonly module: Module;
  readonly policy: Policy;
}

/** Generated modules that compile. */
const READY: readonly Ready[] = Array.from({ length: MODULES }, (_, seed) => generateCase(seed)).flatMap(
  (made) => {
    const { module } = parseModule(made.text, { file: "module.rego" });
    const policy = compile(made.text);
    return policy === undefined || module === undefined ? [] : [{ made, module, policy }];
  },
);

function overModules(check: (policy: Policy, made: GeneratedCase, module: Module) => void): void {
  expect(READY.length).toBeGreaterThan(MODULES * 0.8);
  for (const { policy, made, module } of READY) check(policy, made, module);
}

/** Every rule for every input, told under a name that says which. */
function answers(policy: Policy, made: GeneratedCase, more: EvaluationRequest = {}): Map<string, unknown> {
  const all = new Map<string, unknown>();
  for (const [at, input] of made.inputs.entries()) {
    for (const rule of made.rules) {
      const outcome = policy.evaluate(`data.gen.${rule}`, request(input, more));
      all.set(`seed ${made.seed}: ${rule}, input ${at}`, told(outcome));
    }
  }
  return all;
}

const CONFLICT = "failed with eval_conflict_error";

/** Equal answers, except that a conflict may be met or not: that depends on the order of work. */
function expectSame(changed: Map<string, unknown>, original: Map<string, unknown>): void {
  for (const [name, answer] of original) {
    const other = changed.get(name);
    if (answer !== CONFLICT && other !== CONFLICT) expect([name, other]).toEqual([name, answer]);
  }
}

describe("order", () => {
  test("of rules does not matter", () => {
    overModules((policy, made, module) => {
      const rules = new Random(made.seed).shuffled(module.rules);
      const shuffled = compile(printModule({ ...module, rules, comments: [] }));
      if (shuffled === undefined) throw new Error(`seed ${made.seed} does not compile any more`);
      expectSame(answers(shuffled, made), answers(policy, made));
    });
  });

  test("of the literals of a rule does not matter", () => {
    let compared = 0;
    overModules((policy, made, module) => {
      const random = new Random(made.seed);
      const rules = module.rules.map((rule) =>
        rule.body === undefined ? rule : { ...rule, body: random.shuffled(rule.body) },
      );
      // A variable may now be assigned after its use, which is refused; then there is nothing to compare.
      const shuffled = compile(printModule({ ...module, rules, comments: [] }));
      if (shuffled === undefined) return;
      compared += 1;
      expectSame(answers(shuffled, made), answers(policy, made));
    });
    expect(compared).toBeGreaterThan(MODULES / 20);
  });
});

test("an evaluation repeated gives the same answer at the same cost, in the same order", () => {
  overModules((policy, made) => {
    for (const input of made.inputs) {
      const first = policy.evaluate("data.gen", request(input));
      const second = policy.evaluate("data.gen", request(input));
      expect(second).toEqual(first);
      expect(JSON.stringify(told(second), bigText)).toBe(JSON.stringify(told(first), bigText));
    }
  });
});

function bigText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

test("`with` leaves no trace, and inside of it everything is as if the documents were others", () => {
  overModules((policy, made) => {
    const [input, other] = made.inputs;
    const text = JSON.stringify(other ?? null, (_, value: unknown) =>
      typeof value === "bigint" ? Number(value) : value,
    );
    const replaced: unknown = JSON.parse(text);
    for (const rule of made.rules) {
      const plain = told(policy.evaluate(`data.gen.${rule}`, request(input)));
      const inside = told(policy.evaluate(`data.gen.${rule}`, { ...request(replaced), data: {} }));
      const query = [
        `a := [x | x := data.gen.${rule}]`,
        `b := [x | x := data.gen.${rule} with input as ${text} with data.base as {}]`,
        `c := [x | x := data.gen.${rule}]`,
      ].join("; ");
      const result = evaluateQuery(policy, query, { ...request(input), data: DATA });
      if (result.kind === "error") {
        expect([plain, inside]).toContain(CONFLICT);
        continue;
      }
      const bindings = result.solutions[0]?.bindings ?? {};
      const listed = (answer: unknown): unknown => (answer === "is undefined" ? [] : [answer]);
      expect([made.seed, rule, bindings["a"]]).toEqual([made.seed, rule, listed(plain)]);
      if (!reads(made, "data.base")) expect(bindings["b"]).toEqual(listed(inside));
      expect([made.seed, rule, bindings["c"]]).toEqual([made.seed, rule, listed(plain)]);
    }
  });
});

/** An emptied document and an absent one differ for those who read it. */
function reads(made: GeneratedCase, path: string): boolean {
  return made.text.includes(path);
}

describe("budgets", () => {
  test("are monotone: what succeeds with a small one succeeds with every larger one", () => {
    overModules((policy, made) => {
      const [input] = made.inputs;
      const free = policy.evaluate("data.gen", request(input));
      let succeeded = false;
      for (let steps = 1; steps < 100_000; steps *= 2) {
        const outcome = policy.evaluate("data.gen", request(input, { limits: { steps } }));
        if (outcome.kind === "error" && outcome.error.code === "eval_budget_error") {
          expect(succeeded).toBe(false);
          continue;
        }
        succeeded = true;
        expect(told(outcome)).toEqual(told(free));
      }
      expect(succeeded || free.kind === "error").toBe(true);
    });
  });

  test("the cost that is told is the smallest budget that suffices", () => {
    overModules((policy, made) => {
      const [input] = made.inputs;
      const free = policy.evaluate("data.gen", request(input));
      if (free.kind === "error" || free.stats.steps === 0) return;
      const { steps } = free.stats;
      const least = policy.evaluate("data.gen", request(input, { limits: { steps } }));
      expect(told(least)).toEqual(told(free));
      const tooSmall = policy.evaluate("data.gen", request(input, { limits: { steps: steps - 1 } }));
      expect(told(tooSmall)).toBe("failed with eval_budget_error");
    });
  });
});

const ignore = (): void => undefined;
const WATCHING: Probe = {
  enterRule: ignore,
  exitRule: ignore,
  enterBranch: ignore,
  exitBranch: ignore,
  enterLiteral: ignore,
  exitLiteral: ignore,
  note: ignore,
};

test("printing and watching change no answer", () => {
  overModules((policy, made) => {
    const plain = answers(policy, made);
    expect(answers(policy, made, { limits: { outputLines: 0, outputBytes: 0 } })).toEqual(plain);
    expect(answers(policy, made, { probe: WATCHING })).toEqual(plain);
  });
});

test("a strict evaluation fails exactly where a lenient one went past an error, and agrees elsewhere", () => {
  overModules((policy, made) => {
    for (const input of made.inputs) {
      for (const rule of made.rules) {
        const lenient = policy.evaluate(`data.gen.${rule}`, request(input));
        const strict = policy.evaluate(`data.gen.${rule}`, request(input, { strict: true }));
        const [passed] = lenient.stats.diagnostics;
        if (passed === undefined) expect(told(strict)).toEqual(told(lenient));
        else expect(told(strict)).toBe(`failed with ${passed.code}`);
      }
    }
  });
});

test("an evaluation never throws, whatever the input, the data and the path", () => {
  const policies = Array.from({ length: 20 }, (_, seed) => compile(generateCase(seed).text)).filter(
    (policy) => policy !== undefined,
  );
  const documents = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.object({ values: [fc.anything({ maxDepth: 1 }), fc.bigInt()] }),
    fc.anything({ withBigInt: true, withMap: true, withDate: true, withNullPrototype: true, maxDepth: 2 }),
  );
  const paths = fc.oneof(
    fc.constantFrom("data.gen", "data", "input", "data.gen.r1", "data[", ""),
    fc.string(),
  );
  const picked = fc.constantFrom(...policies);
  fc.assert(
    fc.property(picked, documents, documents, paths, fc.boolean(), (policy, input, data, path, strict) => {
      const outcome = policy.evaluate(path, { input, data, strict, limits: { steps: 100_000 } });
      expect(["value", "undefined", "error"]).toContain(outcome.kind);
    }),
    { numRuns: MODULES * 10 },
  );
});
