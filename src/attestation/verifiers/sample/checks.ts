import type { CheckDescription } from "../../trail.ts";

const SOURCE = "Confidential Containers sample attester; KBS protocol 0.4.0, binding of evidence";

/** All that can be asked of evidence without a signature. */
export const SAMPLE_CHECKS = {
  "sample-allowed": {
    expected: "setting allowSampleEvidence on, which no production broker has",
    source: "operator settings",
  },
  "evidence-format": { expected: "an object with the texts svn and report_data", source: SOURCE },
  "report-data": {
    expected: "base64 of exactly the expected bytes, without padding by zeros",
    source: SOURCE,
  },
} as const satisfies Readonly<Record<string, CheckDescription>>;

export type SampleCheck = keyof typeof SAMPLE_CHECKS;
