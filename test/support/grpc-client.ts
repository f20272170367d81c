import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { ServiceDefinition } from "@grpc/proto-loader";
import { loadServices, type Services } from "../../src/grpc/services.ts";

export interface CallOutcome {
  /** gRPC status; 0 is OK. */
  readonly code: number;
  readonly details: string;
  /** Of the problem table, from the trailer. */
  readonly problem: string | undefined;
  readonly message: Record<string, unknown>;
}

export interface GrpcClientOptions {
  readonly token?: string;
  readonly roots?: string;
  readonly client?: { readonly key: string; readonly cert: string };
}

/** A plain gRPC client, made from the descriptions of the services, that tells everything about an answer. */
export async function grpcClient(url: string, options: GrpcClientOptions = {}) {
  const services = await loadServices();
  const { hostname, port, protocol } = new URL(url);
  const client = new Client(
    `${hostname}:${port}`,
    protocol === "https:" ? secure(options) : credentials.createInsecure(),
    { "grpc.enable_retries": 0, "grpc.max_send_message_length": -1 },
  );
  const call = (service: keyof Services, name: string, argument: object): Promise<CallOutcome> =>
    unary(client, services[service], name, argument, options.token);
  return { call, close: () => client.close() };
}

function unary(
  client: Client,
  service: ServiceDefinition,
  name: string,
  argument: object,
  token: string | undefined,
): Promise<CallOutcome> {
  const method = service[name];
  if (method === undefined) throw new TypeError(`no method ${name}`);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, answer?: object) => resolve(outcomeOf(error, answer));
    const { path, requestSerialize, responseDeserialize } = method;
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, argument, metadata, done);
  });
}

function outcomeOf(error: ServiceError | null, answer: object = {}): CallOutcome {
  const problem = error?.metadata?.get("keywarden-code")[0];
  return {
    code: error?.code ?? 0,
    details: error?.details ?? "",
    problem: typeof problem === "string" ? problem : undefined,
    message: { ...answer },
  };
}

function secure({ roots, client }: GrpcClientOptions) {
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(pem(roots), pem(client?.key), pem(client?.cert));
}
