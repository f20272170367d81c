import { KbsError } from "../errors.ts";
import type { Administrator } from "./authenticate.ts";

/** What the holders of a role may call. */
export interface Role {
  readonly role: string;
  readonly allow: readonly AccessRule[];
}

export interface AccessRule {
  /** HTTP methods; `*` for all. */
  readonly methods: readonly string[];
  /** Path patterns, see `matchesPattern`. */
  readonly paths: readonly string[];
}

/**
 * Decides by role, method and path. Nothing matches by default; a path with dot segments, backslashes or
 * control characters is refused whatever the rules say, as something behind us may read it differently.
 *
 * @param path - what was routed on, percent-decoded once: `/kbs/v0/resource/team-a/key/1`; no query
 * @throws KbsError `admin-forbidden`
 */
export function authoriseAdmin(
  administrator: Administrator,
  method: string,
  path: string,
  roles: readonly Role[],
): void {
  const segments = path.split("/").slice(1);
  if (!path.startsWith("/") || /[\p{Cc}\\]/u.test(path) || segments.some(isDotSegment))
    throw new KbsError("admin-forbidden", "The request path has no unambiguous form; spell it out plainly.");
  const rules = roles.filter(({ role }) => role === administrator.role).flatMap(({ allow }) => allow);
  if (rules.some((rule) => permits(rule, method, segments))) return;
  throw new KbsError(
    "admin-forbidden",
    `Role ${JSON.stringify(administrator.role)} may not ${method} this path; admin.roles in the configuration decides.`,
  );
}

function permits(rule: AccessRule, method: string, segments: readonly string[]): boolean {
  if (!rule.methods.some((each) => each === "*" || each === method)) return false;
  return rule.paths.some((pattern) => matchesPattern(pattern, segments));
}

/**
 * Anchored at both ends, segment by segment: a literal segment equals itself, `*` within a segment stands
 * for any characters but never for an empty segment, `**` as the last segment stands for one or more.
 */
export function matchesPattern(pattern: string, segments: readonly string[]): boolean {
  const parts = pattern.split("/").slice(1);
  const open = parts.at(-1) === "**";
  const fixed = open ? parts.slice(0, -1) : parts;
  if (open ? segments.length <= fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((part, at) => matchesSegment(part, segments[at] ?? ""));
}

/** Greedy matching around `*`: linear, as no regular expression over attacker-chosen text would be. */
function matchesSegment(part: string, segment: string): boolean {
  const [head = "", ...rest] = part.split("*");
  const tail = rest.pop();
  if (tail === undefined) return part === segment;
  if (segment === "" || segment.length < head.length + tail.length) return false;
  if (!segment.startsWith(head) || !segment.endsWith(tail)) return false;
  let left = segment.slice(head.length, segment.length - tail.length);
  for (const middle of rest) {
    const at = left.indexOf(middle);
    if (at < 0) return false;
    left = left.slice(at + middle.length);
  }
  return true;
}

function isDotSegment(segment: string): boolean {
  return segment === "." || segment === "..";
}
