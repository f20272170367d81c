import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { SNP_CHECKS } from "../../../src/attestation/formats/sev-snp/checks.ts";
import { AZ_SNP_CHECKS } from "../../../src/attestation/verifiers/az-snp-vtpm/checks.ts";
import { azSnpSchema } from "../../../src/attestation/verifiers/az-snp-vtpm/settings.ts";
import { AZ_TDX_CHECKS } from "../../../src/attestation/verifiers/az-tdx-vtpm/checks.ts";
import { azTdxSchema } from "../../../src/attestation/verifiers/az-tdx-vtpm/settings.ts";
import { SAMPLE_CHECKS } from "../../../src/attestation/verifiers/sample/checks.ts";
import { SGX_CHECKS } from "../../../src/attestation/verifiers/sgx/checks.ts";
import { sgxSchema } from "../../../src/attestation/verifiers/sgx/settings.ts";
import { snpSchema } from "../../../src/attestation/verifiers/snp/settings.ts";
import { TDX_CHECKS } from "../../../src/attestation/verifiers/tdx/checks.ts";
import { tdxSchema } from "../../../src/attestation/verifiers/tdx/settings.ts";
import { TPM_CHECKS } from "../../../src/attestation/verifiers/tpm/checks.ts";
import { tpmSchema } from "../../../src/attestation/verifiers/tpm/settings.ts";
import { tell } from "../../support/fake-amd/index.ts";
import { tellAzure } from "../../support/fake-azure/index.ts";
import { tell as tellOfIntel } from "../../support/fake-intel/index.ts";
import { tellTpm } from "../../support/software-tpm/index.ts";

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
    ["tdx", TDX_CHECKS],
    ["sgx", SGX_CHECKS],
    ["tpm", TPM_CHECKS],
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

  test.each([
    ["tdx", tdxSchema],
    ["sgx", sgxSchema],
  ] as const)("%s: every setting", (name, schema) => {
    const text = page(name);
    const settings = Object.keys(schema.unwrap().shape);
    expect(settings.filter((setting) => !text.includes(`\`${setting}\``))).toEqual([]);
  });

  test.each(["tdx", "sgx"] as const)("%s: every claim", async (tee) => {
    const text = page(tee);
    const { results } = await tellOfIntel({ tee, td15: tee === "tdx" });
    const claims = Object.keys(results[0]?.claims ?? {});
    expect(claims.length).toBeGreaterThan(25);
    expect(claims.filter((claim) => !text.includes(`\`${claim}\``))).toEqual([]);
  });

  test.each([
    ["SEV-SNP", AZ_SNP_CHECKS],
    ["TDX", AZ_TDX_CHECKS],
  ] as const)("azure, %s: the checks, in their order", (kind, checks) => {
    const text = page("azure");
    const rows = Object.entries(checks).map(([check, { expected, source }]) => [
      `\`${check}\``,
      expected,
      source,
    ]);
    expect(firstTable(text.slice(text.indexOf(`## What is checked on ${kind}`)))).toEqual(rows);
  });

  test("tpm: every setting and every claim", async () => {
    const text = page("tpm");
    const { results } = await tellTpm({
      ekCertificate: {},
      akCertificate: {},
      enrolled: { lastClock: undefined },
    });
    const claims = Object.keys(results[0]?.claims ?? {}).filter((claim) => !/^pcr\d\d$/.test(claim));
    expect(claims.length).toBeGreaterThan(15);
    const names = [...claims, ...Object.keys(tpmSchema.unwrap().shape)];
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test("azure: every setting and claim of its own, the others by the pages of bare metal", async () => {
    const text = page("azure");
    const bareMetal = { snp: page("snp"), tdx: page("tdx") };
    for (const [kind, schema] of [
      ["snp", azSnpSchema],
      ["tdx", azTdxSchema],
    ] as const) {
      const { results } = await tellAzure({ kind });
      const names = [...Object.keys(results[0]?.claims ?? {}), ...Object.keys(schema.unwrap().shape)];
      expect(names.length).toBeGreaterThan(30);
      const named = (name: string) =>
        [text, bareMetal[kind]].some(
          (pageText) =>
            pageText.includes(`\`${name}\``) || pageText.includes(`\`${name.replace(/_tcb_.*/, "_tcb_*")}\``),
        );
      expect(names.filter((name) => !named(name))).toEqual([]);
    }
  });
});
