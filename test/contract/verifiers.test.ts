import { SampleVerifier } from "../../src/attestation/verifiers/sample/verify.ts";
import { EXPECTED, make, REPORT_DATA, type Story, verifierFor } from "../support/fake-amd/index.ts";
import {
  EXPECTED as INTEL_EXPECTED,
  type Story as IntelStory,
  make as makeIntel,
  verifierFor as verifierForIntel,
} from "../support/fake-intel/index.ts";
import { type VerifierCase, verifierContract } from "./verifier.ts";

async function snp(story: Story): Promise<VerifierCase> {
  const made = await make(story);
  return {
    verifier: verifierFor(story, made),
    evidence: made.evidence,
    expected: EXPECTED,
    bindsInitData: true,
  };
}

const intel = (story: IntelStory) => async (): Promise<VerifierCase> => {
  const made = await makeIntel(story);
  return {
    verifier: verifierForIntel(story, made),
    // What stories make of the evidence is an object here.
    evidence: made.evidence as VerifierCase["evidence"],
    expected: INTEL_EXPECTED,
    bindsInitData: true,
  };
};

const sample = (tee: "sample" | "sampledevice") => async (): Promise<VerifierCase> => ({
  verifier: new SampleVerifier(tee, { allowSampleEvidence: true }),
  evidence: { svn: "1", report_data: REPORT_DATA.toString("base64") },
  expected: EXPECTED,
  bindsInitData: false,
});

verifierContract("snp, VCEK", () => snp({}));
verifierContract("snp, VLEK", () => snp({ kind: "VLEK", product: "Milan" }));
verifierContract("snp, Turin", () => snp({ product: "Turin", report: { version: 5 } }));
verifierContract("tdx, TD 1.0", intel({}));
verifierContract("tdx, TD 1.5", intel({ td15: true }));
verifierContract("sgx", intel({ tee: "sgx" }));
verifierContract("sample", sample("sample"));
verifierContract("sampledevice", sample("sampledevice"));
