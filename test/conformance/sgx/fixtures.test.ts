import { expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../src/attestation/verifier.ts";
import { type DcapCase, dcapCases, expectOutcome, runCase } from "../../support/dcap-cases.ts";
import { describeShared } from "../../support/shared.ts";

/** The data's names for fields of a report, and the claims'; numbers are little-endian hexadecimal in claims. */
const BODY: Readonly<Record<string, string>> = {
  cpuSvn: "cpu_svn",
  miscSelect: "misc_select",
  isvExtProdId: "isv_ext_prod_id",
  mrEnclave: "mr_enclave",
  mrSigner: "mr_signer",
  configId: "config_id",
  isvProdId: "isv_prod_id",
  isvSvn: "isv_svn",
  configSvn: "config_svn",
  isvFamilyId: "isv_family_id",
  reportData: "report_data",
};

function expectBody({ values }: DcapCase, claims: Readonly<Record<string, unknown>>): void {
  const body = claims["body"] as Readonly<Record<string, string>>;
  const { debug, attributes, ...fields } = values?.body ?? {};
  expect(claims["debug"]).toBe(debug);
  expect(`${body["attributes.flags"]}${body["attributes.xfrm"]}`).toBe(attributes);
  for (const [name, value] of Object.entries(fields)) {
    const claim = body[BODY[name] ?? ""] ?? "";
    expect([name, typeof value === "number" ? Buffer.from(claim, "hex").readUInt16LE(0) : claim]).toEqual([
      name,
      value,
    ]);
  }
  expect(claims["header"]).toMatchObject({
    version: `0${values?.quote_version}00`,
    user_data: values?.user_data,
  });
}

describeShared("SGX quotes of others", "fixtures/sgx", () => {
  const cases = dcapCases("sgx");

  test("there are cases", () => expect(cases.length).toBeGreaterThan(20));

  test.each(cases)("$id: $expect", async (one) => {
    const outcome = await runCase("sgx", one, "quote");
    expectOutcome(one, outcome);
    if (one.expect === "reject" || outcome instanceof EvidenceRejected) return;
    expectBody(one, outcome.results[0]?.claims ?? {});
  });

  test.each(cases.filter(({ evidence }) => evidence !== undefined))(
    "$id: the JSON form gives the same outcome",
    async (one) => {
      const [quote, evidence] = await Promise.all([
        runCase("sgx", one, "quote"),
        runCase("sgx", one, "evidence"),
      ]);
      if (quote instanceof EvidenceRejected) expect(evidence).toMatchObject({ check: quote.check });
      else expect(evidence).toEqual(quote);
    },
  );
});
