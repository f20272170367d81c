import { dangerousSwitches } from "./dangerous.ts";
import { type Environment, loadConfigFile, printFault } from "./load.ts";

/**
 * What `keywarden config check FILE` does: the same loading as a start of the server.
 *
 * @returns lines to print and the exit code: 0 good, 1 not
 */
export async function checkConfigFile(
  file: string,
  env?: Environment,
): Promise<{ readonly lines: readonly string[]; readonly exitCode: 0 | 1 }> {
  const { config, faults } = await loadConfigFile(file, env);
  if (config === undefined) {
    const lines = faults.map((fault) => printFault(fault, file));
    return { lines: [...lines, `${faults.length} ${faults.length === 1 ? "fault" : "faults"}`], exitCode: 1 };
  }
  const dangerous = dangerousSwitches(config).map(({ path, meaning }) => `warning: ${path}: ${meaning}`);
  return { lines: [...dangerous, `${file}: good`], exitCode: 0 };
}
