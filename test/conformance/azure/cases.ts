import { readFileSync } from "node:fs";
import { expect } from "@jest/globals";
import type { Expected } from "../../../src/attestation/verifier.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { sharedPath } from "../../support/shared.ts";

export interface AzureCase {
  readonly id: string;
  readonly kind: "real" | "mutated" | "synthetic";
  readonly evidence: string;
  readonly roots?: string;
  readonly root?: string;
  readonly collateral?: string;
  readonly options: {
    readonly verify_at: string;
    readonly report_data: string;
    readonly init_data_digest?: string;
  };
  readonly expect: "accept" | "reject";
  readonly fails?: readonly string[];
  readonly values?: Values;
}

interface Values {
  readonly evidence_version: number;
  readonly hcl: { readonly header_version: number };
  readonly vm_configuration: JsonObject;
  readonly user_data: string;
  readonly tpm: Readonly<Record<string, string | number>>;
  readonly snp?: JsonObject;
  readonly td?: {
    readonly tcb_status: string;
    readonly advisory_ids: readonly string[];
    readonly tcb_date: string;
    readonly fmspc: string;
    readonly body: Readonly<Record<string, string>>;
  };
}

/** Some directories of this data may not be beside the checkout. */
export function casesOf(folder: string): readonly AzureCase[] {
  const text = readFileSync(sharedPath("fixtures", folder, "cases.json"), "utf8");
  return (JSON.parse(text) as { cases: readonly AzureCase[] }).cases;
}

/** The data's words for what fails are the names of the checks, but for one kind of hyphen. */
export function checkOf({ fails }: AzureCase): string {
  return fails?.[0]?.replaceAll("_", "-") ?? "a check";
}

export function bindingOf({ options }: AzureCase): Expected {
  const hex = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text, "hex"));
  return { runtimeDataDigest: hex(options.report_data), initDataDigest: hex(options.init_data_digest) };
}

/** What the vTPM's part of the claims has to be. */
export function expectVtpmValues(claims: JsonObject, values: Values | undefined): void {
  if (values === undefined) return;
  const { tpm } = values;
  expect(claims["evidence_version"]).toBe(values.evidence_version);
  expect(claims["hcl_version"]).toBe(values.hcl.header_version);
  expect(claims["vm_configuration"]).toEqual(values.vm_configuration);
  expect(claims["user_data"]).toBe(values.user_data.toLowerCase());
  expect(claims["report_data"]).toBe(tpm["extra_data"]);
  expect(claims["init_data"]).toBe(tpm["pcr08"]);
  expect(claims["qualified_signer"]).toBe(tpm["qualified_signer"]);
  expect(claims["tpm_firmware_version"]).toBe(tpm["firmware_version"]);
  expect(claims["tpm_clock"]).toEqual({
    clock: Number(tpm["clock"]),
    reset_count: tpm["reset_count"],
    restart_count: tpm["restart_count"],
    safe: tpm["safe"] === 1,
  });
  const registers = Object.fromEntries(Object.entries(tpm).filter(([name]) => /^pcr\d\d$/.test(name)));
  expect(claims["tpm"]).toMatchObject(registers);
  expect(Object.keys(claims["tpm"] as JsonObject)).toHaveLength(24);
}
