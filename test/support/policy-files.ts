import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine } from "./command-line.ts";

/** A folder with files, and commands run on it. */
export class PolicyFiles {
  readonly folder: string = mkdtempSync(join(tmpdir(), "keywarden-policy-"));

  /** @param content - objects are written as JSON; @returns the path */
  write(name: string, content: string | object): string {
    const path = join(this.folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Runs `keywarden policy …`; text of the output with the folder's own path cut out. */
  async run(
    argv: readonly string[],
    input = "",
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const { code, out, err } = await commandLine(["policy", ...argv], input);
    return { code, out: this.#short(out.toString()), err: this.#short(err) };
  }

  #short(text: string): string {
    return text.replaceAll(`${this.folder}/`, "");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Releases when `input.a` is 1 and `input.v` is registered. */
export const POLICY = `package policy

default allow := false

allow if {
	input.a == 1
	registered := query_reference_value("k")
	input.v in registered
}
`;
