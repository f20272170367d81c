/** Logs of 64 MiB or a million records: `KEYWARDEN_FULL=1` reads every form of them, else two. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { temporaryFolder } from "../support/folder.ts";

const READER = fileURLToPath(new URL("../support/largest-logs.ts", import.meta.url));
const FORMS = ["crypto-agile", "IMA, text", "legacy", "CEL-TLV", "CEL-JSON", "IMA, binary"];
const chosen = process.env["KEYWARDEN_FULL"] === "1" ? FORMS : FORMS.slice(0, 2);

describe("B29 the largest logs are read in no more than four times their memory, the log itself included", () => {
  test.each(chosen)(
    "%s",
    async (form) => {
      const { path, dispose } = await temporaryFolder();
      const file = join(path, "log");
      const run = (task: string) =>
        promisify(execFile)(process.execPath, ["--import", "tsx", READER, task, form, file]);
      await run("make");
      const { stdout } = await run("read").finally(dispose);
      const { records, bytes, times } = JSON.parse(stdout);
      expect(records === 1_000_000 || bytes > 63 * 1024 * 1024).toBe(true);
      expect(times).toBeGreaterThan(1);
      expect(times).toBeLessThan(4);
    },
    180_000,
  );
});
