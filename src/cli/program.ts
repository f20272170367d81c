import { Command, CommanderError } from "commander";
import { KbsError } from "../errors.ts";
import { registerAdmin } from "./commands/admin.ts";
import { registerAudit } from "./commands/audit.ts";
import { registerCollateral } from "./commands/collateral.ts";
import { registerConfig } from "./commands/config.ts";
import { registerEventLog } from "./commands/eventlog.ts";
import { registerEvidence } from "./commands/evidence.ts";
import { registerGuest } from "./commands/guest.ts";
import { registerHealth } from "./commands/health.ts";
import { registerPolicy } from "./commands/policy.ts";
import { registerReferenceValue } from "./commands/reference-value.ts";
import { registerResource } from "./commands/resource.ts";
import { registerAttestationService, registerServe } from "./commands/serve.ts";
import { registerTpm } from "./commands/tpm.ts";
import { TransportError } from "./http-client.ts";
import { registerConformance } from "./policy-tools.ts";
import { CommandFailure, EXIT, type World } from "./world.ts";

/** The whole command line. Its help is what docs/cli.md shows. */
export function createProgram(world: World, version: string): Command {
  const program = new Command("keywarden")
    .description("Key Broker Service for confidential computing: evidence in, secret out")
    .version(version, "-V, --version", "print the version")
    .helpCommand(false)
    .showHelpAfterError("(--help lists what there is)");
  registerServe(program, world);
  registerAttestationService(program, world);
  registerHealth(program, world);
  registerConfig(program, world);
  registerAdmin(program, world);
  registerResource(program, world);
  registerPolicy(program, world);
  registerReferenceValue(program, world);
  registerEvidence(program, world);
  registerEventLog(program, world);
  registerCollateral(program, world);
  registerTpm(program, world);
  registerGuest(program, world);
  registerAudit(program, world);
  registerConformance(program, world);
  for (const command of allCommands(program)) prepare(command, world);
  return program;
}

/** Every command and subcommand, the program itself first. */
export function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** Commands throw instead of ending the process, write where the world says, and keep their help in 100 columns. */
function prepare(command: Command, world: World): void {
  command
    .exitOverride()
    .configureHelp({ helpWidth: 100, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => world.out(text),
      writeErr: (text) => world.err(text),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    });
  if (command.commands.length > 0) command.helpCommand(false);
}

/**
 * Runs one command line.
 *
 * @param argv - the words after `keywarden`
 * @returns the exit code: 0 done, 1 refused, 2 misuse
 */
export async function runProgram(argv: readonly string[], world: World, version: string): Promise<number> {
  try {
    await createProgram(world, version).parseAsync([...argv], { from: "user" });
    return EXIT.done;
  } catch (error) {
    return explain(error, argv.includes("--json"), world);
  }
}

function explain(error: unknown, json: boolean, world: World): number {
  // Commander has already said what was wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misuse;
  if (error instanceof CommandFailure) {
    if (json && error.json !== undefined) world.out(`${JSON.stringify(error.json)}\n`);
    world.err(`keywarden: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof TransportError) {
    if (json)
      world.out(`${JSON.stringify({ outcome: "failed", fault: error.fault, detail: error.message })}\n`);
    world.err(`keywarden: ${error.message}\n`);
    return EXIT.refused;
  }
  if (error instanceof KbsError) {
    world.err(`keywarden: ${error.detail}\n`);
    return EXIT.misuse;
  }
  world.err(`keywarden: unexpected fault: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT.refused;
}
