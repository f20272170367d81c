/** Intel's statements that verified, kept and renewed: nothing forged, expired or older ever takes their place. */
import { LRUCache } from "lru-cache";
import { KbsError } from "../../errors.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { CollateralPieces, PieceFacts } from "../formats/dcap/pieces.ts";
import type { FileCache } from "./file-cache.ts";
import {
  type GenuinePiece,
  isCurrent,
  isOlder,
  judgePiece,
  type PieceName,
  pieceKey,
  pieceTitle,
  type RawPiece,
} from "./intel-pieces.ts";
import { unavailable } from "./upstream.ts";

/** Somewhere that statements are asked for. */
export interface PieceSource {
  readonly name: string;
  /** Files of the operator: several may answer to one name, and a bad one is no lie. */
  readonly isFile: boolean;
  /** Grows when what the source has may have changed without being asked. */
  readonly edition: () => number;
  /** @throws KbsError `collateral-unavailable` */
  pieces(name: PieceName): Promise<readonly RawPiece[]>;
  disappointed(name: PieceName, why: string): void;
}

interface KeeperOptions {
  readonly sources: readonly PieceSource[];
  readonly pieces: CollateralPieces;
  readonly cache: FileCache | undefined;
  /** Suffix of cached names for statements that depend on the update type. */
  readonly updateType: string;
  readonly refreshMilliseconds: number;
  /** How long after its end a statement still counts while nothing newer is to be had. */
  readonly staleMilliseconds: number;
  readonly now: () => number;
  /** Hears that a statement past its end was handed out. */
  readonly onStale: (title: string) => void;
}

interface Held extends GenuinePiece {
  readonly name: PieceName;
  readonly takenAt: number;
  readonly editions: number;
}

/** One TCB info per kind of platform; the other statements are few. */
const MAX_HELD = 1024;
/** A renewal that failed is tried again after this while, as long as what is held still counts. */
const RETRY_MILLISECONDS = 300_000;

export class PieceKeeper {
  readonly #options: KeeperOptions;
  readonly #held = new LRUCache<string, Held>({ max: MAX_HELD });
  readonly #tried = new LRUCache<string, { readonly at: number; readonly editions: number }>({
    max: MAX_HELD,
  });
  readonly #renewals = new Map<string, Promise<void>>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** What is at hand and counts now; renewed in the background when it is due. Never waits. */
  current(name: PieceName): GenuinePiece | undefined {
    const key = pieceKey(name);
    const held = this.#held.get(key);
    if (held === undefined || !isCurrent(held.facts, this.#options.now())) return undefined;
    if (this.#isDue(key, held)) void this.#renew(key, name);
    return held;
  }

  /**
   * What counts now, asked for if need be.
   *
   * @returns undefined when no source has it
   * @throws KbsError `collateral-unavailable`
   */
  async get(name: PieceName): Promise<GenuinePiece | undefined> {
    const at = this.current(name);
    if (at !== undefined) return at;
    const key = pieceKey(name);
    const trouble = await this.#renew(key, name).catch((error: unknown) => error);
    const held = this.#held.get(key);
    const { now, staleMilliseconds, onStale } = this.#options;
    if (held !== undefined && isCurrent(held.facts, now())) return held;
    if (held !== undefined && isCurrent(held.facts, now(), staleMilliseconds)) {
      onStale(pieceTitle(name));
      return held;
    }
    if (trouble !== undefined) throw trouble;
    return undefined;
  }

  /** Renews everything that is due, so that nothing ends while nobody asks for it. */
  renewDue(): void {
    for (const [key, held] of this.#held.entries())
      if (this.#isDue(key, held)) void this.#renew(key, held.name);
  }

  #isDue(key: string, { facts, takenAt, editions }: Held): boolean {
    if (this.#renewals.has(key)) return false;
    const { now, refreshMilliseconds } = this.#options;
    const tried = this.#tried.get(key) ?? { at: takenAt, editions };
    if (tried.editions !== this.#editions()) return true;
    const half = Math.max(0, (facts.expiresAt - takenAt) / 2);
    const age = Math.abs(now() - takenAt);
    return age >= Math.min(refreshMilliseconds, half) && Math.abs(now() - tried.at) >= RETRY_MILLISECONDS;
  }

  #editions(): number {
    return this.#options.sources.reduce((sum, { edition }) => sum + edition(), 0);
  }

  #renew(key: string, name: PieceName): Promise<void> {
    const running = this.#renewals.get(key);
    if (running !== undefined) return running;
    const renewal = this.#find(key, name).finally(() => this.#renewals.delete(key));
    this.#renewals.set(key, renewal);
    // Nobody may be waiting; whoever needs the statement is refused by its absence.
    renewal.catch(() => undefined);
    return renewal;
  }

  async #find(key: string, name: PieceName): Promise<void> {
    if (!this.#held.has(key) && (await this.#fromDisk(key, name))) return;
    this.#tried.set(key, { at: this.#options.now(), editions: this.#editions() });
    const troubles: KbsError[] = [];
    for (const source of this.#options.sources) {
      try {
        if (await this.#ask(source, key, name)) return;
      } catch (error) {
        if (!(error instanceof KbsError)) throw error;
        troubles.push(error);
      }
    }
    if (troubles[0] !== undefined) throw troubles[0];
  }

  /** @returns whether the source had something that counts now. @throws KbsError when it could not say, or lied */
  async #ask(source: PieceSource, key: string, name: PieceName): Promise<boolean> {
    const found = await source.pieces(name);
    let why: string | undefined;
    let taken: Held | undefined;
    for (const raw of found) {
      const outcome = this.#judge(source, name, raw);
      if (typeof outcome === "string") {
        why ??= outcome;
        continue;
      }
      // First there, then in use: what guests were judged by is not forgotten when the process ends.
      if (!source.isFile) await this.#toDisk(key, outcome);
      taken = this.#take(key, outcome, taken);
    }
    if (taken !== undefined) return true;
    if (why === undefined || source.isFile) return false;
    source.disappointed(name, why);
    throw unavailable(source.name, `it answered with a statement that is of no use: ${why}`);
  }

  /** @returns why it is of no use, or the statement */
  #judge(source: PieceSource, name: PieceName, raw: RawPiece): Held | string {
    const { pieces, now } = this.#options;
    const facts = judgePiece(pieces, name, raw);
    if (typeof facts === "string") return facts;
    const held = this.#held.get(pieceKey(name));
    if (held !== undefined && isOlder(facts, held.facts)) return "it is older than what was known before";
    if (!isCurrent(facts, now())) return `it counts ${periodText(facts)}, not now`;
    return {
      ...raw,
      facts,
      name,
      origin: source.name,
      isFile: source.isFile,
      takenAt: now(),
      editions: this.#editions(),
    };
  }

  /** Of several that count, the newest; the same statement again keeps its bytes, which others know it by. */
  #take(key: string, next: Held, earlier: Held | undefined): Held {
    if (earlier !== undefined && isOlder(next.facts, earlier.facts)) return earlier;
    const held = this.#held.get(key);
    const same = held?.body.equals(next.body) === true && held.issuerChain.equals(next.issuerChain);
    const taken = same ? { ...next, body: held.body, issuerChain: held.issuerChain } : next;
    this.#held.set(key, taken);
    return taken;
  }

  /**
   * @returns whether what was kept counts now; what does not is held all the same, against older answers, and because
   *   it may be the clock that is wrong
   */
  async #fromDisk(key: string, name: PieceName): Promise<boolean> {
    const kept = await this.#onDisk(key, name);
    if (kept === undefined) return false;
    const { refreshMilliseconds, now } = this.#options;
    const takenAt = Math.max(kept.facts.issuedAt, now() - refreshMilliseconds);
    this.#held.set(key, {
      ...kept,
      name,
      origin: "the cache",
      isFile: false,
      takenAt,
      editions: this.#editions(),
    });
    return isCurrent(kept.facts, now());
  }

  /** What the disk has, verified; anything else there is removed. */
  async #onDisk(key: string, name: PieceName): Promise<(RawPiece & { facts: PieceFacts }) | undefined> {
    const { cache, pieces } = this.#options;
    const file = await cache?.get(this.#fileName(key));
    const raw = file === undefined ? undefined : readRaw(file);
    if (raw === undefined) return undefined;
    const facts = judgePiece(pieces, name, raw);
    if (typeof facts !== "string") return { ...raw, facts };
    await cache?.delete(this.#fileName(key));
    return undefined;
  }

  /** Another broker, with the same folder, may have something newer by now. */
  async #toDisk(key: string, { name, facts, body, issuerChain }: Held): Promise<void> {
    const kept = await this.#onDisk(key, name);
    if (kept !== undefined && isOlder(facts, kept.facts)) return;
    const text = writeJson({ body: body.toString("base64"), issuerChain: issuerChain.toString("utf8") });
    await this.#options.cache?.put(this.#fileName(key), Buffer.from(text));
  }

  #fileName(key: string): string {
    return key.startsWith("crl/") ? `${key}.json` : `${key}-${this.#options.updateType}.json`;
  }
}

/** @returns undefined when the file is not what this program wrote */
function readRaw(file: Buffer): RawPiece | undefined {
  try {
    const json = readJson(file);
    const [body, issuerChain] = isObject(json) ? [member(json, "body"), member(json, "issuerChain")] : [];
    if (typeof body !== "string" || typeof issuerChain !== "string") return undefined;
    return { body: Buffer.from(body, "base64"), issuerChain: Buffer.from(issuerChain, "utf8") };
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

/** RFC 3339, for sentences. */
function periodText({ countsFrom, expiresAt }: PieceFacts): string {
  return `from ${new Date(countsFrom).toISOString()} to ${new Date(expiresAt).toISOString()}`;
}
