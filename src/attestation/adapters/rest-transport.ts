import { KbsError, type ProblemCode } from "../../errors.ts";
import { namedVerdict, ServiceUnavailable } from "../../grpc/unavailable.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import { shortened } from "../../observability/printable.ts";
import type { VerificationRequest } from "../requests.ts";
import type { Tee } from "../verifier.ts";
import type { RemotePolicies } from "./attestation-service.ts";
import { HttpPeer, type HttpPeerOptions, type HttpReply } from "./http-call.ts";
import type { RemoteTransport } from "./remote.ts";

const SERVICE = "attestation service";
/** How the reference service begins what it says about evidence that it refuses, with status 500. */
const REFERENCE_REFUSAL = "An internal error occured";

/** The REST form of the service: `/attestation`, `/challenge`, `/policy`, `/healthz`. It knows no reference values. */
export class RestTransport implements RemoteTransport, RemotePolicies {
  readonly name = "coco_as_rest";
  readonly #peer: HttpPeer;

  constructor(options: Omit<HttpPeerOptions, "service">) {
    this.#peer = new HttpPeer({ ...options, service: SERVICE });
  }

  evaluate(
    requests: readonly VerificationRequest[],
    policyIds: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const body = { verification_requests: requests.map(individualRequest), policy_ids: policyIds };
    return this.#post("/attestation", body, "evidence-rejected", signal);
  }

  challenge(tee: Tee, parameters: string, signal: AbortSignal): Promise<string> {
    return this.#post("/challenge", { tee, tee_params: parameters }, "handshake-refused", signal);
  }

  async setPolicy(policyId: string, policy: string, signal: AbortSignal): Promise<void> {
    await this.#post("/policy", { policy_id: policyId, policy }, "policy-invalid", signal);
  }

  async health(signal: AbortSignal): Promise<void> {
    const { status } = await this.#peer.ask("/healthz", undefined, signal);
    if (status !== 200) throw new ServiceUnavailable(SERVICE, `its health has status ${status}`);
  }

  close(): void {
    this.#peer.close();
  }

  async #post(path: string, body: JsonObject, verdict: ProblemCode, signal: AbortSignal): Promise<string> {
    const reply = await this.#peer.ask(path, writeJson(body), signal);
    if (reply.status === 200) return reply.text;
    throw errorOf(reply, verdict);
  }
}

function individualRequest({ tee, evidence, runtimeData, initData }: VerificationRequest): JsonObject {
  return {
    tee,
    evidence: Buffer.from(writeJson(evidence)).toString("base64url"),
    ...(runtimeData === undefined ? {} : boundData(runtimeData)),
    ...(initData === undefined ? {} : { init_data: boundInit(initData) }),
  };
}

function boundData(runtimeData: NonNullable<VerificationRequest["runtimeData"]>): JsonObject {
  if (runtimeData.kind === "raw")
    return { runtime_data: { raw: Buffer.from(runtimeData.bytes).toString("base64url") } };
  const { claims, hash } = runtimeData;
  return { runtime_data: { structured: claims }, runtime_data_hash_algorithm: hash };
}

function boundInit(initData: NonNullable<VerificationRequest["initData"]>): JsonObject {
  return initData.kind === "toml"
    ? { init_data_toml: initData.body }
    : { init_data_digest: Buffer.from(initData.digest).toString("base64url") };
}

function errorOf(reply: HttpReply, verdict: ProblemCode): KbsError {
  const { status, text } = reply;
  const problem = reply.contentType === "application/problem+json" ? readProblem(text) : undefined;
  if (problem !== undefined) return problem;
  const cause = new Error(`status ${status}: ${shortened(text)}`);
  if (status === 401 || status === 403)
    return new ServiceUnavailable(SERVICE, "it does not accept the credentials of this server", { cause });
  if (status === 400 || status === 422 || (status === 500 && text.startsWith(REFERENCE_REFUSAL)))
    return new KbsError(verdict, `The ${SERVICE} refused.`, { cause });
  return new ServiceUnavailable(SERVICE, `it answered with status ${status}`, { cause });
}

/** @returns `undefined` for anything but a problem whose code means something here */
function readProblem(text: string): KbsError | undefined {
  const problem = parsed(text);
  const code = isObject(problem) ? member(problem, "code") : undefined;
  const detail = isObject(problem) ? member(problem, "detail") : undefined;
  return typeof detail === "string" ? namedVerdict(code, detail) : undefined;
}

function parsed(text: string): JsonValue | undefined {
  try {
    return readJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}
