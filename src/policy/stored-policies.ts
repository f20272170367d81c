import type { TeeClass } from "../attestation/verifier.ts";
import { KbsError } from "../errors.ts";
import type { DocumentStore } from "../storage/document-store.ts";
import type { CompiledPolicy, Finding, PolicyEngine } from "./policy-engine.ts";
import {
  ATTESTATION_RULE,
  policyKind,
  RESOURCE_POLICY,
  RESOURCE_RULE,
  resourcePolicyNames,
} from "./policy-names.ts";
import {
  originName,
  parseOrigin,
  policyOfOrigin,
  printOrigin,
  type ShippedDifference,
  type ShippedOrigin,
  shippedDifference,
  textHash,
} from "./shipped-difference.ts";

/**
 * One policy at one moment, immutable: a request that took it decides by it to the end, whatever an
 * administrator uploads meanwhile.
 */
export interface PolicySnapshot {
  readonly name: string;
  readonly text: string;
  /** Counts replacements; 0 is the text that came with the program. */
  readonly version: number;
  readonly by: string;
  /** RFC 3339; empty for shipped text. */
  readonly at: string;
  /** `undefined` when the stored text no longer compiles or could not be read: deny, and say so. */
  readonly compiled: CompiledPolicy | undefined;
  /** Errors (then `compiled` is absent) and warnings. */
  readonly findings: readonly Finding[];
}

export interface StoredPoliciesDependencies {
  readonly store: DocumentStore;
  readonly engine: PolicyEngine;
  /** Texts that hold as long as no administrator replaced them, by policy name. */
  readonly shipped: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly maxPolicyBytes?: number;
  /** Also take appraisal policies that never define `trust_claims`; they then claim nothing. */
  readonly allowMissingTrustClaims?: boolean;
  /** Also take appraisal policies of which it is known that a part can never do what it says. */
  readonly allowHopeless?: boolean;
}

/** Advice that, about an appraisal policy, is no matter of taste: the policy fails, or asks for what never is there. */
const HOPELESS: ReadonlySet<string> = new Set(["unknown_field", "unknown_trust_claim", "not_a_signed_byte"]);

const DEFAULT_MAX_POLICY_BYTES = 1024 * 1024;
const SHIPPED_BY = "keywarden";

/**
 * The document that lists release policies of single repositories. Were one of them damaged beyond its name, the
 * general policy would decide in its place, which may let more through; with the list it is known to be missing.
 */
const CLOSER_INDEX = ".resource-policies";

/**
 * The named policies: `resource-policy` and, for single repositories, those below it; and `<id>_<class>` for
 * appraisal. Compiled when they arrive.
 */
export class StoredPolicies {
  readonly #dependencies: StoredPoliciesDependencies;
  #snapshots: ReadonlyMap<string, PolicySnapshot> = new Map();
  #origins: ReadonlyMap<string, ShippedOrigin> = new Map();
  /** Set when nobody can say which repositories have policies of their own: then none is released from. */
  #unknownCloser: PolicySnapshot | undefined;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(dependencies: StoredPoliciesDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws KbsError `storage-unavailable` */
  static async open(dependencies: StoredPoliciesDependencies, signal: AbortSignal): Promise<StoredPolicies> {
    const policies = new StoredPolicies(dependencies);
    await policies.refresh(signal);
    return policies;
  }

  /** The policy under this very name, or `undefined`. */
  get(name: string): PolicySnapshot | undefined {
    return this.#snapshots.get(name);
  }

  /**
   * The policy that decides about a resource: the one whose name is closest to its path, and no other.
   *
   * @param path - repository, type, tag; without it, the general policy
   */
  resourcePolicy(path: readonly string[] = []): PolicySnapshot | undefined {
    if (this.#unknownCloser !== undefined && path.length > 0) return this.#unknownCloser;
    for (const name of resourcePolicyNames(path)) {
      const found = this.#snapshots.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Stored policies that differ from the shipped ones they stand in place of; sorted by name. */
  differences(): readonly ShippedDifference[] {
    const names = [...this.#dependencies.shipped.keys()].sort();
    return names.map((name) => this.difference(name)).filter((each) => each !== undefined);
  }

  /** @returns `undefined` when the shipped text holds, or none ships under this name */
  difference(name: string): ShippedDifference | undefined {
    const shipped = this.#dependencies.shipped.get(name);
    const snapshot = this.get(name);
    if (shipped === undefined || snapshot === undefined || snapshot.version === 0) return undefined;
    return shippedDifference(snapshot, shipped, this.#origins.get(name));
  }

  /** @param id - `default`, say; the class is appended, as guests and tools of the protocol expect */
  attestationPolicy(id: string, teeClass: TeeClass): PolicySnapshot | undefined {
    return this.get(`${id}_${teeClass}`);
  }

  /** Sorted by name. */
  list(): readonly PolicySnapshot[] {
    return [...this.#snapshots.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /**
   * Compiles, then stores, then uses. A text with errors changes nothing.
   *
   * @returns the new snapshot; `findings` holds warnings
   * @throws KbsError `policy-invalid` with `findings`; `storage-unavailable`
   */
  async put(name: string, text: string, by: string, signal: AbortSignal): Promise<PolicySnapshot> {
    const fresh = this.#compile({ name, text, version: 0, by, at: this.#timestamp() });
    if (fresh.compiled === undefined) throw refusal(fresh);
    this.#requireTrustClaims(fresh, fresh.compiled);
    this.#requireSense(fresh);
    return this.#inTurn(async () => {
      await this.#noteOrigin(fresh, signal);
      const isNew = await this.#noteCloser((names) => names.add(name), name, fresh, signal);
      const stored = await this.#dependencies.store.put(name, text, fresh, signal).catch(async (error) => {
        if (isNew) await this.#forgetCloser(name, fresh);
        throw error;
      });
      const snapshot = Object.freeze({ ...fresh, version: stored.version });
      this.#snapshots = new Map(this.#snapshots).set(name, snapshot);
      return snapshot;
    });
  }

  /**
   * Forgets what administrators stored; a shipped text of that name holds again.
   * @returns whether there was a stored text
   * @throws KbsError `storage-unavailable`
   */
  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const { store } = this.#dependencies;
      const was = await store.delete(name, signal);
      await store.delete(originName(name), signal);
      const provenance = { by: SHIPPED_BY, at: this.#timestamp() };
      const wasNamed = await this.#noteCloser((names) => names.delete(name), name, provenance, signal);
      const snapshots = new Map(this.#snapshots);
      snapshots.delete(name);
      const shipped = this.#shipped(name);
      if (shipped !== undefined) snapshots.set(name, shipped);
      this.#snapshots = snapshots;
      return was || wasNamed;
    });
  }

  /**
   * Reads the store anew, for stores that others write as well. Names that ship with the program are read
   * one by one: if an administrator's text is there but damaged, the shipped one must not take its place.
   *
   * @throws KbsError `storage-unavailable` when the store cannot be listed at all
   */
  async refresh(signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const snapshots = new Map<string, PolicySnapshot>();
      const origins = new Map<string, ShippedOrigin>();
      for await (const document of this.#dependencies.store.list(signal)) {
        const origin = policyOfOrigin(document.name);
        const known = origin === undefined ? undefined : parseOrigin(document.text);
        if (origin !== undefined && known !== undefined) origins.set(origin, known);
        if (policyKind(document.name) !== undefined) snapshots.set(document.name, this.#compile(document));
      }
      const closer = await this.#readCloser(signal);
      for (const name of [...this.#dependencies.shipped.keys(), ...(closer ?? [])]) {
        if (!snapshots.has(name)) snapshots.set(name, await this.#readKnownName(name, signal));
      }
      this.#snapshots = snapshots;
      this.#origins = origins;
      this.#unknownCloser = closer === undefined ? unreadable(CLOSER_INDEX) : undefined;
    });
  }

  async #readKnownName(name: string, signal: AbortSignal): Promise<PolicySnapshot> {
    try {
      const stored = await this.#dependencies.store.get(name, signal);
      if (stored !== undefined) return this.#compile(stored);
    } catch {
      return unreadable(name);
    }
    return this.#shipped(name) ?? unreadable(name);
  }

  /** A policy that never decides anything looks like success until the first guest comes. */
  #requireTrustClaims(fresh: PolicySnapshot, compiled: CompiledPolicy): void {
    if (policyKind(fresh.name) !== "attestation" || this.#dependencies.allowMissingTrustClaims === true)
      return;
    if (compiled.entryPoints.includes(ATTESTATION_RULE)) return;
    const message = `the policy does not define ${ATTESTATION_RULE}, so no evidence could be appraised by it`;
    throw refusal(broken(fresh, "rule-missing", message));
  }

  /** Evidence of a kind that is known has known claims: a policy that names another was written for other releases. */
  #requireSense(fresh: PolicySnapshot): void {
    if (policyKind(fresh.name) !== "attestation" || this.#dependencies.allowHopeless === true) return;
    const wrong = fresh.findings.filter(({ code }) => HOPELESS.has(code));
    if (wrong.length === 0) return;
    const rest = fresh.findings.filter(({ code }) => !HOPELESS.has(code));
    throw refusal({ ...fresh, findings: [...wrong.map(asError), ...rest] });
  }

  /** Remembers what was shipped when a text took its place, so that a later release can say that it changed. */
  async #noteOrigin({ name, text, by, at }: PolicySnapshot, signal: AbortSignal): Promise<void> {
    const shipped = this.#dependencies.shipped.get(name);
    if (shipped === undefined) return;
    const origin = { shippedHash: textHash(shipped), storedHash: textHash(text) };
    await this.#dependencies.store.put(originName(name), printOrigin(origin), { by, at }, signal);
    this.#origins = new Map(this.#origins).set(name, origin);
  }

  /** Changes the list of repositories with policies of their own. @returns whether it was another one before */
  async #noteCloser(
    change: (names: Set<string>) => unknown,
    name: string,
    { by, at }: { readonly by: string; readonly at: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    if (name === RESOURCE_POLICY || policyKind(name) !== "resource") return false;
    const before = await this.#readCloser(signal);
    const names = new Set(before ?? [...this.#snapshots.keys()].filter(isCloser));
    change(names);
    const text = [...names].sort().join("\n");
    if (before !== undefined && text === before.join("\n")) return false;
    await this.#dependencies.store.put(CLOSER_INDEX, text, { by, at }, signal);
    return true;
  }

  /** A name that stays in the list though there is no text is denied after the next start, which is safe. */
  async #forgetCloser(name: string, provenance: { readonly by: string; readonly at: string }): Promise<void> {
    const { signal } = new AbortController();
    const forget = (names: Set<string>) => names.delete(name);
    await this.#noteCloser(forget, name, provenance, signal).catch(() => undefined);
  }

  /** @returns sorted names; `undefined` when the list is damaged */
  async #readCloser(signal: AbortSignal): Promise<readonly string[] | undefined> {
    try {
      const index = await this.#dependencies.store.get(CLOSER_INDEX, signal);
      return index === undefined || index.text === "" ? [] : index.text.split("\n").filter(isCloser);
    } catch {
      return undefined;
    }
  }

  #shipped(name: string): PolicySnapshot | undefined {
    const text = this.#dependencies.shipped.get(name);
    return text === undefined ? undefined : this.#compile({ name, text, version: 0, by: SHIPPED_BY, at: "" });
  }

  #compile(source: Omit<PolicySnapshot, "compiled" | "findings">): PolicySnapshot {
    const { name, text, version, by, at } = source;
    const limit = this.#dependencies.maxPolicyBytes ?? DEFAULT_MAX_POLICY_BYTES;
    const bytes = Buffer.byteLength(text, "utf8");
    if (bytes > limit)
      return broken(source, "policy-too-large", `the text has ${bytes} bytes, ${limit} are allowed`);
    const { policy, findings } = this.#dependencies.engine.compile([{ file: `${name}.rego`, text }]);
    const all = policy === undefined ? findings : [...findings, ...missingRule(name, policy)];
    return Object.freeze({ name, text, version, by, at, compiled: policy, findings: Object.freeze(all) });
  }

  #timestamp(): string {
    return new Date(this.#dependencies.now()).toISOString();
  }

  /** Changes happen one after the other, so that memory and store end in the same state. */
  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#lastChange.catch(() => undefined).then(change);
    this.#lastChange = mine.catch(() => undefined);
    return mine;
  }
}

function asError(finding: Finding): Finding {
  return { ...finding, severity: "error" };
}

function isCloser(name: string): boolean {
  return name !== RESOURCE_POLICY && policyKind(name) === "resource";
}

/** A policy that never defines the rule it is asked for denies everything; say so when it arrives. */
function missingRule(name: string, policy: CompiledPolicy): Finding[] {
  const rule = policyKind(name) === "resource" ? RESOURCE_RULE : ATTESTATION_RULE;
  if (policy.entryPoints.includes(rule)) return [];
  const message = `the policy does not define ${rule}, so it denies everything`;
  return [finding("warning", "rule-missing", message, name)];
}

function unreadable(name: string): PolicySnapshot {
  const source = { name, text: "", version: 0, by: "", at: "" };
  return broken(source, "policy-unreadable", "the stored text is damaged; set the policy again or delete it");
}

function broken(
  source: Omit<PolicySnapshot, "compiled" | "findings">,
  code: string,
  message: string,
): PolicySnapshot {
  const findings = [finding("error", code, message, source.name)];
  return Object.freeze({ ...source, compiled: undefined, findings });
}

function finding(severity: "error" | "warning", code: string, message: string, name: string): Finding {
  return { severity, code, message, file: `${name}.rego`, row: 1, col: 1, endRow: 1, endCol: 1 };
}

function refusal({ name, text, findings }: PolicySnapshot): KbsError {
  const errors = findings.filter((each) => each.severity === "error");
  return new KbsError(
    "policy-invalid",
    `Policy ${name} refused, the old one stays. ${describe(errors, text)}`,
    {
      extra: { findings: findings.map((each) => ({ ...each })) },
      kbsType: "PolicyEngineError",
    },
  );
}

const MAX_SHOWN = 3;

function describe(errors: readonly Finding[], text: string): string {
  const lines = text.split("\n");
  const shown = errors.slice(0, MAX_SHOWN).map((error) => showFinding(error, lines));
  const more = errors.length - shown.length;
  return shown.join("\n") + (more > 0 ? `\nand ${more} more` : "");
}

const MAX_LINE = 160;

/** A finding with its line and a caret under the place. */
function showFinding(error: Finding, lines: readonly string[]): string {
  const place = `${error.file}:${error.row}:${error.col}: ${error.message}`;
  const line = lines[error.row - 1];
  if (line === undefined || line.length > MAX_LINE) return place;
  const before = [...line].slice(0, error.col - 1);
  // Tabs stay tabs, so that the caret stands right however wide they are shown.
  const indent = before.map((character) => (character === "\t" ? "\t" : " ")).join("");
  return `${place}\n${line}\n${indent}^`;
}
