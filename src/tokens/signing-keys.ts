import type { JsonObject } from "../json/value.ts";
import { member } from "../json/write.ts";
import type { VerificationKey } from "./algorithms.ts";
import type { KeyChoice, KeySource } from "./key-source.ts";
import type { PublicSigningKey, TokenSigner } from "./signer.ts";

/** A key as its source holds it. */
export interface OfferedKey {
  readonly signer: TokenSigner;
  /** Milliseconds since the epoch at which the key was made, where the source knows it. */
  readonly since?: number;
}

/** A key that was known before this process started: it verifies and is published, and cannot sign. */
export interface RememberedKey {
  readonly key: PublicSigningKey;
  /** Milliseconds since the epoch. */
  readonly signsFrom: number;
}

export interface SigningKeysOptions {
  /** How long a new key is published before it signs: relying parties keep key sets for minutes. */
  readonly publishMs: number;
  /** How long a key is published and accepted after another took over: the lifetime of a token, and leeway. */
  readonly overlapMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Entry {
  readonly key: PublicSigningKey;
  readonly signer: TokenSigner | undefined;
  readonly signsFrom: number;
}

/** Most keys held at once; beyond it the oldest ones are given up. */
const MAX_KEYS = 16;

/**
 * The signing keys of this server over time. A key is published first, signs later, and is published and accepted
 * for as long as a token that it signed may live; then it is forgotten. No moment without a key, and no restart.
 */
export class SigningKeys implements KeySource {
  readonly #options: SigningKeysOptions;
  /** By `signsFrom`, earliest first; never empty. */
  #entries: readonly Entry[];
  #version = 0;

  /**
   * @param offered - what the source holds, oldest first, at least one
   * @param remembered - keys of earlier runs, so that their tokens count until they expire
   */
  constructor(
    offered: readonly OfferedKey[],
    options: SigningKeysOptions,
    remembered: readonly RememberedKey[] = [],
  ) {
    this.#options = options;
    this.#entries = this.#planned(offered, remembered.map(publicEntry));
    this.#forget();
  }

  /** Changes when a key stopped counting. */
  get version(): number {
    this.#forget();
    return this.#version;
  }

  /** The key that signs now. */
  get current(): TokenSigner {
    return this.#signing().signer;
  }

  /** Keys that relying parties may need now or soon, the one that signs first. */
  get published(): readonly PublicSigningKey[] {
    this.#forget();
    const { kid } = this.#signing().key;
    const keys = this.#entries.map(({ key }) => key);
    return [...keys.filter((key) => key.kid === kid), ...keys.filter((key) => key.kid !== kid)];
  }

  /** What to keep for the next run. */
  get remembered(): readonly RememberedKey[] {
    this.#forget();
    return this.#entries.map(({ key, signsFrom }) => ({ key, signsFrom }));
  }

  candidates(header: JsonObject): KeyChoice {
    this.#forget();
    const kid = member(header, "kid");
    const keys = this.#entries.filter(({ key }) => key.kid === kid);
    return { version: this.#version, keys: keys.map((entry) => this.#verificationKey(entry)) };
  }

  /**
   * Takes over what the source holds now.
   *
   * @param offered - oldest first, at least one
   * @param complete - the source holds every key that may count: others are dropped at once
   * @returns whether anything changed
   */
  offer(offered: readonly OfferedKey[], complete = false): boolean {
    this.#forget();
    const before = this.#entries;
    const kept = complete ? before.filter(({ key }) => holds(offered, key)) : before;
    this.#entries = this.#planned(offered, kept);
    if (before.some(({ key }) => !this.#entries.some((entry) => entry.key.kid === key.kid))) this.#version++;
    return (
      before.length !== this.#entries.length ||
      before.some((entry, at) => entry.key.kid !== this.#entries[at]?.key.kid)
    );
  }

  #planned(offered: readonly OfferedKey[], known: readonly Entry[]): readonly Entry[] {
    const now = this.#options.now();
    const byKid = new Map(known.map((entry) => [entry.key.kid, entry]));
    for (const { signer, since } of offered) {
      const old = byKid.get(signer.kid);
      const settled = old !== undefined && !isOvertaken(old, known, offered, now);
      const signsFrom = settled ? old.signsFrom : this.#signsFrom(since, [...byKid.values()]);
      byKid.set(signer.kid, { key: signer, signer, signsFrom });
    }
    // A key that waits and is no longer offered has never signed: nothing rests on it.
    const entries = [...byKid.values()].filter(
      ({ key, signsFrom }) => signsFrom <= now || holds(offered, key),
    );
    return entries.sort((a, b) => a.signsFrom - b.signsFrom).slice(-MAX_KEYS);
  }

  /** Without another key that could sign meanwhile, a key signs at once. */
  #signsFrom(since: number | undefined, known: readonly Entry[]): number {
    const from = since ?? this.#options.now();
    return known.some(hasSigner) ? from + this.#options.publishMs : from;
  }

  #signing(): Entry & { readonly signer: TokenSigner } {
    const able = this.#entries.filter(hasSigner);
    const now = this.#options.now();
    const signing = able.findLast(({ signsFrom }) => signsFrom <= now) ?? able[0];
    if (signing === undefined) throw new Error("no signing key is left");
    return signing;
  }

  /** When the entry's time is over; `undefined`: no other key has taken over. */
  #endOf(entry: Entry): number | undefined {
    if (entry === this.#signing()) return undefined;
    const now = this.#options.now();
    const next = this.#entries.find(({ signsFrom }) => signsFrom > entry.signsFrom && signsFrom <= now);
    return next === undefined ? undefined : next.signsFrom + this.#options.overlapMs;
  }

  #verificationKey(entry: Entry): VerificationKey {
    const notAfter = this.#endOf(entry);
    return notAfter === undefined ? entry.key.verificationKey : { ...entry.key.verificationKey, notAfter };
  }

  #forget(): void {
    if (this.#entries.length === 1) return;
    const now = this.#options.now();
    const kept = this.#entries.filter((entry) => now < (this.#endOf(entry) ?? Number.POSITIVE_INFINITY));
    if (kept.length === this.#entries.length) return;
    this.#entries = kept;
    this.#version++;
  }
}

/** Whether the source went back to this key from a later one that it no longer holds. */
function isOvertaken(
  entry: Entry,
  known: readonly Entry[],
  offered: readonly OfferedKey[],
  now: number,
): boolean {
  return known.some(
    ({ key, signsFrom }) => signsFrom > entry.signsFrom && signsFrom <= now && !holds(offered, key),
  );
}

function publicEntry({ key, signsFrom }: RememberedKey): Entry {
  return { key, signer: undefined, signsFrom };
}

function hasSigner(entry: Entry): entry is Entry & { readonly signer: TokenSigner } {
  return entry.signer !== undefined;
}

function holds(offered: readonly OfferedKey[], key: PublicSigningKey): boolean {
  return offered.some(({ signer }) => signer.kid === key.kid);
}
