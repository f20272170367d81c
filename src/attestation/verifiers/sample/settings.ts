import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";

const sampleSchema = z
  .strictObject({
    allowSampleEvidence: flag(false).describe(
      "Accept evidence that anybody can write by hand. It proves nothing: never where secrets are real.",
    ),
  })
  .prefault({})
  .describe("Made-up evidence for trying the protocol without hardware (TEE types sample and sampledevice).");

export type SampleSettings = z.output<typeof sampleSchema>;
export const sampleSection = zodSection(sampleSchema);
