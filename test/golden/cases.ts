/** The evidence beside this checkout as requests of the offline verifier, one list for each kind. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type EvidenceRequest, OFFLINE_TEES, type OfflineTee } from "../../src/cli/evidence/request.ts";
import { sharedPath } from "../support/shared.ts";

export interface GoldenCase {
  readonly id: string;
  readonly request: EvidenceRequest;
  /** Others accept it, and a stricter verifier may refuse. */
  readonly mayBeRefused: boolean;
}

/** What `cases.json` says of one evidence, as far as all kinds share it. */
interface Described {
  readonly id: string;
  readonly evidence?: string;
  readonly quote?: string;
  readonly roots?: string;
  readonly root?: string;
  readonly crl?: string;
  readonly collateral?: string | null;
  readonly verify_at?: string;
  readonly options?: {
    readonly verify_at: string;
    readonly vmpl?: number;
    readonly min_version?: number;
    readonly report_data?: string;
    readonly host_data?: string;
    readonly init_data_digest?: string;
  };
  readonly expect: "accept" | "reject";
  readonly lenient_expect?: "accept" | "reject";
}

const hex = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text, "hex"));

function request(tee: OfflineTee, id: string, more: Partial<EvidenceRequest>): EvidenceRequest {
  return {
    id,
    tee,
    evidence: { value: null },
    at: Date.parse("2026-06-01T00:00:00Z"),
    reportData: undefined,
    initData: undefined,
    trustAnchors: [],
    collateral: [],
    settings: undefined,
    ...more,
  };
}

/** Folders with a `cases.json`. */
function described(tee: OfflineTee): readonly GoldenCase[] {
  const file = (name: string) => sharedPath("fixtures", tee, name);
  const { cases } = JSON.parse(readFileSync(file("cases.json"), "utf8")) as { cases: readonly Described[] };
  return cases
    .filter(({ expect }) => expect === "accept")
    .map((one) => {
      const { options, root, roots = root, crl, collateral } = one;
      const at = Date.parse(options?.verify_at ?? one.verify_at ?? "");
      return {
        id: one.id,
        mayBeRefused: one.lenient_expect === "reject",
        request: request(tee, one.id, {
          evidence: { path: file(one.evidence ?? one.quote ?? "") },
          at,
          reportData: hex(options?.report_data),
          initData: hex(options?.host_data ?? options?.init_data_digest),
          trustAnchors: roots === undefined || roots === "builtin" ? [] : [file(roots)],
          collateral: [crl, collateral ?? undefined].filter((each) => each !== undefined).map(file),
          settings: tee === "snp" ? snpSettings(options) : undefined,
        }),
      };
    });
}

function snpSettings(options: Described["options"]): object {
  return {
    ...(options?.vmpl === undefined ? {} : { allowedVmpls: [options.vmpl] }),
    ...(options?.min_version === undefined ? {} : { minimumReportVersion: options.min_version }),
  };
}

function sampleCases(tee: "sample" | "sampledevice"): readonly GoldenCase[] {
  const file = (name: string) => sharedPath("fixtures", "sample", name);
  const data = JSON.parse(readFileSync(file("expected.json"), "utf8")) as {
    readonly report_data: string;
    readonly cases: Readonly<Record<string, { readonly tee: string; readonly expected: string }>>;
  };
  return Object.entries(data.cases)
    .filter(([, one]) => one.tee === tee && one.expected.startsWith("pass"))
    .map(([name]) => ({
      id: name.replace(".json", ""),
      mayBeRefused: false,
      request: request(tee, name, {
        evidence: { path: file(name) },
        reportData: Buffer.from(data.report_data, "hex"),
        settings: { allowSampleEvidence: true },
      }),
    }));
}

/** Nonces that are not the usual one, as the data's description says. */
const TPM_NONCES: Readonly<Record<string, string | undefined>> = {
  q09: undefined,
  q10: "61".repeat(64),
  q11: "deadbeef",
};

function tpmCases(): readonly GoldenCase[] {
  const path = (...parts: string[]) => sharedPath("fixtures", "tpm", ...parts);
  const usual = createHash("sha384").update("runtime-data-example-1").digest().subarray(0, 32);
  const quotes = readdirSync(path("quotes")).map((name) => {
    const id = name.replace(".json", "");
    const reportData = Object.hasOwn(TPM_NONCES, id) ? hex(TPM_NONCES[id]) : usual;
    const settings = id === "q06" ? { allowedSignatureHashes: ["sha1"] } : undefined;
    const evidence = { path: path("quotes", name) };
    return { id, mayBeRefused: false, request: request("tpm", id, { evidence, reportData, settings }) };
  });
  const toml = readFileSync(path("coco", "initdata.toml"));
  const coco = request("tpm", "coco", {
    evidence: { path: path("coco", "evidence.json") },
    reportData: createHash("sha384")
      .update(readFileSync(path("coco", "runtime-data.json")))
      .digest(),
    initData: createHash("sha256").update(toml).digest(),
  });
  return [...quotes, { id: "coco", mayBeRefused: false, request: coco }];
}

/**
 * Every evidence that a verifier of this program should accept. A kind that the offline verifier knows and whose data has
 * a `cases.json` is taken up without another line here.
 */
export function goldenCases(tee: OfflineTee): readonly GoldenCase[] {
  if (tee === "sample" || tee === "sampledevice") return sampleCases(tee);
  if (tee === "tpm") return tpmCases();
  return existsSync(sharedPath("fixtures", tee, "cases.json")) ? described(tee) : [];
}

export const GOLDEN_TEES: readonly OfflineTee[] = OFFLINE_TEES;
