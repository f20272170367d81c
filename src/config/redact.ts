import { mapTexts } from "./walk.ts";

const REDACTED = "[redacted]";
/** Names under which a secret could stand if an option for one were ever added without a reference. */
const SECRET_NAME = /pass(?:word|phrase|wd)|secret|credential|api_?key|(?:^|_)token$|private_?key|^pin$/i;

/**
 * A copy that may be printed. References stay (they say where a secret is, not what it is); anything else
 * under a telling name, and user name, password, query and fragment of URLs, go.
 */
export function redact(config: unknown): unknown {
  return mapTexts(config, (text, name) => (SECRET_NAME.test(name) ? REDACTED : redactUrl(text)));
}

function redactUrl(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === "" && url.password === "" && url.search === "" && url.hash === "") return text;
  return `${url.protocol}//${url.username === "" && url.password === "" ? "" : `${REDACTED}@`}${url.host}${url.pathname}`;
}
