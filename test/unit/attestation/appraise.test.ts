import { readFileSync } from "node:fs";
import { describe, expect, jest, test } from "@jest/globals";
import {
  type AppraisalRequest,
  Appraiser,
  type AppraiserDependencies,
} from "../../../src/attestation/appraise.ts";
import { runtimeDataClaims, runtimeDataDigest } from "../../../src/attestation/binding.ts";
import {
  EvidenceRejected,
  type Tee,
  type TeeClass,
  type Verifier,
} from "../../../src/attestation/verifier.ts";
import { sampleDeviceDriver, sampleDriver } from "../../../src/attestation/verifiers/sample/index.ts";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import type { JsonValue } from "../../../src/json/value.ts";
import type { CompiledPolicy } from "../../../src/policy/policy-engine.ts";
import { parseAttestation } from "../../../src/protocol/handshake.ts";
import { parseTeePublicKey } from "../../../src/protocol/jwk.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { compileText, provisioned, shippedPolicy } from "../../support/shipped-policies.ts";

const NONCE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY = generateTeeKey("p256");
const teePublicKey = parseTeePublicKey(KEY.jwk);
const signal = new AbortController().signal;
const world = { now: () => 0, collateral: undefined };
const allowed = { allowSampleEvidence: true };

function verifiers(...extra: readonly Verifier[]): ReadonlyMap<Tee, Verifier> {
  const list = [sampleDriver.create(allowed, world), sampleDeviceDriver.create(allowed, world), ...extra];
  return new Map(list.map((verifier) => [verifier.tee, verifier]));
}

const SHIPPED: Readonly<Record<string, CompiledPolicy>> = {
  default_cpu: shippedPolicy("attestation/default_cpu"),
  default_gpu: shippedPolicy("attestation/default_gpu"),
};

function appraiser(changes: Partial<AppraiserDependencies> = {}, policies = SHIPPED): Appraiser {
  return new Appraiser({
    verifiers: verifiers(),
    policies: {
      attestationPolicy: (id, teeClass) => {
        const compiled = policies[`${id}_${teeClass}`];
        return compiled === undefined ? undefined : { compiled };
      },
    },
    referenceValues: provisioned({}),
    ...changes,
  });
}

function reportData(nonce: string, additionalEvidence: string | undefined, key = teePublicKey): string {
  const claims = runtimeDataClaims({ nonce, teePublicKey: key, additionalEvidence });
  return runtimeDataDigest(claims, "sha384").toString("base64");
}

interface Guest {
  readonly boundTo?: string;
  readonly nonce?: string;
  readonly devices?: Readonly<Record<string, JsonValue>>;
  readonly initData?: string;
  readonly key?: JsonValue;
}

/** What an honest guest sends, apart from what a test changes. */
function request({
  boundTo = NONCE,
  nonce = NONCE,
  devices,
  initData,
  key = KEY.jwk,
}: Guest = {}): AppraisalRequest {
  const additional = devices === undefined ? "" : JSON.stringify(devices);
  const attestation = parseAttestation(
    {
      "init-data": initData === undefined ? null : { format: "toml", body: initData },
      "runtime-data": { nonce, "tee-pubkey": key },
      "tee-evidence": {
        primary_evidence: { svn: "1", report_data: reportData(boundTo, additional) },
        additional_evidence: additional,
      },
    },
    "0.4",
  );
  return { tee: "sample", generation: "0.4", nonce, runtimeDataHash: "sha384", attestation };
}

const DEVICE = { svn: "2", report_data: reportData(NONCE, undefined) };

test("P24 P36 an honest guest: one submodule with status, evidence and the TEE key", async () => {
  const { submodules, devices } = await appraiser().appraise(request(), signal);
  expect(submodules).toHaveLength(1);
  expect(submodules[0]).toMatchObject({
    name: "cpu0",
    status: "contraindicated",
    policyId: "default",
    trustVector: { hardware: 97, executables: 33 },
    annotatedEvidence: {
      sample: { svn: "1", launch_digest: "abcde" },
      runtime_data_claims: { nonce: NONCE, "tee-pubkey": KEY.jwk, "additional-evidence": "" },
    },
    extensions: { "ear.trustee.identifiers": { validated: {} } },
  });
  expect(devices[0]?.checks.every(({ outcome }) => outcome === "passed")).toBe(true);
});

test("P71 the policy under the class's name decides, with reference values", async () => {
  const values = { launch_digest: ["abcde"], svn: ["1"], major_version: 1, minimum_minor_version: 1 };
  const { submodules } = await appraiser({ referenceValues: provisioned(values) }).appraise(
    request(),
    signal,
  );
  expect(submodules[0]?.status).toBe("affirming");
  const other = {
    ...SHIPPED,
    default_cpu: compileText('package policy\n\ntrust_claims := {"hardware": -1}'),
  };
  const result = await appraiser({}, other).appraise(request(), signal);
  expect(result.submodules[0]).toMatchObject({
    trustVector: { hardware: -1 },
    status: "none",
    extensions: {},
  });
});

describe("A2 A3 A12 A13 evidence that is bound to something else", () => {
  const refused = async (changed: AppraisalRequest) =>
    expect(appraiser().appraise(changed, signal)).rejects.toMatchObject({
      code: "evidence-rejected",
      check: "report-data",
    });

  test("another session's nonce", () => refused(request({ boundTo: "another nonce" })));
  test("A3 a recorded handshake in a new session", () => refused({ ...request(), nonce: "fresh nonce" }));
  test("A12 another TEE key", () => refused(request({ key: generateTeeKey("p256").jwk })));
  test("A13 another hash", () => refused({ ...request(), runtimeDataHash: "sha512" }));
  test("P25 without the member for devices", () => {
    const good = request();
    const primaryEvidence = { svn: "1", report_data: reportData(NONCE, undefined) };
    return refused({ ...good, attestation: { ...good.attestation, primaryEvidence } });
  });
  test("P24 one flipped bit", () => {
    const good = request();
    const bytes = Buffer.from(reportData(NONCE, ""), "base64");
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1);
    const primaryEvidence = { svn: "1", report_data: bytes.toString("base64") };
    return refused({ ...good, attestation: { ...good.attestation, primaryEvidence } });
  });
  test("A13 trailing bytes", () => {
    const good = request();
    const padded = Buffer.concat([Buffer.from(reportData(NONCE, ""), "base64"), Buffer.alloc(16)]);
    const primaryEvidence = { svn: "1", report_data: padded.toString("base64") };
    return refused({ ...good, attestation: { ...good.attestation, primaryEvidence } });
  });
  test("A15 no report data at all", () => {
    const good = request();
    return refused({ ...good, attestation: { ...good.attestation, primaryEvidence: { svn: "1" } } });
  });
});

describe("P26 P35 additional devices", () => {
  test("each is verified with its own binding and appraised in its class", async () => {
    const { submodules } = await appraiser().appraise(request({ devices: { sampledevice: DEVICE } }), signal);
    expect(submodules.map(({ name }) => name)).toEqual(["cpu0", "gpu0"]);
    expect(submodules[1]?.annotatedEvidence["runtime_data_claims"]).toEqual({
      nonce: NONCE,
      "tee-pubkey": KEY.jwk,
    });
    expect(submodules[1]?.status).toBe("contraindicated");
  });

  test("AS-039 several of one class are counted", async () => {
    const sample = { svn: "1", report_data: reportData(NONCE, undefined) };
    const { submodules } = await appraiser().appraise(
      request({ devices: { sample, sampledevice: DEVICE } }),
      signal,
    );
    expect(submodules.map(({ name, tee }) => [name, tee])).toEqual([
      ["cpu0", "sample"],
      ["cpu1", "sample"],
      ["gpu0", "sampledevice"],
    ]);
  });

  test("P35 AS-020 one bad device fails all", async () => {
    const devices = { sampledevice: { ...DEVICE, report_data: reportData("x", undefined) } };
    await expect(appraiser().appraise(request({ devices }), signal)).rejects.toBeInstanceOf(EvidenceRejected);
  });

  test("AS-019 a device bound like the primary is refused", async () => {
    const devices = { sampledevice: { ...DEVICE, report_data: reportData(NONCE, "") } };
    await expect(appraiser().appraise(request({ devices }), signal)).rejects.toBeInstanceOf(EvidenceRejected);
  });

  test("B22 a device dropped in transit fails the primary", async () => {
    const good = request({ devices: { sampledevice: DEVICE } });
    const dropped = { ...good.attestation, additionalEvidence: "", additional: [] };
    await expect(appraiser().appraise({ ...good, attestation: dropped }, signal)).rejects.toMatchObject({
      check: "report-data",
    });
  });

  test("B22 a device swapped in transit fails the primary", async () => {
    const good = request({ devices: { sampledevice: DEVICE } });
    const swapped = good.attestation.additionalEvidence.replace('"svn":"2"', '"svn":"3"');
    expect(swapped).not.toBe(good.attestation.additionalEvidence);
    const attestation = { ...good.attestation, additionalEvidence: swapped };
    await expect(appraiser().appraise({ ...good, attestation }, signal)).rejects.toMatchObject({
      check: "report-data",
    });
  });

  test("P27 one TEE twice is refused", async () => {
    const good = request({ devices: { sampledevice: DEVICE } });
    const twice = [...good.attestation.additional, ...good.attestation.additional];
    const attestation = { ...good.attestation, additional: twice };
    await expect(appraiser().appraise({ ...good, attestation }, signal)).rejects.toMatchObject({
      code: "handshake-refused",
    });
  });
});

describe("B28 evidence this server does not accept", () => {
  test("sample evidence unless it is allowed by name", async () => {
    const strict = new Map([["sample" as const, sampleDriver.create({ allowSampleEvidence: false }, world)]]);
    await expect(appraiser({ verifiers: strict }).appraise(request(), signal)).rejects.toMatchObject({
      code: "evidence-rejected",
      check: "sample-allowed",
    });
  });

  test("a TEE without a verifier", async () => {
    await expect(appraiser().appraise({ ...request(), tee: "tdx" }, signal)).rejects.toMatchObject({
      code: "evidence-rejected",
    });
  });
});

describe("init-data", () => {
  test("E9 B25 a long document is not read before the evidence verified", async () => {
    const refusing: Verifier = {
      tee: "snp",
      verify: async () => {
        const check = { check: "debug", outcome: "failed", expected: "", seen: "", source: "" } as const;
        throw new EvidenceRejected("snp", [check], check);
      },
    };
    const long = `algorithm = "sha384"\n${"[a.b.c]\n".repeat(10_000)}`;
    const guest = { ...request({ initData: long }), tee: "snp" as const };
    const appraise = (one: Verifier) => appraiser({ verifiers: verifiers(one) }).appraise(guest, signal);
    await expect(appraise(refusing)).rejects.toMatchObject({ code: "evidence-rejected" });
    const believing: Verifier = {
      tee: "snp",
      verify: async () => ({ checks: [], results: [{ teeClass: "cpu", claims: {} }] }),
    };
    await expect(appraise(believing)).rejects.toMatchObject({ code: "handshake-refused" });
  });

  const INIT_DATA = `version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n"aa.toml" = 'a = 1'\n`;

  test("P29 P31 its claims stand beside the digest", async () => {
    const { submodules } = await appraiser().appraise(request({ initData: INIT_DATA }), signal);
    expect(submodules[0]?.annotatedEvidence).toMatchObject({
      init_data_claims: { "aa.toml": { a: 1 } },
    });
  });

  test("B24 B25 the verifier gets the digest of the exact text, or undefined, never zeros", async () => {
    const seen: (Uint8Array | undefined)[] = [];
    const spy: Verifier = {
      tee: "snp",
      verify: async (_, expected) => {
        seen.push(expected.initDataDigest);
        return { checks: [], results: [{ teeClass: "cpu", claims: { report_data: "r" } }] };
      },
    };
    const spied = appraiser({ verifiers: verifiers(spy) });
    await spied.appraise({ ...request({ initData: INIT_DATA }), tee: "snp" }, signal);
    const { submodules } = await spied.appraise({ ...request(), tee: "snp" }, signal);
    expect(seen[0]).toHaveLength(32);
    expect(seen[1]).toBeUndefined();
    // The verifier confirmed nothing about init-data, so nothing of it is shown.
    expect(submodules[0]?.annotatedEvidence).not.toHaveProperty("init_data_claims");
  });

  test("B26 an unusable document refuses the handshake before any verifier runs", async () => {
    const verify = jest.fn<Verifier["verify"]>();
    const spied = appraiser({
      verifiers: new Map([["sample" as const, { tee: "sample" as const, verify }]]),
    });
    await expect(
      spied.appraise(request({ initData: INIT_DATA.replace("sha256", "md5") }), signal),
    ).rejects.toMatchObject({ code: "handshake-refused" });
    expect(verify).not.toHaveBeenCalled();
  });
});

describe("D10 policies that give no judgement", () => {
  const withCpu = (text: string) => appraiser({}, { ...SHIPPED, default_cpu: compileText(text) });

  test.each([
    ["AS-034 no trust_claims", "package policy\n\nallow := true"],
    ["AS-034 another package", 'package other\n\ntrust_claims := {"hardware": 2}'],
    ["AS-035 undefined", 'package policy\n\ntrust_claims := {"hardware": 2} if input.nothing'],
    ["AS-035 no object", "package policy\n\ntrust_claims := 2"],
    ["AS-036 empty", "package policy\n\ntrust_claims := {}"],
    ["AS-033 out of range", 'package policy\n\ntrust_claims := {"hardware": 300}'],
    [
      "AS-107 conflicting",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\ntrust_claims := {"hardware": 3}',
    ],
    [
      "AS-037 extensions undefined",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [] if input.nothing',
    ],
    ["extensions no list", 'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := {}'],
    [
      "AS-038 a name twice",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "a", "key": 1, "value": 1}, {"name": "a", "key": 2, "value": 1}]',
    ],
    [
      "AS-038 a key twice",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "a", "key": 1, "value": 1}, {"name": "b", "key": 1, "value": 1}]',
    ],
    [
      "a name of the pipeline",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "ear.status", "key": 1, "value": "affirming"}]',
    ],
    ...[
      "ear.appraisal-policy-ids",
      "ear.appraisal.policy.ids",
      "ear.trustworthiness.vector",
      "ear.veraison-annotated-evidence",
      "ear_status",
      "ear_raw_evidence",
    ].map((name) => [
      `${name}, which is a name of the pipeline in the IETF profile`,
      `package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "${name}", "key": 1, "value": ["default"]}]`,
    ]),
    [
      "AS-038 two names that are one in the IETF profile",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "ear.a-b", "key": 1, "value": 1}, {"name": "ear.a.b", "key": 2, "value": 1}]',
    ],
    [
      "a key beyond 32 bits",
      'package policy\n\ntrust_claims := {"hardware": 2}\n\nextensions := [{"name": "a", "key": 2147483648, "value": 1}]',
    ],
  ])("%s", async (_, text) => {
    await expect(withCpu(text).appraise(request(), signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });

  test("AS-026 no policy for the class", async () => {
    await expect(appraiser({ policyId: "other" }).appraise(request(), signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });

  test("a policy that no longer compiles", async () => {
    const policies = { attestationPolicy: (_: string, __: TeeClass) => ({ compiled: undefined }) };
    await expect(appraiser({ policies }).appraise(request(), signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });

  test("AS-083 reference values that cannot be read", async () => {
    const referenceValues = async () => {
      throw new Error("down");
    };
    await expect(appraiser({ referenceValues }).appraise(request(), signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });

  test("AS-025 there is no data document", async () => {
    const claims = withCpu('package policy\n\ntrust_claims := {"hardware": 2} if not data.reference');
    await expect(claims.appraise(request(), signal)).resolves.toBeDefined();
  });
});

describeShared("recorded handshakes", "fixtures/transcripts", () => {
  test.each([
    ["08-attest-p256.json", "0.4"],
    ["08-attest-p521.json", "0.4"],
    ["08-attest-rsa2048.json", "0.4"],
    ["11-attest-init-data.json", "0.4"],
    ["17-attest-with-sample-device.json", "0.4"],
    ["0.2.0/08-attest-p256.json", "0.2"],
    ["0.2.0/08-attest-rsa2048.json", "0.2"],
    ["0.1.1/08-attest-rsa2048.json", "0.1"],
  ] as const)("%s gives the evidence of the recorded token", async (file, generation) => {
    const exchanges = JSON.parse(readFileSync(sharedPath("fixtures/transcripts", file), "utf8"));
    const [auth, attest] = exchanges.slice(-2);
    const { submodules, protocol } = await appraiser().appraise(
      {
        tee: "sample",
        generation,
        nonce: JSON.parse(auth.response.body).nonce,
        runtimeDataHash: "sha384",
        attestation: parseAttestation(JSON.parse(attest.request.body), generation),
      },
      signal,
    );
    expect(protocol).toBe(generation === "0.1" ? "0.1" : undefined);
    if (generation !== "0.4") return;
    const { token } = JSON.parse(attest.response.body);
    const { submods } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
    expect(submodules.map(({ name }) => name)).toEqual(Object.keys(submods));
    for (const { name, annotatedEvidence } of submodules)
      expect(annotatedEvidence).toEqual(submods[name]["ear.veraison.annotated-evidence"]);
  });
});
