import type { IncomingHttpHeaders } from "node:http";

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly secure: boolean;
  /** Milliseconds since the epoch; `undefined`: lives as long as the jar. */
  readonly expiresAt: number | undefined;
}

const MAX_COOKIES = 20;

/**
 * The part of RFC 6265 that a guest needs for one broker: default path, `Path`, `Secure`, `Expires` by the
 * guest's own clock, and `Max-Age` before `Expires`. `Domain` is ignored, for there is one host only.
 */
export class CookieJar {
  readonly #now: () => number;
  readonly #cookies = new Map<string, Cookie>();

  /** @param now - the guest's clock, milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  store(url: URL, headers: IncomingHttpHeaders): void {
    for (const line of headers["set-cookie"] ?? []) {
      const cookie = parseSetCookie(line, url, this.#now());
      if (cookie === undefined) continue;
      const key = `${cookie.name};${cookie.path}`;
      this.#cookies.delete(key);
      if (this.#cookies.size < MAX_COOKIES) this.#cookies.set(key, cookie);
    }
  }

  /** @returns the value of the `Cookie` header for `url`; `undefined` when there is none to send */
  header(url: URL): string | undefined {
    const now = this.#now();
    const pairs: string[] = [];
    for (const cookie of this.#cookies.values()) {
      if (cookie.expiresAt !== undefined && cookie.expiresAt <= now) continue;
      if (cookie.secure && url.protocol !== "https:" && !isLoopback(url)) continue;
      if (pathMatches(url.pathname, cookie.path)) pairs.push(`${cookie.name}=${cookie.value}`);
    }
    return pairs.length === 0 ? undefined : pairs.join("; ");
  }
}

function parseSetCookie(line: string, url: URL, now: number): Cookie | undefined {
  const [pair = "", ...attributes] = line.split(";");
  const [name, value] = splitPair(pair);
  if (name === "") return undefined;
  const given = new Map(attributes.map((attribute) => lowerName(splitPair(attribute))));
  const path = given.get("path");
  return {
    name,
    value,
    path: path?.startsWith("/") ? path : defaultPath(url.pathname),
    secure: given.has("secure"),
    expiresAt: expiry(given, now),
  };
}

function splitPair(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text.trim(), ""] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function lowerName([name, value]: [string, string]): [string, string] {
  return [name.toLowerCase(), value];
}

function expiry(given: ReadonlyMap<string, string>, now: number): number | undefined {
  const maxAge = given.get("max-age");
  if (maxAge !== undefined && /^-?\d{1,12}$/.test(maxAge)) return now + Number(maxAge) * 1000;
  const expires = Date.parse(given.get("expires") ?? "");
  return Number.isNaN(expires) ? undefined : expires;
}

/** RFC 6265 §5.1.4 */
function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf("/");
  return end <= 0 ? "/" : pathname.slice(0, end);
}

/** RFC 6265 §5.1.4 */
function pathMatches(pathname: string, path: string): boolean {
  if (pathname === path) return true;
  return pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
}

/** The deployed guests send a `Secure` cookie to a loopback address over plain HTTP all the same. */
function isLoopback(url: URL): boolean {
  return ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
}
