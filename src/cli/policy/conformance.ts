import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type ConformanceReport, runConformance } from "../../policy/rego/conformance.ts";
import { unreadable } from "../files.ts";
import { misuse, refused, type World } from "../world.ts";

/** `keywarden conformance rego`. */
export async function conformanceRego(
  world: World,
  folder: string,
  options: { readonly v0?: boolean; readonly json?: boolean },
): Promise<void> {
  const report = await run(folder, options.v0 === true ? "v0" : "v1");
  const { passed, failed, skipped, failures } = report;
  if (options.json === true) world.out(`${JSON.stringify(report)}\n`);
  else {
    const lines = failures.map(({ file, note, why }) => `${file}: ${note}: ${why}\n`).join("");
    world.out(`${lines}${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  }
  if (isEmpty(report)) throw misuse(`There are no cases in ${folder}.`);
  if (failed > 0) throw refused(`${failed} cases failed`);
}

async function run(folder: string, dialect: "v0" | "v1"): Promise<ConformanceReport> {
  try {
    if (!(await stat(folder)).isDirectory()) throw misuse(`${folder} is no folder.`);
  } catch (error) {
    throw error instanceof Error && "exitCode" in error ? error : unreadable(folder, "folder", error);
  }
  try {
    const report = runConformance(folder, { dialect });
    // The folder above, which holds one folder for each dialect.
    const below = join(folder, dialect);
    return isEmpty(report) && (await isFolder(below)) ? runConformance(below, { dialect }) : report;
  } catch (error) {
    throw misuse(
      `The cases in ${folder} cannot be read: ${error instanceof Error ? error.message : "unknown"}.`,
    );
  }
}

function isEmpty({ passed, failed, skipped }: ConformanceReport): boolean {
  return passed + failed + skipped === 0;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
