import { readFile, stat } from "node:fs/promises";
import { KbsError } from "../errors.ts";
import type { Environment } from "./load.ts";
import type { SecretReference } from "./parts.ts";

const MAX_SECRET_FILE_BYTES = 1024 * 1024;

/**
 * Fetches what a reference points to.
 *
 * @param what - YAML path of the reference, for the sentence
 * @param warn - hears of a file that everybody on this machine can read
 * @throws KbsError `internal`; the detail names file or variable, never the content
 */
export async function readSecret(
  reference: SecretReference,
  what: string,
  env: Environment,
  warn: (sentence: string) => void,
): Promise<Buffer> {
  if ("env" in reference) {
    const value = env[reference.env];
    if (value === undefined || value === "")
      throw unreadable(what, `environment variable ${reference.env} is not set`);
    return Buffer.from(value, "utf8");
  }
  return readSecretFile(reference.file, what, warn);
}

async function readSecretFile(file: string, what: string, warn: (sentence: string) => void): Promise<Buffer> {
  try {
    const status = await stat(file);
    if (status.size > MAX_SECRET_FILE_BYTES) throw unreadable(what, `${file} is too long for a secret`);
    // Orchestrators mount secrets world-readable unless told otherwise, so this cannot be a refusal.
    if ((status.mode & 0o007) !== 0)
      warn(`${what}: ${file} can be read by everybody on this machine; make it 0600`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof KbsError) throw error;
    throw unreadable(what, `${file} cannot be read`, error);
  }
}

function unreadable(what: string, reason: string, cause?: unknown): KbsError {
  return new KbsError("internal", `${what}: ${reason}.`, cause === undefined ? {} : { cause });
}
