/** Many queries, one JSON object a line: each is answered by itself, and a bad one is only its own misfortune. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LRUCache } from "lru-cache";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member, writeJson } from "../../json/write.ts";
import {
  BudgetError,
  type CompileResult,
  type Dialect,
  evaluateQuery,
  JsonTextError,
  type ModuleText,
  readJsonText,
} from "../../policy/rego/index.ts";
import { codeOf } from "../files.ts";
import type { World } from "../world.ts";
import { fileLines, splitLines, TOO_LONG } from "./lines.ts";
import { compileLocal, errorsOf, evaluationRequest, hasPolicy, type LocalError } from "./load.ts";
import { solutionValue } from "./solution.ts";

/** Compiled policies kept between lines. */
const MAX_COMPILED = 32;
/** Characters of documents kept between lines. */
const MAX_DOCUMENT_CHARACTERS = 32 * 1024 * 1024;

/** `keywarden policy eval --batch`. @param path - newline-delimited JSON; `-` is standard input */
export async function evalBatch(world: World, path: string): Promise<void> {
  const batch = new Batch(path === "-" ? "." : dirname(resolve(path)), world.now);
  const lines = path === "-" ? splitLines(world.inputPieces?.() ?? once(world)) : fileLines(path);
  for await (const line of lines) {
    if (line !== TOO_LONG && line.trim() === "") continue;
    world.out(`${writeJson(batch.answer(line))}\n`);
  }
}

async function* once(world: World): AsyncGenerator<Buffer> {
  yield await world.readInput();
}

/** Why a line has no answer, as its `errors`. */
class LineFault extends Error {
  readonly errors: readonly LocalError[];

  constructor(errors: readonly LocalError[]) {
    super("this line has no answer");
    this.errors = errors;
  }
}

function malformed(message: string): LineFault {
  return new LineFault([{ code: "malformed_request", message }]);
}

class Batch {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #compiled: LRUCache<string, CompileResult> = new LRUCache({ max: MAX_COMPILED });
  readonly #documents: LRUCache<string, { readonly json: JsonValue }> = new LRUCache({
    maxSize: MAX_DOCUMENT_CHARACTERS,
  });

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  answer(line: string | typeof TOO_LONG): JsonObject {
    let id: JsonValue = null;
    try {
      if (line === TOO_LONG) throw malformed("the line is too long");
      const request = parseRequest(line);
      id = member(request, "id") ?? null;
      return { id, ...this.#evaluate(request) };
    } catch (error) {
      return { id, errors: faultsOf(error) as unknown as JsonValue }; // strings and numbers throughout
    }
  }

  #evaluate(request: JsonObject): JsonObject {
    const query = member(request, "query");
    if (typeof query !== "string") throw malformed("query must be a string, data.policy.allow say");
    const dialect: Dialect = flag(request, "v0") ? "v0" : "v1";
    const compiled = this.#compile(pathsOf(request), dialect);
    if (!hasPolicy(compiled)) throw new LineFault(errorsOf(compiled.findings));
    const referenceValues = this.#document(request, "referenceValues") ?? {};
    if (!isObject(referenceValues)) throw malformed("referenceValues must be an object");
    const circumstances = {
      input: this.#document(request, "input"),
      data: this.#document(request, "data") ?? {},
      referenceValues,
      lenient: flag(request, "lenient"),
      now: this.#now(),
    };
    const result = evaluateQuery(compiled.policy, query, evaluationRequest(circumstances), dialect);
    if (result.kind === "error") throw new LineFault(result.errors);
    const [first] = result.solutions;
    return first === undefined ? { defined: false } : { defined: true, value: solutionValue(first) };
  }

  #compile(paths: readonly string[], dialect: Dialect): CompileResult {
    const modules = paths.map((file): ModuleText => ({ file, text: this.#read(file) }));
    const key = JSON.stringify([dialect, modules]);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const result = compileLocal(modules, dialect);
    this.#compiled.set(key, result);
    return result;
  }

  /** A member that is a document, or the path of a file that holds one. */
  #document(request: JsonObject, name: string): JsonValue | undefined {
    const value = member(request, name);
    if (typeof value !== "string") return value;
    const known = this.#documents.get(value);
    if (known !== undefined) return known.json;
    const text = this.#read(value);
    const json = parseJson(text, value);
    this.#documents.set(value, { json }, { size: text.length + 1 });
    return json;
  }

  #read(path: string): string {
    try {
      return readFileSync(resolve(this.#folder, path), "utf8");
    } catch (error) {
      const reason = codeOf(error) === "ENOENT" ? "there is no such file" : "it cannot be read";
      throw new LineFault([{ code: "unreadable_file", message: `${path}: ${reason}` }]);
    }
  }
}

function parseRequest(line: string): JsonObject {
  const request = parseJson(line, "the line");
  if (!isObject(request)) throw malformed("the line must be one JSON object");
  return request;
}

function parseJson(text: string, name: string): JsonValue {
  try {
    return readJsonText(text) as JsonValue; // the reader makes nothing else
  } catch (error) {
    if (error instanceof JsonTextError) throw malformed(`${name} is not JSON: ${error.message}`);
    if (error instanceof BudgetError)
      throw malformed(`${name} is nested too deeply or has too long a number`);
    throw error;
  }
}

function pathsOf(request: JsonObject): readonly string[] {
  const paths = member(request, "policies") ?? [];
  if (!isArray(paths)) throw malformed("policies must be a list of paths");
  return paths.map((path) => {
    if (typeof path !== "string") throw malformed("policies must be a list of paths");
    return path;
  });
}

function flag(request: JsonObject, name: string): boolean {
  const value = member(request, name) ?? false;
  if (typeof value !== "boolean") throw malformed(`${name} must be true or false`);
  return value;
}

function faultsOf(error: unknown): readonly LocalError[] {
  if (error instanceof LineFault) return error.errors;
  return [{ code: "eval_internal_error", message: "the evaluation failed for an unexpected reason" }];
}
