/** Reference values from a file, as a policy that is tried out sees them. */
import type { JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import type { ReferenceValueLookup } from "../../policy/policy-engine.ts";
import { readDocument } from "../policy/load.ts";
import { misuse } from "../world.ts";

/** What is known of one name. */
export type ReferenceState =
  | { readonly state: "registered"; readonly value: JsonValue }
  | { readonly state: "expired"; readonly value: JsonValue; readonly expiresAt: string }
  | { readonly state: "unknown" };

export class OfflineReferenceValues {
  readonly #states: ReadonlyMap<string, ReferenceState>;

  constructor(states: ReadonlyMap<string, ReferenceState>) {
    this.#states = states;
  }

  state(name: string): ReferenceState {
    return this.#states.get(name) ?? { state: "unknown" };
  }

  /** What `query_reference_value` answers: expired ones are as unknown as those that nobody registered. */
  value(name: string): JsonValue {
    const found = this.state(name);
    return found.state === "registered" ? found.value : null;
  }

  readonly lookup: ReferenceValueLookup = async (ids) => new Map(ids.map((id) => [id, this.value(id)]));
}

/**
 * Two forms: an object of name to value, and the list that `keywarden reference-value list --json` prints.
 *
 * @param at - milliseconds since the epoch; what has expired by then counts as unknown
 * @throws CommandFailure (misuse)
 */
export async function readReferenceValues(
  path: string | undefined,
  at: number,
): Promise<OfflineReferenceValues> {
  if (path === undefined) return new OfflineReferenceValues(new Map());
  const document = await readDocument(path, "list of reference values");
  if (isArray(document))
    return new OfflineReferenceValues(new Map(document.map((each) => listed(each, path, at))));
  if (!isObject(document))
    throw misuse(`${path} is neither an object of reference values nor a list of them.`);
  const states = Object.entries(document).map(([name, value]): [string, ReferenceState] => [
    name,
    { state: "registered", value },
  ]);
  return new OfflineReferenceValues(new Map(states));
}

function listed(entry: JsonValue, path: string, at: number): [string, ReferenceState] {
  const name = isObject(entry) ? member(entry, "name") : undefined;
  const value = isObject(entry) ? member(entry, "value") : undefined;
  const expiresAt = isObject(entry) ? member(entry, "expiresAt") : undefined;
  if (typeof name !== "string" || value === undefined)
    throw misuse(`${path} holds an entry that has no name or no value.`);
  if (typeof expiresAt !== "string") return [name, { state: "registered", value }];
  const end = Date.parse(expiresAt);
  if (Number.isNaN(end)) throw misuse(`${path} gives ${name} an expiresAt that is no time.`);
  return [name, end > at ? { state: "registered", value } : { state: "expired", value, expiresAt }];
}
