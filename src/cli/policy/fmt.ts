import { formatModule } from "../../policy/rego/index.ts";
import { replaceFile } from "../files.ts";
import { refused, type World } from "../world.ts";
import { count } from "./check.ts";
import { errorText } from "./errors.ts";
import { readText } from "./load.ts";

export interface FmtOptions {
  readonly write?: boolean;
  readonly check?: boolean;
  readonly v0?: boolean;
}

/** `keywarden policy fmt`: prints, compares or replaces; a file that is no policy is named and left alone. */
export async function formatPolicies(
  world: World,
  files: readonly string[],
  options: FmtOptions,
): Promise<void> {
  let bad = 0;
  for (const file of files) if (!(await formatFile(world, file, options))) bad += 1;
  if (bad === 0) return;
  const what = options.check === true ? "not laid out like this" : "no policy";
  throw refused(`${count(bad, "file")} ${bad === 1 ? "is" : "are"} ${what}`);
}

async function formatFile(world: World, file: string, options: FmtOptions): Promise<boolean> {
  const text = await readText(file, "policy");
  const result = formatModule(file, text, options.v0 === true ? "v0" : "v1");
  if ("errors" in result) {
    for (const { code, message, location } of result.errors)
      world.err(`${errorText({ code, message, location })}\n`);
    return false;
  }
  if (options.check === true) {
    if (result.text === text) return true;
    world.out(`${file}\n`);
    return false;
  }
  if (options.write !== true) world.out(result.text);
  else if (result.text !== text) {
    await replaceFile(file, result.text, 0o644);
    world.out(`${file}\n`);
  }
  return true;
}
