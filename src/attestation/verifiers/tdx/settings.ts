import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { PLATFORM_SETTINGS } from "../../formats/dcap/platform-settings.ts";
import { TD_DEMANDS } from "../../formats/dcap/td-demands.ts";

export const tdxSchema = z
  .strictObject({
    ...PLATFORM_SETTINGS,
    ...TD_DEMANDS,
    requireEventLog: flag(false).describe("Refuse evidence without an event log."),
    refuseContradictedEvents: flag(false).describe(
      "Refuse logs with an event whose digest is not that of its data; otherwise the claims tell.",
    ),
    eventLogClaims: z
      .enum(["full", "facts", "none"])
      .default("full")
      .describe("How much of the event log goes into the claims; the full list makes tokens large."),
  })
  .prefault({})
  .describe("Intel TDX.");

export type TdxSettings = z.output<typeof tdxSchema>;
export const tdxSection = zodSection(tdxSchema);
