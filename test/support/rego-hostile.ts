/**
 * Policies and evidence that mean harm, run in a process of their own with a small heap: `rego-hostile.ts NAME`
 * prints how the evaluation ended, `code: message`, and what it cost as JSON. Run by the hostile tests.
 */
import { pathToFileURL } from "node:url";
import { compilePolicy } from "../../src/policy/rego/index.ts";

export interface HostileCase {
  /** What stops it: a limit, or the code of a refusal. */
  readonly endsIn: readonly string[];
  readonly rules: () => string;
  readonly input?: () => unknown;
}

export interface HostileReport {
  /** The name of the limit, or the code of the first finding. */
  readonly end: string;
  /** CPU time of compiling and evaluating, milliseconds. */
  readonly cpuMilliseconds: number;
  readonly peakBytes: number;
}

const lines = (count: number, make: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => make(at)).join("\n");

function deep(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = wrap(value);
  return value;
}

const objects = (count: number) => (): unknown =>
  Array.from({ length: count }, (_, id) => ({ id, name: `name ${id}`, tags: ["a", "b", "c"] }));

const STEPS_OR_TIME = ["steps", "wallClockMilliseconds"];

/** In the names the words of the list of hostile things, and some more. */
export const HOSTILE: Readonly<Record<string, HostileCase>> = {
  "nested quantifiers in a regular expression": {
    endsIn: [...STEPS_OR_TIME, "regexSubjectLength"],
    rules: () =>
      'p if { some x in numbers.range(1, 200000); regex.match("^(a+)+$", sprintf("%s%d", [input, x])) }',
    input: () => `${"a".repeat(50_000)}!`,
  },
  "a regular expression with many repeats": {
    endsIn: ["regexPatternLength", "eval_builtin_error"],
    rules: () =>
      'p := [regex.match("(((a{1,30}){1,30}){1,30}){1,30}", input), regex.match("(x?){900}(y?){900}", input)]',
    input: () => "a".repeat(100_000),
  },
  "a range of a million million": { endsIn: ["cells"], rules: () => "p := numbers.range(0, 1000000000000)" },
  "a range with a step": { endsIn: ["cells"], rules: () => "p := numbers.range_step(0, 1000000000000, 2)" },
  "a network of all addresses": { endsIn: ["cells"], rules: () => 'p := net.cidr_expand("::/0")' },
  "three loops over evidence": {
    endsIn: STEPS_OR_TIME,
    rules: () => "p if { some a in input; some b in input; some c in input; a.id + b.id == c.id + 1000000 }",
    input: objects(3_000),
  },
  "text doubled sixty times": {
    endsIn: ["stringLength", "stringBytes"],
    rules: () =>
      `s0 := "0123456789abcdef"\n${lines(60, (at) => `s${at + 1} := concat("", [s${at}, s${at}])`)}\np := count(s60)`,
  },
  "text doubled by replacing": {
    endsIn: ["stringLength", "stringBytes", ...STEPS_OR_TIME],
    rules: () =>
      `s0 := "aaaaaaaa"\n${lines(60, (at) => `s${at + 1} := replace(s${at}, "a", "aa")`)}\np := count(s60)`,
  },
  "text doubled by formatting": {
    endsIn: ["stringLength", "stringBytes"],
    rules: () =>
      `s0 := "aaaaaaaa"\n${lines(60, (at) => `s${at + 1} := sprintf("%s%[1]s", [s${at}])`)}\np := count(s60)`,
  },
  "arrays doubled sixty times": {
    endsIn: ["cells", "valueSize"],
    rules: () =>
      `s0 := [1, 2]\n${lines(60, (at) => `s${at + 1} := array.concat(s${at}, s${at})`)}\np := count(s60)`,
  },
  "arrays of the same array, sixty deep": {
    endsIn: ["cells", "valueWeight", "resultBytes"],
    rules: () => `s0 := [1, 2]\n${lines(60, (at) => `s${at + 1} := [s${at}, s${at}]`)}\np := s60`,
  },
  "objects joined sixty times": {
    endsIn: ["cells", "valueWeight", "resultBytes"],
    rules: () =>
      `s0 := {"a": 1}\n${lines(60, (at) => `s${at + 1} := {"a": s${at}, "b": s${at}}`)}\np := json.marshal(s60)`,
  },
  "documents ten thousand levels deep": {
    endsIn: ["valueDepth"],
    rules: () => "p := json.marshal(input)",
    input: () => deep(10_000, (inner) => [inner]),
  },
  "objects ten thousand levels deep": {
    endsIn: ["valueDepth"],
    rules: () => "p if input == {}\np if count({input}) > 7",
    input: () => deep(10_000, (inner) => ({ a: inner })),
  },
  "text of JSON ten thousand levels deep": {
    endsIn: ["valueDepth"],
    rules: () => "p := json.unmarshal(input)",
    input: () => "[".repeat(10_000),
  },
  "a number of a million digits": {
    endsIn: ["bigintBits"],
    rules: () => "p := to_number(input)",
    input: () => "9".repeat(1_000_000),
  },
  "a number of a million digits as evidence": {
    endsIn: ["bigintBits"],
    rules: () => "p := json.unmarshal(input) > 1",
    input: () => "9".repeat(1_000_000),
  },
  "a number with a large exponent": {
    endsIn: ["rego_parse_error"],
    rules: () => "p := 1e999999999",
  },
  "a shift by a thousand million": { endsIn: ["bigintBits"], rules: () => "p := bits.lsh(1, 1000000000)" },
  "numbers squared forty times": {
    endsIn: ["bigintBits"],
    rules: () => `x0 := 99999999999\n${lines(40, (at) => `x${at + 1} := x${at} * x${at}`)}\np if x40 > 0`,
  },
  "units of a large number": {
    endsIn: ["eval_builtin_error", "bigintBits"],
    rules: () => 'p := units.parse("1e1000000E")',
  },
  "a walk over a large input": {
    endsIn: [...STEPS_OR_TIME, "cells"],
    rules: () => "p if { walk(input, [a, x]); walk(input, [b, y]); a == b; x != y }",
    input: objects(20_000),
  },
  "ten thousand rules and one more": {
    endsIn: ["rego_parse_error"],
    rules: () => lines(10_001, () => "p := 1"),
  },
  "comprehensions that hold themselves": {
    endsIn: ["cells", ...STEPS_OR_TIME],
    rules: () =>
      `c0 := [x | some x in input]\n${lines(30, (at) => `c${at + 1} := [[x, y] | some x in c${at}; some y in c${at}]`)}\np := count(c30)`,
    input: objects(10),
  },
  "padding to a thousand million": {
    endsIn: ["formatWidth"],
    rules: () => 'p := count(sprintf("%1000000000d", [1]))',
  },
  "reachable paths of a complete graph": {
    endsIn: ["cells", ...STEPS_OR_TIME],
    rules: () =>
      "g := {a: [b | some b in numbers.range(1, 30)] | some a in numbers.range(1, 30)}\np := count(graph.reachable_paths(g, {1}))",
  },
  "a set of all pairs": {
    endsIn: ["cells", ...STEPS_OR_TIME],
    rules: () => "p := count({[a.id, b.name] | some a in input; some b in input})",
    input: objects(5_000),
  },
  "unions that copy": {
    endsIn: ["cells", ...STEPS_OR_TIME],
    rules: () =>
      `s0 := {x | some x in numbers.range(1, 20000)}\n${lines(200, (at) => `s${at + 1} := s${at} | {${at}, -${at + 1}}`)}\np := count(s200)`,
  },
  "functions two thousand deep": {
    endsIn: ["depth", "nativeDepth"],
    rules: () => `${lines(2_000, (at) => `f${at}(x) := f${at + 1}(x) + 1`)}\nf2000(x) := x\np := f0(1)`,
  },
  "a function that is called twice at each level": {
    endsIn: [...STEPS_OR_TIME, "cells"],
    rules: () =>
      `${lines(60, (at) => `f${at}(x) := f${at + 1}([x, 1]) + f${at + 1}([x, 2])`)}\nf60(x) := 1\np := f0([1])`,
  },
  "patterns of a template": {
    endsIn: [...STEPS_OR_TIME, "cells", "regexSubjectLength"],
    rules: () =>
      'p := [regex.split("a*b?", input), regex.find_n("(a|aa)+", input, -1), glob.match("{*a,*aa,*aaa}*", [], input)]',
    input: () => "a".repeat(1_000_000),
  },
  "splitting a long text": {
    endsIn: ["cells", ...STEPS_OR_TIME],
    rules: () => 'p := [split(input, "") | some _ in numbers.range(1, 100)]',
    input: () => "a".repeat(500_000),
  },
  "an answer of many megabytes": {
    endsIn: ["resultBytes"],
    rules: () => "p := [input, input, input]",
    input: () => Array.from({ length: 200_000 }, () => "text"),
  },
  "printing large things for ever": {
    endsIn: STEPS_OR_TIME,
    rules: () => "p if { every x in input { every y in input { print(input, x, y) } } }",
    input: objects(20_000),
  },
  "brackets without end": { endsIn: ["rego_parse_error"], rules: () => `p := ${"[".repeat(500_000)}` },
  "a policy of one long line": {
    endsIn: ["rego_parse_error"],
    rules: () => `p := ${"1 + ".repeat(200_000)}1`,
  },
  "variables that wait for each other, in a circle": {
    endsIn: ["rego_unsafe_var_error"],
    rules: () => `p if {\n${lines(8_000, (at) => `x${at} = x${at + 1}`)}\nx8000 = x0\n}`,
  },
};

function run({ rules, input }: HostileCase): HostileReport {
  const text = `package policy\n${rules()}\n`;
  const document = input?.();
  const before = process.cpuUsage();
  const end = endOf(text, document);
  const { user, system } = process.cpuUsage(before);
  return { end, cpuMilliseconds: (user + system) / 1_000, peakBytes: process.resourceUsage().maxRSS * 1_024 };
}

function endOf(text: string, input: unknown): string {
  const { policy, findings } = compilePolicy([{ file: "policy.rego", text }]);
  if (policy === undefined)
    return findings.find(({ severity }) => severity === "error")?.code ?? "no finding";
  const outcome = policy.evaluate("data.policy.p", input === undefined ? {} : { input });
  if (outcome.kind !== "error") return outcome.kind;
  const { code, message } = outcome.error;
  return code === "eval_budget_error" ? (message.split('"')[1] ?? message) : code;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const name = process.argv[2] ?? "";
  const found = HOSTILE[name];
  if (found === undefined) throw new Error(`no hostile case ${name}`);
  process.stdout.write(JSON.stringify(run(found)));
}
