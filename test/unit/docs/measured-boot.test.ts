import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { parseEventLog } from "../../../src/attestation/formats/eventlog/index.ts";
import { digestFor } from "../../../src/attestation/formats/eventlog/replay.ts";
import { parseImaPolicy } from "../../../src/attestation/formats/ima/index.ts";
import { commandLine } from "../../support/command-line.ts";
import { extended } from "../../support/event-logs.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const DOCUMENT = readFileSync(
  fileURLToPath(new URL("../../../docs/measured-boot.md", import.meta.url)),
  "utf8",
);
const LOG = sharedPath("fixtures/eventlog/tpm/rhel8-uefi.bin");
const NAME = "binary_bios_measurements";

/** Code blocks of one language. */
function blocks(language: string): string[] {
  return Array.from(
    DOCUMENT.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g")),
    ([, text = ""]) => text,
  );
}

/** What the document shows after its command. */
function shown(block: string | undefined): string[] {
  return (block ?? "").split("\n").filter((line) => line !== "" && !line.startsWith("$"));
}

test("the policy that the document shows can be read", () => {
  const [policy = ""] = blocks("json");
  expect(parseImaPolicy(Buffer.from(policy)).files.size).toBe(1);
});

describeShared("docs/measured-boot.md", "fixtures/eventlog", () => {
  const consoles = blocks("console");

  test("shows what the command prints of that log", async () => {
    const { out } = await commandLine(["eventlog", "show", LOG]);
    const printed = out.toString().replaceAll(LOG, NAME).split("\n");
    expect(shown(consoles[0]).length).toBeGreaterThan(20);
    for (const line of shown(consoles[0])) expect(printed).toContain(line);
  });

  test("shows what comparing prints, and the event that a register lacks", async () => {
    const { out } = await commandLine(["eventlog", "show", LOG, "--json"]);
    const { registers } = JSON.parse(out.toString()) as { registers: Record<string, string> };
    const all = Object.entries(registers).map(([register, value]) => `${register}=${value}`);
    const good = await commandLine(["eventlog", "verify", LOG, "--registers", all.join(",")]);
    const printed = good.out.toString().replaceAll(LOG, NAME).split("\n");
    for (const line of shown(consoles[1])) expect(printed).toContain(line);
  });

  test("names the event that a register lacks", async () => {
    const digests = Array.from(parseEventLog(readFileSync(LOG)))
      .filter(({ register, index }) => register === 4 && index <= 25)
      .map((event) => digestFor(event, "sha256") ?? Buffer.alloc(0));
    const before = extended("sha256", digests).toString("hex");
    const { code, out } = await commandLine(["eventlog", "verify", LOG, "--registers", `4=${before}`]);
    expect(code).toBe(1);
    for (const line of shown(consoles[2]))
      expect(out.toString().replaceAll(LOG, NAME)).toContain(`${line}\n`);
  });
});
