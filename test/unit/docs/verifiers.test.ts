import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { SNP_CHECKS } from "../../../src/attestation/formats/sev-snp/checks.ts";
import { SAMPLE_CHECKS } from "../../../src/attestation/verifiers/sample/checks.ts";
import { snpSchema } from "../../../src/attestation/verifiers/snp/settings.ts";
import { tell } from "../../support/fake-amd/index.ts";

const page = (name: string) =>
  readFileSync(new URL(`../../../docs/verifiers/${name}.md`, import.meta.url), "utf8");

/** Rows of the first table of a page, cells trimmed. */
function firstTable(text: string): string[][] {
  const [table = ""] = /(?:^\|.*\n)+/m.exec(text) ?? [];
  const rows = table.trimEnd().split("\n").slice(2);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("the pages about verifiers say what the program does", () => {
  test.each([
    ["snp", SNP_CHECKS],
    ["sample", SAMPLE_CHECKS],
  ] as const)("%s: the checks, in their order", (name, checks) => {
    const rows = Object.entries(checks).map(([check, { expected, source }]) => [
      `\`${check}\``,
      expected,
      source,
    ]);
    expect(firstTable(page(name))).toEqual(rows);
  });

  test("snp: every setting", () => {
    const { shape } = snpSchema.unwrap();
    const text = page("snp");
    expect(Object.keys(shape).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test("snp: every claim", async () => {
    const text = page("snp");
    const { results } = await tell({ product: "Turin", report: { version: 5 } });
    const { results: ofVlek } = await tell({ kind: "VLEK" });
    const claims = Object.keys({ ...results[0]?.claims, ...ofVlek[0]?.claims });
    const named = (claim: string) =>
      text.includes(`\`${claim}\``) || text.includes(`\`${claim.replace(/_tcb_.*/, "_tcb_*")}\``);
    expect(claims.filter((claim) => !named(claim))).toEqual([]);
  });
});
