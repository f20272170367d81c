import { readFile } from "node:fs/promises";
import type {
  AttestationService,
  RemotePolicies,
  RemoteReferenceValues,
} from "../attestation/adapters/attestation-service.ts";
import { BuiltInAttestationService } from "../attestation/adapters/built-in.ts";
import type { RemoteOptions } from "../attestation/adapters/grpc-transport.ts";
import { RemoteAttestationService, type RemoteTransport } from "../attestation/adapters/remote.ts";
import { RestTransport } from "../attestation/adapters/rest-transport.ts";
import { Appraiser } from "../attestation/appraise.ts";
import type { PolicySelectors } from "../attestation/challenge.ts";
import type { Tee, Verifier } from "../attestation/verifier.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import { KbsError } from "../errors.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { State } from "./state.ts";
import { REMOTE_ISSUER, type Tokens, warnBy } from "./trust.ts";
import type { World } from "./world.ts";

export interface JudgeParts {
  readonly state: State;
  readonly tokens: Tokens;
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  readonly metrics: Metrics;
}

/** Who judges evidence, and what of it administrators change elsewhere. */
export interface Judge {
  readonly service: AttestationService;
  /** `undefined`: policies are kept here. */
  readonly policies: RemotePolicies | undefined;
  /** `undefined`: reference values are kept here. */
  readonly referenceValues: RemoteReferenceValues | undefined;
}

/** The pipeline with the operator's choices. */
export function openAppraiser(
  { attestation }: KeywardenConfig,
  { state, verifiers }: Pick<JudgeParts, "state" | "verifiers">,
  { log }: World,
): Appraiser {
  return new Appraiser({
    verifiers,
    policies: state.policies,
    get referenceValues() {
      return state.lookup;
    },
    policyId: attestation.policyId,
    verbose: attestation.verboseToken,
    legacyMissingTrustClaims: attestation.dangerouslyAllowMissingTrustClaims,
    onWarning: (detail) => log.warn({ event: "appraisal", detail }),
  });
}

/** @throws KbsError naming the option or file that stands in the way */
export async function openJudge(config: KeywardenConfig, parts: JudgeParts, world: World): Promise<Judge> {
  const { driver } = config.attestationService;
  if (driver === "built-in") return builtIn(config, parts, world);
  const options = await remoteOptions(config.attestationService.remote, "attestationService.remote", world);
  if (driver === "coco_as_rest") {
    const transport = new RestTransport(options);
    return {
      service: remote(config, transport, parts, world),
      policies: transport,
      referenceValues: undefined,
    };
  }
  const { GrpcTransport } = await import("../attestation/adapters/grpc-transport.ts");
  const transport = await GrpcTransport.open(options);
  return {
    service: remote(config, transport, parts, world),
    policies: transport,
    referenceValues: transport,
  };
}

function builtIn(config: KeywardenConfig, parts: JudgeParts, world: World): Judge {
  const { tokens, verifiers } = parts;
  const service = new BuiltInAttestationService({
    appraiser: openAppraiser(config, parts, world),
    verifiers,
    selectors: selectorsOf(config),
    issue: (result, signal) => tokens.issuer.issue(result, signal),
    onIssued: (token, claims) => tokens.verifier.rememberIssued(token, claims, tokens.own),
  });
  return { service, policies: undefined, referenceValues: undefined };
}

function remote(
  config: KeywardenConfig,
  transport: RemoteTransport,
  { tokens, metrics }: JudgeParts,
  { monotonic, log }: World,
): AttestationService {
  return new RemoteAttestationService({
    transport,
    verify: (token, signal) => tokens.verifier.verify(token, signal),
    issuer: REMOTE_ISSUER,
    policyId: config.attestation.policyId,
    selectors: selectorsOf(config),
    monotonic,
    onCall: (outcome, milliseconds) => {
      metrics.remoteAttestations.inc({ outcome });
      log.debug({ event: "attestation-service", service: transport.name, outcome, milliseconds });
    },
  });
}

function selectorsOf({ attestation }: KeywardenConfig): PolicySelectors {
  return new Map(attestation.policySelectors.map(({ selector, policyId }) => [selector, policyId]));
}

type RemoteConfig = Omit<NonNullable<KeywardenConfig["attestationService"]["remote"]>, "trustedIssuer">;

/**
 * How a service elsewhere is reached, with the files and secrets read.
 *
 * @param path - of the section, for sentences
 * @throws KbsError `internal`
 */
export async function remoteOptions(
  remote: RemoteConfig | undefined,
  path: string,
  world: World,
): Promise<RemoteOptions> {
  if (remote === undefined) throw new KbsError("internal", `${path} is missing.`);
  const { certificateAuthorities, clientCertificate, clientKey, token } = remote;
  const secret = async (reference: typeof token, name: string) =>
    reference === undefined
      ? undefined
      : (await readSecret(reference, `${path}.${name}`, world.env, warnBy(world))).toString("utf8");
  const key = await secret(clientKey, "clientKey");
  const certificate = await pem(clientCertificate, `${path}.clientCertificate`);
  const roots = await pem(certificateAuthorities, `${path}.certificateAuthorities`);
  const bearer = (await secret(token, "token"))?.trim();
  return {
    address: new URL(remote.address),
    tls: {
      ...(roots === undefined ? {} : { certificateAuthorities: roots }),
      ...(key === undefined || certificate === undefined ? {} : { client: { certificate, key } }),
    },
    ...(bearer === undefined ? {} : { bearer }),
    maxMessageBytes: remote.maxAnswerBytes,
    timeoutMilliseconds: remote.timeoutSeconds * 1000,
  };
}

async function pem(file: string | undefined, path: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new KbsError("internal", `${path}: ${file} cannot be read.`, { cause });
  }
}
