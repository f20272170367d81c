/** `keywarden evidence appraise`: the whole pipeline of the attestation service over files, with its reasons. */
import {
  Appraiser,
  type Evaluation,
  type InitDataInput,
  type RuntimeDataInput,
} from "../../attestation/appraise.ts";
import { parseRuntimeDataHash } from "../../attestation/binding.ts";
import { deviceOf } from "../../attestation/requests.ts";
import type { Verification } from "../../attestation/verifier.ts";
import { KbsError } from "../../errors.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import { earClaims } from "../../tokens/ear.ts";
import { readDocument, readText } from "../policy/load.ts";
import { misuse, refused, type World } from "../world.ts";
import { claimJson, explainClaims } from "./appraise-explain.ts";
import { type ChosenPolicies, choosePolicies } from "./appraise-policies.ts";
import { appraisalText, type ExplainedSubmodule } from "./appraise-text.ts";
import { judge, printJudgement } from "./judge.ts";
import type { OfflineReferenceValues } from "./reference-values.ts";
import { readReferenceValues } from "./reference-values.ts";
import type { EvidenceRequest } from "./request.ts";

export interface AppraiseOptions {
  readonly policy: readonly string[];
  readonly referenceValues?: string;
  /** A JSON file; what it holds is bound into the evidence by its digest, and shown to the policy. */
  readonly runtimeData?: string;
  readonly runtimeDataHash?: string;
  /** A TOML file, the same way. */
  readonly initDataFile?: string;
  readonly json?: boolean;
}

/** The EAR that a server would sign, shown as it was made here. */
const DEVELOPER = "keywarden";
const BUILD = "keywarden evidence appraise";
const LIFETIME_SECONDS = 300;
const NEVER = new AbortController().signal;

/**
 * @param request - the evidence and what it must carry, as for `evidence verify`
 * @throws CommandFailure: (refused) the evidence is not genuine, or the policy gave no judgement; (misuse)
 */
export async function appraiseEvidence(
  world: World,
  file: string,
  request: EvidenceRequest,
  options: AppraiseOptions,
): Promise<void> {
  const at = request.at ?? world.now();
  const inputs = await readInputs(request, options);
  const judgement = await judge({ ...request, ...digestsOf(request, inputs) }, ".", at);
  if (judgement.verdict === "refused") {
    if (judgement.checks.length === 0) throw misuse(judgement.detail);
    if (options.json) world.out(`${writeJson(printJudgement(file, judgement))}\n`);
    throw refused(judgement.detail);
  }
  const policies = await choosePolicies(options.policy, at);
  const values = await readReferenceValues(options.referenceValues, at);
  const evaluation = await evaluate({ request, inputs, judgement, policies, values });
  const explained = explain(evaluation, policies, values, at);
  world.out(
    options.json
      ? `${writeJson(reportJson(file, evaluation, explained, at))}\n`
      : `${file}: ${genuine(judgement)}\n\n${explained.map(appraisalText).join("\n")}`,
  );
}

function genuine({ checks }: Verification): string {
  const passed = checks.filter(({ outcome }) => outcome === "passed").length;
  const open = checks.filter(({ outcome }) => outcome === "not-checked").map(({ check }) => check);
  const rest = open.length === 0 ? "" : `; not checked: ${open.join(", ")}`;
  return `genuine, ${passed} checks hold${rest}`;
}

interface Inputs {
  readonly runtimeData: RuntimeDataInput | undefined;
  readonly initData: InitDataInput | undefined;
}

async function readInputs(request: EvidenceRequest, options: AppraiseOptions): Promise<Inputs> {
  if (options.runtimeData !== undefined && request.reportData !== undefined)
    throw misuse("Give --runtime-data or --report-data, not both.");
  if (options.initDataFile !== undefined && request.initData !== undefined)
    throw misuse("Give --init-data-file or --init-data, not both.");
  return { runtimeData: await runtimeData(request, options), initData: await initData(request, options) };
}

async function runtimeData(
  { reportData }: EvidenceRequest,
  options: AppraiseOptions,
): Promise<RuntimeDataInput | undefined> {
  if (options.runtimeData === undefined)
    return reportData === undefined ? undefined : { kind: "raw", bytes: reportData };
  const claims = await readDocument(options.runtimeData, "runtime data");
  return { kind: "structured", claims, hash: parseRuntimeDataHash(options.runtimeDataHash) };
}

async function initData(
  { initData: digest }: EvidenceRequest,
  { initDataFile }: AppraiseOptions,
): Promise<InitDataInput | undefined> {
  if (initDataFile !== undefined) return { kind: "toml", body: await readText(initDataFile, "init-data") };
  return digest === undefined ? undefined : { kind: "digest", digest };
}

function digestsOf({ tee }: EvidenceRequest, { runtimeData, initData }: Inputs) {
  const device = deviceOf({
    tee,
    evidence: null,
    ...(runtimeData === undefined ? {} : { runtimeData }),
    ...(initData === undefined ? {} : { initData }),
  });
  return { reportData: bufferOf(device.runtimeDataDigest), initData: bufferOf(device.initDataDigest) };
}

function bufferOf(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes);
}

interface Parts {
  readonly request: EvidenceRequest;
  readonly inputs: Inputs;
  readonly judgement: Verification;
  readonly policies: ChosenPolicies;
  readonly values: OfflineReferenceValues;
}

/** The server's own pipeline, over evidence that was verified a moment ago. */
async function evaluate({ request, inputs, judgement, policies, values }: Parts): Promise<Evaluation> {
  const { tee } = request;
  const { runtimeData, initData } = inputs;
  const appraiser = new Appraiser({
    verifiers: new Map([[tee, { tee, verify: async () => judgement }]]),
    policies,
    referenceValues: values.lookup,
  });
  const one = {
    tee,
    evidence: null,
    ...(runtimeData === undefined ? {} : { runtimeData }),
    ...(initData === undefined ? {} : { initData }),
  };
  try {
    return await appraiser.evaluate([one], [policies.policyId], NEVER);
  } catch (error) {
    if (error instanceof KbsError)
      throw refused(withReason(error), { code: error.code, detail: error.detail });
    throw error;
  }
}

/** A server keeps the engine's reason to its log; the author of a policy is who reads this. */
function withReason({ detail, cause }: KbsError): string {
  return cause instanceof Error ? `${detail} ${cause.message}` : detail;
}

function explain(
  { submodules }: Evaluation,
  policies: ChosenPolicies,
  values: OfflineReferenceValues,
  at: number,
): readonly ExplainedSubmodule[] {
  return submodules.flatMap((submodule) => {
    const policy = policies.forClass(submodule.teeClass);
    if (policy === undefined) return [];
    return [{ submodule, policy: policy.file, claims: explainClaims(submodule, policy, values, at) }];
  });
}

function reportJson(
  file: string,
  { submodules, devices }: Evaluation,
  explained: readonly ExplainedSubmodule[],
  at: number,
): JsonObject {
  const issuedAt = Math.floor(at / 1000);
  const envelope = { issuer: DEVELOPER, developer: DEVELOPER, build: BUILD, issuedAt, protocol: undefined };
  const ear = earClaims(submodules, { ...envelope, expiresAt: issuedAt + LIFETIME_SECONDS });
  const explanation = explained.map(({ submodule, policy, claims }): [string, JsonValue] => [
    submodule.name,
    { policy, policyHash: submodule.policyHash, claims: claims.map(claimJson) },
  ]);
  const checks = devices.flatMap((device) => device.checks.map((check): JsonObject => ({ ...check })));
  return { id: file, verdict: "accepted", checks, ear, explanation: Object.fromEntries(explanation) };
}
