import { KbsError } from "../errors.ts";
import { readJson } from "../json/read.ts";
import type { JsonObject } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import type { VerificationKey } from "./algorithms.ts";
import { DISCOVERY_PATH } from "./documents.ts";
import type { DocumentFetcher } from "./https-documents.ts";
import { parseKeySet } from "./jwk.ts";
import type { KeyChoice, KeySource } from "./key-source.ts";

export interface RemoteKeySetOptions {
  /** A JWK set, or the issuer URL of an OpenID provider. */
  readonly url: string;
  readonly documents: DocumentFetcher;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Age at which the set is fetched again in the background. */
  readonly refreshAfterMs?: number;
  /** Age at which it no longer counts, if it could not be fetched again. */
  readonly maxAgeMs?: number;
  /** Least time between two fetches, whatever tokens name as `kid`. */
  readonly minIntervalMs?: number;
  readonly onFailure?: (error: unknown) => void;
}

const DEFAULT_REFRESH_AFTER_MS = 5 * 60_000;
const DEFAULT_MAX_AGE_MS = 24 * 3_600_000;
const DEFAULT_MIN_INTERVAL_MS = 30_000;
/** Version of a set that no longer counts. */
const UNUSABLE = -1;

/**
 * Keys of another issuer, fetched from its JWK set. One fetch at a time; a token with an unknown `kid` causes a
 * fetch at most every `minIntervalMs`; a set that has grown old is still used while the next one is fetched, and
 * no longer than `maxAgeMs`.
 */
export class RemoteKeySet implements KeySource {
  readonly #options: RemoteKeySetOptions;
  #keys: readonly VerificationKey[] = [];
  #version = 0;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(options: RemoteKeySetOptions) {
    if (new URL(options.url).protocol !== "https:") throw new TypeError("a key set URL must be https");
    this.#options = options;
  }

  get version(): number {
    // A set that is too old has no keys, so what rested on them must fall too.
    return this.#isUsable() ? this.#version : UNUSABLE;
  }

  /** Fetches now, for start-up and readiness. @throws KbsError `collateral-unavailable` */
  async load(): Promise<void> {
    await this.#refresh();
    if (!this.#isUsable()) throw unavailable();
  }

  async candidates(header: JsonObject): Promise<KeyChoice> {
    const kid = member(header, "kid");
    if (typeof kid !== "string") return { version: this.version, keys: [] };
    if (!this.#isUsable() || !this.#has(kid)) await this.#refresh();
    else if (this.#age() > (this.#options.refreshAfterMs ?? DEFAULT_REFRESH_AFTER_MS)) void this.#refresh();
    const keys = this.#isUsable() ? this.#keys.filter((key) => key.kid === kid) : [];
    return { version: this.version, keys };
  }

  #has(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid);
  }

  #age(): number {
    return this.#options.now() - this.#fetchedAt;
  }

  #isUsable(): boolean {
    return this.#age() <= (this.#options.maxAgeMs ?? DEFAULT_MAX_AGE_MS);
  }

  /** Joins a fetch under way; never rejects. */
  async #refresh(): Promise<void> {
    if (this.#fetching === undefined) {
      const waited = this.#options.now() - this.#triedAt;
      if (waited < (this.#options.minIntervalMs ?? DEFAULT_MIN_INTERVAL_MS)) return;
      this.#triedAt = this.#options.now();
      this.#fetching = this.#fetch()
        .catch((error: unknown) => this.#options.onFailure?.(error))
        .finally(() => {
          this.#fetching = undefined;
        });
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    // Not the request's signal: others wait for the same fetch. The fetcher has its own deadline.
    const keys = await this.#download(new AbortController().signal);
    if (this.#keys.some((old) => !keys.some((key) => sameKey(key, old)))) this.#version++;
    this.#keys = keys;
    this.#fetchedAt = this.#options.now();
  }

  async #download(signal: AbortSignal): Promise<readonly VerificationKey[]> {
    const { url, documents } = this.#options;
    try {
      return nonEmpty(parseKeySet(await documents.get(url, signal)));
    } catch (error) {
      const discovery = await documents
        .get(`${url.replace(/\/+$/, "")}${DISCOVERY_PATH}`, signal)
        .catch(() => {
          throw error;
        });
      return nonEmpty(parseKeySet(await documents.get(keySetUrl(discovery), signal)));
    }
  }
}

function keySetUrl(discovery: Buffer): string {
  const document = readJson(discovery);
  const url = isObject(document) ? member(document, "jwks_uri") : undefined;
  if (typeof url !== "string") throw new TypeError("a discovery document without jwks_uri");
  return url;
}

function nonEmpty(keys: readonly VerificationKey[]): readonly VerificationKey[] {
  if (keys.length === 0) throw new TypeError("a key set without a key that has kid and alg");
  return keys;
}

function sameKey(left: VerificationKey, right: VerificationKey): boolean {
  return left.kid === right.kid && left.algorithm === right.algorithm && left.key.equals(right.key);
}

function unavailable(): KbsError {
  return new KbsError(
    "collateral-unavailable",
    "The key set of a trusted token issuer could not be fetched.",
  );
}
