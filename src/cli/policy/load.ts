/** Policies, documents and reference values from files, for commands that evaluate without a server. */

import type { JsonValue } from "../../json/value.ts";
import { isObject } from "../../json/write.ts";
import { LINT_PROFILES } from "../../policy/lint-profiles.ts";
import {
  type CompileResult,
  compilePolicy,
  type Dialect,
  type EvaluationRequest,
  type Finding,
  fromJson,
  JsonTextError,
  type ModuleText,
  type Policy,
  readJsonText,
  type Value,
} from "../../policy/rego/index.ts";
import { QUERY_REFERENCE_VALUE } from "../../policy/rego-engine.ts";
import { readNamedFile } from "../files.ts";
import { misuse } from "../world.ts";

/** People wait for these commands, and nobody else does: more time than a server gives a policy. */
export const LOCAL_LIMITS = { wallClockMilliseconds: 750 };

/** Files end up in messages under the names they were given by. @throws CommandFailure (misuse) */
export async function readModules(paths: readonly string[]): Promise<readonly ModuleText[]> {
  return Promise.all(paths.map(async (file) => ({ file, text: await readText(file, "policy") })));
}

/** @throws CommandFailure (misuse) when the file cannot be read or is not UTF-8 */
export async function readText(path: string, what: string): Promise<string> {
  const bytes = await readNamedFile(path, what);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw misuse(`The ${what} ${path} is not UTF-8 text.`);
  }
}

/** A document with its integers exact. @throws CommandFailure (misuse) */
export async function readDocument(path: string, what: string): Promise<JsonValue> {
  return parseDocument(await readText(path, what), `The ${what} ${path}`);
}

/** @param name - how a message begins, `The input file.json` say. @throws CommandFailure (misuse) */
export function parseDocument(text: string, name: string): JsonValue {
  try {
    return readJsonText(text) as JsonValue; // the reader makes nothing else
  } catch (error) {
    if (error instanceof JsonTextError) throw misuse(`${name} is not JSON: ${error.message}.`);
    throw misuse(`${name} is no acceptable JSON: ${error instanceof Error ? error.message : "unknown"}.`);
  }
}

/** Several documents in one: objects are merged, everything else must not meet. @throws CommandFailure (misuse) */
export function mergeDocuments(documents: readonly JsonValue[], path = "data"): JsonValue {
  const [first, second, ...rest] = documents;
  if (first === undefined) return {};
  if (second === undefined) return first;
  if (!isObject(first) || !isObject(second)) throw misuse(`Two data documents both have a value at ${path}.`);
  const merged = new Map(Object.entries(first));
  for (const [name, value] of Object.entries(second)) {
    const before = merged.get(name);
    merged.set(name, before === undefined ? value : mergeDocuments([before, value], `${path}.${name}`));
  }
  return mergeDocuments([Object.fromEntries(merged), ...rest], path);
}

/** Compiles as the server does. */
export function compileLocal(modules: readonly ModuleText[], dialect: Dialect): CompileResult {
  return compilePolicy(modules, {
    dialect,
    host: [QUERY_REFERENCE_VALUE],
    lint: LINT_PROFILES,
    limits: LOCAL_LIMITS,
  });
}

export interface Circumstances {
  readonly input: JsonValue | undefined;
  readonly data: JsonValue;
  /** Answers of `query_reference_value`; a name that is not there is null. */
  readonly referenceValues: JsonValue;
  readonly lenient: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export function evaluationRequest(circumstances: Circumstances): EvaluationRequest {
  const { input, data, lenient, now } = circumstances;
  return {
    ...(input === undefined ? {} : { input }),
    data,
    host: hostOf(circumstances.referenceValues),
    strict: !lenient,
    nowNs: BigInt(Math.floor(now)) * 1_000_000n,
  };
}

function hostOf(values: JsonValue): (name: string, args: readonly Value[]) => Value {
  return (_name, [id]) => {
    if (typeof id !== "string" || !isObject(values) || !Object.hasOwn(values, id)) return null;
    return fromJson(values[id] ?? null);
  };
}

export interface LocalError {
  readonly code: string;
  readonly message: string;
  readonly location?: { readonly file: string; readonly row: number; readonly col: number };
}

/** The errors among findings, in the shape of an evaluation's errors. */
export function errorsOf(findings: readonly Finding[]): readonly LocalError[] {
  return findings
    .filter(({ severity }) => severity === "error")
    .map(({ code, message, file, row, col }) => ({ code, message, location: { file, row, col } }));
}

/** Narrows a compilation to one that worked. */
export function hasPolicy(result: CompileResult): result is CompileResult & { readonly policy: Policy } {
  return result.policy !== undefined;
}
