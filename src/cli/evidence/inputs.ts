/** What every offline verifier reads: settings, evidence, trust anchors. Files are read, the network is never touched. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Expected, Verification } from "../../attestation/verifier.ts";
import type { ConfigSection } from "../../config/section.ts";
import { certificateText } from "../../crypto/pem.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { type EvidenceRequest, malformed } from "./request.ts";

/** One request, ready to be verified. */
export interface OfflineCase {
  readonly request: EvidenceRequest;
  readonly expected: Expected;
  /** Where relative paths start. */
  readonly folder: string;
  /** Milliseconds since the epoch to judge at. */
  readonly at: number;
}

/** @throws EvidenceRejected; KbsError when a file, an option or a setting is of no use */
export type OfflineVerifier = (one: OfflineCase) => Promise<Verification>;

/** Evidence files are larger than requests over the wire, but not without bound. */
const MAX_EVIDENCE_BYTES = 8 * 1024 * 1024;
/** The offline verifiers have no deadline of their own: nothing they wait for is far away. */
export const NEVER: AbortSignal = new AbortController().signal;

/**
 * Settings of a request over what this command permits where a request says nothing: whether evidence is genuine is its
 * question, what a genuine guest may look like is the operator's.
 *
 * @throws KbsError `malformed-request`
 */
export function parseSettings<T>(
  section: ConfigSection<T>,
  { tee, settings }: EvidenceRequest,
  permissions: Readonly<Record<string, unknown>>,
): T {
  const parsed = section.parse(withPermissions(settings, permissions), "settings");
  if (parsed.ok) return parsed.value;
  const faults = parsed.faults.map(({ path, message }) => `${path} ${message}`);
  throw malformed(`settings of ${tee}: ${faults.join("; ")}`);
}

function withPermissions(settings: unknown, permissions: Readonly<Record<string, unknown>>): unknown {
  if (settings === undefined) return permissions;
  const isGroup = typeof settings === "object" && settings !== null && !Array.isArray(settings);
  return isGroup ? { ...permissions, ...settings } : settings;
}

/** Evidence as JSON. Text that is not JSON goes on as evidence without an object, and is refused as that. */
export async function jsonEvidence({ request: { evidence }, folder }: OfflineCase): Promise<JsonValue> {
  if ("value" in evidence) return evidence.value;
  const bytes = await readEvidence(evidence.path, folder);
  try {
    return readJson(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return null;
    throw error;
  }
}

/** @throws KbsError `malformed-request` when the file cannot be read or is too large */
export async function readEvidence(path: string, folder: string): Promise<Buffer> {
  const at = resolve(folder, path);
  const { size } = await stat(at).catch(() => notReadable(path));
  if (size > MAX_EVIDENCE_BYTES) throw malformed(`${path} is larger than ${MAX_EVIDENCE_BYTES} bytes`);
  return await readFile(at).catch(() => notReadable(path));
}

/** PEM texts of files, and of every certificate file of folders. */
export async function readAnchorTexts(paths: readonly string[], folder: string): Promise<string[]> {
  return (await Promise.all(paths.map((path) => anchorTexts(resolve(folder, path))))).flat();
}

async function anchorTexts(path: string): Promise<string[]> {
  const isFolder = (await stat(path).catch(() => notReadable(path))).isDirectory();
  if (!isFolder) return [await readAnchorText(path)];
  const found = await readdir(path).catch(() => notReadable(path));
  const names = found.filter((name) => /\.(?:pem|der|crt|cer)$/i.test(name)).sort();
  return await Promise.all(names.map((name) => readAnchorText(join(path, name))));
}

async function readAnchorText(path: string): Promise<string> {
  return certificateText(await readFile(path).catch(() => notReadable(path)));
}

export function notReadable(path: string): never {
  throw malformed(`${path} cannot be read`);
}
