import type { Finding, ModuleText } from "../../policy/rego/index.ts";
import { refused, type World } from "../world.ts";
import { findingsText } from "./findings.ts";
import { compileLocal, readModules } from "./load.ts";

export interface CheckOptions {
  readonly json?: boolean;
  readonly v0?: boolean;
  readonly together?: boolean;
}

/**
 * `keywarden policy check`: what an upload of these files would say. A file is a policy of its own, as a server
 * takes it, except tests, which are nothing without the policy they test.
 */
export async function checkPolicies(
  world: World,
  files: readonly string[],
  options: CheckOptions,
): Promise<void> {
  const modules = await readModules(files);
  const dialect = options.v0 === true ? "v0" : "v1";
  const units = options.together === true ? [modules] : await unitsOf(modules);
  const findings = distinct(units.flatMap((unit) => compileLocal(unit, dialect).findings));
  const errors = findings.filter(({ severity }) => severity === "error").length;
  if (options.json === true) world.out(`${JSON.stringify({ ok: errors === 0, findings })}\n`);
  else world.out(`${findingsText(findings, modules)}${summary(files.length, errors, findings.length)}`);
  if (errors > 0) throw refused(`${count(errors, "error")} found`);
}

async function unitsOf(modules: readonly ModuleText[]): Promise<readonly (readonly ModuleText[])[]> {
  const { testedFile } = await import("./test-units.ts");
  const byName = new Map(modules.map((module) => [module.file, module]));
  return Promise.all(
    modules.map(async (module) => {
      const subject = testedFile(module.file);
      if (subject === undefined) return [module];
      const given = byName.get(subject);
      if (given !== undefined) return [given, module];
      const read = await readModules([subject]).catch(() => []);
      return [...read, module];
    }),
  );
}

/** A policy that is checked again with its test says the same again. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  const known = new Map(findings.map((finding) => [JSON.stringify(finding), finding]));
  return [...known.values()];
}

function summary(files: number, errors: number, all: number): string {
  return `${count(files, "file")} checked: ${count(errors, "error")}, ${count(all - errors, "warning")}\n`;
}

/** `1 error`, `2 errors`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
