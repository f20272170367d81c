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
 * `name_test.rego` beside `name.rego` makes a pair, which is tested with every other file, except those of pairs
 * that share a package: they contradict each other. What belongs to no pair is tested as a whole, as OPA does.
 */
export async function testUnits(paths: readonly string[]): Promise<readonly TestUnit[]> {
  const modules = await readModules(await policyFiles(paths));
  const pairs = pairsOf(modules);
  const inPairs = new Set(pairs.flatMap(({ subject, test }) => [subject, test]));
  const rest = modules.filter((module) => !inPairs.has(module));
  const libraries = rest.filter((module) => !isTest(module));
  const units = pairs.map((own): TestUnit => {
    const others = singles(pairs.filter((pair) => pair.package !== own.package));
    const together = [own.subject, own.test, ...libraries, ...others];
    return { modules: together, testFiles: new Set([own.subject.file, own.test.file]) };
  });
  if (rest.length === 0) return units;
  return [
    ...units,
    { modules: [...rest, ...singles(pairs)], testFiles: new Set(rest.map(({ file }) => file)) },
  ];
}

interface Pair {
  readonly subject: ModuleText;
  readonly test: ModuleText;
  readonly package: string;
}

function pairsOf(modules: readonly ModuleText[]): readonly Pair[] {
  const byFile = new Map(modules.map((module) => [module.file, module]));
  return modules.flatMap((test) => {
    const subject = byFile.get(testedFile(test.file) ?? "");
    return subject === undefined ? [] : [{ subject, test, package: packageOf(subject) }];
  });
}

/** Policies that are alone in their package. */
function singles(pairs: readonly Pair[]): readonly ModuleText[] {
  return pairs
    .filter((pair) => pairs.filter((other) => other.package === pair.package).length === 1)
    .map(({ subject }) => subject);
}

function isTest({ file }: ModuleText): boolean {
  return file.endsWith(TEST_ENDING);
}

/** Text that cannot be read has a package of its own: compiling it will say what is wrong with it. */
function packageOf({ file, text }: ModuleText): string {
  const { module } = parseModule(text, { file });
  return module === undefined ? `\0${file}` : JSON.stringify(module.packagePath);
}
