/** Judges an IMA list: is it what the register vouches for, and may these files run? */
import { toHex } from "../../../crypto/bytes.ts";
import { digestHex } from "../../../crypto/digest.ts";
import type { JsonObject } from "../../../json/value.ts";
import { type HashName, hashByName, isAvailable } from "../eventlog/algorithms.ts";
import { type ImaLog, templateHashHolds } from "./ima-log.ts";
import type { ImaRecord } from "./ima-record.ts";
import { judgeSignature, KeyRing } from "./keys.ts";
import type { ImaPolicy } from "./policy.ts";
import { IMA_PCR, type ImaMatch, type ImaReplayOptions, matchIma } from "./replay.ts";

/** Why a record is not accepted. */
export type ImaReason =
  | "template-hash"
  | "violation"
  | "boot-aggregate"
  | "not-listed"
  | "digest-differs"
  | "signature-invalid"
  | "signature-unknown-key"
  | "signature-unsupported"
  | "keyring-key"
  | "buffer-digest";

export interface ImaFailure {
  readonly record: number;
  readonly path: string;
  /** `<algorithm>:<hex>` */
  readonly digest: string;
  readonly reason: ImaReason;
}

export interface AppraiseImaOptions extends ImaReplayOptions {
  readonly algorithm: HashName;
  /** The signed value of the register in the bank `algorithm`. Absent: the list is judged without anything that vouches for it. */
  readonly quoted?: Uint8Array;
  /** Signed PCRs by bank, for the boot aggregate. */
  readonly banks?: ReadonlyMap<HashName, ReadonlyMap<number, Uint8Array>>;
  readonly policy?: ImaPolicy;
}

export interface ImaReport {
  /** The register matches, and no attested record failed. */
  readonly ok: boolean;
  readonly records: number;
  /** Records that the register vouches for; only these were judged. */
  readonly attested: number;
  /** How the register compared; undefined when none was given. */
  readonly match: ImaMatch | undefined;
  /** Where the register did not match: the first record whose template hash is not that of its data, if there is one. */
  readonly firstSuspectRecord: number | undefined;
  /** Undefined when it cannot be told: no such record, or its PCRs are not signed. */
  readonly bootAggregateOk: boolean | undefined;
  readonly violations: number;
  readonly failed: number;
  /** The first of the failures. */
  readonly failures: readonly ImaFailure[];
  readonly policyId: string | undefined;
}

const MOST_FAILURES_NAMED = 100;

/**
 * Appraises the records that the register vouches for, in order: violations, excluded paths, keys measured into keyrings,
 * signatures, listed digests. Without a policy only the list itself is judged: template hashes, violations, boot
 * aggregate.
 *
 * @throws ReplayImpossible when this OpenSSL lacks the algorithm
 */
export function appraiseIma(log: ImaLog, options: AppraiseImaOptions): ImaReport {
  const { quoted, algorithm } = options;
  const match = quoted === undefined ? undefined : matchIma(log, algorithm, quoted, options);
  const attested = match === undefined ? log.count : match.attested;
  const appraisal = new Appraisal(log.algorithm, options);
  for (let index = 0; index < attested; index++) appraisal.judge(log.record(index));
  const { violations, failed, failures, bootAggregateOk } = appraisal;
  return {
    ok: match?.matched !== false && failed === 0,
    records: log.count,
    attested,
    match,
    firstSuspectRecord: match?.matched === false ? suspect(log) : undefined,
    bootAggregateOk,
    violations,
    failed,
    failures,
    policyId: options.policy?.id,
  };
}

/** A record that was altered contradicts itself, unless its hash was computed anew. */
function suspect(log: ImaLog): number | undefined {
  for (const record of log) if (!templateHashHolds(record, log.algorithm)) return record.index;
  return undefined;
}

class Appraisal {
  readonly #listAlgorithm: HashName;
  readonly #options: AppraiseImaOptions;
  readonly #register: number;
  readonly #keys: KeyRing;
  readonly failures: ImaFailure[] = [];
  failed = 0;
  violations = 0;
  /** Records of the register that were judged before this one. */
  #judged = 0;
  bootAggregateOk: boolean | undefined;

  constructor(listAlgorithm: HashName, options: AppraiseImaOptions) {
    this.#listAlgorithm = listAlgorithm;
    this.#options = options;
    this.#register = options.register ?? IMA_PCR;
    this.#keys = options.policy?.keys.copy() ?? new KeyRing();
  }

  judge(record: ImaRecord): void {
    // Records of other registers are not what this register vouches for.
    if (record.register !== this.#register) return;
    const reason = this.#reason(record);
    this.#judged++;
    if (reason === undefined) return;
    this.failed++;
    if (this.failures.length >= MOST_FAILURES_NAMED) return;
    const { digest, path } = record.fields;
    const text = `${digest.algorithm}:${toHex(digest.value)}`;
    this.failures.push({ record: record.index, path, digest: text, reason });
  }

  #reason(record: ImaRecord): ImaReason | undefined {
    const { policy } = this.#options;
    if (record.violation) {
      this.violations++;
      return policy?.allowViolations === true ? undefined : "violation";
    }
    if (!templateHashHolds(record, this.#listAlgorithm)) return "template-hash";
    if (record.fields.path === "boot_aggregate") return this.#bootAggregate(record);
    return policy === undefined ? undefined : this.#byPolicy(record, policy);
  }

  /**
   * Every boot aggregate counts: a kernel that was started by another one measures its own. Where nothing tells whether it
   * is right, only the first record passes a policy, which the kernel makes before any program runs: later on a file may
   * have this name, for in a detached mount the kernel measures a name without its path.
   */
  #bootAggregate({ fields: { digest } }: ImaRecord): ImaReason | undefined {
    const covered = bootAggregates(digest.algorithm, this.#options.banks);
    const listed = this.#options.policy?.files.get("boot_aggregate")?.has(toHex(digest.value));
    const good = covered.length > 0 ? covered.some((aggregate) => aggregate === toHex(digest.value)) : listed;
    if (good !== undefined) this.bootAggregateOk = good && this.bootAggregateOk !== false;
    const unknown = good === undefined && this.#options.policy !== undefined && this.#judged > 0;
    return good === false || unknown ? "boot-aggregate" : undefined;
  }

  #byPolicy(record: ImaRecord, policy: ImaPolicy): ImaReason | undefined {
    const { path, digest, signature, buffer } = record.fields;
    const known = policy.files.get(path);
    // What is listed, excluded or signed passes alike, so what costs least is asked first.
    if (buffer === undefined && known?.has(toHex(digest.value)) === true) return undefined;
    if (policy.excludes(path)) return undefined;
    if (buffer !== undefined) return this.#judgeBuffer(record, buffer, policy);
    const verdict = signature === undefined ? undefined : judgeSignature(signature, digest, this.#keys);
    if (verdict === "valid") return undefined;
    if (known !== undefined) return "digest-differs";
    if (verdict === undefined) return "not-listed";
    return SIGNATURE_REASONS[verdict];
  }

  /** A key that the policy knows joins the keys that sign files: records come in the order in which things happened. */
  #judgeBuffer(record: ImaRecord, buffer: Buffer, policy: ImaPolicy): ImaReason | undefined {
    const { path, digest } = record.fields;
    const hex = toHex(digest.value);
    const algorithm = hashByName(digest.algorithm)?.name;
    if (algorithm === undefined || !isAvailable(algorithm) || digestHex(algorithm, buffer) !== hex)
      return "buffer-digest";
    const isKeyring = policy.keyrings.has(path) || /^[._]/.test(path);
    if (policy.ignoredKeyrings.has(path) || (isKeyring && policy.ignoredKeyrings.has("*"))) return undefined;
    if (!isKeyring) return policy.buffers.get(path)?.has(hex) === true ? undefined : "not-listed";
    if (policy.keyrings.get(path)?.has(hex) !== true) return "keyring-key";
    return this.#trust(buffer);
  }

  #trust(certificate: Buffer): ImaReason | undefined {
    try {
      this.#keys.addCertificate(certificate);
      return undefined;
    } catch {
      return "keyring-key";
    }
  }
}

const SIGNATURE_REASONS = {
  invalid: "signature-invalid",
  malformed: "signature-invalid",
  "unknown-key": "signature-unknown-key",
  unsupported: "signature-unsupported",
} as const;

/** Kernels before 5.8, and later ones with SHA-1, take PCRs 0 to 7; others 0 to 9 (Linux ima_crypto.c). */
const AGGREGATE_PCRS = [8, 10];

/** Boot aggregates that the signed PCRs of the digest's own bank allow; none where these are not signed. */
function bootAggregates(
  name: string,
  banks: ReadonlyMap<HashName, ReadonlyMap<number, Uint8Array>> | undefined,
): string[] {
  const algorithm = hashByName(name)?.name;
  const bank = algorithm === undefined ? undefined : banks?.get(algorithm);
  if (algorithm === undefined || bank === undefined || !isAvailable(algorithm)) return [];
  const hash = algorithm;
  return AGGREGATE_PCRS.flatMap((count) => {
    const values = Array.from({ length: count }, (_, i) => bank.get(i));
    return values.every((value) => value !== undefined) ? [digestHex(hash, Buffer.concat(values))] : [];
  });
}

/** Claim `ima`: what the register vouches for and what was wrong with it. */
export function imaClaims(report: ImaReport): JsonObject {
  return {
    records: report.records,
    attested: report.attested,
    ...(report.bootAggregateOk === undefined ? {} : { boot_aggregate_ok: report.bootAggregateOk }),
    violations: report.violations,
    failed: report.failed,
    failures: report.failures.map(({ record, path, digest, reason }) => ({ record, path, digest, reason })),
    ...(report.policyId === undefined ? {} : { policy_id: report.policyId }),
  };
}
