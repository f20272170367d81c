import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { NO_MATERIAL, offlineEndorsements } from "../../../src/attestation/endorsements/amd-material.ts";
import {
  pinnedTrustAnchors,
  trustAnchorsFromPem,
} from "../../../src/attestation/formats/sev-snp/trust-anchors.ts";
import { EvidenceRejected, type Verification } from "../../../src/attestation/verifier.ts";
import { azSnpSection } from "../../../src/attestation/verifiers/az-snp-vtpm/settings.ts";
import { AzSnpVerifier } from "../../../src/attestation/verifiers/az-snp-vtpm/verify.ts";
import { readJson } from "../../../src/json/read.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { type AzureCase, bindingOf, casesOf, checkOf, expectVtpmValues } from "./cases.ts";

const FOLDER = "az-snp-vtpm";
const path = (name: string) => sharedPath("fixtures", FOLDER, name);

function rootsOf({ roots }: AzureCase) {
  if (roots === undefined) return pinnedTrustAnchors();
  const names = ["genoa-ark", "genoa-ask", "genoa-asvk"].map((name) => path(`${roots}/${name}.pem`));
  return trustAnchorsFromPem(names.map((name) => readFileSync(name, "utf8")));
}

async function run(one: AzureCase, settings: object): Promise<Verification | EvidenceRejected> {
  const parsed = azSnpSection.parse(settings, "settings");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const endorsements = offlineEndorsements(rootsOf(one), NO_MATERIAL);
  const verifier = new AzSnpVerifier(parsed.value, endorsements, () => Date.parse(one.options.verify_at));
  const evidence = readJson(readFileSync(path(one.evidence)));
  try {
    return await verifier.verify(evidence, bindingOf(one), AbortSignal.timeout(10_000));
  } catch (error) {
    if (error instanceof EvidenceRejected) return error;
    throw error;
  }
}

describeShared("evidence of SEV-SNP VMs on Azure", `fixtures/${FOLDER}`, () => {
  const cases = casesOf(FOLDER);
  // The data asks whether evidence is genuine; who signed a made-up paravisor and who may debug it is tested elsewhere.
  const lax = { dangerouslyAcceptAnyParavisor: true, allowDebug: true };

  test("there are cases", () => expect(cases.length).toBeGreaterThan(50));

  test.each(cases)("$id: $expect", async (one) => {
    const result = await run(one, lax);
    if (one.expect === "reject") {
      expect(result instanceof EvidenceRejected ? result.check : "accepted").toBe(checkOf(one));
      return;
    }
    if (result instanceof EvidenceRejected) throw result;
    const claims = result.results[0]?.claims ?? {};
    expectVtpmValues(claims, one.values);
    const snp = one.values?.snp;
    if (snp === undefined) return;
    expect(Buffer.from(String(claims["measurement"]), "base64").toString("hex")).toBe(snp["measurement"]);
    expect(claims["snp_report_data"]).toBe(snp["report_data"]);
    for (const name of ["id_key_digest", "author_key_digest", "chip_id", "policy", "platform_info"])
      expect(claims[name]).toBe(snp[name]);
    for (const name of ["version", "vmpl", "guest_svn"]) expect(claims[name]).toBe(String(snp[name]));
  });

  test.each(cases.filter(({ kind, expect: verdict }) => kind === "real" && verdict === "accept"))(
    "$id: the paravisor's signer is the one that the settings have by default",
    async (one) => expect(await run(one, {})).not.toBeInstanceOf(EvidenceRejected),
  );

  test("a paravisor of another signer is refused by default", async () => {
    const made = cases.find(({ id }) => id === "s01-v2");
    if (made === undefined) throw new Error("no s01-v2");
    const result = await run(made, {});
    expect(result).toMatchObject({ check: "hw-report" });
    expect(result.checks.at(-2)).toMatchObject({ check: "snp-id-block", outcome: "failed" });
  });

  test("a form older than the settings want is refused", async () => {
    const old = cases.find(({ id }) => id === "milan-v1");
    if (old === undefined) throw new Error("no milan-v1");
    expect(await run(old, { minimumEvidenceVersion: 2 })).toMatchObject({ check: "evidence-version" });
  });
});
