import NodeVault from "node-vault";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";
import { faultOf, VaultFault } from "./fault.ts";
import type { Login, VaultCall } from "./login.ts";
import { VaultSession } from "./session.ts";
import { createTransport, type Transport, type TransportOptions } from "./transport.ts";

export interface VaultClientOptions extends TransportOptions {
  /** `https://host:port`. */
  readonly address: string;
  readonly namespace?: string | undefined;
  readonly login: Login;
  readonly onEvent: (event: {
    readonly event: string;
    readonly login: string;
    readonly reason?: string;
  }) => void;
}

/** Vault, and OpenBao, over node-vault: logged in, with deadlines, and with errors that hold no token. */
export class VaultClient {
  readonly #transport: Transport;
  readonly #session: VaultSession;
  readonly #call: VaultCall;

  constructor(options: VaultClientOptions) {
    this.#transport = createTransport(options);
    this.#call = vaultCall(options, this.#transport);
    this.#session = new VaultSession({ login: options.login, call: this.#call, onEvent: options.onEvent });
  }

  /** @param path - below `/v1/`, of checked segments. @returns the whole answer. @throws VaultFault */
  read(path: string, signal: AbortSignal): Promise<JsonObject> {
    return this.#asked({ method: "GET", path }, signal);
  }

  write(path: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return this.#asked({ method: "POST", path, body }, signal);
  }

  delete(path: string, signal: AbortSignal): Promise<JsonObject> {
    return this.#asked({ method: "DELETE", path }, signal);
  }

  /** @returns names below the path, folders with a slash at their end; empty when there is nothing */
  async list(path: string, signal: AbortSignal): Promise<readonly string[]> {
    try {
      const data = member(await this.#asked({ method: "GET", path: `${path}?list=true` }, signal), "data");
      const keys = isObject(data) ? member(data, "keys") : undefined;
      if (!isArray(keys)) throw new VaultFault("malformed", 200, "a list without keys");
      return keys.filter((key) => typeof key === "string");
    } catch (error) {
      if (error instanceof VaultFault && error.reason === "not-found" && error.said === "") return [];
      throw error;
    }
  }

  /** Whether Vault answers, is unsealed and takes the login. @throws VaultFault */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#asked({ method: "GET", path: "auth/token/lookup-self" }, signal);
  }

  close(): void {
    this.#session.close();
    this.#transport.close();
  }

  async #asked(request: Parameters<VaultCall>[0], signal: AbortSignal): Promise<JsonObject> {
    signal.throwIfAborted();
    const token = await this.#session.token(signal);
    try {
      return await this.#call({ ...request, token }, signal);
    } catch (error) {
      if (!(error instanceof VaultFault) || error.reason !== "denied") throw error;
      const other = await this.#session.afterDenial(token, signal);
      if (other === undefined) throw error;
      return await this.#call({ ...request, token: other }, signal);
    }
  }
}

function vaultCall({ address, namespace }: VaultClientOptions, transport: Transport): VaultCall {
  const client = NodeVault({ endpoint: address, "request-promise": transport });
  // What is left out would be taken from environment variables that are meant for other programs.
  Object.assign(client, { endpoint: address, token: "", namespace: namespace ?? "", pathPrefix: "" });
  return async ({ method, path, body, token }, signal) => {
    const headers = token === undefined ? {} : { "X-Vault-Token": token };
    try {
      const sent = {
        method,
        path: `/${path}`,
        headers,
        signal,
        ...(body === undefined ? {} : { json: body }),
      };
      const answer: unknown = await client.request(sent);
      return objectOf(answer);
    } catch (error) {
      throw translated(error, signal, textsOf([token ?? "", body ?? {}]));
    }
  };
}

/** A JSON object of `JSON.parse`, or nothing where there was no body. */
function objectOf(answer: unknown): JsonObject {
  if (answer === undefined || answer === null || answer === "") return {};
  if (typeof answer !== "object" || Array.isArray(answer)) throw new VaultFault("malformed");
  return answer as JsonObject; // what JSON.parse makes of an object
}

/** Shorter texts are words like the name of a role, which a sentence may well hold. */
const MIN_SECRET_CHARACTERS = 8;

/** Whatever was sent that could be a secret: tokens, credentials, values. */
function textsOf(value: JsonValue): readonly string[] {
  if (typeof value === "string") return value.length < MIN_SECRET_CHARACTERS ? [] : [value];
  if (isArray(value)) return value.flatMap(textsOf);
  return isObject(value) ? Object.values(value).flatMap(textsOf) : [];
}

/**
 * The library's errors hold the answer's status and body; nothing else of them is read, and nothing of them kept. Of
 * sentences that repeat what was sent, as a proxy's may, that part goes.
 */
function translated(error: unknown, signal: AbortSignal, sent: readonly string[]): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof VaultFault) return error;
  const response = property(error, "response");
  const status = property(response, "statusCode");
  if (typeof status !== "number") return new VaultFault("failed");
  const body = property(response, "body");
  const said = sentences(property(body, "errors"), property(body, "error"));
  const without = (sentence: string) => sent.reduce((text, one) => text.replaceAll(one, "…"), sentence);
  return faultOf(status, said.map(without));
}

function sentences(errors: unknown, error: unknown): readonly string[] {
  if (typeof error === "string") return [error];
  return Array.isArray(errors) ? errors.filter((one) => typeof one === "string") : [];
}

function property(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
