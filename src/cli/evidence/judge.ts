/** Judges one request with the broker's own verifiers. Files are read, the network is never touched. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type AmdMaterial,
  mergeMaterial,
  offlineEndorsements,
} from "../../attestation/endorsements/amd-material.ts";
import { readMaterialFile, readMaterialFolder } from "../../attestation/endorsements/offline-folder.ts";
import {
  pinnedTrustAnchors,
  type TrustAnchors,
  trustAnchorsFromPem,
} from "../../attestation/formats/sev-snp/trust-anchors.ts";
import {
  type Check,
  EvidenceRejected,
  type Expected,
  type Verification,
} from "../../attestation/verifier.ts";
import { sampleSection } from "../../attestation/verifiers/sample/settings.ts";
import { SampleVerifier } from "../../attestation/verifiers/sample/verify.ts";
import { isBinaryEvidence } from "../../attestation/verifiers/snp/evidence.ts";
import { snpSection } from "../../attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "../../attestation/verifiers/snp/verify.ts";
import type { ConfigSection } from "../../config/section.ts";
import { DerError } from "../../crypto/der.ts";
import { looksLikePem, writePem } from "../../crypto/pem.ts";
import { KbsError, type ProblemCode } from "../../errors.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { type EvidenceRequest, malformed } from "./request.ts";

export type Judgement = Accepted | Refused;

export interface Accepted {
  readonly verdict: "accepted";
  readonly checks: readonly Check[];
  readonly results: Verification["results"];
}

export interface Refused {
  readonly verdict: "refused";
  readonly code: ProblemCode;
  /** Name of the failed check; absent when no check came to be made. */
  readonly check?: string;
  readonly detail: string;
  readonly checks: readonly Check[];
}

/** Evidence files are larger than requests over the wire, but not without bound. */
const MAX_EVIDENCE_BYTES = 8 * 1024 * 1024;
/** The offline verifier has no deadline of its own: nothing it waits for is far away. */
const NEVER = new AbortController().signal;

/**
 * Whether evidence is genuine is this command's question; what a genuine guest may look like is the operator's.
 * Where a request does not name these settings, they permit, and the claims tell.
 */
const GENUINE_IS_ENOUGH = { allowDebug: true, allowMigrationAgent: true, allowMaskedChipId: true };

/**
 * @param folder - where relative paths start
 * @param now - milliseconds since the epoch, for requests that name no time
 */
export async function judge(request: EvidenceRequest, folder: string, now: number): Promise<Judgement> {
  try {
    const { checks, results } = await verify(request, folder, request.at ?? now);
    return { verdict: "accepted", checks, results };
  } catch (error) {
    return refusalOf(error);
  }
}

/** @throws whatever is no refusal: that would be a fault of this program */
export function refusalOf(error: unknown): Refused {
  if (error instanceof EvidenceRejected) {
    const { code, check, detail, checks } = error;
    return { verdict: "refused", code, check, detail, checks };
  }
  if (error instanceof KbsError)
    return { verdict: "refused", code: error.code, detail: error.detail, checks: [] };
  throw error;
}

async function verify(request: EvidenceRequest, folder: string, at: number): Promise<Verification> {
  const expected: Expected = { runtimeDataDigest: request.reportData, initDataDigest: request.initData };
  if (request.tee === "snp") return await verifySnp(request, expected, folder, at);
  const settings = parseSettings(sampleSection, request.settings, request.tee);
  const evidence =
    "value" in request.evidence
      ? request.evidence.value
      : jsonOrNothing(await readEvidence(request.evidence.path, folder));
  return await new SampleVerifier(request.tee, settings).verify(evidence, expected);
}

async function verifySnp(
  request: EvidenceRequest,
  expected: Expected,
  folder: string,
  at: number,
): Promise<Verification> {
  const settings = parseSettings(snpSection, withPermissions(request.settings), request.tee);
  const anchors = await readTrustAnchors(request.trustAnchors, folder);
  const material = mergeMaterial(
    await Promise.all(request.collateral.map((path) => readCollateral(path, folder))),
  );
  const verifier = new SnpVerifier(settings, offlineEndorsements(anchors, material), () => at);
  if ("value" in request.evidence) return await verifier.verify(request.evidence.value, expected, NEVER);
  const bytes = await readEvidence(request.evidence.path, folder);
  return isBinaryEvidence(bytes)
    ? await verifier.verifyBinary(bytes, expected, NEVER)
    : await verifier.verifyText(bytes, expected, NEVER);
}

function withPermissions(settings: unknown): unknown {
  if (settings === undefined) return GENUINE_IS_ENOUGH;
  const isGroup = typeof settings === "object" && settings !== null && !Array.isArray(settings);
  return isGroup ? { ...GENUINE_IS_ENOUGH, ...settings } : settings;
}

function parseSettings<T>(section: ConfigSection<T>, settings: unknown, tee: string): T {
  const parsed = section.parse(settings, "settings");
  if (parsed.ok) return parsed.value;
  const faults = parsed.faults.map(({ path, message }) => `${path} ${message}`);
  throw malformed(`settings of ${tee}: ${faults.join("; ")}`);
}

/** Text that is not JSON goes on as evidence without an object, and is refused as that. */
function jsonOrNothing(bytes: Buffer): JsonValue {
  try {
    return readJson(bytes);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return null;
    throw error;
  }
}

async function readEvidence(path: string, folder: string): Promise<Buffer> {
  const at = resolve(folder, path);
  const { size } = await stat(at).catch(() => notReadable(path));
  if (size > MAX_EVIDENCE_BYTES) throw malformed(`${path} is larger than ${MAX_EVIDENCE_BYTES} bytes`);
  return await readFile(at).catch(() => notReadable(path));
}

async function readTrustAnchors(paths: readonly string[], folder: string): Promise<TrustAnchors> {
  if (paths.length === 0) return pinnedTrustAnchors();
  const texts = (await Promise.all(paths.map((path) => readAnchorTexts(resolve(folder, path))))).flat();
  try {
    return trustAnchorsFromPem(texts);
  } catch (error) {
    if (error instanceof DerError) throw malformed(`the trust anchors cannot be used: ${error.message}`);
    throw error;
  }
}

/** A file, or every certificate file of a folder. */
async function readAnchorTexts(path: string): Promise<string[]> {
  const isFolder = (await stat(path).catch(() => notReadable(path))).isDirectory();
  if (!isFolder) return [await readAnchorText(path)];
  const found = await readdir(path).catch(() => notReadable(path));
  const names = found.filter((name) => /\.(?:pem|der|crt|cer)$/i.test(name)).sort();
  return await Promise.all(names.map((name) => readAnchorText(join(path, name))));
}

async function readAnchorText(path: string): Promise<string> {
  return asPem(await readFile(path).catch(() => notReadable(path)));
}

function asPem(bytes: Buffer): string {
  return bytes[0] === 0x30 && !looksLikePem(bytes)
    ? writePem("CERTIFICATE", bytes)
    : bytes.toString("latin1");
}

async function readCollateral(path: string, folder: string): Promise<AmdMaterial> {
  const at = resolve(folder, path);
  const isFolder = (await stat(at).catch(() => notReadable(path))).isDirectory();
  return isFolder ? await readMaterialFolder(at, true) : await readMaterialFile(at);
}

function notReadable(path: string): never {
  throw malformed(`${path} cannot be read`);
}

/** The result as one JSON object, as both forms of the command print it. */
export function printJudgement(id: string | number, judgement: Judgement): JsonObject {
  const checks = judgement.checks.map((check): JsonObject => ({ ...check }));
  if (judgement.verdict === "accepted") {
    const results = judgement.results.map(({ teeClass, claims }): JsonObject => ({ teeClass, claims }));
    return { id, verdict: judgement.verdict, checks, results };
  }
  const { verdict, code, check, detail } = judgement;
  return { id, verdict, code, ...(check === undefined ? {} : { check }), detail, checks };
}
