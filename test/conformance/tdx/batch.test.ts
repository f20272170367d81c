import { expect, test } from "@jest/globals";
import { type DcapCase, dcapCases } from "../../support/dcap-cases.ts";
import { type BatchResult, evidenceBatch } from "../../support/evidence-batch.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

/** A request line as scripts write it. */
function requestOf(tee: "tdx" | "sgx", one: DcapCase): object {
  const path = (name: string) => sharedPath(`fixtures/${tee}`, name);
  return {
    id: one.id,
    tee,
    evidence: path(one.evidence ?? one.quote),
    at: one.verify_at,
    ...(one.root === "builtin" ? {} : { trustAnchors: [path(one.root)] }),
    ...(one.collateral ? { collateral: [path(one.collateral)] } : {}),
  };
}

describeShared("TDX and SGX quotes of others through the batch command", "fixtures/tdx", () => {
  test.each(["tdx", "sgx"] as const)("%s: verdict, failing check and status of each case", async (tee) => {
    const cases = dcapCases(tee);
    const results = await evidenceBatch(cases.map((one) => requestOf(tee, one)));
    expect(results.map(({ id }) => id)).toEqual(cases.map(({ id }) => id));
    for (const [i, one] of cases.entries()) expectResult(one, results[i]);
  });
});

function expectResult(one: DcapCase, result: BatchResult | undefined): void {
  const lenient = result?.verdict === "accepted" && one.lenient_expect === "accept";
  const expected = lenient ? "accepted" : one.expect === "accept" ? "accepted" : "refused";
  expect([one.id, result?.verdict]).toEqual([one.id, expected]);
  if (expected === "refused") {
    expect(result).toMatchObject({ code: "evidence-rejected", check: expect.any(String) });
    expect(one.fails).toContain(result?.check?.replaceAll("-", "_"));
  } else
    expect(result?.results?.[0]?.claims["tcb_status"]).toBe(lenient ? one.lenient_status : one.tcb_status);
}
