import { KbsError } from "../errors.ts";

/** Everything of the KBS protocol lives below this; `/kbs/v0` itself does not belong to it. */
export const API_PREFIX = "/kbs/v0/";

export type RequestTarget =
  | {
      readonly kind: "api";
      /** Decoded; segment 0 names the built-in call or the plugin. Empty segments are kept. */
      readonly segments: readonly string[];
      readonly query: Readonly<Record<string, string>>;
    }
  | { readonly kind: "outside"; readonly path: string };

/** More pairs than any client sends; each one becomes a member of the policy's input. */
const MAX_QUERY_PAIRS = 100;
const NO_QUERY: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

/**
 * Reads a request target (RFC 9112 §3.2). The path is percent-decoded first and split afterwards, so `%2F`
 * separates like `/`; what is routed, what an administrator's rule is matched against and what a policy sees
 * is this one decoded form.
 *
 * @throws KbsError `malformed-request`: no path, bad percent-encoding, text that is not UTF-8, too many parameters
 */
export function parseTarget(target: string): RequestTarget {
  const path = originForm(target);
  const mark = path.indexOf("?");
  const raw = mark < 0 ? path : path.slice(0, mark);
  // URL parsers, also the one behind this, take a backslash for a slash and end the path at a number sign.
  if (/[\\#]/.test(raw)) throw malformed("the path holds a character that must be percent-encoded");
  if (!raw.startsWith(API_PREFIX)) return { kind: "outside", path: raw };
  const rest = raw.slice(API_PREFIX.length);
  return {
    kind: "api",
    segments: (rest.includes("%") ? decode(rest, "path") : rest).split("/"),
    query: mark < 0 ? NO_QUERY : parseQuery(path.slice(mark + 1)),
  };
}

/** Parses `application/x-www-form-urlencoded`; of a repeated name the last value counts. */
export function parseQuery(text: string): Readonly<Record<string, string>> {
  if (text === "") return NO_QUERY;
  const pairs = text.split("&");
  if (pairs.length > MAX_QUERY_PAIRS)
    throw malformed(`the query has more than ${MAX_QUERY_PAIRS} parameters`);
  // Without a prototype, no name is special.
  const query: Record<string, string> = Object.create(null);
  for (const pair of pairs) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    query[decodeForm(name)] = equals < 0 ? "" : decodeForm(pair.slice(equals + 1));
  }
  return query;
}

/** The decoded path again, each segment encoded in the one way that decodes to it. */
export function canonicalPath(segments: readonly string[]): string {
  return API_PREFIX + segments.map(encodeSegment).join("/");
}

function encodeSegment(segment: string): string {
  // encodeURIComponent throws on lone surrogates; decodeURIComponent never makes one.
  return encodeURIComponent(segment);
}

function originForm(target: string): string {
  if (target.startsWith("/")) return collapsed(target);
  // Absolute form, which every server must accept (RFC 9112 §3.2.2).
  const authority = /^https?:\/\/[^/?#]*/i.exec(target);
  if (authority !== null) return collapsed(target.slice(authority[0].length));
  if (target === "*") return target;
  throw malformed("the target must be a path or an http URL");
}

/** Administrative clients do not trim their base URL and ask for `//kbs/v0/…`. */
function collapsed(path: string): string {
  return path.startsWith("//") ? path.replace(/^\/+/, "/") : path;
}

function decodeForm(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  return decode(text.replaceAll("+", " "), "query");
}

function decode(text: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed(`the ${where} has a broken percent-encoding`);
  }
}

function malformed(reason: string): KbsError {
  return new KbsError("malformed-request", `Request refused: ${reason}.`);
}
