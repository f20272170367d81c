/** Name that every client of the KBS protocol sends back. */
const SESSION_COOKIE = "kbs-session-id";

const IN_HEADER = /(?:^|;)[ \t]*kbs-session-id=([^;\s]*)/;

/** The session cookie of a `Cookie` header (RFC 6265 §4.2.1); of several the first, which is the most specific. */
export function sessionCookieOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const value = IN_HEADER.exec(header)?.[1];
  return value === "" ? undefined : value;
}

/**
 * `Set-Cookie` for a session. `Max-Age` stands beside `Expires` because the latter is judged by the guest's
 * clock, which may be wrong. `Secure` only where the client itself speaks https, or it would drop the cookie.
 *
 * @param expiresAt - milliseconds since the epoch, as `now`
 */
export function setSessionCookie(value: string, expiresAt: number, now: number, secure: boolean): string {
  const maxAge = Math.max(0, Math.round((expiresAt - now) / 1000));
  const flags = secure ? "; Secure" : "";
  return `${SESSION_COOKIE}=${value}; Path=/kbs/v0; HttpOnly; SameSite=Strict; Max-Age=${maxAge}; Expires=${httpDate(expiresAt)}${flags}`;
}

// Under load thousands of sessions expire in the same second; formatting the date once is enough.
let lastSecond = Number.NaN;
let lastDate = "";

function httpDate(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000);
  if (second !== lastSecond) {
    lastDate = new Date(second * 1000).toUTCString();
    lastSecond = second;
  }
  return lastDate;
}
