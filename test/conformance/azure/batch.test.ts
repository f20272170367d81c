import { readdirSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { evidenceBatch } from "../../support/evidence-batch.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { type AzureCase, casesOf, checkOf } from "./cases.ts";

/** A request as scripts write it: no setting says anything about what a genuine guest may look like. */
function requestOf(tee: string, one: AzureCase): object {
  const path = (name: string) => sharedPath("fixtures", tee, name);
  const anchors = one.roots ?? one.root;
  const { verify_at, report_data, init_data_digest } = one.options;
  return {
    id: one.id,
    tee,
    evidence: path(one.evidence),
    at: verify_at,
    reportData: report_data,
    ...(init_data_digest === undefined ? {} : { initData: init_data_digest }),
    ...(anchors === undefined ? {} : { trustAnchors: [path(anchors)] }),
    ...(one.collateral === undefined ? {} : { collateral: [path(one.collateral)] }),
  };
}

describeShared("evidence of VMs on Azure through the batch command", "fixtures/az-tdx-vtpm", () => {
  test.each(["az-snp-vtpm", "az-tdx-vtpm"])("%s: verdict and failing check of each case", async (tee) => {
    const cases = casesOf(tee);
    const results = await evidenceBatch(cases.map((one) => requestOf(tee, one)));
    expect(results.map(({ id, verdict, check }) => [id, verdict, check])).toEqual(
      cases.map((one) =>
        one.expect === "accept" ? [one.id, "accepted", undefined] : [one.id, "refused", checkOf(one)],
      ),
    );
  });
});

describeShared("quotes of a real TPM through the batch command", "fixtures/tpm", () => {
  const requests = (folder: string) =>
    readdirSync(sharedPath("fixtures/tpm", folder))
      .sort()
      .map((name) => ({ id: name, tee: "tpm", evidence: sharedPath("fixtures/tpm", folder, name) }));

  test("the good ones are accepted, SHA-1 signatures only where it is asked for", async () => {
    const results = await evidenceBatch(requests("quotes"));
    expect(
      results.filter(({ verdict }) => verdict === "refused").map(({ id, check }) => [id, check]),
    ).toEqual([["q06.json", "signature-algorithm"]]);
    const [lax] = await evidenceBatch(
      requests("quotes")
        .filter(({ id }) => id === "q06.json")
        .map((request) => ({ ...request, settings: { allowedSignatureHashes: ["sha1"] } })),
    );
    expect(lax).toMatchObject({ verdict: "accepted" });
  });

  test("the bad ones are refused, each by a check", async () => {
    const results = await evidenceBatch(requests("negative"));
    expect(results.length).toBeGreaterThan(15);
    for (const result of results)
      expect(result).toMatchObject({
        verdict: "refused",
        code: "evidence-rejected",
        check: expect.any(String),
      });
  });
});
