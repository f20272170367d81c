import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { Appraiser } from "../../src/attestation/appraise.ts";
import type { Verifier } from "../../src/attestation/verifier.ts";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";
import { readJson } from "../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { parseTeePublicKey } from "../../src/protocol/jwk.ts";
import { earClaims } from "../../src/tokens/ear.ts";
import { verifySnp } from "../../src/verifiers.ts";
import { describeShared, sharedPath } from "../support/shared.ts";
import { provisioned, shippedPolicy } from "../support/shipped-policies.ts";

interface Case {
  readonly id: string;
  readonly evidence: string;
  readonly options: { readonly verify_at: string };
  readonly values: { readonly report_data: string };
}

const read = (path: string): string => readFileSync(sharedPath("fixtures", path), "utf8");
const CPU = shippedPolicy("attestation/default_cpu");

/** The real verifier on recorded evidence, which is bound to what its makers wanted and not to our session. */
function recorded({ options, values }: Case): Verifier {
  return {
    tee: "snp",
    verify: (evidence) =>
      verifySnp(evidence, {
        at: new Date(options.verify_at),
        reportData: Buffer.from(values.report_data, "hex"),
      }),
  };
}

async function appraised(of: Case, values: Readonly<Record<string, JsonValue>>): Promise<JsonObject> {
  const appraiser = new Appraiser({
    verifiers: new Map([["snp", recorded(of)]]),
    policies: { attestationPolicy: () => ({ compiled: CPU }) },
    referenceValues: provisioned(values),
  });
  const teePublicKey = parseTeePublicKey(generateTeeKey("p256").jwk);
  const primaryEvidence = readJson(read(`snp/${of.evidence}`));
  const attestation = {
    nonce: "n",
    teePublicKey,
    primaryEvidence,
    additionalEvidence: "",
    additional: [],
    initData: undefined,
  };
  const request = {
    tee: "snp",
    generation: "0.4",
    nonce: "n",
    runtimeDataHash: "sha384",
    attestation,
  } as const;
  const { submodules } = await appraiser.appraise(request, AbortSignal.timeout(20_000));
  const envelope = {
    issuer: "i",
    developer: "d",
    build: "b",
    issuedAt: 0,
    expiresAt: 1,
    protocol: undefined,
  };
  return earClaims(submodules, envelope);
}

describeShared("EAR of real SEV-SNP evidence", "fixtures/ear", () => {
  const reference = JSON.parse(read("ear/reference-snp.json"));
  const cases: readonly Case[] = JSON.parse(read("snp/cases.json")).cases;
  const known = cases.filter(({ id }) => Object.hasOwn(reference, id));

  test("the recorded outcomes are all tried", () => {
    expect(known).toHaveLength(Object.keys(reference).length);
  });

  test.each(known)("$id: claims, vector, status and extensions of the reference service", async (of) => {
    const theirs = reference[of.id].submods.cpu0;
    const ours = (await appraised(of, {}))["submods"];
    const evidence = "ear.veraison.annotated-evidence";
    const { runtime_data_claims: _, ...shown } = theirs[evidence];
    expect(ours).toMatchObject({ cpu0: { ...theirs, [evidence]: shown } });
  });

  test.each(known)("$id: affirming once its values are provisioned", async (of) => {
    const { snp } = reference[of.id].submods.cpu0["ear.veraison.annotated-evidence"];
    const values = {
      snp_launch_measurement: [snp.measurement],
      snp_bootloader: [snp.reported_tcb_bootloader],
      snp_microcode: [snp.reported_tcb_microcode],
      snp_snp_svn: [snp.reported_tcb_snp],
      snp_tee_svn: [snp.reported_tcb_tee],
      snp_smt_enabled: snp.platform_smt_enabled,
      snp_tsme_enabled: snp.platform_tsme_enabled,
      snp_guest_abi_major: snp.policy_abi_major,
      snp_guest_abi_minor: snp.policy_abi_minor,
      snp_single_socket: snp.policy_single_socket,
      snp_smt_allowed: snp.policy_smt_allowed,
    };
    expect((await appraised(of, values))["submods"]).toMatchObject({
      cpu0: {
        "ear.status": "affirming",
        "ear.trustworthiness-vector": { hardware: 2, configuration: 2, executables: 3 },
      },
    });
  });
});
