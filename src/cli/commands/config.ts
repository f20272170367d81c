import type { Command } from "commander";
import { refused, type World } from "../world.ts";

/** Adds `keywarden config check`. */
export function registerConfig(program: Command, world: World): void {
  program
    .command("config")
    .description("examine configurations")
    .command("check")
    .description("check a configuration as a start of the server would; all faults are told at once")
    .argument("<file>", "the configuration")
    .action((file: string) => checkConfig(world, file));
}

async function checkConfig(world: World, file: string): Promise<void> {
  // Here and in other commands: what only one of them needs is loaded when it runs, so that all start quickly.
  const { checkConfigFile } = await import("../../config/check.ts");
  const { lines, exitCode } = await checkConfigFile(file, world.env);
  if (exitCode === 0) {
    world.out(lines.map((line) => `${line}\n`).join(""));
    return;
  }
  throw refused(["this configuration is refused", ...lines].join("\n"));
}
