import { describe, expect, jest, test } from "@jest/globals";
import type {
  CompiledPolicy,
  EvaluationRequest,
  ReferenceValueLookup,
} from "../../../src/policy/policy-engine.ts";
import { RegoEngine } from "../../../src/policy/rego-engine.ts";

const engine = new RegoEngine({ now: () => 1_700_000_000_123 });

function policy(rules: string, dialect: "v0" | "v1" = "v1"): CompiledPolicy {
  const { policy: compiled, findings } = engine.compile(
    [{ file: "policy.rego", text: `package policy\n${rules}` }],
    { dialect },
  );
  if (compiled === undefined) throw new Error(findings[0]?.message);
  return compiled;
}

function evaluate(
  rules: string,
  request: Partial<EvaluationRequest> = {},
  signal = new AbortController().signal,
) {
  return policy(rules).evaluate("data.policy.allow", { input: {}, ...request }, signal);
}

/** Knows some values; counts what it is asked. */
function store(values: Readonly<Record<string, unknown>>) {
  return jest.fn<ReferenceValueLookup>(
    async (ids) =>
      new Map(ids.filter((id) => Object.hasOwn(values, id)).map((id) => [id, values[id] as never])), // JSON by the tests' own hand
  );
}

describe("answers", () => {
  test.each([
    ["allow := true", { kind: "value", value: true, prints: [] }],
    ["allow := {1, 2}", { kind: "value", value: [1, 2], prints: [] }],
    ["allow if input.missing", { kind: "undefined", prints: [] }],
    ["other := 1", { kind: "undefined", prints: [] }],
  ])("%s", async (rules, outcome) => {
    expect(await evaluate(rules)).toEqual(outcome);
  });

  test("a failing built-in is an error, not undefined", async () => {
    expect(await evaluate("allow if not to_number(input.x)", { input: { x: "no number" } })).toMatchObject({
      kind: "error",
      code: "eval_builtin_error",
      budget: false,
    });
  });

  test("AS-108 an exceeded limit is told apart from other errors", async () => {
    const outcome = await evaluate("allow if count(numbers.range(0, 1e12)) > 0");
    expect(outcome).toMatchObject({ kind: "error", code: "eval_budget_error", budget: true });
  });

  test("integers beyond 2^53 pass exactly in both directions", async () => {
    const outcome = await evaluate("allow := input.n + 1", { input: { n: 2n ** 63n } });
    expect(outcome).toMatchObject({ kind: "value", value: 2n ** 63n + 1n });
  });

  test("time is the clock's, in nanoseconds", async () => {
    expect(await evaluate("allow := time.now_ns()")).toMatchObject({ value: 1_700_000_000_123_000_000n });
  });

  test("prints come back", async () => {
    expect(await evaluate('allow if print("seen", input.a)', { input: { a: 1 } })).toMatchObject({
      prints: ["policy.rego:2: seen 1"],
    });
  });
});

describe("reference values", () => {
  test("that stand in the text are fetched in one go before the evaluation", async () => {
    const lookup = store({ a: [1], b: 2 });
    const rules =
      'allow if { 1 in query_reference_value("a"); query_reference_value("b") == 2; query_reference_value("a") }';
    expect(await evaluate(rules, { referenceValues: lookup })).toMatchObject({ value: true });
    expect(lookup.mock.calls.map(([ids]) => [...ids].sort())).toEqual([["a", "b"]]);
  });

  test("unknown ones are null, which is no error", async () => {
    expect(
      await evaluate('allow := query_reference_value("a")', { referenceValues: store({}) }),
    ).toMatchObject({
      kind: "value",
      value: null,
    });
  });

  test("with computed names are fetched when the evaluation meets them, each once", async () => {
    const lookup = store({ a: "b", b: "c", c: true });
    const rules = "allow := query_reference_value(query_reference_value(query_reference_value(input.first)))";
    expect(await evaluate(rules, { input: { first: "a" }, referenceValues: lookup })).toMatchObject({
      value: true,
    });
    expect(lookup.mock.calls.map(([ids]) => ids)).toEqual([["a"], ["b"], ["c"]]);
  });

  test("that lead to others without end are a budget error after eight rounds", async () => {
    const lookup = store(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, `k${at + 1}`])));
    const step = (inner: string): string => `query_reference_value(${inner})`;
    const rules = `allow := ${Array.from({ length: 12 }).reduce<string>((inner) => step(inner), "input.first")}`;
    expect(await evaluate(rules, { input: { first: "k0" }, referenceValues: lookup })).toMatchObject({
      kind: "error",
      budget: true,
    });
    expect(lookup.mock.calls.length).toBeLessThanOrEqual(8);
  });

  test("a store that fails denies", async () => {
    const lookup = jest.fn<ReferenceValueLookup>(() =>
      Promise.reject(new Error("postgres://user:secret@host is down")),
    );
    const outcome = await evaluate('default allow := true\nallow := query_reference_value("a") == null', {
      referenceValues: lookup,
    });
    expect(outcome).toMatchObject({ kind: "error", code: "eval_builtin_error" });
    expect(JSON.stringify(outcome)).not.toContain("secret");
  });

  test("without a store are an error, never null", async () => {
    expect(await evaluate('allow if query_reference_value("a") == null')).toMatchObject({ kind: "error" });
  });

  test("are asked for by text only", async () => {
    const outcome = await evaluate("allow := query_reference_value(input.n)", {
      input: { n: 5 },
      referenceValues: store({}),
    });
    expect(outcome).toMatchObject({ kind: "error", code: "eval_type_error" });
  });

  test("replaced by `with` need no store", async () => {
    const rules = 'q if query_reference_value("a") == 1\nallow if q with query_reference_value as 1';
    expect(await evaluate(rules, { referenceValues: store({}) })).toMatchObject({ value: true });
  });
});

describe("compilation", () => {
  test("is done once for the same text", () => {
    expect(policy("allow := true")).toBe(policy("allow := true"));
    expect(policy("allow := true")).not.toBe(policy("allow := false"));
  });

  test("hashes text and dialect", () => {
    const hashes = new Set([
      policy("allow = true").hash,
      policy("allow = true", "v0").hash,
      policy("allow = false").hash,
    ]);
    expect(hashes.size).toBe(3);
    for (const hash of hashes) expect(hash).toHaveLength(96);
  });

  test("names what can be asked for, functions aside", () => {
    expect(policy("allow := true\nf(_) := 1\na.b := 2").entryPoints).toEqual([
      "data.policy.a.b",
      "data.policy.allow",
    ]);
  });

  test.each([
    ["http.send", 'allow if http.send({"method": "get", "url": "http://10.0.0.1/"}).status_code == 200'],
    ["opa.runtime", "allow if opa.runtime().env.SECRET"],
    ["rego.parse_module", 'allow if rego.parse_module("a", "package a")'],
    ["net.lookup_ip_addr", 'allow if net.lookup_ip_addr("localhost")'],
  ])("refuses %s by name", (name, rules) => {
    const { policy: compiled, findings } = engine.compile([
      { file: "p.rego", text: `package policy\n${rules}` },
    ]);
    expect(compiled).toBeUndefined();
    expect(findings.find(({ severity }) => severity === "error")?.message).toContain(name);
  });

  test("refuses a host function with the wrong number of arguments", () => {
    const { policy: compiled } = engine.compile([
      { file: "p.rego", text: 'package policy\nallow if query_reference_value("a", "b", "c")' },
    ]);
    expect(compiled).toBeUndefined();
  });
});

test("a caller that has given up gets an error, and no answer", async () => {
  const controller = new AbortController();
  controller.abort();
  expect(await evaluate("allow := true", {}, controller.signal)).toMatchObject({
    kind: "error",
    code: "eval_cancel_error",
  });
});

describe("explanations", () => {
  const rules = "allow if {\n  input.a == 1\n}";

  test("come with a no, when asked for", async () => {
    const outcome = await evaluate(rules, { input: { a: 2 }, explain: true });
    expect(outcome.kind === "undefined" && outcome.explanation).toContain("input.a == 1");
  });

  test("do not come unasked, nor with a yes: they show evidence", async () => {
    expect(await evaluate(rules, { input: { a: 2 } })).toEqual({ kind: "undefined", prints: [] });
    expect(await evaluate(rules, { input: { a: 1 }, explain: true })).toEqual({
      kind: "value",
      value: true,
      prints: [],
    });
  });
});
