import { stat } from "node:fs/promises";
import { KbsError } from "../errors.ts";
import {
  createSigner,
  privateKeyFrom,
  type SignerChain,
  type SigningAlgorithm,
  type TokenSigner,
} from "./signer.ts";
import { generateSigningKey } from "./signer-files.ts";
import type { OfferedKey } from "./signing-keys.ts";

/** Where signing keys come from. */
export interface SignerSource {
  /** Whether it holds every key that may count, so that one it no longer holds is dropped at once. */
  readonly complete: boolean;
  /** Whether `load` may answer something else than last time; cheap, and never rejects. */
  changed(): Promise<boolean>;
  /**
   * @returns oldest first, never empty; the last one is to sign
   * @throws KbsError naming what stands in the way
   */
  load(signal: AbortSignal): Promise<readonly OfferedKey[]>;
}

export interface FileSignerOptions {
  /** Names the option in sentences. */
  readonly what: string;
  readonly algorithm: SigningAlgorithm;
  /** PEM or JWK text of the private key. @throws KbsError */
  readonly readKey: () => Promise<string>;
  readonly readChain: () => Promise<SignerChain | undefined>;
  /** Files whose change means that either may be another. */
  readonly watched: readonly string[];
}

/**
 * One private key, usually in a file. Times of files are looked at, not file system events: orchestrators swap
 * links, which no event of the file itself reports.
 */
export class FileSigner implements SignerSource {
  readonly complete = false;
  readonly #options: FileSignerOptions;
  #seen = "";

  constructor(options: FileSignerOptions) {
    this.#options = options;
  }

  async changed(): Promise<boolean> {
    return (await fingerprint(this.#options.watched)) !== this.#seen;
  }

  async load(): Promise<readonly OfferedKey[]> {
    const seen = await fingerprint(this.#options.watched);
    const signer = await this.#read();
    // While key and certificates are half replaced they do not load; the next look tries again.
    this.#seen = seen;
    return [{ signer }];
  }

  async #read(): Promise<TokenSigner> {
    const { what, algorithm, readKey, readChain } = this.#options;
    try {
      return createSigner(privateKeyFrom(await readKey()), algorithm, await readChain());
    } catch (cause) {
      if (cause instanceof KbsError) throw cause;
      const detail = `${what}: it must be an ${algorithm} private key that fits its certificates.`;
      throw new KbsError("internal", detail, { cause });
    }
  }
}

/** A key that nobody else ever has: it ends with the process. */
export function ephemeralSigner(algorithm: SigningAlgorithm): SignerSource {
  const signer = createSigner(generateSigningKey(algorithm), algorithm);
  return { complete: false, changed: async () => false, load: async () => [{ signer }] };
}

async function fingerprint(paths: readonly string[]): Promise<string> {
  const states = paths.map((path) =>
    stat(path).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      () => "missing",
    ),
  );
  return (await Promise.all(states)).join("; ");
}
