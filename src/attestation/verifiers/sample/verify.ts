/**
 * `sample` and `sampledevice`: evidence without hardware. Nothing but the binding is checked, because there
 * is nothing else; claims are made up, as the guests' own tools expect them.
 */
import { asBuffer, equalBytes } from "../../../crypto/bytes.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isObject, member } from "../../../json/write.ts";
import { Trail } from "../../trail.ts";
import type { Expected, TeeResult, Verification, Verifier } from "../../verifier.ts";
import { SAMPLE_CHECKS, type SampleCheck } from "./checks.ts";
import type { SampleSettings } from "./settings.ts";

interface SampleEvidence {
  readonly svn: string;
  /** Base64, as it came. */
  readonly reportData: string;
}

/** Longest text of a member worth looking at; the longest binding has 64 bytes. */
const MAX_TEXT = 1024;

/** Judges made-up evidence, which proves nothing: `docs/verifiers/sample.md`. */
export class SampleVerifier implements Verifier {
  readonly tee: "sample" | "sampledevice";
  readonly #settings: SampleSettings;

  constructor(tee: "sample" | "sampledevice", settings: SampleSettings) {
    this.tee = tee;
    this.#settings = settings;
  }

  async verify(evidence: JsonValue, expected: Expected): Promise<Verification> {
    const trail: Trail<SampleCheck> = new Trail(this.tee, SAMPLE_CHECKS);
    const allowed = this.#settings.allowSampleEvidence;
    trail.require(
      "sample-allowed",
      allowed,
      allowed ? "allowSampleEvidence on" : "sample evidence, which proves nothing",
    );
    const sample = readSample(trail, evidence);
    checkReportData(trail, sample, expected.runtimeDataDigest);
    const result =
      this.tee === "sample" ? sampleResult(sample, expected.initDataDigest) : deviceResult(sample);
    return { checks: trail.checks, results: [result] };
  }
}

function readSample(trail: Trail<SampleCheck>, evidence: JsonValue): SampleEvidence {
  const svn = isObject(evidence) ? member(evidence, "svn") : undefined;
  const reportData = isObject(evidence) ? (member(evidence, "report_data") ?? "") : undefined;
  if (!isText(svn)) throw trail.failed("evidence-format", "malformed evidence: svn is missing or not a text");
  if (!isText(reportData))
    throw trail.failed("evidence-format", "malformed evidence: report_data is not a text");
  trail.passed("evidence-format", `svn ${JSON.stringify(svn.slice(0, 40))}`);
  return { svn, reportData };
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

/** Compared with the padded standard alphabet, the only text the guests' encoder writes for these bytes. */
function checkReportData(
  trail: Trail<SampleCheck>,
  { reportData }: SampleEvidence,
  digest: Uint8Array | undefined,
): void {
  if (digest === undefined) {
    trail.notChecked("report-data", "the caller expects nothing");
    return;
  }
  const wanted = asBuffer(digest).toString("base64");
  const equal = digest.byteLength > 0 && equalBytes(Buffer.from(reportData), Buffer.from(wanted));
  trail.require("report-data", equal, JSON.stringify(reportData.slice(0, 100)), wanted);
}

/** `init_data` echoes what the broker computed; it is never taken from the evidence. */
function sampleResult({ svn, reportData }: SampleEvidence, initData: Uint8Array | undefined): TeeResult {
  const claims: JsonObject = {
    svn,
    report_data: reportData,
    ...(initData === undefined ? {} : { init_data: asBuffer(initData).toString("base64") }),
    launch_digest: "abcde",
    platform_version: { major: 1, minor: 4 },
    debug: false,
  };
  return { teeClass: "cpu", claims };
}

function deviceResult({ svn, reportData }: SampleEvidence): TeeResult {
  return { teeClass: "gpu", claims: { svn, report_data: reportData } };
}
