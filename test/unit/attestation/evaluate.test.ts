import { createHash } from "node:crypto";
import { describe, expect, jest, test } from "@jest/globals";
import { Appraiser, type AppraiserDependencies } from "../../../src/attestation/appraise.ts";
import { parseRuntimeDataHash, runtimeDataDigest } from "../../../src/attestation/binding.ts";
import type { VerificationRequest } from "../../../src/attestation/requests.ts";
import type { Expected, Tee, TeeResult, Verifier } from "../../../src/attestation/verifier.ts";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import { readJson } from "../../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { writeJson } from "../../../src/json/write.ts";
import type { CompiledPolicy, ReferenceValueLookup } from "../../../src/policy/policy-engine.ts";
import { parseAttestation } from "../../../src/protocol/handshake.ts";
import { compileText, provisioned } from "../../support/shipped-policies.ts";

const signal = new AbortController().signal;
const AFFIRM = compileText('package policy\n\ntrust_claims := {"hardware": 2}');
const VECTOR = { b: 1, a: "test", c: { d: "e" } };
const VECTOR_SHA384 =
  "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c4597480a186427c813ca941da78870c3";

/** A verifier that believes everything and notes what it was told to expect. */
class Spy implements Verifier {
  readonly tee: Tee;
  readonly seen: Expected[] = [];
  readonly #results: readonly TeeResult[];

  constructor(tee: Tee, results: readonly TeeResult[] = [{ teeClass: "cpu", claims: { report_data: "r" } }]) {
    this.tee = tee;
    this.#results = results;
  }

  async verify(_: JsonValue, expected: Expected) {
    this.seen.push(expected);
    return { checks: [], results: this.#results };
  }
}

type Policies = Readonly<Record<string, CompiledPolicy>>;

function appraiser(
  spies: readonly Verifier[],
  policies: Policies = { default_cpu: AFFIRM },
  changes: Partial<AppraiserDependencies> = {},
): Appraiser {
  return new Appraiser({
    verifiers: new Map(spies.map((spy) => [spy.tee, spy])),
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

function request(more: Partial<VerificationRequest> = {}): VerificationRequest {
  return { tee: "snp", evidence: {}, ...more };
}

async function evidenceOf(one: VerificationRequest, changes: Partial<AppraiserDependencies> = {}) {
  const { submodules } = await appraiser([new Spy("snp")], undefined, changes).evaluate(
    [one],
    ["default"],
    signal,
  );
  return submodules[0]?.annotatedEvidence;
}

describe("what is asked for", () => {
  test("AS-001 without a request there is no result", async () => {
    await expect(appraiser([]).evaluate([], ["default"], signal)).rejects.toMatchObject({
      code: "malformed-request",
    });
  });

  test("AS-002 without a policy id there is no result", async () => {
    const spy = new Spy("snp");
    await expect(appraiser([spy]).evaluate([request()], [], signal)).rejects.toMatchObject({
      code: "malformed-request",
    });
    expect(spy.seen).toEqual([]);
  });

  test("AS-003 the first policy id decides; others are remarked upon", async () => {
    const onWarning = jest.fn<(sentence: string) => void>();
    const policies = {
      first_cpu: AFFIRM,
      second_cpu: compileText('package policy\n\ntrust_claims := {"hardware": 97}'),
    };
    const service = appraiser([new Spy("snp")], policies, { onWarning });
    const { submodules } = await service.evaluate([request()], ["first", "second"], signal);
    expect(submodules[0]).toMatchObject({ status: "affirming", policyId: "first" });
    expect(onWarning).toHaveBeenCalledTimes(1);
    await service.evaluate([request()], ["first"], signal);
    expect(onWarning).toHaveBeenCalledTimes(1);
  });

  test("AS-026 a policy of the bare id, or of another class, is never consulted", async () => {
    const service = appraiser([new Spy("snp")], { default: AFFIRM, default_gpu: AFFIRM });
    await expect(service.evaluate([request()], ["default"], signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });
});

describe("runtime data", () => {
  const expectedFor = async (runtimeData: VerificationRequest["runtimeData"]) => {
    const spy = new Spy("snp");
    await appraiser([spy]).evaluate(
      [request(runtimeData === undefined ? {} : { runtimeData })],
      ["default"],
      signal,
    );
    return spy.seen[0]?.runtimeDataDigest;
  };

  test("AS-004 raw bytes reach the verifier unhashed and give no claims", async () => {
    const bytes = Buffer.from("0011ff", "hex");
    expect(await expectedFor({ kind: "raw", bytes })).toBe(bytes);
    expect(await evidenceOf(request({ runtimeData: { kind: "raw", bytes } }))).toEqual({
      snp: {},
      report_data: "r",
      runtime_data_claims: null,
    });
  });

  test("AS-005 the published vector of structured runtime data", async () => {
    const digest = await expectedFor({ kind: "structured", claims: VECTOR, hash: "sha384" });
    expect(Buffer.from(digest ?? []).toString("hex")).toBe(VECTOR_SHA384);
  });

  test("AS-006 SHA-384 unless another of the three is named", () => {
    expect([undefined, "", "sha256", "sha384", "sha512"].map(parseRuntimeDataHash)).toEqual([
      "sha384",
      "sha384",
      "sha256",
      "sha384",
      "sha512",
    ]);
    for (const name of ["sha1", "SHA384", "sha-384", "sha3-256", "constructor"])
      expect(() => parseRuntimeDataHash(name)).toThrow(
        expect.objectContaining({ code: "malformed-request" }),
      );
    for (const hash of ["sha256", "sha384", "sha512"] as const)
      expect(runtimeDataDigest({ a: 1 }, hash)).toEqual(createHash(hash).update('{"a":1}').digest());
  });

  test("AS-007 the order of members does not matter", async () => {
    const other = { c: { d: "e" }, a: "test", b: 1 };
    const digest = await expectedFor({ kind: "structured", claims: other, hash: "sha384" });
    expect(Buffer.from(digest ?? []).toString("hex")).toBe(VECTOR_SHA384);
  });

  test("AS-008 absent runtime data reaches the verifier as nothing to compare with", async () => {
    expect(await expectedFor(undefined)).toBeUndefined();
    expect(await evidenceOf(request())).toMatchObject({ runtime_data_claims: null });
  });
});

describe("init-data", () => {
  const TOML = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\na = "b"\n';
  const digestFor = async (
    initData: VerificationRequest["initData"],
    hash: "sha256" | "sha512" = "sha512",
  ) => {
    const spy = new Spy("snp");
    const runtimeData = { kind: "structured", claims: {}, hash } as const;
    const one = request(initData === undefined ? { runtimeData } : { runtimeData, initData });
    await appraiser([spy]).evaluate([one], ["default"], signal);
    return spy.seen[0]?.initDataDigest;
  };

  test("AS-009 the digest is over the exact text", async () => {
    const digest = await digestFor({ kind: "toml", body: TOML });
    expect(digest).toEqual(createHash("sha256").update(TOML).digest());
    expect(await digestFor({ kind: "toml", body: TOML.replace(" = ", "  = ") })).not.toEqual(digest);
    expect(await digestFor({ kind: "toml", body: `${TOML} ` })).not.toEqual(digest);
  });

  test("AS-010 the document's own algorithm counts, whatever binds the runtime data", async () => {
    const body = TOML.replace("sha256", "sha384");
    for (const hash of ["sha256", "sha512"] as const)
      expect(await digestFor({ kind: "toml", body }, hash)).toEqual(
        createHash("sha384").update(body).digest(),
      );
  });

  test("a bare digest is compared and gives no claims", async () => {
    const digest = Buffer.alloc(32, 7);
    expect(await digestFor({ kind: "digest", digest })).toBe(digest);
    const spy = new Spy("snp", [{ teeClass: "cpu", claims: { init_data: "07" } }]);
    const { submodules } = await appraiser([spy]).evaluate(
      [request({ initData: { kind: "digest", digest } })],
      ["default"],
      signal,
    );
    expect(submodules[0]?.annotatedEvidence).toEqual({ snp: {}, init_data: "07", init_data_claims: null });
  });

  test("AS-013 another format than toml is refused", () => {
    const body = {
      "runtime-data": { nonce: "n", "tee-pubkey": generateTeeKey("p256").jwk },
      "tee-evidence": { primary_evidence: {}, additional_evidence: "" },
    };
    for (const format of ["json", "TOML", "", null])
      expect(() => parseAttestation({ ...body, "init-data": { format, body: TOML } }, "0.4")).toThrow(
        expect.objectContaining({ code: "handshake-refused" }),
      );
  });
});

describe("several devices", () => {
  const gpu = (claims: JsonObject): TeeResult => ({ teeClass: "gpu", claims });

  test("AS-018 additional evidence is taken in the order of the received text", () => {
    const names = (text: string) =>
      parseAttestation(
        {
          "runtime-data": { nonce: "n", "tee-pubkey": generateTeeKey("p256").jwk },
          "tee-evidence": { primary_evidence: {}, additional_evidence: text },
          "init-data": null,
        },
        "0.4",
      ).additional.map(({ tee }) => tee);
    expect(names('{"nvidia":{},"sampledevice":{},"hygondcu":{}}')).toEqual([
      "nvidia",
      "sampledevice",
      "hygondcu",
    ]);
    expect(names('{"hygondcu":{},"nvidia":{},"sampledevice":{}}')).toEqual([
      "hygondcu",
      "nvidia",
      "sampledevice",
    ]);
  });

  test("AS-039 one evidence may give results of several classes, counted by class", async () => {
    const nvidia = new Spy("nvidia", [
      gpu({ arch: "HOPPER", uuid: "1" }),
      gpu({ arch: "HOPPER", uuid: "2" }),
      { teeClass: "switch", claims: {} },
      { teeClass: "ppcie", claims: {} },
    ]);
    const device = new Spy("sampledevice", [gpu({ svn: "1" })]);
    const policies = Object.fromEntries(
      ["cpu", "gpu", "switch", "ppcie"].map((name) => [`p_${name}`, AFFIRM]),
    );
    const { submodules } = await appraiser([new Spy("snp"), nvidia, device], policies).evaluate(
      [request(), request({ tee: "nvidia" }), request({ tee: "sampledevice" })],
      ["p"],
      signal,
    );
    expect(submodules.map(({ name, tee, policyId }) => [name, tee, policyId])).toEqual([
      ["cpu0", "snp", "p"],
      ["gpu0", "nvidia", "p"],
      ["gpu1", "nvidia", "p"],
      ["switch0", "nvidia", "p"],
      ["ppcie0", "nvidia", "p"],
      ["gpu2", "sampledevice", "p"],
    ]);
    // AS-022: a driver without report data gives no claims of the runtime data.
    expect(submodules[1]?.annotatedEvidence).toEqual({ nvidia: { arch: "HOPPER", uuid: "1" } });
  });

  test("AS-020 a device without a policy for its class fails all", async () => {
    const spies = [new Spy("snp"), new Spy("sampledevice", [gpu({})])];
    await expect(
      appraiser(spies).evaluate([request(), request({ tee: "sampledevice" })], ["default"], signal),
    ).rejects.toMatchObject({ code: "appraisal-failed" });
  });

  test("AS-020 a device whose policy gives no judgement fails all", async () => {
    const spies = [new Spy("snp"), new Spy("sampledevice", [gpu({})])];
    const policies = { default_cpu: AFFIRM, default_gpu: compileText("package policy\n\ntrust_claims := 2") };
    await expect(
      appraiser(spies, policies).evaluate([request(), request({ tee: "sampledevice" })], ["default"], signal),
    ).rejects.toMatchObject({ code: "appraisal-failed" });
  });

  test("D11 all devices are judged by the policies and the reference values of one moment", async () => {
    let moment = 0;
    const lookup = (at: number): ReferenceValueLookup => provisioned({ now: at });
    const policy = compileText(
      'package policy\n\ntrust_claims := {"hardware": query_reference_value("now")}',
    );
    const dependencies: AppraiserDependencies = {
      verifiers: new Map([["snp" as const, new Spy("snp", [gpu({}), gpu({}), gpu({})])]]),
      policies: { attestationPolicy: () => ({ compiled: policy }) },
      get referenceValues() {
        moment += 1;
        return lookup(moment);
      },
    };
    const { submodules } = await new Appraiser(dependencies).evaluate([request()], ["default"], signal);
    expect(new Set(submodules.map(({ trustVector }) => trustVector.hardware)).size).toBe(1);
    expect(moment).toBe(1);
  });
});

describe("AS-034 policies without trust_claims", () => {
  const silent = { default_cpu: compileText("package policy\n\nallow := true") };

  test("give no judgement", async () => {
    await expect(
      appraiser([new Spy("snp")], silent).evaluate([request()], ["default"], signal),
    ).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });

  test("claim nothing at all under the switch for old policies", async () => {
    const service = appraiser([new Spy("snp")], silent, { legacyMissingTrustClaims: true });
    const { submodules } = await service.evaluate([request()], ["default"], signal);
    expect(submodules[0]?.status).toBe("none");
    expect(Object.values(submodules[0]?.trustVector ?? {})).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("and under the switch a rule that is there and undefined still fails", async () => {
    const undefinedRule = compileText('package policy\n\ntrust_claims := {"hardware": 2} if input.nothing');
    const service = appraiser(
      [new Spy("snp")],
      { default_cpu: undefinedRule },
      { legacyMissingTrustClaims: true },
    );
    await expect(service.evaluate([request()], ["default"], signal)).rejects.toMatchObject({
      code: "appraisal-failed",
    });
  });
});

describe("AS-053 integers beyond 2^53", () => {
  const WIDE = '{"a":18446744073709551615,"b":9007199254740993,"c":-9223372036854775808}';

  test("are exact from the evidence through the policy to the annotated evidence", async () => {
    const claims = readJson(WIDE) as JsonObject;
    const policy = compileText(
      [
        "package policy",
        "",
        'trust_claims := {"hardware": 2} if {',
        "\tinput.snp.b == 9007199254740993",
        "\tinput.snp.a - 1 == 18446744073709551614",
        '\tinput.snp.b in query_reference_value("wide")',
        "}",
        "",
        'extensions := [{"name": "wide", "key": -70100, "value": input.snp.a}]',
      ].join("\n"),
    );
    const spy = new Spy("snp", [{ teeClass: "cpu", claims }]);
    const referenceValues = provisioned({ wide: readJson("[9007199254740993]") });
    const { submodules } = await appraiser([spy], { default_cpu: policy }, { referenceValues }).evaluate(
      [request()],
      ["default"],
      signal,
    );
    expect(writeJson(submodules[0]?.annotatedEvidence ?? null)).toBe(`{"snp":${WIDE}}`);
    expect(submodules[0]?.extensions).toEqual({ wide: 18446744073709551615n });
    expect(submodules[0]?.extensionKeys).toEqual({ wide: -70100 });
    const near = provisioned({ wide: readJson("[9007199254740992]") });
    await expect(
      appraiser([spy], { default_cpu: policy }, { referenceValues: near }).evaluate(
        [request()],
        ["default"],
        signal,
      ),
    ).rejects.toMatchObject({ code: "appraisal-failed" });
  });
});
