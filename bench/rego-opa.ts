/** The same workload in a real OPA, for a ratio of the same run on the same machine. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { opaProgram } from "../test/support/opa-server.ts";

export interface OpaWorkload {
  readonly text: string;
  readonly rule: string;
  readonly input: unknown;
  readonly data?: unknown;
  readonly dialect?: "v0" | "v1";
  /** Answers of `query_reference_value`, which OPA does not know: a rule of the policy answers instead. */
  readonly reference?: Readonly<Record<string, unknown>>;
}

/** Microseconds of one evaluation of a prepared query; undefined where there is no OPA. */
export function opaMicroseconds(workload: OpaWorkload): number | undefined {
  const program = opaProgram();
  if (program === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "keywarden-opa-bench-"));
  try {
    const { status, stdout } = spawnSync(program, benchArguments(folder, workload), { encoding: "utf8" });
    return status === 0 ? perRun(stdout) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function benchArguments(folder: string, workload: OpaWorkload): string[] {
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const files = [write("policy.rego", workload.text)];
  if (workload.reference !== undefined)
    files.push(write("reference.rego", referenceModule(workload.reference)));
  if (workload.data !== undefined) files.push(write("data.json", JSON.stringify(workload.data)));
  const input = write("input.json", JSON.stringify(workload.input));
  const dialect = workload.dialect === "v0" ? ["--v0-compatible"] : [];
  const options = ["bench", "--format=json", "--benchmem=false", ...dialect, "--input", input];
  return [...options, ...files.flatMap((file) => ["--data", file]), workload.rule];
}

function referenceModule(reference: Readonly<Record<string, unknown>>): string {
  const answers = JSON.stringify(reference);
  return `package policy\n\nreference_values := ${answers}\n\nquery_reference_value(id) := object.get(reference_values, id, null)\n`;
}

/** OPA prints the result of Go's benchmark: runs `N` in `T` nanoseconds. */
function perRun(output: string): number | undefined {
  const result: { readonly N?: number; readonly T?: number } = JSON.parse(output);
  return result.N === undefined || result.T === undefined ? undefined : result.T / result.N / 1_000;
}
