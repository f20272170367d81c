/** Plain data has no type that says so; these are the only ways this folder looks into it. */

export type Visit = (value: unknown, path: string, name: string) => void;

/** Calls `visit` for every member and entry below `value`, outer before inner. */
export function walk(value: unknown, visit: Visit, path = ""): void {
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) step(item, visit, `${path}[${at}]`, String(at));
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value))
      step(item, visit, path === "" ? name : `${path}.${name}`, name);
  }
}

function step(value: unknown, visit: Visit, path: string, name: string): void {
  visit(value, path, name);
  walk(value, visit, path);
}

/** A copy of `value` with every text that `replace` changes; `schema` is walked alongside. */
export function mapTexts(
  value: unknown,
  replace: (text: string, name: string, schema: unknown) => string,
  name = "",
  schema: unknown = undefined,
): unknown {
  if (typeof value === "string") return replace(value, name, schema);
  if (Array.isArray(value))
    return value.map((item) => mapTexts(item, replace, name, memberOf(schema, "items")));
  if (typeof value !== "object" || value === null) return value;
  const properties = memberOf(schema, "properties");
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      mapTexts(item, replace, key, memberOf(properties, key)),
    ]),
  );
}

/** Own member of plain data, or `undefined`. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

/**
 * A copy in which an option without a value (`tls:`) is as good as absent. The name stays, so that an
 * unknown one is still noticed.
 */
export function nullsAsAbsent(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(nullsAsAbsent);
  if (typeof value !== "object") return value;
  // No prototype, so that a member called __proto__ is a member like any other.
  const copy: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) copy[name] = nullsAsAbsent(member);
  return copy;
}

/**
 * A copy without what stands at `path` (`tls.minVersion`); a path into a list takes the whole list along,
 * as the other entries would otherwise change their places.
 */
export function without(value: unknown, path: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    if (path === name || path.startsWith(`${name}[`)) continue;
    copy[name] = path.startsWith(`${name}.`) ? without(member, path.slice(name.length + 1)) : member;
  }
  return copy;
}
