import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "@jest/globals";

/** Programs with other people's libraries; `test/interop/build.sh` builds them outside the repository. */
export type InteropProgram = "rust" | "go" | "python";

const SOURCES = fileURLToPath(new URL("../interop/", import.meta.url));
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "keywarden", "interop");

/** What a program answers to one request. */
export type InteropAnswer = { readonly ok: unknown } | { readonly error: string };
/** Asks a program, one answer per request. */
export type Ask = (requests: readonly object[]) => Promise<readonly InteropAnswer[]>;

/**
 * A suite against a program. Where it has not been built it is skipped by name; under CI, where it must have been,
 * its absence is a failure.
 */
export function describeInterop(name: string, program: InteropProgram, body: (ask: Ask) => void): void {
  const command = commandOf(program);
  if (command !== undefined) describe(name, () => body((requests) => ask(command, requests)));
  else if (process.env["CI"] === "true") describe(name, () => missing(program));
  else describe.skip(`${name} (SKIPPED: run test/interop/build.sh ${program})`, absent);
}

/** Jest runs the body of a skipped suite to learn its tests. */
function absent(): void {
  test("needs that program", () => undefined);
}

function missing(program: InteropProgram): void {
  test(`the ${program} program is there`, () => {
    throw new Error(`test/interop/build.sh ${program} has not built its program`);
  });
}

function commandOf(program: InteropProgram): readonly string[] | undefined {
  const built = join(CACHE, `${program}-${stamp(program)}`);
  if (!existsSync(built)) return undefined;
  return program === "python" ? [join(built, "bin", "python"), join(SOURCES, "python", "main.py")] : [built];
}

/** A name that changes with the sources, as `build.sh` makes it. */
function stamp(program: InteropProgram): string {
  const folder = join(SOURCES, program);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 12);
}

function ask(
  [program = "", ...args]: readonly string[],
  requests: readonly object[],
): Promise<InteropAnswer[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", () => {
      const lines = Buffer.concat(chunks).toString("utf8").split("\n").slice(0, -1);
      if (lines.length !== requests.length) reject(new Error(`${lines.length} answers`));
      // The programs are ours and answer in this form.
      else resolve(lines.map((line) => JSON.parse(line) as InteropAnswer));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(""));
  });
}
