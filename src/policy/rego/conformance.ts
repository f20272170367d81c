/**
 * Runs cases in the JSON form of OPA's evaluation suite: one file per category, `{category, dialect, cases}`, fields
 * as in the suite's own YAML.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Dialect } from "./ast.ts";
import { RArray, RObject, RSet } from "./collections.ts";
import { compare, equal } from "./compare.ts";
import { shorten } from "./errors.ts";
import { fromJson, readJsonText } from "./json.ts";
import { compilePolicy, type Policy } from "./policy.ts";
import { evaluateQuery, parseGroundTerm, type QueryResult } from "./query.ts";
import { sourceForm } from "./text.ts";
import type { Value } from "./value.ts";

/** One case. Unknown members are ignored: the suite grows. */
export interface ConformanceCase {
  readonly note: string;
  readonly query: string;
  readonly modules?: readonly string[];
  readonly data?: unknown;
  readonly input?: unknown;
  readonly input_term?: string;
  readonly want_result?: readonly unknown[];
  readonly want_error?: string;
  readonly want_error_code?: string;
  readonly sort_bindings?: boolean;
  readonly strict_error?: boolean;
  readonly ignore_generated_vars?: boolean;
  readonly recent?: boolean;
}

export interface ConformanceFailure {
  readonly file: string;
  readonly note: string;
  readonly why: string;
}

export interface ConformanceReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly ConformanceFailure[];
}

/** Cases are trusted, slow machines exist: only a hang is a failure here. */
const LIMITS = { wallClockMilliseconds: 30_000, steps: 200_000_000, cells: 20_000_000 };
/** Needs a built-in of OPA's own test programme. */
const UNSUPPORTED = "test.sleep";

/** @param directory - holds `*.json` files; those without `cases` are passed over */
export function runConformance(
  directory: string,
  options: { readonly dialect?: Dialect } = {},
): ConformanceReport {
  const failures: ConformanceFailure[] = [];
  let passed = 0;
  let skipped = 0;
  for (const file of caseFiles(directory)) {
    for (const testCase of readCases(join(directory, file))) {
      const why = runCase(testCase, options.dialect ?? "v1");
      if (why === "skipped") skipped += 1;
      else if (why === undefined) passed += 1;
      else failures.push({ file, note: testCase.note, why });
    }
  }
  return { passed, failed: failures.length, skipped, failures };
}

function caseFiles(directory: string): string[] {
  if (!statSync(directory).isDirectory()) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .sort();
}

/** Reads exactly: expected integers may be larger than 2^53. */
export function readCases(path: string): readonly ConformanceCase[] {
  const document = readJsonText(readFileSync(path, "utf8"));
  const cases =
    typeof document === "object" && document !== null && "cases" in document ? document.cases : [];
  return Array.isArray(cases) ? cases : [];
}

/** Undefined when the case passes, `skipped`, or what went wrong. */
export function runCase(testCase: ConformanceCase, dialect: Dialect): string | undefined {
  const modules = testCase.modules ?? [];
  if (modules.some((text) => text.includes(UNSUPPORTED))) return "skipped";
  try {
    return judge(testCase, dialect);
  } catch (error) {
    return `the engine threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
  }
}

function judge(testCase: ConformanceCase, dialect: Dialect): string | undefined {
  const modules = (testCase.modules ?? []).map((text, at) => ({ file: `test-${at}.rego`, text }));
  const { policy, findings } = compilePolicy(modules, { dialect, allowMockedBuiltins: true, limits: LIMITS });
  if (policy === undefined) {
    const [first] = findings.filter((finding) => finding.severity === "error");
    if (testCase.want_error_code !== undefined && first?.code === testCase.want_error_code) return undefined;
    return `does not compile: ${first?.code} ${first?.row}:${first?.col} ${first?.message}`;
  }
  return compareResult(testCase, run(testCase, policy, dialect));
}

function run(testCase: ConformanceCase, policy: Policy, dialect: Dialect): QueryResult {
  const input =
    testCase.input_term === undefined ? testCase.input : parseGroundTerm(policy, testCase.input_term);
  return evaluateQuery(
    policy,
    testCase.query,
    {
      ...(input === undefined ? {} : { input }),
      data: testCase.data ?? {},
      strict: testCase.strict_error === true,
      nowNs: BigInt(Date.now()) * 1_000_000n,
    },
    dialect,
  );
}

function compareResult(testCase: ConformanceCase, result: QueryResult): string | undefined {
  if (result.kind === "error") {
    const [first] = result.errors;
    if (testCase.want_error_code !== undefined && first?.code === testCase.want_error_code) return undefined;
    if (testCase.want_error_code === undefined && testCase.want_error !== undefined) return undefined;
    return `failed with ${first?.code}: ${first?.message}`;
  }
  if (testCase.want_error_code !== undefined || testCase.want_error !== undefined) {
    return `should fail with ${testCase.want_error_code ?? testCase.want_error}`;
  }
  const got = asSet(result.solutions.map((solution) => bindingsOf(testCase, solution.bindings)));
  const want = asSet((testCase.want_result ?? []).map((bindings) => bindingsOf(testCase, bindings)));
  if (equal(got, want)) return undefined;
  return `got ${show(got)} instead of ${show(want)}`;
}

function bindingsOf(testCase: ConformanceCase, bindings: unknown): Value {
  const value = fromJson(bindings);
  if (!(value instanceof RObject)) return value;
  const kept: Record<string, Value> = Object.create(null);
  for (const [name, bound] of value.entries()) {
    if (testCase.ignore_generated_vars === true && String(name).startsWith("__localq")) continue;
    kept[String(name)] = testCase.sort_bindings === true ? sorted(bound) : bound;
  }
  return RArray.of(Object.entries(kept).map(([name, bound]) => RArray.of([name, bound])));
}

function sorted(value: Value): Value {
  return value instanceof RArray ? RArray.of([...value.items].sort(compare)) : value;
}

function asSet(values: readonly Value[]): RSet {
  return RSet.of(values);
}

function show(value: Value): string {
  return shorten(sourceForm(value), 300);
}
