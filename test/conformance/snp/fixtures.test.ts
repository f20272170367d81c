import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import {
  NO_MATERIAL,
  offlineEndorsements,
  readMaterial,
} from "../../../src/attestation/endorsements/amd-material.ts";
import {
  pinnedTrustAnchors,
  trustAnchorsFromPem,
} from "../../../src/attestation/formats/sev-snp/trust-anchors.ts";
import { EvidenceRejected, type Verification } from "../../../src/attestation/verifier.ts";
import { type SnpSettings, snpSection } from "../../../src/attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "../../../src/attestation/verifiers/snp/verify.ts";
import { readJson } from "../../../src/json/read.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

interface Tcb {
  readonly fmc?: number;
  readonly bl: number;
  readonly tee: number;
  readonly snp: number;
  readonly ucode: number;
}

interface Case {
  readonly id: string;
  readonly evidence: string;
  readonly evidence_legacy?: string;
  readonly report?: string;
  readonly vek?: string;
  readonly roots: string;
  readonly crl?: string;
  readonly options: {
    readonly verify_at: string;
    readonly vmpl?: number;
    readonly min_version?: number;
    readonly report_data?: string;
    readonly host_data?: string;
  };
  readonly expect: "accept" | "reject";
  readonly fails: readonly string[];
  readonly values?: Readonly<Record<string, unknown>> & Readonly<Record<`${string}_tcb`, Tcb>>;
}

/** The data's names for what fails, and ours. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  signature: ["report-signature"],
  reserved: ["reserved-fields"],
  tcb: ["vek-tcb"],
  chip_id: ["chip-id"],
  key_kind: ["key-kind"],
  key_type: ["key-type"],
  vmpl: ["vmpl"],
  validity: ["certificate-validity"],
  cert_malformed: ["certificate-format"],
  no_vek: ["vek-available"],
  malformed: ["evidence-format"],
  version: ["report-version"],
  report_data: ["report-data"],
  host_data: ["host-data"],
  mask_chip_key: ["mask-chip-key"],
  sig_algo: ["signature-algorithm"],
  chain: ["chain-root", "chain-signature", "chain-profile"],
  product: ["product", "product-name"],
  policy_bit17: ["policy-bit17"],
  revoked: ["revocation"],
  crl_expired: ["crl-freshness"],
  crl: ["crl-signature"],
};

const path = (name: string) => sharedPath("fixtures", "snp", name);

function settingsOf({ options }: Case): SnpSettings {
  // The data asks whether evidence is genuine; what an operator thinks of debugging is tested elsewhere.
  const parsed = snpSection.parse(
    {
      allowDebug: true,
      allowMaskedChipId: true,
      ...(options.vmpl === undefined ? {} : { allowedVmpls: [options.vmpl] }),
      ...(options.min_version === undefined ? {} : { minimumReportVersion: options.min_version }),
    },
    "verifiers.snp",
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

function rootsOf({ roots }: Case) {
  if (roots === "builtin") return pinnedTrustAnchors();
  const names = ["milan", "genoa", "turin"].flatMap((product) =>
    ["ark", "ask", "asvk"].map((role) => path(`${roots}/${product}-${role}.pem`)),
  );
  return trustAnchorsFromPem(names.map((name) => readFileSync(name, "utf8")));
}

function verifierOf(one: Case): SnpVerifier {
  const material = one.crl === undefined ? NO_MATERIAL : readMaterial(readFileSync(path(one.crl)), one.crl);
  const at = Date.parse(one.options.verify_at);
  return new SnpVerifier(settingsOf(one), offlineEndorsements(rootsOf(one), material), () => at);
}

function hexOrNothing(hex: string | undefined): Buffer | undefined {
  return hex === undefined ? undefined : Buffer.from(hex, "hex");
}

async function run(one: Case, file: string): Promise<Verification | EvidenceRejected> {
  const expected = {
    runtimeDataDigest: hexOrNothing(one.options.report_data),
    initDataDigest: hexOrNothing(one.options.host_data),
  };
  try {
    const evidence = parse(readFileSync(path(file)));
    return await verifierOf(one).verify(evidence, expected, AbortSignal.timeout(10_000));
  } catch (error) {
    if (error instanceof EvidenceRejected) return error;
    throw error;
  }
}

/** Text that is not JSON never reaches a verifier; to it, that is evidence without an object. */
function parse(bytes: Buffer) {
  try {
    return readJson(bytes);
  } catch {
    return null;
  }
}

function expectValues(claims: Readonly<Record<string, unknown>>, values: NonNullable<Case["values"]>): void {
  for (const name of [
    "measurement",
    "report_data",
    "id_key_digest",
    "author_key_digest",
    "family_id",
    "image_id",
  ])
    expect(claims[name]).toBe(values[name]);
  expect(claims["init_data"]).toBe(values["host_data"]);
  expect(claims["report_id"]).toBe(values["report_id"]);
  expect(claims["chip_id"] ?? "00".repeat(64)).toBe(values["chip_id"]);
  for (const name of ["version", "guest_svn", "vmpl", "policy", "platform_info"])
    expect(claims[name]).toBe(values[name]);
  expect(claims["current_version"]).toBe(values["current_firmware"]);
  expect(claims["committed_version"]).toBe(values["committed_firmware"]);
  for (const name of ["launch_mit_vector", "current_mit_vector"]) expect(claims[name]).toBe(values[name]);
  for (const name of ["reported_tcb", "current_tcb", "committed_tcb", "launch_tcb"] as const) {
    const tcb = values[name];
    expect(claims[`${name}_bootloader`]).toBe(tcb?.bl);
    expect(claims[`${name}_tee`]).toBe(tcb?.tee);
    expect(claims[`${name}_snp`]).toBe(tcb?.snp);
    expect(claims[`${name}_microcode`]).toBe(tcb?.ucode);
    expect(claims[`${name}_fmc`]).toBe(tcb?.fmc);
  }
  if (values["product"] !== null) expect(claims["product"]).toBe(values["product"]);
}

describeShared("SEV-SNP evidence of others", "fixtures/snp", () => {
  const { cases } = JSON.parse(readFileSync(path("cases.json"), "utf8")) as { cases: readonly Case[] };

  test("there are cases", () => expect(cases.length).toBeGreaterThan(70));

  test.each(cases)("$id: $expect", async (one) => {
    const result = await run(one, one.evidence);
    if (one.expect === "reject") {
      const allowed = one.fails.flatMap((name) => CHECKS[name] ?? [`no check for ${name}`]);
      expect(result instanceof EvidenceRejected ? allowed : result).toContain(
        result instanceof EvidenceRejected ? result.check : "a refusal",
      );
      return;
    }
    if (result instanceof EvidenceRejected) throw result;
    expect(result.results).toHaveLength(1);
    expectValues(result.results[0]?.claims ?? {}, one.values ?? ({} as never));
  });

  test.each(cases.filter(({ evidence_legacy }) => evidence_legacy !== undefined))(
    "$id: the older JSON form gives the same claims",
    async (one) => {
      const [present, older] = await Promise.all([
        run(one, one.evidence),
        run(one, one.evidence_legacy ?? ""),
      ]);
      if (present instanceof EvidenceRejected || older instanceof EvidenceRejected) throw present;
      expect(older.results).toEqual(present.results);
    },
  );

  test.each(cases.filter(({ report }) => report !== undefined))(
    "$id: the binary report gives the same claims",
    async (one) => {
      const bytes = readFileSync(path(one.report ?? ""));
      const vek = readMaterial(readFileSync(path(one.vek ?? "")), "vek");
      const at = Date.parse(one.options.verify_at);
      const verifier = new SnpVerifier(settingsOf(one), offlineEndorsements(rootsOf(one), vek), () => at);
      const nothing = { runtimeDataDigest: undefined, initDataDigest: undefined };
      const result = await verifier.verifyBinary(bytes, nothing, AbortSignal.timeout(10_000));
      const json = await run(one, one.evidence);
      if (json instanceof EvidenceRejected) throw json;
      expect(result.results).toEqual(json.results);
    },
  );
});
