import type { Command } from "commander";
import type { ChainHead } from "../../observability/audit-record.ts";
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
    .argument("<files...>", "the audit log; with the files that it was rotated to before it, oldest first")
    .option(
      "--head <digest>",
      "digest of the last record, noted down elsewhere: proves that none was cut off",
    )
    .option("--json", "print the verdict as JSON")
    .action((files: string[], options: Options) => verifyAudit(world, files, options));
}

async function verifyAudit(world: World, files: readonly string[], options: Options): Promise<void> {
  let head: ChainHead | undefined;
  let records = 0;
  for (const [at, file] of files.entries()) {
    const last = at === files.length - 1;
    const verdict = await verifyAuditLog(file, {
      ...(head === undefined ? {} : { from: head }),
      ...(last && options.head !== undefined ? { expectedHead: options.head } : {}),
    }).catch((error: unknown) => {
      throw unreadable(file, "audit log", error);
    });
    if (!verdict.intact) throw refused(`${file}, line ${verdict.line}: ${verdict.reason}.`, verdict);
    ({ head } = verdict);
    records += verdict.records;
  }
  const text = `${files.join(", ")} ${files.length === 1 ? "is" : "are"} intact: ${records} records, the last one ${head?.digest}.\n`;
  printResult(world, options.json, { intact: true, records, head }, text);
}
