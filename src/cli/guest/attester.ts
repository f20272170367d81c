import type { JsonValue } from "../../json/value.ts";

/** What a guest's hardware would be asked to sign. */
export interface EvidenceRequest {
  /** Bytes for the report data field, before the hardware's own padding or cutting. */
  readonly reportData: Uint8Array;
  /** `undefined`: the guest has no init-data. */
  readonly initDataDigest: Uint8Array | undefined;
}

/** The attesting side of one TEE. */
export interface Attester {
  /** Name of the TEE on the wire. */
  readonly tee: string;
  collect(request: EvidenceRequest): Promise<JsonValue>;
}

/** A guest without a TEE, as deployed guests fall back to one: it vouches for nothing. */
export const sampleAttester: Attester = {
  tee: "sample",
  collect: async ({ reportData }) => sampleEvidence("1", reportData),
};

/** A device without hardware behind it; travels in `additional_evidence`. */
export const sampleDeviceAttester: Attester = {
  tee: "sampledevice",
  collect: async ({ reportData }) => sampleEvidence("2", reportData),
};

function sampleEvidence(svn: string, reportData: Uint8Array): JsonValue {
  return { report_data: Buffer.from(reportData).toString("base64"), svn };
}
