import type { JsonObject, JsonValue } from "../json/value.ts";

/** A request below `/kbs/v0/<plugin>/`. */
export interface PluginRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Decoded segments after the plugin's name. */
  readonly path: readonly string[];
  /** Query parameters, name to text. */
  readonly query: JsonObject;
  readonly body: Uint8Array;
  /** Init-data claims of the attested guest (`cpu0`); `undefined` for administrators and guests without. */
  readonly initDataClaims: JsonValue | undefined;
}

export interface PluginAnswer {
  readonly body: Uint8Array;
  /** `undefined` for an empty body. */
  readonly contentType: string | undefined;
  /** Whether a guest gets it encrypted to its TEE key. Never asked for administrators. */
  readonly encrypted: boolean;
}

/** What may stand behind `/kbs/v0/<name>/`. */
export interface Plugin {
  readonly name: string;
  /** Who may make this request: an administrator, or a guest with a token whose release the policy allows. */
  access(method: PluginRequest["method"], path: readonly string[]): "admin" | "token";
  /**
   * For guests, called after the policy allowed it, and again when the policy was replaced in the meantime: such
   * requests must not change anything that a repetition would change once more.
   *
   * @throws KbsError
   */
  handle(request: PluginRequest, signal: AbortSignal): Promise<PluginAnswer>;
}
