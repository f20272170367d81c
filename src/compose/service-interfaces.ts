import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Tee, Verifier } from "../attestation/verifier.ts";
import { Callers, staticToken } from "../attestation-service/callers.ts";
import { EvaluationService } from "../attestation-service/evaluation.ts";
import type { Listener, ServiceParts } from "../attestation-service/listeners.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import { KbsError } from "../errors.ts";
import type { Gate } from "../http/gate.ts";
import type { AdminPort } from "../http/ports.ts";
import { CertificateWatch, loadTls, type TlsSource } from "../http/tls.ts";
import type { Health } from "../observability/health.ts";
import type { Metrics } from "../observability/metrics.ts";
import { openAppraiser } from "./attestation.ts";
import type { Audit } from "./audit.ts";
import { tlsSourceOf } from "./listener.ts";
import { wellKnownPort } from "./ports.ts";
import type { State } from "./state.ts";
import { type Tokens, warnBy } from "./trust.ts";
import type { World } from "./world.ts";

/** The open doors of the attestation service, by name: `grpc`, `rest`, `rvps`. */
export interface ServiceInterfaces {
  /** @returns the URL of each door @throws Node's own error when an address cannot be listened on */
  listen(): Promise<Readonly<Record<string, string>>>;
  /** Reads certificates and keys again. */
  reload(): Promise<void>;
  /** @returns whether everything under way ended within the time */
  drain(deadlineMilliseconds: number): Promise<boolean>;
}

export interface InterfaceParts {
  readonly state: State;
  readonly tokens: Tokens;
  readonly verifiers: ReadonlyMap<Tee, Verifier>;
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly admin: AdminPort;
  readonly health: Health;
  readonly gate: Gate;
  /** Whether a broker works in this process as well, which must not take what callers had evaluated for handshakes. */
  readonly besideBroker: boolean;
}

interface Door {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly listener: Listener;
  readonly watch: CertificateWatch | undefined;
  readonly secure: boolean;
}

const DOORS = ["grpc", "rest", "rvps"] as const;
const CERTIFICATE_CHECK_MS = 10_000;

/** @returns `undefined` where the configuration opens no door @throws KbsError naming the option in the way */
export async function openServiceInterfaces(
  config: KeywardenConfig,
  parts: InterfaceParts,
  world: World,
): Promise<ServiceInterfaces | undefined> {
  const wanted = DOORS.filter((name) => config.attestationService[name].listen !== undefined);
  if (wanted.length === 0) return undefined;
  const service = await serviceParts(config, parts, world);
  const doors: Door[] = [];
  for (const name of wanted) doors.push(await openDoor(name, config, service, world));
  return {
    listen: () => listenAll(doors),
    reload: async () => {
      for (const { watch } of doors) await watch?.reload();
    },
    drain: async (deadline) => {
      for (const { watch } of doors) watch?.stop();
      const finished = await Promise.all(doors.map(({ listener }) => listener.drain(deadline)));
      return finished.every((each) => each);
    },
  };
}

async function listenAll(doors: readonly Door[]): Promise<Readonly<Record<string, string>>> {
  const urls: Record<string, string> = {};
  for (const { name, host, port, listener, watch, secure } of doors) {
    const { address, family, port: chosen } = await listener.listen(port, host);
    const authority = family === "IPv6" ? `[${address}]:${chosen}` : `${address}:${chosen}`;
    urls[name] = `${secure ? "https" : "http"}://${authority}`;
    await watch?.start();
  }
  return urls;
}

async function openDoor(
  name: (typeof DOORS)[number],
  config: KeywardenConfig,
  parts: ServiceParts,
  world: World,
): Promise<Door> {
  const path = `attestationService.${name}.listen`;
  const { listen } = config.attestationService[name];
  if (listen === undefined) throw new KbsError("internal", `${path} is missing.`);
  const source = tlsSourceOf(listen.tls, `${path}.tls`, world);
  const tls = source === undefined ? undefined : await loadTls(source);
  // The gRPC library takes its time to load, which whoever does not use it need not spend.
  const { openGrpcListener, openRestListener } = await import("../attestation-service/listeners.ts");
  const listener =
    name === "rest"
      ? openRestListener(tls, parts)
      : await openGrpcListener(name === "grpc" ? "attestation" : "reference-values", tls, parts);
  const { host, port } = listen;
  return { name, host, port, listener, watch: watchOf(source, listener, parts), secure: tls !== undefined };
}

function watchOf(
  source: TlsSource | undefined,
  listener: Listener,
  { log, metrics }: ServiceParts,
): CertificateWatch | undefined {
  if (source === undefined) return undefined;
  return new CertificateWatch({
    source,
    intervalMilliseconds: CERTIFICATE_CHECK_MS,
    replace: (material) => listener.replaceCertificate(material),
    log,
    metrics,
  });
}

async function serviceParts(
  config: KeywardenConfig,
  parts: InterfaceParts,
  world: World,
): Promise<ServiceParts> {
  const { admin, health, metrics, tokens } = parts;
  const { authentication, ...limits } = config.attestationService;
  return {
    evaluation: evaluationService(config, parts, world),
    callers: await openCallers(authentication, admin, world),
    admin,
    wellKnown: wellKnownPort(config, tokens),
    health,
    metrics,
    log: world.log,
    monotonic: world.monotonic,
    requestId: randomUUID,
    limits,
    clientAuthorities: await authorities(authentication),
  };
}

function evaluationService(
  config: KeywardenConfig,
  { state, tokens, verifiers, metrics, audit, gate, besideBroker }: InterfaceParts,
  world: World,
): EvaluationService {
  const appraiser = openAppraiser(config, { state, verifiers }, world);
  const marks = { protocol: undefined, origin: besideBroker ? ("evaluation" as const) : undefined };
  return new EvaluationService({
    evaluate: (requests, policyIds, signal) => appraiser.evaluate(requests, policyIds, signal),
    issue: async (evaluation, signal, form) => {
      const issued = await tokens.issuer.issue({ ...evaluation, ...marks }, signal, form);
      return issued.token;
    },
    verifiers,
    inTurn: (task, signal) => gate.run(task, signal),
    record: (event) => audit.sink.record(event),
    count: (outcome) => metrics.evaluations.inc({ outcome }),
  });
}

type Authentication = KeywardenConfig["attestationService"]["authentication"];

async function openCallers(authentication: Authentication, admin: AdminPort, world: World): Promise<Callers> {
  const { tokens, clientCertificates } = authentication;
  return new Callers({
    tokens: await Promise.all(
      tokens.map(async ({ name, token, may }, at) => {
        const path = `attestationService.authentication.tokens[${at}].token`;
        const secret = await readSecret(token, path, world.env, warnBy(world));
        return staticToken({ name, may }, secret.toString("utf8").trim(), path);
      }),
    ),
    clients: clientCertificates?.clients ?? [],
    admin,
    anonymousEvaluation: authentication.dangerouslyAllowAnonymousEvaluation,
    anonymousAdministration: authentication.dangerouslyAllowAnonymousAdministration,
  });
}

async function authorities({ clientCertificates }: Authentication): Promise<string | undefined> {
  if (clientCertificates === undefined) return undefined;
  const { authorities: file } = clientCertificates;
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const path = "attestationService.authentication.clientCertificates.authorities";
    throw new KbsError("internal", `${path}: ${file} cannot be read.`, { cause });
  }
}
