import NodeVault from "node-vault";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";

/**
 * The one door to node-vault. Its errors carry the whole request, the Vault token with it, so none of them leaves
 * this file; and it takes options from the environment, so every option is set here.
 */
export interface VaultClientOptions {
  /** `https://host:port`. */
  readonly address: string;
  readonly namespace?: string | undefined;
  /** PEM roots in place of the system's. */
  readonly certificateAuthorities?: string | undefined;
  /** Reads the Vault token: at first, and again whenever Vault refuses the one in use. */
  readonly readToken: () => Promise<string>;
  readonly timeoutMs: number;
}

/** Vault did not do what was asked. The message is for logs; it holds neither token nor data. */
export class VaultError extends Error {
  /** HTTP status; `undefined`: there was no answer. */
  readonly status: number | undefined;

  constructor(what: string, status: number | undefined) {
    super(what);
    this.name = "VaultError";
    this.status = status;
  }
}

const FORBIDDEN = 403;

export class VaultClient {
  readonly #options: VaultClientOptions;
  #client: NodeVault.client | undefined;

  constructor(options: VaultClientOptions) {
    this.#options = options;
  }

  /**
   * @param path - below `/v1/`, no user input in it that was not checked
   * @returns `data` of the answer
   * @throws VaultError
   */
  async read(path: string, signal: AbortSignal): Promise<JsonObject> {
    return await this.#call((client) => client.read(path), signal);
  }

  /** As `read`, with a body. */
  async write(path: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return await this.#call((client) => client.write(path, body), signal);
  }

  async #call(
    call: (client: NodeVault.client) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<JsonObject> {
    try {
      return dataOf(await this.#attempt(await this.#connected(), call, signal));
    } catch (error) {
      if (!(error instanceof VaultError) || error.status !== FORBIDDEN) throw error;
      // An agent may have put a fresh token there; the old one is not tried twice.
      const refused = this.#client?.token;
      this.#client = undefined;
      const client = await this.#connected();
      if (client.token === refused) throw error;
      return dataOf(await this.#attempt(client, call, signal));
    }
  }

  async #attempt(
    client: NodeVault.client,
    call: (client: NodeVault.client) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<unknown> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)]);
    try {
      return await beforeAbort(call(client), deadline);
    } catch (error) {
      throw translated(error);
    }
  }

  async #connected(): Promise<NodeVault.client> {
    this.#client ??= connect(this.#options, (await this.#options.readToken()).trim());
    return this.#client;
  }
}

function connect(options: VaultClientOptions, token: string): NodeVault.client {
  if (token === "") throw new VaultError("the Vault token is empty", undefined);
  const settings: NodeVault.VaultOptions & { readonly rpDefaults: object } = {
    endpoint: options.address,
    token,
    // Written out, because the environment can switch verification off for whoever leaves it open.
    rpDefaults: { strictSSL: true, timeout: options.timeoutMs },
    requestOptions: {
      strictSSL: true,
      ...(options.certificateAuthorities === undefined ? {} : { ca: options.certificateAuthorities }),
    },
  };
  const client = NodeVault(settings);
  // An absent option is taken from the environment when the client is made, and from here afterwards.
  return Object.assign(client, {
    namespace: options.namespace ?? "",
    pathPrefix: "",
    endpoint: options.address,
  });
}

async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new VaultError("Vault did not answer in time", undefined));
    signal.addEventListener("abort", stop, { once: true });
  });
  // The library knows no signal: what arrives late is dropped, and its fault must not surface either.
  work.catch(() => {});
  try {
    if (signal.aborted) stop();
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Nothing of the library's error is kept but the status or the code of the system. */
function translated(error: unknown): VaultError {
  if (error instanceof VaultError) return error;
  const status = property(property(error, "response"), "statusCode");
  if (typeof status === "number") return new VaultError(`Vault answered with status ${status}`, status);
  const code = property(error, "code");
  const known = typeof code === "string" && /^[A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : "";
  return new VaultError(`Vault cannot be reached${known}`, undefined);
}

function property(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function dataOf(answer: unknown): JsonObject {
  // The library has parsed JSON; numbers of Vault's own answers are small.
  const data = member(Object(answer) as JsonObject, "data") as JsonValue | undefined;
  if (!isObject(data)) throw new VaultError("Vault's answer holds no data", undefined);
  return data;
}
