import { SampleVerifier } from "../../src/attestation/verifiers/sample/verify.ts";
import { EXPECTED, make, REPORT_DATA, type Story, verifierFor } from "../support/fake-amd/index.ts";
import { EXPECTED as AZURE_EXPECTED, type AzureStory, makeAzure } from "../support/fake-azure/index.ts";
import {
  EXPECTED as INTEL_EXPECTED,
  type Story as IntelStory,
  make as makeIntel,
  verifierFor as verifierForIntel,
} from "../support/fake-intel/index.ts";
import {
  makeQuote,
  EXPECTED as TPM_EXPECTED,
  type TpmStory,
  tpmVerifier,
} from "../support/software-tpm/index.ts";
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

/** A list comes from guests that cut the binding; a key nobody enrolled has no clock that quotes would move. */
const tpm = (story: TpmStory) => async (): Promise<VerifierCase> => {
  const unenrolled = { ...story, enrolled: null, settings: { acceptedAkTrust: ["none"] } };
  const made = await makeQuote(unenrolled);
  return {
    verifier: await tpmVerifier(unenrolled, made),
    evidence: made.evidence,
    expected: TPM_EXPECTED,
    bindsInitData: true,
    boundBytes: 32,
  };
};

const azure = (story: AzureStory) => async (): Promise<VerifierCase> => {
  const { verifier, evidence } = await makeAzure(story);
  // What stories make of the evidence is an object here.
  return {
    verifier,
    evidence: evidence as VerifierCase["evidence"],
    expected: AZURE_EXPECTED,
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
verifierContract("tpm, as guests send it", tpm({}));
verifierContract("tpm, registers by bank", tpm({ form: "banks", kind: "RSA-2048, PSS, SHA-256" }));
verifierContract("az-snp-vtpm", azure({ kind: "snp" }));
verifierContract("az-snp-vtpm, the first form", azure({ kind: "snp", version: 0 }));
verifierContract("az-tdx-vtpm", azure({ kind: "tdx" }));
verifierContract("sample", sample("sample"));
verifierContract("sampledevice", sample("sampledevice"));
