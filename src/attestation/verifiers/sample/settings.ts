import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";

export const sampleSchema = z
  .strictObject({
    allowSampleEvidence: flag(false).describe(
      "Accept evidence that anybody can write by hand. It proves nothing: never where secrets are real.",
    ),
  })
  .prefault({})
  .describe("Made-up evidence for trying the protocol without hardware (TEE types sample and sampledevice).");

export type SampleSettings = z.output<typeof sampleSchema>;
export const sampleSection = zodSection(sampleSchema);

/** Switches that are on and widen what is believed, to be logged at start. */
export function sampleDangers({ allowSampleEvidence }: SampleSettings): string[] {
  return allowSampleEvidence ? ["allowSampleEvidence"] : [];
}
