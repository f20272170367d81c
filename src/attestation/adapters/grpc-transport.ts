import { GrpcChannel, type GrpcChannelOptions } from "../../grpc/client.ts";
import {
  loadServices,
  type Message,
  methodOf,
  optionalTextOf,
  type Services,
  textOf,
} from "../../grpc/services.ts";
import { ServiceUnavailable } from "../../grpc/unavailable.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import type { VerificationRequest } from "../requests.ts";
import type { Tee } from "../verifier.ts";
import type { RemotePolicies, RemoteReferenceValues } from "./attestation-service.ts";
import type { RemoteTransport } from "./remote.ts";

export type RemoteOptions = Omit<GrpcChannelOptions, "service">;

/** The gRPC form of the service (`resources/proto/attestation.proto`), as the reference key broker calls it. */
export class GrpcTransport implements RemoteTransport, RemotePolicies, RemoteReferenceValues {
  readonly name = "coco_as_grpc";
  readonly #channel: GrpcChannel;
  readonly #services: Services;
  readonly #service: string;

  private constructor(channel: GrpcChannel, services: Services, service: string) {
    this.#channel = channel;
    this.#services = services;
    this.#service = service;
  }

  /** Connects when it is first asked. @throws Error when the certificates are no PEM */
  static async open(options: RemoteOptions, service = "attestation service"): Promise<GrpcTransport> {
    return new GrpcTransport(new GrpcChannel({ ...options, service }), await loadServices(), service);
  }

  async evaluate(
    requests: readonly VerificationRequest[],
    policyIds: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const argument = { verification_requests: requests.map(individualRequest), policy_ids: policyIds };
    const method = methodOf(this.#services.attestation, "AttestationEvaluate");
    const answer = await this.#channel.call(method, argument, "evidence-rejected", signal);
    return textOf(answer, "attestation_token");
  }

  async challenge(tee: Tee, parameters: string, signal: AbortSignal): Promise<string> {
    const method = methodOf(this.#services.attestation, "GetAttestationChallenge");
    const inner = { tee, tee_params: parameters };
    const answer = await this.#channel.call(method, { inner }, "handshake-refused", signal);
    return textOf(answer, "attestation_challenge");
  }

  async setPolicy(policyId: string, policy: string, signal: AbortSignal): Promise<void> {
    const method = methodOf(this.#services.attestation, "SetAttestationPolicy");
    await this.#channel.call(method, { policy_id: policyId, policy }, "policy-invalid", signal);
  }

  async register(message: string, signal: AbortSignal): Promise<void> {
    const method = methodOf(this.#services.referenceValues, "RegisterReferenceValue");
    await this.#channel.call(method, { message }, "reference-value-invalid", signal);
  }

  async query(name: string, signal: AbortSignal): Promise<JsonValue | undefined> {
    const method = methodOf(this.#services.referenceValues, "QueryReferenceValue");
    const argument = { reference_value_id: name };
    const answer = await this.#channel.call(method, argument, "reference-value-invalid", signal);
    return parsed(optionalTextOf(answer, "reference_value_results"));
  }

  async health(signal: AbortSignal): Promise<void> {
    const method = methodOf(this.#services.health, "Check");
    const answer = await this.#channel.call(
      method,
      { service: "" },
      "attestation-service-unavailable",
      signal,
    );
    if (textOf(answer, "status") !== "SERVING")
      throw new ServiceUnavailable(this.#service, "it says that it is not serving");
  }

  close(): void {
    this.#channel.close();
  }
}

function individualRequest({ tee, evidence, runtimeData, initData }: VerificationRequest): Message {
  return {
    tee,
    evidence: Buffer.from(writeJson(evidence)).toString("base64url"),
    ...(runtimeData === undefined ? {} : boundData(runtimeData)),
    ...(initData === undefined ? {} : boundInit(initData)),
  };
}

function boundData(runtimeData: NonNullable<VerificationRequest["runtimeData"]>): Message {
  if (runtimeData.kind === "raw")
    return { raw_runtime_data: Buffer.from(runtimeData.bytes).toString("base64url") };
  const { claims, hash } = runtimeData;
  return { structured_runtime_data: writeJson(claims), runtime_data_hash_algorithm: hash };
}

function boundInit(initData: NonNullable<VerificationRequest["initData"]>): Message {
  return initData.kind === "toml"
    ? { init_data_toml: initData.body }
    : { init_data_digest: Buffer.from(initData.digest).toString("base64url") };
}

function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined) return undefined;
  try {
    return readJson(text);
  } catch (cause) {
    if (cause instanceof JsonSyntaxError)
      throw new ServiceUnavailable(
        "reference value provider",
        "it answered with something that is not JSON",
        {
          cause,
        },
      );
    throw cause;
  }
}
