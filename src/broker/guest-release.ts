import { KbsError } from "../errors.ts";
import type { Plugin, PluginRequest } from "../plugins/plugin.ts";
import type { TokenVerifier } from "../tokens/verify.ts";
import type { Broker } from "./release.ts";

/** A guest's call of a plugin, before its token was looked at. */
export interface GuestCall {
  readonly plugin: string;
  readonly method: string;
  /** Decoded segments after the plugin's name. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly token: string;
}

export interface GuestAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer | string;
}

const METHODS: readonly PluginRequest["method"][] = ["GET", "POST", "PUT", "DELETE"];
const OPAQUE = "application/octet-stream";

/** From the name of a plugin and a token to the broker's decision. */
export class GuestRelease {
  readonly #broker: Broker;
  readonly #tokens: TokenVerifier;
  readonly #plugins: ReadonlyMap<string, Plugin>;

  constructor(broker: Broker, tokens: TokenVerifier, plugins: readonly Plugin[]) {
    this.#broker = broker;
    this.#tokens = tokens;
    this.#plugins = new Map(plugins.map((plugin) => [plugin.name, plugin]));
  }

  /** Who may call this; `undefined`: there is no such plugin, or no such method anywhere. */
  access(name: string, method: string, path: readonly string[]): "admin" | "token" | undefined {
    const known = METHODS.find((each) => each === method);
    return known === undefined ? undefined : this.#plugins.get(name)?.access(known, path);
  }

  /** @throws KbsError of the token, the policy, the plugin or the audit log */
  async release(
    call: GuestCall,
    { requestId }: { readonly requestId: string },
    signal: AbortSignal,
  ): Promise<GuestAnswer> {
    const plugin = this.#plugins.get(call.plugin);
    const method = METHODS.find((each) => each === call.method);
    if (plugin === undefined || method === undefined)
      throw new KbsError("plugin-not-found", `Plugin ${call.plugin} not found`);
    const token = await this.#tokens.verify(call.token, signal);
    const { path, query, body } = call;
    const request = { method, path, query, body };
    const answer = await this.#broker.release({ requestId, plugin, request, token }, signal);
    return {
      status: 200,
      contentType: answer.contentType ?? OPAQUE,
      body: typeof answer.body === "string" ? answer.body : Buffer.from(answer.body),
    };
  }
}
