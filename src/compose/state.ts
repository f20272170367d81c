import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { registerManifests } from "../attestation/reference-values/manifest-folder.ts";
import { ReferenceValues } from "../attestation/reference-values/reference-values.ts";
import { loadTrustedSigners } from "../attestation/reference-values/signer-files.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import { Enrolments } from "../enrolment/enrolments.ts";
import type { JsonValue } from "../json/value.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { PolicyEngine, ReferenceValueLookup } from "../policy/policy-engine.ts";
import { policyKind } from "../policy/policy-names.ts";
import { adviseOnValues } from "../policy/reference-value-advice.ts";
import { RegoEngine } from "../policy/rego-engine.ts";
import { shippedPolicies } from "../policy/shipped.ts";
import { StoredPolicies } from "../policy/stored-policies.ts";
import type { SecretStore } from "../secrets/secret-store.ts";
import { createSecretStore, type SecretStoreDependencies } from "../secrets/stores.ts";
import type { DocumentStore } from "../storage/document-store.ts";
import { FsDocumentStore } from "../storage/fs-documents.ts";
import { MemoryDocumentStore } from "../storage/memory-documents.ts";
import type { World } from "./world.ts";

/** Everything that administrators set and guests are judged by. */
export interface State {
  readonly secrets: SecretStore;
  readonly policies: StoredPolicies;
  readonly referenceValues: ReferenceValues;
  /** A new snapshot each time it is read: whoever takes it once sees one moment to the end. */
  readonly lookup: ReferenceValueLookup;
  /** Keys of machines with a bare TPM. */
  readonly enrolments: Enrolments;
  /** For policies that are not administrators' but the configuration's. */
  readonly engine: PolicyEngine;
}

/** @throws KbsError `storage-unavailable` */
export async function openState(config: KeywardenConfig, world: World, metrics: Metrics): Promise<State> {
  const { now, log, startSignal } = world;
  const reportFault = (fault: object) => log.error({ event: "storage-fault", ...fault });
  const documents = async (name: string): Promise<DocumentStore> =>
    config.state.driver === "memory"
      ? new MemoryDocumentStore()
      : FsDocumentStore.open(join(config.dataDirectory, name), reportFault);
  const remote = remoteStores(world, metrics);
  const secrets = await createSecretStore(config.secrets, { reportFault, now, remote });
  const { maxPolicyBytes } = config.policy;
  const engine = openEngine(config, world);
  const [store, shipped] = await Promise.all([documents("policies"), shippedPolicies()]);
  const allowMissingTrustClaims = config.attestation.dangerouslyAllowMissingTrustClaims;
  const allowHopeless = config.policy.checks === "parse-only";
  const policies = await StoredPolicies.open(
    { store, engine, shipped, now, maxPolicyBytes, allowMissingTrustClaims, allowHopeless },
    startSignal,
  );
  reportDifferences(policies, world);
  const referenceValues = await ReferenceValues.open(
    {
      store: await documents("reference-values"),
      now,
      reportFault,
      signers: await loadTrustedSigners(config.referenceValues.trustedSigners, now),
      advise: (values) => advise(policies, values, world),
      acceptExpired: config.referenceValues.dangerouslyAcceptExpired,
    },
    startSignal,
  );
  const enrolments = await Enrolments.open(
    {
      store: await documents("tpm-enrolments"),
      clocks: await documents("tpm-clocks"),
      now,
      maxEnrolments: config.tpmEnrolment.maxEnrolments,
    },
    startSignal,
  );
  const { manifestFolder } = config.referenceValues;
  if (manifestFolder !== undefined) await registerFolder(referenceValues, manifestFolder, world);
  return {
    secrets,
    policies,
    referenceValues,
    enrolments,
    engine,
    get lookup() {
      return referenceValues.snapshot();
    },
  };
}

/** Nobody stands behind these files but their signers. One that is refused keeps nobody from starting. */
async function registerFolder(
  referenceValues: ReferenceValues,
  folder: string,
  { log, startSignal }: World,
): Promise<void> {
  for (const { file, names, refusal } of await registerManifests(referenceValues, folder, startSignal)) {
    if (refusal === undefined) log.info({ event: "manifest-registered", file, names: names.slice(0, 20) });
    else log.error({ event: "manifest-refused", file, reason: refusal });
  }
}

/** Whoever registers values hears it as well, if their client shows it; most do not. */
function advise(
  policies: StoredPolicies,
  values: ReadonlyMap<string, JsonValue>,
  { log }: World,
): readonly string[] {
  const { unusable, unused } = adviseOnValues(policies.list(), values);
  if (unusable.length > 0) log.warn({ event: "reference-values-unusable", remarks: unusable });
  return [...unusable, ...unused];
}

/** What stores elsewhere need: credentials, read each time anew, and somebody to tell. */
function remoteStores(world: World, { vaultFailures }: Metrics): SecretStoreDependencies["remote"] {
  const { env, log } = world;
  const warn = (sentence: string) => log.warn({ event: "configuration", detail: sentence });
  return {
    readCredential: async (reference, what) =>
      (await readSecret(reference, what, env, warn)).toString("utf8"),
    readText: (file) => readFile(file, "utf8"),
    onEvent: (event) => (event.reason === undefined ? log.info(event) : log.warn(event)),
    onFailure: (reason) => vaultFailures.inc({ reason }),
  };
}

/** An appraisal policy stays as it was stored when the program's own becomes a better one; somebody should look. */
function reportDifferences(policies: StoredPolicies, { log }: World): void {
  for (const { name, version, by, at, shippedChanged } of policies.differences()) {
    if (policyKind(name) !== "attestation") continue;
    const change = shippedChanged === undefined ? "unknown" : shippedChanged ? "yes" : "no";
    const event = { event: "policy-differs-from-shipped", policy: name, version, by, at };
    const detail = "keywarden policy diff shows how";
    if (change === "no") log.info({ ...event, shippedChangedSince: change, detail });
    else log.warn({ ...event, shippedChangedSince: change, detail });
  }
}

/** The engine with the operator's limits, and the dialect that texts are in unless they say otherwise. */
function openEngine({ policy }: KeywardenConfig, { now }: World): PolicyEngine {
  const { maxSteps, timeoutMilliseconds, dialect, checks } = policy;
  const limits = { steps: maxSteps, wallClockMilliseconds: timeoutMilliseconds };
  const engine = new RegoEngine({ now, randomBytes, limits, checks });
  return { compile: (modules, options) => engine.compile(modules, { dialect, ...options }) };
}
