import type { JsonObject } from "../json/value.ts";
import { member } from "../json/write.ts";
import type { VerificationKey } from "./algorithms.ts";

/** Keys, and the version of the source that they are from. */
export interface KeyChoice {
  readonly version: number;
  readonly keys: readonly VerificationKey[];
}

/** Where keys come from that an issuer's tokens are verified with: always configuration, never the token. */
export interface KeySource {
  /** Changes whenever a key that was trusted no longer is; then tokens verified before are verified again. */
  readonly version: number;
  /**
   * Keys that may have signed a token with this header. The header only chooses among configured keys.
   * @throws KbsError `token-rejected`
   */
  candidates(header: JsonObject, signal: AbortSignal): KeyChoice | Promise<KeyChoice>;
}

/** Keys that do not change while the process runs: pinned public keys, and this server's own. */
export class FixedKeys implements KeySource {
  readonly version = 0;
  readonly #keys: readonly VerificationKey[];

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys;
  }

  candidates(header: JsonObject): KeyChoice {
    const kid = member(header, "kid");
    const keys = this.#keys.filter((key) => key.kid === undefined || key.kid === kid);
    return { version: this.version, keys };
  }
}
