import { describe, expect, test } from "@jest/globals";
import type { JsonValue } from "../../../src/json/value.ts";
import { adviseOnValues, referenceValueUses } from "../../../src/policy/reference-value-advice.ts";
import { RegoEngine } from "../../../src/policy/rego-engine.ts";
import { shippedPolicies } from "../../../src/policy/shipped.ts";
import { StoredPolicies } from "../../../src/policy/stored-policies.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";

const SIGNAL = new AbortController().signal;
const NOW = Date.UTC(2026, 5, 1);

async function policiesOf(texts: Readonly<Record<string, string>>) {
  const shipped = new Map(Object.entries(texts).map(([name, text]) => [name, `package policy\n${text}\n`]));
  const engine = new RegoEngine({ now: () => NOW });
  const store = new MemoryDocumentStore();
  const policies = await StoredPolicies.open({ store, engine, shipped, now: () => NOW }, SIGNAL);
  for (const { name, compiled, findings } of policies.list())
    if (compiled === undefined) throw new Error(`${name}: ${findings.map(({ message }) => message).join()}`);
  return policies.list();
}

function remarksOn(...asked: Parameters<typeof adviseOnValues>): readonly string[] {
  const { unusable, unused } = adviseOnValues(...asked);
  return [...unusable, ...unused];
}

async function advice(rule: string, values: Readonly<Record<string, JsonValue>>) {
  return remarksOn(await policiesOf({ x_cpu: rule }), new Map(Object.entries(values)));
}

/** What is known of its uses; `any` where nothing is. */
async function shapeOf(rules: string): Promise<string> {
  const uses = referenceValueUses(await policiesOf({ x_cpu: rules })).get("v") ?? [];
  const known = uses.map(({ shape }) => shape).filter((shape) => shape !== "any");
  return uses.length === 0 ? "none" : known.length === 0 ? "any" : [...new Set(known)].join(" ");
}

describe("AS-074 the shapes that a policy can work with", () => {
  test.each([
    ['r if input.a in query_reference_value("v")', "collection"],
    ['r if input.a == query_reference_value("v")', "single"],
    ['r if query_reference_value("v") == input.a', "single"],
    ['r if input.a != query_reference_value("v")', "single"],
    ['r if input.a >= query_reference_value("v")', "number"],
    ['r if { some x in query_reference_value("v"); x == input.a }', "collection"],
    ['r if { every x in query_reference_value("v") { x > 1 } }', "collection"],
    ['r if query_reference_value("v")[_] == input.a', "collection"],
    ['r if query_reference_value("v").member == input.a', "object"],
    ['r if { x := query_reference_value("v"); is_boolean(x) }', "boolean"],
    ['r if { x := query_reference_value("v"); input.a in x }', "collection"],
    ['r if { x := query_reference_value("v"); y := x; input.a in y }', "collection"],
    ['allowed := query_reference_value("v")\nr if input.a in allowed', "collection"],
    ['listed(claim, name) if claim in query_reference_value(name)\nr if listed(input.a, "v")', "collection"],
    [
      'listed(claim, values) if claim in values\nr if listed(input.a, query_reference_value("v"))',
      "collection",
    ],
    [
      'deep(claim, name) if listed(claim, name)\nlisted(c, n) if c in query_reference_value(n)\nr if deep(input.a, "v")',
      "collection",
    ],
    ['r := [x | some x in query_reference_value("v")]', "collection"],
    ['r if not input.a in query_reference_value("v")', "collection"],
  ])("%j: %s", async (rules, shape) => {
    expect(await shapeOf(rules)).toBe(shape);
  });

  test("D9 functions that hand a name to each other in ever more ways are followed for a bounded time", async () => {
    const width = 30;
    const functions = Array.from({ length: 8 }, (_, level) =>
      Array.from({ length: width }, () => `f${level}(n) if f${level + 1}(n)`).join("\n"),
    );
    const last = 'f8(n) if input.a in query_reference_value(n)\nr if f0("v")';
    expect(await shapeOf([...functions, last].join("\n"))).toBe("none");
  });

  test("a use of which nothing is known fits anything, and is still a use", async () => {
    expect(await shapeOf('r := query_reference_value("v")')).toBe("any");
    expect(await advice('r := query_reference_value("v")', { v: 1 })).toEqual([]);
  });
});

describe("AS-074 remarks at registration", () => {
  const inList = 'r if input.a in query_reference_value("v")';

  test.each<[string, string, JsonValue, RegExp | undefined]>([
    [
      "text for a list",
      inList,
      "abc",
      /"v" is a single string, but x_cpu \(line 2\) looks for something in it/,
    ],
    ["a number for a list", inList, 3, /is a single number/],
    ["null for a list", inList, null, /is null/],
    ["a list for a list", inList, ["abc"], undefined],
    ["an object for a list", inList, { a: "abc" }, undefined],
    [
      "a list for a value",
      'r if input.a == query_reference_value("v")',
      [3],
      /is a list, but x_cpu \(line 2\) compares it with one value/,
    ],
    ["a value for a value", 'r if input.a == query_reference_value("v")', true, undefined],
    [
      "text for a minimum",
      'r if { m := query_reference_value("v"); is_number(m); input.a >= m }',
      "3",
      /register a number/,
    ],
    [
      "a big number for a minimum",
      'r if { m := query_reference_value("v"); is_number(m); input.a >= m }',
      2n ** 64n,
      undefined,
    ],
    ["a name nobody asks for", 'r if input.a in query_reference_value("w")', [1], /^no policy asks for "v"$/],
  ])("%s", async (_what, rule, value, remark) => {
    const remarks = await advice(rule, { v: value });
    if (remark === undefined) expect(remarks).toEqual([]);
    else expect(remarks).toEqual([expect.stringMatching(remark)]);
  });

  test("a policy that looks at the shape first takes either", async () => {
    const rule = `
one(x) if { not is_array(x); x == input.a }
one(x) if { is_array(x); input.a in x }
r if one(query_reference_value("v"))`;
    expect(await advice(rule, { v: 1 })).toEqual([]);
    expect(await advice(rule, { v: [1] })).toEqual([]);
  });

  test("each policy is asked for itself", async () => {
    const policies = await policiesOf({
      a_cpu: 'r if input.a in query_reference_value("v")',
      b_gpu: 'r if input.a == query_reference_value("v")',
    });
    expect(remarksOn(policies, new Map([["v", [1]]]))).toEqual([expect.stringContaining("b_gpu")]);
    expect(remarksOn(policies, new Map([["v", 1]]))).toEqual([expect.stringContaining("a_cpu")]);
  });

  test("where names are computed nobody can say that one is not asked for", async () => {
    expect(
      await advice('r if input.a in query_reference_value(concat("/", ["x", input.b]))', { v: [1] }),
    ).toEqual([]);
  });

  test("names that no policy asks for are told together, other remarks fifty at most", async () => {
    const many = Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`n${at}`, at]));
    expect(await advice("r := 1", many)).toEqual(['no policy asks for "n0", "n1", "n2" and 77 more']);
    const rules = Object.keys(many).map((name) => `r if input.a in query_reference_value("${name}")`);
    const remarks = await advice(rules.join("\n"), many);
    expect([remarks.length, remarks.at(-1)]).toEqual([51, "and 30 more"]);
  });
});

test("AS-074 every name of the shipped policies has the shape that the tables say", async () => {
  const single = [
    ...["snp_smt_enabled", "snp_tsme_enabled", "snp_guest_abi_major", "snp_guest_abi_minor"],
    ...["snp_single_socket", "snp_smt_allowed", "major_version", "tdvfkernel", "tdvfkernelparams"],
  ];
  const engine = new RegoEngine({ now: () => NOW });
  const dependencies = {
    store: new MemoryDocumentStore(),
    engine,
    shipped: await shippedPolicies(),
    now: () => NOW,
  };
  const policies = (await StoredPolicies.open(dependencies, SIGNAL)).list();
  const uses = referenceValueUses(policies);
  expect(uses.size).toBeGreaterThan(35);
  for (const [name, places] of uses) {
    const shapes = new Set(places.map(({ shape }) => shape).filter((shape) => shape !== "any"));
    const expected =
      name === "minimum_minor_version" ? "number" : single.includes(name) ? "single" : "collection";
    expect([name, ...shapes]).toEqual([name, expected]);
    const good = expected === "collection" ? [1] : 1;
    expect(remarksOn(policies, new Map([[name, good]]))).toEqual([]);
    expect(remarksOn(policies, new Map([[name, expected === "collection" ? 1 : [1]]]))).not.toEqual([]);
  }
});
