import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import type { Expected } from "../../../../src/attestation/verifier.ts";
import { sampleSection } from "../../../../src/attestation/verifiers/sample/settings.ts";
import { SampleVerifier } from "../../../../src/attestation/verifiers/sample/verify.ts";

const digest = createHash("sha384").update("runtime data").digest();
const expected: Expected = { runtimeDataDigest: digest, initDataDigest: undefined };
const on = { allowSampleEvidence: true };
const evidence = (reportData: string, svn: unknown = "1") => ({ svn, report_data: reportData }) as never;

describe("sample evidence", () => {
  test("B28 is off by default, and refused by name", async () => {
    const parsed = sampleSection.parse(undefined, "verifiers.sample");
    expect(parsed).toEqual({ ok: true, value: { allowSampleEvidence: false } });
    const verifier = new SampleVerifier("sample", { allowSampleEvidence: false });
    await expect(verifier.verify(evidence(digest.toString("base64")), expected)).rejects.toMatchObject({
      code: "evidence-rejected",
      check: "sample-allowed",
    });
  });

  test("B28 an unknown option or a truthy text does not switch it on", () => {
    for (const value of [
      { allowSampleEvidence: "true" },
      { allowSampleEvidence: 1 },
      { allow_sample: true },
      true,
    ])
      expect(sampleSection.parse(value, "verifiers.sample").ok).toBe(false);
  });

  test("P24 gives the made-up claims when bound to the expected bytes", async () => {
    const initDataDigest = Buffer.alloc(32, 3);
    const { results, checks } = await new SampleVerifier("sample", on).verify(
      evidence(digest.toString("base64")),
      { ...expected, initDataDigest },
    );
    expect(results).toEqual([
      {
        teeClass: "cpu",
        claims: {
          svn: "1",
          report_data: digest.toString("base64"),
          init_data: initDataDigest.toString("base64"),
          launch_digest: "abcde",
          platform_version: { major: 1, minor: 4 },
          debug: false,
        },
      },
    ]);
    expect(checks.map(({ check, outcome }) => [check, outcome])).toEqual([
      ["sample-allowed", "passed"],
      ["evidence-format", "passed"],
      ["report-data", "passed"],
    ]);
  });

  test("P24 one flipped bit of the report data is refused", async () => {
    const verifier = new SampleVerifier("sample", on);
    for (let bit = 0; bit < digest.length * 8; bit++) {
      const flipped = Buffer.from(digest);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      await expect(verifier.verify(evidence(flipped.toString("base64")), expected)).rejects.toMatchObject({
        check: "report-data",
      });
    }
  });

  test.each([
    ["A13 padded with zeros", Buffer.concat([digest, Buffer.alloc(16)]).toString("base64")],
    ["A13 cut", digest.subarray(0, 32).toString("base64")],
    ["without base64 padding where there is some", digest.subarray(0, 47).toString("base64url")],
    ["in hexadecimal", digest.toString("hex")],
    ["A15 absent", ""],
  ])("%s is refused", async (_name, text) => {
    await expect(new SampleVerifier("sample", on).verify(evidence(text), expected)).rejects.toMatchObject({
      check: "report-data",
    });
  });

  test.each([
    ["no svn", { report_data: "" }],
    ["an svn that is no text", { svn: 1, report_data: "" }],
    ["report data that is no text", { svn: "1", report_data: 5 }],
    ["a list", []],
    ["null", null],
    ["a text", "x"],
    ["an svn of a megabyte", { svn: "x".repeat(1 << 20), report_data: "" }],
  ])("%s is malformed", async (_name, value) => {
    await expect(new SampleVerifier("sample", on).verify(value, expected)).rejects.toMatchObject({
      check: "evidence-format",
    });
  });

  test("the init_data claim echoes the broker's digest, never the evidence", async () => {
    const value = { svn: "1", report_data: digest.toString("base64"), init_data: "forged" };
    const { results } = await new SampleVerifier("sample", on).verify(value, expected);
    expect(results[0]?.claims).not.toHaveProperty("init_data");
  });
});

describe("sample device evidence", () => {
  test("P26 is of class gpu and bound in the same way", async () => {
    const verifier = new SampleVerifier("sampledevice", on);
    const { results } = await verifier.verify(evidence(digest.toString("base64"), "2"), {
      ...expected,
      initDataDigest: Buffer.alloc(32),
    });
    expect(results).toEqual([
      { teeClass: "gpu", claims: { svn: "2", report_data: digest.toString("base64") } },
    ]);
    await expect(verifier.verify(evidence("eHh4", "2"), expected)).rejects.toMatchObject({
      check: "report-data",
    });
  });
});
