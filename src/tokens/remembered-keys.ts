import { dirname } from "node:path";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";
import { isArray, isObject, member, writeJson } from "../json/write.ts";
import { ensureFolder, readRegularFile, replaceFile } from "../storage/atomic-files.ts";
import { importPublicJwk } from "./jwk.ts";
import { publicSigningKey, SIGNING_ALGORITHMS } from "./signer.ts";
import type { RememberedKey } from "./signing-keys.ts";

const MAX_BYTES = 1 << 20;

/**
 * Public keys that signed before a restart, so that their tokens count until they expire. Whoever wants a key to
 * stop counting at once replaces it, removes this file and restarts.
 *
 * @param onWarning - hears of a file that cannot be used; its keys no longer count then
 */
export async function loadRememberedKeys(
  path: string,
  onWarning: (sentence: string) => void,
): Promise<readonly RememberedKey[]> {
  try {
    const bytes = await readRegularFile(path, MAX_BYTES);
    return bytes === undefined ? [] : parseKeys(readJson(bytes));
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof JsonSyntaxError)) throw error;
    onWarning(`${path} is damaged: tokens signed by earlier keys no longer count.`);
    return [];
  }
}

/** Durable when it returns. */
export async function saveRememberedKeys(path: string, keys: readonly RememberedKey[]): Promise<void> {
  const rows = keys.map(({ key, signsFrom }) => ({
    signsFrom: new Date(signsFrom).toISOString(),
    jwk: key.publicJwk,
  }));
  await ensureFolder(dirname(path));
  await replaceFile(path, Buffer.from(`${writeJson({ keys: rows })}\n`));
}

function parseKeys(value: JsonValue): readonly RememberedKey[] {
  const rows = isObject(value) ? member(value, "keys") : undefined;
  if (!isArray(rows)) throw new TypeError("no list of keys");
  return rows.map(parseKey);
}

function parseKey(row: JsonValue): RememberedKey {
  const jwk = isObject(row) ? member(row, "jwk") : undefined;
  const time = isObject(row) ? member(row, "signsFrom") : undefined;
  const signsFrom = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (!isObject(jwk) || Number.isNaN(signsFrom)) throw new TypeError("a key of another form");
  const algorithm = SIGNING_ALGORITHMS.find((each) => each === member(jwk, "alg"));
  if (algorithm === undefined) throw new TypeError("a key without an algorithm");
  const url = member(jwk, "x5u");
  const chain = {
    certificates: certificates(member(jwk, "x5c")),
    url: typeof url === "string" ? url : undefined,
  };
  return { key: publicSigningKey(importPublicJwk(jwk), algorithm, chain), signsFrom };
}

function certificates(x5c: JsonValue | undefined): readonly Buffer[] {
  if (x5c === undefined) return [];
  if (!isArray(x5c)) throw new TypeError("an x5c that is no list");
  return x5c.map((entry) => Buffer.from(String(entry), "base64"));
}
