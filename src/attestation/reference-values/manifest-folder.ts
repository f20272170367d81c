import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { KbsError } from "../../errors.ts";
import { readRegularFile } from "../../storage/atomic-files.ts";
import { MAX_PAYLOAD_BYTES } from "./manifest.ts";
import { messageForFile } from "./manifest-file.ts";
import type { ReferenceValues } from "./reference-values.ts";

/** What became of one file. */
export interface ManifestOutcome {
  readonly file: string;
  readonly names: readonly string[];
  /** A sentence; nothing of the file was registered. */
  readonly refusal: string | undefined;
}

const MAX_FILES = 1_000;

/**
 * Registers the signed manifests of a folder, in the order of their names. Files that begin with a dot are not looked
 * at, as systems that provide folders keep their own there.
 *
 * @throws KbsError `internal` when the folder cannot be read or holds too many files
 */
export async function registerManifests(
  values: Pick<ReferenceValues, "register">,
  folder: string,
  signal: AbortSignal,
): Promise<readonly ManifestOutcome[]> {
  const outcomes: ManifestOutcome[] = [];
  for (const name of await manifestNames(folder)) {
    const file = join(folder, name);
    outcomes.push(await registerManifest(values, file, signal));
  }
  return outcomes;
}

async function manifestNames(folder: string): Promise<readonly string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new KbsError("internal", `referenceValues.manifestFolder: ${folder} cannot be read.`, { cause });
  }
  const files = names.filter((name) => !name.startsWith(".")).sort();
  if (files.length > MAX_FILES)
    throw new KbsError("internal", `referenceValues.manifestFolder holds more than ${MAX_FILES} files.`);
  return files;
}

async function registerManifest(
  values: Pick<ReferenceValues, "register">,
  file: string,
  signal: AbortSignal,
): Promise<ManifestOutcome> {
  const refused = (refusal: string): ManifestOutcome => ({ file, names: [], refusal });
  try {
    // Mounted folders of orchestrators consist of links.
    const content = await readRegularFile(await realpath(file), MAX_PAYLOAD_BYTES);
    const message = content === undefined ? undefined : messageForFile(content, undefined, undefined);
    if (message === undefined) return refused("The file is no manifest that is recognised.");
    const { names } = await values.register(message, { administrator: undefined }, signal);
    return { file, names, refusal: undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KbsError && error.code !== "storage-unavailable") return refused(error.detail);
    if (error instanceof KbsError) throw error;
    return refused("The file cannot be read.");
  }
}
