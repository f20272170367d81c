import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { readMaterial } from "../../../../src/attestation/endorsements/amd-material.ts";
import { SNP_CHECKS } from "../../../../src/attestation/formats/sev-snp/checks.ts";
import { EvidenceRejected } from "../../../../src/attestation/verifier.ts";
import {
  AZ_SNP_CHECKS,
  AZ_SNP_REPORT_CHECKS,
  type AzSnpCheck,
} from "../../../../src/attestation/verifiers/az-snp-vtpm/checks.ts";
import { AZ_TDX_CHECKS, type AzTdxCheck } from "../../../../src/attestation/verifiers/az-tdx-vtpm/checks.ts";
import { vekExtensions } from "../../../../src/dev/amd-certificates.ts";
import type { JsonObject, JsonValue } from "../../../../src/json/value.ts";
import { make as makeAmd } from "../../../support/fake-amd/index.ts";
import {
  AZURE_ID_KEY_DIGEST,
  type AzureStory,
  attestationKey,
  jwk,
  otherKey,
  tellAzure,
} from "../../../support/fake-azure/index.ts";
import { defaultPcr, INIT_DATA, keyOf, REPORT_DATA } from "../../../support/software-tpm/index.ts";

type Stories<Check> = readonly (readonly [name: string, check: Check, story: AzureStory])[];

const ALL = Array.from({ length: 24 }, (_, pcr) => pcr);
const changed = (at: number, value: number) => (report: Buffer) => {
  const copy = Buffer.from(report);
  copy.writeUInt32LE(value, at);
  return copy;
};
const quote = (evidence: JsonObject, change: JsonObject): JsonValue => ({
  ...evidence,
  tpm_quote: { ...(evidence["tpm_quote"] as JsonObject), ...change }, // versions 1 and 2 have it
});
const pcrsOf = (evidence: JsonObject) => (evidence["tpm_quote"] as { pcrs: string[] }).pcrs;
const keys = (list: JsonValue) => (data: JsonObject) => ({ ...data, keys: list });
const userData = (text: JsonValue) => (data: JsonObject) => ({ ...data, "user-data": text });
const bound = Buffer.concat([REPORT_DATA, Buffer.alloc(16)]).toString("hex");
const ak = () => jwk("HCLAkPub", attestationKey());

/** Both kinds of VM: each story differs from the good one in one truth. */
const SHARED: Stories<AzSnpCheck & AzTdxCheck> = [
  ["B29 evidence that is no object", "malformed", { evidence: () => [] }],
  ["version 3", "malformed", { evidence: (e) => ({ ...e, version: 3 }) }],
  ["version 2 as a text", "malformed", { evidence: (e) => ({ ...e, version: "2" }) }],
  ["version null", "malformed", { evidence: (e) => ({ ...e, version: null }) }],
  ["members of version 2 without a version", "malformed", { evidence: ({ version: _, ...e }) => e }],
  ["23 registers", "malformed", { evidence: (e) => quote(e, { pcrs: pcrsOf(e).slice(1) }) }],
  [
    "a register of 31 bytes",
    "malformed",
    { evidence: (e) => quote(e, { pcrs: ["00".repeat(31), ...pcrsOf(e).slice(1)] }) },
  ],
  [
    "two registers glued together",
    "malformed",
    { evidence: (e) => quote(e, { pcrs: [pcrsOf(e).slice(0, 2).join(""), "", ...pcrsOf(e).slice(2)] }) },
  ],
  ["an odd number of digits", "malformed", { evidence: (e) => quote(e, { message: "abc" }) }],
  ["a signature of 513 bytes", "malformed", { evidence: (e) => quote(e, { signature: "00".repeat(513) }) }],
  ["standard base64", "malformed", { evidence: (e) => ({ ...e, hcl_report: "+/+/" }) }],
  [
    "padding that is too long",
    "malformed",
    { evidence: (e) => ({ ...e, hcl_report: `${String(e["hcl_report"])}====` }) },
  ],
  [
    "a paravisor's report of 65 KiB",
    "malformed",
    { evidence: (e) => ({ ...e, hcl_report: "A".repeat(90_000) }) },
  ],
  [
    "byte 257 in version 0",
    "malformed",
    { version: 0, evidence: (e) => ({ ...e, report: [257], hcl_report: [257] }) },
  ],
  [
    "a form older than the settings want",
    "evidence-version",
    { version: 1, settings: { minimumEvidenceVersion: 2 } },
  ],
  ["another signature", "hcl-malformed", { hcl: changed(0, 0) }],
  ["header version 3", "hcl-malformed", { hcl: changed(4, 3) }],
  ["header version 0", "hcl-malformed", { hcl: changed(4, 0) }],
  ["a report type nobody knows", "hcl-malformed", { hcl: changed(1224, 3) }],
  ["a digest by SHA-384", "hcl-malformed", { hcl: changed(1228, 2) }],
  ["variable data beyond the end", "hcl-malformed", { hcl: changed(1232, 5000) }],
  ["B29 variable data of 4 GiB", "hcl-malformed", { hcl: changed(1232, 0xffffffff) }],
  ["no variable data", "hcl-malformed", { hcl: changed(1232, 0) }],
  ["a report size that does not agree", "hcl-malformed", { hcl: changed(8, 1236) }],
  ["a data size that does not agree", "hcl-malformed", { hcl: changed(1216, 20) }],
  ["bytes after the variable data", "hcl-malformed", { hcl: (r) => Buffer.concat([r, Buffer.from([1])]) }],
  ["a cut report", "hcl-malformed", { hcl: (r) => r.subarray(0, 1200) }],
  ["B18 changed variable data", "var-data-binding", { hcl: (r) => changedByte(r, 1300) }],
  ["the digest of something else", "var-data-binding", { reportData: () => Buffer.alloc(64, 7) }],
  [
    "a second half that is not zero",
    "var-data-binding",
    { reportData: (d) => Buffer.concat([d, Buffer.alloc(31), Buffer.from([1])]) },
  ],
  [
    "the digest in the second half",
    "var-data-binding",
    { reportData: (d) => Buffer.concat([Buffer.alloc(32), d]) },
  ],
  ["B24 report data of zeros", "var-data-binding", { reportData: () => Buffer.alloc(64) }],
  ["B30 variable data that is not JSON", "ak", { variableData: () => "{" }],
  [
    "B29 variable data that is nested deeply",
    "ak",
    { variableData: () => `${"[".repeat(500)}${"]".repeat(500)}` },
  ],
  [
    "variable data with a member twice",
    "ak",
    { variableData: (d) => JSON.stringify(d).replace('"keys"', '"keys":[],"keys"') },
  ],
  ["no keys", "ak", { variableData: keys([]) }],
  ["an endorsement key only", "ak", { variableData: keys([jwk("HCLEkPub", otherKey())]) }],
  ["B18 two attestation keys", "ak", { variableData: keys([ak(), jwk("HCLAkPub", otherKey())]) }],
  ["17 keys", "ak", { variableData: keys([ak(), ...Array(16).fill(jwk("x", otherKey()))]) }],
  ["an attestation key that is not RSA", "ak", { variableData: keys([{ ...ak(), kty: "EC" }]) }],
  ["an attestation key of 1024 bits", "ak", { variableData: keys([jwk("HCLAkPub", keyOf("RSA-1024"))]) }],
  [
    "an attestation key with exponent 3",
    "ak",
    { variableData: keys([jwk("HCLAkPub", keyOf("RSA-2048, exponent 3"))]) },
  ],
  ["a modulus in standard base64", "ak", { variableData: keys([{ ...ak(), n: "+/+/" }]) }],
  ["B29 a modulus of 10 KiB", "ak", { variableData: keys([{ ...ak(), n: "A".repeat(14_000) }]) }],
  ["an attestation key without a modulus", "ak", { variableData: keys([{ kid: "HCLAkPub", kty: "RSA" }]) }],
  ["a VM configuration that is none", "ak", { variableData: (d) => ({ ...d, "vm-configuration": 1 }) }],
  ["another magic", "tpm-attest", { attest: { magic: 0xff544348 } }],
  ["a certification", "tpm-attest", { attest: { type: 0x8017 } }],
  ["a byte after the quote", "tpm-attest", { beforeSigning: (m) => Buffer.concat([m, Buffer.alloc(1)]) }],
  ["B18 the endorsement key's signature", "tpm-signature", { signingKey: otherKey() }],
  ["a PSS signature", "tpm-signature", { pss: true }],
  ["a signature by SHA-1", "tpm-signature", { hash: "sha1" }],
  [
    "a TPMT_SIGNATURE",
    "tpm-signature",
    { afterSigning: (s) => Buffer.concat([Buffer.from([0, 0x14, 0, 11, 1, 0]), s]) },
  ],
  [
    "B17 registers that were not quoted",
    "pcr-selection",
    { selections: [{ bank: "sha256", pcrs: ALL.slice(0, 8) }] },
  ],
  ["B17 the SHA-1 bank", "pcr-selection", { selections: [{ bank: "sha1", pcrs: ALL }] }],
  [
    "B17 two selections of one bank",
    "pcr-selection",
    {
      selections: [
        { bank: "sha256", pcrs: ALL.slice(1) },
        { bank: "sha256", pcrs: [0] },
      ],
    },
  ],
  [
    "a changed register",
    "pcr-digest",
    { evidence: (e) => quote(e, { pcrs: ["11".repeat(32), ...pcrsOf(e).slice(1)] }) },
  ],
  [
    "two registers in each other's place",
    "pcr-digest",
    { evidence: (e) => quote(e, { pcrs: [pcrsOf(e)[1] ?? "", pcrsOf(e)[0] ?? "", ...pcrsOf(e).slice(2)] }) },
  ],
  ["another nonce", "nonce", { attest: { extraData: Buffer.alloc(48, 1) } }],
  ["a nonce that was cut", "nonce", { attest: { extraData: REPORT_DATA.subarray(0, 32) } }],
  [
    "a nonce that was padded",
    "nonce",
    { attest: { extraData: Buffer.concat([REPORT_DATA, Buffer.alloc(16)]) } },
  ],
  [
    "A13 an expectation that is empty",
    "nonce",
    { attest: { extraData: Buffer.alloc(0) }, expected: { runtimeDataDigest: Buffer.alloc(0) } },
  ],
  ["B26 other init-data", "init-data", { expected: { initDataDigest: Buffer.alloc(32, 1) } }],
  ["B26 init-data by SHA-384", "init-data", { expected: { initDataDigest: Buffer.alloc(48, 1) } }],
  [
    "B24 init-data against a register of zeros",
    "init-data",
    {
      pcrs: (pcr) => (pcr === 8 ? Buffer.alloc(32) : defaultPcr("sha256", pcr)),
      expected: { initDataDigest: Buffer.alloc(32) },
    },
  ],
  [
    "B26 init-data and something after it",
    "init-data",
    {
      pcrs: (pcr) =>
        pcr === 8
          ? createHash("sha256").update(defaultPcr("sha256", 8)).update(INIT_DATA).digest()
          : defaultPcr("sha256", pcr),
    },
  ],
  ["other user data", "user-data", { variableData: userData("00".repeat(64)) }],
  ["user data of one byte", "user-data", { variableData: userData("C7") }],
  ["no user data", "user-data", { variableData: ({ "user-data": _, ...d }) => d }],
  ["user data with a tail", "user-data", { variableData: userData(`${bound.slice(0, -2)}01`) }],
  ["user data that is too long", "user-data", { variableData: userData(`${bound}00`) }],
  ["user data that is a number", "user-data", { variableData: userData(7) }],
] as const;

const SNP: Stories<AzSnpCheck> = [
  ["a report of the other kind", "hcl-malformed", { hcl: changed(1224, 4) }],
  [
    "a VCEK text without a certificate",
    "cert-malformed",
    { version: 0, evidence: (e) => ({ ...e, vcek: "-----BEGIN X-----" }) },
  ],
  [
    "B30 a VCEK text with garbage",
    "cert-malformed",
    {
      version: 0,
      evidence: (e) => ({ ...e, vcek: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" }),
    },
  ],
  ["B7 a report that the guest could have made", "hw-report", { amd: { report: { vmpl: 1 } } }],
  ["B1 a report that was changed", "hw-report", { amd: { afterSigning: (r) => r.writeUInt8(1, 0x90) } }],
  ["a VCEK of another chip", "hw-report", { amd: { report: { chipId: Buffer.alloc(64, 9) } } }],
  ["a VCEK that was cut", "hw-report", { evidence: (e) => ({ ...e, vcek: "MAA" }) }],
  ["B5 debugging", "hw-report", { amd: { report: { policy: 0xb0000n } } }],
  ["a paravisor of another signer", "hw-report", { amd: { beforeSigning: (r) => r.writeUInt8(1, 0xe0) } }],
  ["firmware that is too old", "hw-report", { settings: { minimumTcb: { Genoa: { snp: 99 } } } }],
];

const TDX: Stories<AzTdxCheck> = [
  ["a report of the other kind", "hcl-malformed", { hcl: changed(1224, 2) }],
  ["B1 a quote that was changed", "hw-report", { intel: { afterSigning: (q) => changedByte(q, 200) } }],
  [
    "a quote of an enclave",
    "hw-report",
    { evidence: (e) => ({ ...e, td_quote: Buffer.alloc(600).toString("base64url") }) },
  ],
  [
    "B5 a TD that somebody may look into",
    "hw-report",
    { intel: { td: { tdAttributes: Buffer.from("0100000000000000", "hex") } } },
  ],
  [
    "B2 a QE identity that another key signed",
    "hw-report",
    { intel: { collateral: (c) => ({ qeIdentity: changedByte(Buffer.from(c.qeIdentity), 40) }) } },
  ],
  ["a TDREPORT of an enclave", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(0, 0) }],
  ["a TDREPORT with other report data", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(1, 128 + 63) }],
  ["a TDREPORT of another module", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(1, 280) }],
  ["a TDREPORT with other attributes", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(1, 512) }],
  ["a TDREPORT with another MRTD", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(1, 528) }],
  ["a TDREPORT with another RTMR3", "td-report-mismatch", { tdReport: (r) => r.writeUInt8(1, 864 + 47) }],
  ["a paravisor the settings do not have", "mr-td", { settings: { allowedMrTds: ["00".repeat(48)] } }],
];

const staleExtensions = vekExtensions({
  kind: "VCEK",
  product: "Genoa",
  tcb: { fmc: undefined, bootloader: 9, tee: 1, snp: 20, microcode: 80 },
  hardwareId: Buffer.from(Array.from({ length: 64 }, (_, i) => i + 1)),
});

function changedByte(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

async function refusalOf(story: AzureStory): Promise<EvidenceRejected> {
  const outcome: unknown = await tellAzure(story).then(
    () => "accepted",
    (error: unknown) => error,
  );
  if (outcome instanceof EvidenceRejected) return outcome;
  throw outcome;
}

describe.each([
  ["snp", AZ_SNP_CHECKS, [...SHARED, ...SNP]],
  ["tdx", AZ_TDX_CHECKS, [...SHARED, ...TDX]],
] as const)(
  "az-%s-vtpm: each check refuses by its own name when its truth is missing",
  (kind, checks, stories) => {
    test.each(stories as Stories<string>)("%s → %s", async (_, check, story) => {
      const refusal = await refusalOf({ kind, ...story });
      expect(refusal.check).toBe(check);
      expect(refusal.checks.at(-1)).toMatchObject({ check, outcome: "failed" });
    });

    test("every check has a story", () => {
      const told = new Set<string>(stories.map(([, check]) => check));
      expect(Object.keys(checks).filter((name) => !told.has(name))).toEqual([]);
    });

    test.each([0, 1, 2] as const)(
      "version %i is accepted, with all of its checks in the order of the list",
      async (version) => {
        const result = await tellAzure({ kind, version });
        const own = result.checks.filter(({ check }) => !check.startsWith(`${kind}-`));
        expect(own.map(({ check }) => check)).toEqual(Object.keys(checks));
        const open = result.checks
          .filter(({ outcome }) => outcome === "not-checked")
          .map(({ check }) => check);
        expect(open.filter((check) => !check.startsWith(`${kind}-`))).toEqual(
          version === 2 ? [] : ["user-data"],
        );
        expect(result.results[0]?.claims).toMatchObject({ evidence_version: version, hcl_version: 2 });
      },
    );

    test("variable data is hashed as it stands", async () => {
      await tellAzure({ kind, variableData: (data) => JSON.stringify(data, null, 2) });
    });

    test("base64 with padding, user data in lower case, header version 1", async () => {
      const padded = (text: JsonValue | undefined) => {
        const bytes = Buffer.from(String(text), "base64url");
        return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
      };
      await tellAzure({ kind, evidence: (e) => ({ ...e, hcl_report: padded(e["hcl_report"]) }) });
      await tellAzure({ kind, variableData: userData(bound.toLowerCase()) });
      await tellAzure({ kind, hcl: changed(4, 1) });
    });

    test("what the guest is, the claims tell", async () => {
      const { results } = await tellAzure({ kind });
      const claims = results[0]?.claims ?? {};
      expect(claims).toMatchObject({
        report_data: REPORT_DATA.toString("hex"),
        init_data: defaultPcr("sha256", 8).toString("hex"),
        vm_configuration: { "secure-boot": true, "console-enabled": true },
        tpm_clock: { clock: 5000, reset_count: 2, restart_count: 0, safe: true },
        user_data: bound,
      });
      expect(claims["tpm"]).toMatchObject({ pcr00: "01".repeat(32), pcr23: "00".repeat(32) });
    });

    test("B25 without an expectation nothing is compared, and it is said", async () => {
      const expected = { runtimeDataDigest: undefined, initDataDigest: undefined };
      const { checks: done } = await tellAzure({ kind, expected });
      const names = ["nonce", "init-data", "user-data"];
      const open = done.filter(({ check }) => names.includes(check));
      expect(open.map(({ outcome }) => outcome)).toEqual(["not-checked", "not-checked", "not-checked"]);
    });
  },
);

describe("the hardware report inside", () => {
  test("SNP: all checks of a report on bare metal, told with the kind in front", async () => {
    const { checks } = await tellAzure({ kind: "snp", amd: { lists: [{}] } });
    const told = checks.filter(({ check }) => check.startsWith("snp-")).map(({ check }) => check.slice(4));
    // With a list at hand everything is checked but that a list has to be there.
    expect(told).toEqual(
      AZ_SNP_REPORT_CHECKS.filter((name) => name !== "crl-available" && told.includes(name)),
    );
    expect(told.length).toBeGreaterThanOrEqual(AZ_SNP_REPORT_CHECKS.length - 2);
    expect(AZ_SNP_REPORT_CHECKS.every((name) => name in SNP_CHECKS)).toBe(true);
  });

  test("a refusal names the check of the report as well", async () => {
    const snp = await refusalOf({ kind: "snp", amd: { report: { vmpl: 1 } } });
    expect(snp.checks.at(-2)).toMatchObject({ check: "snp-vmpl", outcome: "failed" });
    expect(snp.detail).toContain("snp-vmpl");
    const tdx = await refusalOf({ kind: "tdx", intel: { afterSigning: (q) => changedByte(q, 200) } });
    expect(tdx.checks.at(-2)).toMatchObject({ check: "tdx-quote-signature", outcome: "failed" });
  });

  test("SNP claims are text, with the names of a report on bare metal", async () => {
    const { results } = await tellAzure({ kind: "snp" });
    expect(results[0]?.claims).toMatchObject({
      measurement: Buffer.alloc(48, 0x4d).toString("base64"),
      policy_debug_allowed: "false",
      reported_tcb_snp: "23",
      vmpl: "0",
      guest_svn: "7",
      id_key_digest: AZURE_ID_KEY_DIGEST,
    });
  });

  test("any paravisor is a setting with a name that says what it does", async () => {
    const amd = { beforeSigning: (report: Buffer) => report.fill(0, 0xe0, 0x110) };
    await tellAzure({ kind: "snp", amd, settings: { dangerouslyAcceptAnyParavisor: true } });
    await tellAzure({ kind: "snp", amd, settings: { allowedIdKeyDigests: ["00".repeat(48)] } });
  });

  test("a VCEK that is a firmware update behind gives way to the right one, if there is one", async () => {
    const old = await makeAmd({ vekExtensions: () => staleExtensions });
    const evidence = (e: JsonObject) => ({ ...e, vcek: old.vekDer.toString("base64url") });
    const atHand = (vcek: Buffer) => readMaterial(vcek, "vcek");
    const { checks } = await tellAzure({ kind: "snp", evidence, atHand });
    expect(checks.find(({ check }) => check === "snp-vek-available")?.seen).toContain("VCEK from");
    expect(new Set(checks.map(({ check }) => check)).size).toBe(checks.length);
    const alone = await refusalOf({ kind: "snp", evidence });
    expect(alone.checks.at(-2)).toMatchObject({ check: "snp-report-signature", outcome: "failed" });
    // A certificate for the right TCB that does not fit otherwise is no reason to look for another.
    const foreign = { report: { chipId: Buffer.alloc(64, 9) } };
    expect((await refusalOf({ kind: "snp", amd: foreign, atHand })).check).toBe("hw-report");
  });

  test("TDX claims are those of a quote on bare metal", async () => {
    const { results } = await tellAzure({ kind: "tdx" });
    expect(results[0]?.claims).toMatchObject({
      tcb_status: "UpToDate",
      quote: { body: { mr_td: "4d".repeat(48) } },
    });
  });
});
