import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../src/attestation/verifier.ts";
import { SampleVerifier } from "../../../src/attestation/verifiers/sample/verify.ts";
import { readJson } from "../../../src/json/read.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const path = (name: string) => sharedPath("fixtures", "sample", name);

describeShared("sample evidence of others", "fixtures/sample", () => {
  const { report_data, cases } = JSON.parse(readFileSync(path("expected.json"), "utf8")) as {
    report_data: string;
    cases: Record<string, { tee: "sample" | "sampledevice"; expected: string }>;
  };
  const expected = {
    runtimeDataDigest: Buffer.from(report_data, "hex"),
    initDataDigest: Buffer.alloc(32, 0x22),
  };

  test.each(Object.entries(cases))("%s", async (file, { tee, expected: verdict }) => {
    const verifier = new SampleVerifier(tee, { allowSampleEvidence: true });
    const outcome = verifier.verify(readJson(readFileSync(path(file))), expected);
    if (verdict.startsWith("REFUSE")) {
      const check = verdict.includes("svn") ? "evidence-format" : "report-data";
      await expect(outcome).rejects.toMatchObject({ code: "evidence-rejected", check });
      return;
    }
    const { results } = await outcome;
    expect(results[0]?.teeClass).toBe(tee === "sample" ? "cpu" : "gpu");
    expect(results[0]?.claims["init_data"]).toBe(
      tee === "sample" ? expected.initDataDigest.toString("base64") : undefined,
    );
  });

  test("B28 every case is refused while the switch is off", async () => {
    for (const [file, { tee }] of Object.entries(cases)) {
      const verifier = new SampleVerifier(tee, { allowSampleEvidence: false });
      const outcome = verifier.verify(readJson(readFileSync(path(file))), expected);
      await expect(outcome).rejects.toBeInstanceOf(EvidenceRejected);
      await expect(outcome).rejects.toMatchObject({ check: "sample-allowed" });
    }
  });
});
