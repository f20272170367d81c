import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { evidenceBatch } from "../../support/evidence-batch.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

interface Case {
  readonly id: string;
  readonly evidence: string;
  readonly roots: string;
  readonly crl?: string;
  readonly options: Readonly<Record<string, string | number>>;
  readonly expect: "accept" | "reject";
}

/** A request line as scripts write it. */
function requestOf(one: Case, folder: string): object {
  const settings = {
    ...(one.options["vmpl"] === undefined ? {} : { allowedVmpls: [one.options["vmpl"]] }),
    ...(one.options["min_version"] === undefined ? {} : { minimumReportVersion: one.options["min_version"] }),
  };
  const products = ["milan", "genoa", "turin"];
  const anchors = products.flatMap((product) =>
    ["ark", "ask", "asvk"].map((role) => join(folder, one.roots, `${product}-${role}.pem`)),
  );
  return {
    id: one.id,
    tee: "snp",
    evidence: join(folder, one.evidence),
    at: one.options["verify_at"],
    ...(one.options["report_data"] === undefined ? {} : { reportData: one.options["report_data"] }),
    ...(one.options["host_data"] === undefined ? {} : { initData: one.options["host_data"] }),
    ...(one.roots === "builtin" ? {} : { trustAnchors: anchors }),
    ...(one.crl === undefined ? {} : { collateral: [join(folder, one.crl)] }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}

describeShared("SEV-SNP evidence of others through the batch command", "fixtures/snp", () => {
  const folder = sharedPath("fixtures", "snp");
  test("gives one result per request, in order, with the verdict of each case", async () => {
    const { cases } = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")) as {
      cases: readonly Case[];
    };
    const results = await evidenceBatch(cases.map((one) => requestOf(one, folder)));
    expect(results.map(({ id, verdict }) => [id, verdict])).toEqual(
      cases.map((one) => [one.id, one.expect === "accept" ? "accepted" : "refused"]),
    );
    for (const result of results.filter(({ verdict }) => verdict === "refused"))
      expect(result).toMatchObject({ code: "evidence-rejected", check: expect.any(String) });
  });
});
