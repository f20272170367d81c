import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { offlineIntelCollateral } from "../../../src/attestation/endorsements/intel-files.ts";
import {
  mergeIntelMaterial,
  readIntelMaterial,
} from "../../../src/attestation/endorsements/intel-material.ts";
import { TCB_STATUSES } from "../../../src/attestation/formats/dcap/tcb-status.ts";
import {
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../../../src/attestation/formats/dcap/trust-anchors.ts";
import { EvidenceRejected, type Verification } from "../../../src/attestation/verifier.ts";
import { azTdxSection } from "../../../src/attestation/verifiers/az-tdx-vtpm/settings.ts";
import { AzTdxVerifier } from "../../../src/attestation/verifiers/az-tdx-vtpm/verify.ts";
import { readJson } from "../../../src/json/read.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { type AzureCase, bindingOf, casesOf, checkOf, expectVtpmValues } from "./cases.ts";

const FOLDER = "az-tdx-vtpm";
const file = (name: string) => readFileSync(sharedPath("fixtures", FOLDER, name));

async function run(one: AzureCase, settings: object): Promise<Verification | EvidenceRejected> {
  const parsed = azTdxSection.parse(settings, "settings");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const anchors =
    one.root === undefined
      ? pinnedDcapTrustAnchors()
      : dcapTrustAnchorsFromPem([file(one.root).toString("utf8")]);
  const now = () => Date.parse(one.options.verify_at);
  const material = readIntelMaterial(file(one.collateral ?? ""), "collateral");
  const source = offlineIntelCollateral(anchors, mergeIntelMaterial([material]), now);
  const verifier = new AzTdxVerifier(parsed.value, source, now);
  try {
    return await verifier.verify(readJson(file(one.evidence)), bindingOf(one), AbortSignal.timeout(10_000));
  } catch (error) {
    if (error instanceof EvidenceRejected) return error;
    throw error;
  }
}

describeShared("evidence of TDX VMs on Azure", `fixtures/${FOLDER}`, () => {
  const cases = casesOf(FOLDER);
  // The data asks whether evidence is genuine; how good a platform has to be is tested elsewhere.
  const lax = { allowDebug: true, allowedTcbStatuses: TCB_STATUSES };

  test("there are cases", () => expect(cases.length).toBeGreaterThan(15));

  test.each(cases)("$id: $expect", async (one) => {
    const result = await run(one, lax);
    if (one.expect === "reject") {
      expect(result instanceof EvidenceRejected ? result.check : "accepted").toBe(checkOf(one));
      return;
    }
    if (result instanceof EvidenceRejected) throw result;
    const claims = result.results[0]?.claims ?? {};
    expectVtpmValues(claims, one.values);
    const td = one.values?.td;
    if (td === undefined) return;
    expect(claims).toMatchObject({
      tcb_status: td.tcb_status,
      tcb_date: td.tcb_date,
      advisory_ids: td.advisory_ids,
      fmspc: td.fmspc,
    });
    const { body } = claims["quote"] as { body: JsonObject };
    expect(body).toMatchObject({ mr_td: td.body["mrTd"], mr_seam: td.body["mrSeam"], xfam: td.body["xfam"] });
  });

  const v1 = cases.find(({ id }) => id === "v1") as AzureCase; // the data has it, see above

  test("a platform that lacks updates is refused by default", async () => {
    const result = await run(v1, {});
    expect(result).toMatchObject({ check: "hw-report" });
    expect(result.checks.at(-2)).toMatchObject({ check: "tdx-tcb-status", outcome: "failed" });
  });

  test("the paravisor can be pinned", async () => {
    const mrTd = v1.values?.td?.body["mrTd"];
    expect(await run(v1, { ...lax, allowedMrTds: [mrTd] })).not.toBeInstanceOf(EvidenceRejected);
    const other = { ...lax, allowedMrTds: ["00".repeat(48)] };
    expect(await run(v1, other)).toMatchObject({ check: "mr-td" });
  });
});
