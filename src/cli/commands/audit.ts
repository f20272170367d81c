import type { Command } from "commander";
import { verifyAuditLog } from "../../observability/audit-verify.ts";
import { printResult } from "../connection.ts";
import { unreadable } from "../files.ts";
import { refused, type World } from "../world.ts";

interface Options {
  readonly head?: string;
  readonly json?: boolean;
}

/** Adds `keywarden audit verify`: whether an audit log is the one that the server wrote. */
export function registerAudit(program: Command, world: World): void {
  program
    .command("audit")
    .description("examine the audit log")
    .command("verify")
    .description("check every link of an audit log's chain")
    .argument("<file>", "the audit log")
    .option(
      "--head <digest>",
      "digest of the last record, noted down elsewhere: proves that none was cut off",
    )
    .option("--json", "print the verdict as JSON")
    .action((file: string, options: Options) => verifyAudit(world, file, options));
}

async function verifyAudit(world: World, file: string, options: Options): Promise<void> {
  const expected = options.head === undefined ? {} : { expectedHead: options.head };
  const verdict = await verifyAuditLog(file, expected).catch((error: unknown) => {
    throw unreadable(file, "audit log", error);
  });
  if (!verdict.intact) throw refused(`${file}, line ${verdict.line}: ${verdict.reason}.`, verdict);
  printResult(
    world,
    options.json,
    verdict,
    `${file} is intact: ${verdict.records} records, the last one ${verdict.head.digest}.\n`,
  );
}
