import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { TEE_CLASSES } from "../../../src/policy/policy-names.ts";
import { tierOf } from "../../../src/protocol/trust-tiers.ts";
import { commandLine } from "../../support/command-line.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

/** docs/attestation.md shows what the program prints (KEYWARDEN_UPDATE=1 rewrites it). */
const FILE = fileURLToPath(new URL("../../../docs/attestation.md", import.meta.url));
const UPDATE = process.env["KEYWARDEN_UPDATE"] === "1";
const text = () => readFileSync(FILE, "utf8");

describeShared("the machine of docs/attestation.md", "fixtures/snp", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "keywarden-attestation-doc-"));
    for (const [, name = "", body = ""] of text().matchAll(/^```json (\S+)\n([\s\S]*?)^```$/gm))
      writeFileSync(join(folder, name), body);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function run(command: string): Promise<string> {
    const evidence = sharedPath("fixtures", "snp", "real", "milan-v5-gcp", "evidence.json");
    const argv = command
      .split(" ")
      .slice(1)
      .map((word) =>
        word === "evidence.json" ? evidence : word.endsWith(".json") ? join(folder, word) : word,
      );
    const { out, err } = await commandLine(argv);
    return `${String(out)}${err}`.replaceAll(evidence, "evidence.json").replaceAll(`${folder}/`, "");
  }

  test("is judged as shown", async () => {
    const [, command = "", shown = ""] = /^```console\n\$ (.*)\n([\s\S]*?)^```$/m.exec(text()) ?? [];
    const printed = await run(command);
    if (UPDATE) writeFileSync(FILE, text().replace(`$ ${command}\n${shown}`, `$ ${command}\n${printed}`));
    else expect(shown).toBe(printed);
    for (const line of ["executables           3", "hardware             97", "configuration         3"])
      expect(printed).toContain(line);
  });

  test("becomes affirming when the firmware is registered", async () => {
    const options = "--tee snp --at 2026-06-01T00:00:00Z --reference-values firmware.json";
    expect(await run(`keywarden evidence appraise evidence.json ${options}`)).toContain(
      "cpu0 (snp): affirming",
    );
  });
});

test("the tiers are those of the program", () => {
  const rows = text().matchAll(/^\| (-?\d+)[^|]* \| (none|affirming|warning|contraindicated) \|/gm);
  const tiers = [...rows].map(([, value, tier]) => [Number(value), tier]);
  expect(tiers).toHaveLength(4);
  for (const [value, tier] of tiers) expect([value, tierOf(Number(value))]).toEqual([value, tier]);
});

test("every class of device has its row", () => {
  const rows = [...text().matchAll(/^\| `([\w-]+)` \| [^|]+ \| `<id>_/gm)].map(([, name]) => name);
  expect(rows.sort()).toEqual([...TEE_CLASSES].sort());
});
