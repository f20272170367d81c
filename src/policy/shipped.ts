import { readdir, readFile } from "node:fs/promises";
import { RESOURCE_POLICY } from "./policy-names.ts";

/** `policies/` lies beside `src/` and beside `dist/`. */
const FOLDER = new URL("../../policies/", import.meta.url);
/** A fresh install releases nothing until an administrator says so. */
const RELEASE_DEFAULT = "release/deny-all.rego";
const APPRAISAL = "attestation/";

/**
 * Policies that hold as long as no administrator replaced them: one appraisal policy per file in
 * `policies/attestation`, and the release policy that denies everything.
 *
 * @returns text by policy name
 */
export async function shippedPolicies(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map([[RESOURCE_POLICY, await readFile(new URL(RELEASE_DEFAULT, FOLDER), "utf8")]]);
  for (const file of await readdir(new URL(APPRAISAL, FOLDER))) {
    if (!file.endsWith(".rego") || file.endsWith("_test.rego")) continue;
    texts.set(file.slice(0, -".rego".length), await readFile(new URL(`${APPRAISAL}${file}`, FOLDER), "utf8"));
  }
  return texts;
}
