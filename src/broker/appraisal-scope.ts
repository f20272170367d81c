import type { JsonObject, JsonValue } from "../json/value.ts";
import { isArray, isObject, member } from "../json/write.ts";

/** Which repositories evidence may open that was judged by one set of appraisal policies. */
export interface AppraisalScope {
  readonly policyId: string;
  /** Names; `*` stands for all of them, and for what is no repository. */
  readonly repositories: readonly string[];
}

const EVERYTHING = "*";
/** Where an appraisal says which policies judged it, in the classic and in the IETF spelling. */
const POLICY_MEMBERS = ["ear.appraisal-policy-id", "ear_appraisal_policy_ids"] as const;

/**
 * Keeps the choice of one tenant from weakening what another one holds: a token judged by policies that a guest chose
 * opens the repositories that the operator listed for them and nothing else, whatever the release policy says. It is
 * asked about tokens of this server only; policy ids of others mean nothing here.
 */
export class AppraisalScopes {
  readonly #repositories: ReadonlyMap<string, ReadonlySet<string>>;

  /** @param scopes - one id several times: all its repositories count */
  constructor(scopes: readonly AppraisalScope[]) {
    const repositories = new Map<string, Set<string>>();
    for (const { policyId, repositories: names } of scopes) {
      const known = repositories.get(policyId) ?? new Set();
      for (const name of names) known.add(name);
      repositories.set(policyId, known);
    }
    this.#repositories = repositories;
  }

  /**
   * @param claims - of a verified token
   * @returns false also when a submodule does not say what judged it
   */
  mayOpen(claims: JsonObject, plugin: string, path: readonly string[]): boolean {
    const submods = member(claims, "submods");
    if (!isObject(submods)) return false;
    const appraisals = Object.values(submods);
    const repository = plugin === "resource" ? (path[0] ?? EVERYTHING) : EVERYTHING;
    return appraisals.length > 0 && appraisals.every((appraisal) => this.#covers(appraisal, repository));
  }

  #covers(appraisal: JsonValue, repository: string): boolean {
    const ids = policyIdsOf(appraisal);
    return ids.length > 0 && ids.every((id) => this.#opens(id, repository));
  }

  #opens(policyId: string, repository: string): boolean {
    const names = this.#repositories.get(policyId);
    return names !== undefined && (names.has(EVERYTHING) || names.has(repository));
  }
}

/** An id that is no text counts as one that nobody knows. */
function policyIdsOf(appraisal: JsonValue): readonly string[] {
  if (!isObject(appraisal)) return [];
  return POLICY_MEMBERS.flatMap((name) => {
    const ids = member(appraisal, name);
    if (ids === undefined) return [];
    return (isArray(ids) ? ids : [ids]).map((id) => (typeof id === "string" ? id : ""));
  });
}
