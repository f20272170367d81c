import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppraisalRequest } from "../../src/attestation/requests.ts";
import { type Attester, sampleAttester, sampleDeviceAttester } from "../../src/cli/guest/attester.ts";
import { initDataDigest, runtimeDataDigest } from "../../src/cli/guest/generation.ts";
import { generateTeeKey, type TeeKey } from "../../src/cli/guest/tee-key.ts";
import { type Foundation, layFoundation } from "../../src/compose/foundation.ts";
import type { World } from "../../src/compose/world.ts";
import { type KeywardenConfig, loadConfigFile } from "../../src/config/load.ts";
import type { JsonValue } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";
import { startAttestationService } from "../../src/main.ts";
import { createLogger } from "../../src/observability/logger.ts";
import { parseTeePublicKey } from "../../src/protocol/jwk.ts";

/** A world for parts that are put together in a test. */
export function testWorld(over: Partial<World> = {}): World {
  return {
    env: {},
    now: Date.now,
    monotonic: () => performance.now(),
    clockBehindMilliseconds: () => 0,
    log: createLogger({ level: "silent", destination: { write: () => undefined } }),
    version: "0.0.0",
    startSignal: AbortSignal.timeout(30_000),
    ...over,
  };
}

export interface Folder {
  readonly path: string;
  /** @returns the path of a file with this content */
  file(name: string, content: string): string;
  dispose(): void;
}

export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "keywarden-as-"));
  return {
    path,
    file: (name, content) => {
      writeFileSync(join(path, name), content, { mode: 0o600 });
      return join(path, name);
    },
    dispose: () => rmSync(path, { recursive: true, force: true }),
  };
}

export async function configIn(at: Folder, text: string): Promise<KeywardenConfig> {
  const { config, faults } = await loadConfigFile(at.file("kbs.config.yaml", text), {});
  if (config === undefined) throw new Error(JSON.stringify(faults));
  return config;
}

export const SERVICE_TOKEN = "a-token-of-the-tests-that-is-long-enough";
export const READER_TOKEN = "another-token-of-the-tests-for-reading-only";
export const ADMIN_TOKEN = "a-third-token-of-the-tests-for-administrators";

export const BROKER_TOKEN = "a-fourth-token-of-the-tests-for-brokers-that-administer";

const TOKENS = `
    tokens:
      - { name: broker, token: { file: service.token }, may: [ evaluate ] }
      - { name: reader, token: { file: reader.token }, may: [ read-reference-values ] }
      - { name: ops, token: { file: admin.token }, may: [ administer ] }
      - { name: kbs, token: { file: broker.token }, may: [ evaluate, administer ] }`;

export interface AloneService extends Folder {
  readonly grpc: string;
  readonly rest: string;
  readonly rvps: string;
  readonly metricsUrl: string;
  readonly auditFile: string;
  close(): Promise<void>;
}

/** What a test's service has beyond the others'. YAML. */
export interface AloneOptions {
  /** Below `attestationService.authentication`, four spaces deep. */
  readonly authentication?: string;
  /** Members of each `listen: { … }`. */
  readonly listen?: string;
  /** Members of `attestationService.rvps` beside `listen`. */
  readonly rvps?: string;
  readonly sections?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** The attestation service on its own, on free loopback ports: sample evidence is believed. */
export async function aloneService(options: AloneOptions = {}): Promise<AloneService> {
  const at = folder();
  at.file("service.token", SERVICE_TOKEN);
  at.file("reader.token", READER_TOKEN);
  at.file("admin.token", `${ADMIN_TOKEN}\n`);
  at.file("broker.token", BROKER_TOKEN);
  for (const [name, content] of Object.entries(options.files ?? {})) at.file(name, content);
  const listen = `listen: { port: 0, ${options.listen ?? ""} }`;
  const config = await configIn(
    at,
    `mode: development
server: { port: 0, metrics: { port: 0 }, drainSeconds: 1 }
dataDirectory: data
log: { level: error }
attestationService:
  grpc: { ${listen} }
  rest: { ${listen} }
  rvps: { ${listen}${options.rvps === undefined ? "" : `, ${options.rvps}`} }
  authentication:${TOKENS}
${options.authentication ?? ""}
verifiers: { sample: { allowSampleEvidence: true }, snp: { kds: { enabled: false } } }
${options.sections ?? ""}
`,
  );
  const running = await startAttestationService(config);
  const { grpc = "", rest = "", rvps = "" } = running.serviceUrls;
  return {
    ...at,
    grpc,
    rest,
    rvps,
    metricsUrl: running.metricsUrl ?? "",
    auditFile: config.audit.file,
    close: async () => {
      await running.close();
      at.dispose();
    },
  };
}

/** The parts of a broker whose evidence is judged as `service` (YAML below `attestationService`) says. */
export async function brokerFoundation(
  at: Folder,
  service: string,
  over: Partial<World> = {},
): Promise<Foundation> {
  const config = await configIn(
    at,
    `mode: development
dataDirectory: data
attestationService:
${service}
verifiers: { sample: { allowSampleEvidence: true }, snp: { kds: { enabled: false } } }
`,
  );
  return layFoundation(config, testWorld(over));
}

/** YAML that makes a broker use the service at `address`, whose key set is in `as.jwks`. */
export function remoteService(driver: "coco_as_grpc" | "coco_as_rest", address: string, more = ""): string {
  return `  driver: ${driver}
  remote:
    address: ${address}
    token: { file: service.token }
    trustedIssuer: { issuer: keywarden, algorithms: [ ES256 ], jwksFile: as.jwks }
${more}`;
}

/** The key set of a service, as its own port that speaks gRPC publishes it. */
export async function keySetOf(grpc: string): Promise<string> {
  const answer = await fetch(`${grpc}/.well-known/jwks.json`);
  return answer.text();
}

/** What a test's handshake has beyond the others'. */
export interface HandshakeOptions {
  readonly generation?: AppraisalRequest["generation"];
  /** The nonce that the evidence is bound to, in place of the handshake's. */
  readonly boundNonce?: string;
  readonly boundKey?: TeeKey;
  readonly device?: "good" | "bound to another nonce";
  readonly initData?: string;
  readonly policyId?: string;
  readonly tee?: AppraisalRequest["tee"];
}

/** A handshake with sample evidence, bound as the protocol demands unless told otherwise. */
export async function handshake(options: HandshakeOptions = {}): Promise<AppraisalRequest> {
  const nonce = randomBytes(32).toString("base64");
  const key = generateTeeKey("p256");
  const bound = { nonce: options.boundNonce ?? nonce, key: options.boundKey ?? key };
  const generation = options.generation ?? "0.4";
  const device = await deviceEvidence(options.device, bound);
  const devices = device === undefined ? "" : writeJson({ sampledevice: device });
  const digest = runtimeDataDigest(
    "sha384",
    bound.nonce,
    bound.key.jwk,
    generation === "0.4" ? devices : undefined,
  );
  const body = options.initData;
  const initData = body === undefined ? undefined : { format: "toml" as const, body };
  return {
    tee: options.tee ?? "sample",
    generation,
    nonce,
    runtimeDataHash: "sha384",
    attestation: {
      nonce,
      teePublicKey: parseTeePublicKey(key.jwk),
      primaryEvidence: await collect(sampleAttester, digest, initData),
      additionalEvidence: devices,
      additional: device === undefined ? [] : [{ tee: "sampledevice", evidence: device }],
      initData,
    },
    ...(options.policyId === undefined ? {} : { policyId: options.policyId }),
  };
}

async function deviceEvidence(
  kind: HandshakeOptions["device"],
  bound: { nonce: string; key: TeeKey },
): Promise<JsonValue | undefined> {
  if (kind === undefined) return undefined;
  const nonce = kind === "good" ? bound.nonce : "another";
  return collect(sampleDeviceAttester, runtimeDataDigest("sha384", nonce, bound.key.jwk, undefined));
}

function collect(
  attester: Attester,
  reportData: Uint8Array,
  initData?: { format: "toml"; body: string },
): Promise<JsonValue> {
  let digest: Buffer | undefined;
  try {
    digest = initData === undefined ? undefined : initDataDigest(initData);
  } catch {
    // A document that a test made unreadable has no digest.
  }
  return attester.collect({ reportData, initDataDigest: digest });
}
