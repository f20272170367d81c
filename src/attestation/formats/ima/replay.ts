/** What a list extended a register with, and how far a signed register vouches for it. */
import { equalBytes } from "../../../crypto/bytes.ts";
import { digestLatin1 } from "../../../crypto/digest.ts";
import { type HashName, hashOf } from "../eventlog/algorithms.ts";
import { Register, requireAlgorithm } from "../eventlog/replay.ts";
import type { ImaLog } from "./ima-log.ts";
import type { ImaRecord } from "./ima-record.ts";

/** PCR that the kernel extends unless it was built otherwise. */
export const IMA_PCR = 10;

export interface ImaReplayOptions {
  /** Register that counts, as the list numbers it; default 10. */
  readonly register?: number;
  /** What the register held before the first record; default zeros. For a TD: what its CCEL replays to. */
  readonly initial?: Uint8Array;
}

/** How the kernel extends banks other than SHA-1: with the data's digest (5.8 and later), or the SHA-1 one and zeros. */
type Extension = "hashed" | "padded-sha1";

/**
 * Replays the whole list.
 *
 * @returns the register's value; with no record of the register, its initial value
 * @throws ReplayImpossible when this OpenSSL lacks the algorithm
 */
export function replayIma(log: ImaLog, algorithm: HashName, options: ImaReplayOptions = {}): Buffer {
  requireAlgorithm(algorithm);
  const walk = new ImaWalk(algorithm, "hashed", options);
  for (const record of log) walk.step(record);
  return walk.value;
}

export interface ImaMatch {
  /** Records, from the first on, that the register vouches for; 0 when it vouches for none. */
  readonly attested: number;
  readonly matched: boolean;
  readonly extension: Extension;
  /** What the whole list gives, in the kernel's present way. */
  readonly replayed: Uint8Array;
  /** Records of the register in the whole list. */
  readonly records: number;
}

/**
 * Finds the record after which the register held `quoted`. The list is read after the quote was made, so that later
 * records are normal; they are not attested. A register that was never extended vouches for no record at all.
 *
 * @throws ReplayImpossible
 */
export function matchIma(
  log: ImaLog,
  algorithm: HashName,
  quoted: Uint8Array,
  options: ImaReplayOptions = {},
): ImaMatch {
  requireAlgorithm(algorithm);
  const hashed = matchBy(log, algorithm, "hashed", quoted, options);
  if (hashed.matched || algorithm === "sha1") return hashed;
  const padded = matchBy(log, algorithm, "padded-sha1", quoted, options);
  return padded.matched ? padded : hashed;
}

function matchBy(
  log: ImaLog,
  algorithm: HashName,
  extension: Extension,
  quoted: Uint8Array,
  options: ImaReplayOptions,
): ImaMatch {
  const walk = new ImaWalk(algorithm, extension, options);
  let attested = 0;
  for (const record of log)
    if (walk.step(record) && equalBytes(walk.current, quoted)) attested = record.index + 1;
  const matched = attested > 0 || (walk.records === 0 && equalBytes(walk.current, quoted));
  return { attested, matched, extension, replayed: walk.value, records: walk.records };
}

class ImaWalk {
  readonly #algorithm: HashName;
  readonly #extension: Extension;
  readonly #register: number;
  readonly #state: Register;
  readonly #ones: Buffer;
  readonly #digest: Buffer;
  records = 0;

  constructor(algorithm: HashName, extension: Extension, { register = IMA_PCR, initial }: ImaReplayOptions) {
    const { size } = hashOf(algorithm);
    this.#algorithm = algorithm;
    this.#extension = extension;
    this.#register = register;
    this.#state = new Register(algorithm, initial === undefined ? Buffer.alloc(size) : Buffer.from(initial));
    this.#ones = Buffer.alloc(size, 0xff);
    this.#digest = Buffer.alloc(size);
  }

  get current(): Buffer {
    return this.#state.current;
  }

  get value(): Buffer {
    return this.#state.value;
  }

  /** @returns whether the record extended the register */
  step(record: ImaRecord): boolean {
    if (record.register !== this.#register) return false;
    this.records++;
    this.#state.extend(record.violation ? this.#ones : this.#digestOf(record));
    return true;
  }

  #digestOf({ data }: ImaRecord): Buffer {
    const algorithm = this.#extension === "padded-sha1" ? "sha1" : this.#algorithm;
    // The bytes behind a shorter digest stay zero.
    this.#digest.write(digestLatin1(algorithm, data), "latin1");
    return this.#digest;
  }
}
