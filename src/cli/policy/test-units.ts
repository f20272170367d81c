/** Which files are compiled together when tests run. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ModuleText } from "../../policy/rego/index.ts";
import { parseModule } from "../../policy/rego/index.ts";
import { unreadable } from "../files.ts";
import { readModules } from "./load.ts";

const TEST_ENDING = "_test.rego";
/** More files than this below one path are no set of policies but a mistyped path. */
const MAX_FILES = 5_000;

/** The policy that a test file belongs to by its name; undefined for files that are no tests. */
export function testedFile(file: string): string | undefined {
  const name = basename(file);
  if (!name.endsWith(TEST_ENDING) || name === TEST_ENDING) return undefined;
  return join(dirname(file), `${name.slice(0, -TEST_ENDING.length)}.rego`);
}

/** What is compiled together, and the files of it whose tests run. */
export interface TestUnit {
  readonly modules: readonly ModuleText[];
  readonly testFiles: ReadonlySet<string>;
}

/** All `.rego` files at and below the paths, sorted. @throws CommandFailure (misuse) */
export async function policyFiles(paths: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    try {
      if ((await stat(path)).isDirectory()) for (const file of await filesBelow(path)) found.add(file);
      else found.add(path);
    } catch (error) {
      throw unreadable(path, "policy", error);
    }
  }
  return [...found].sort();
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".rego"))
    .slice(0, MAX_FILES)
    .map((entry) => join(entry.parentPath, entry.name));
}

/**
 * Policies of a broker all live in the package `policy`, one file each, so files cannot simply be put together.
 * `name_test.rego` beside `name.rego` makes a pair, tested with every other file except those of other pairs that
 * share a package with it. What belongs to no pair is tested as a whole, as OPA does.
 */
export async function testUnits(paths: readonly string[]): Promise<readonly TestUnit[]> {
  const modules = await readModules(await policyFiles(paths));
  const byFile = new Map(modules.map((module) => [module.file, module]));
  const pairs = modules.flatMap((test) => {
    const subject = byFile.get(testedFile(test.file) ?? "");
    return subject === undefined ? [] : [{ subject, test, package: packageOf(subject) }];
  });
  const paired = new Map(pairs.flatMap((pair) => [pair.subject, pair.test].map((module) => [module, pair])));
  const units = pairs.map((own): TestUnit => {
    const together = modules.filter((module) => {
      const pair = paired.get(module);
      return pair === undefined ? !isTest(module) : pair === own || pair.package !== own.package;
    });
    return { modules: together, testFiles: new Set([own.subject.file, own.test.file]) };
  });
  const rest = modules.filter((module) => !paired.has(module));
  return rest.length === 0 ? units : [...units, restUnit(rest, modules, paired.size === 0, pairs)];
}

function isTest({ file }: ModuleText): boolean {
  return file.endsWith(TEST_ENDING);
}

/** Files of no pair, with those policies that no other one contradicts. */
function restUnit(
  rest: readonly ModuleText[],
  all: readonly ModuleText[],
  alone: boolean,
  pairs: readonly { readonly subject: ModuleText; readonly package: string }[],
): TestUnit {
  const testFiles = new Set(rest.map(({ file }) => file));
  if (alone) return { modules: all, testFiles };
  const single = pairs.filter((pair) => pairs.filter((other) => other.package === pair.package).length === 1);
  return { modules: [...rest, ...single.map(({ subject }) => subject)], testFiles };
}

/** Text that cannot be read has a package of its own: compiling it will say what is wrong with it. */
function packageOf({ file, text }: ModuleText): string {
  const { module } = parseModule(text, { file });
  return module === undefined ? `\0${file}` : JSON.stringify(module.packagePath);
}
