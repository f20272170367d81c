import { z } from "zod";
import { zodSection } from "../../../config/zod-section.ts";
import { hexList, PLATFORM_SETTINGS } from "../../formats/dcap/platform-settings.ts";
import { TD_DEMANDS } from "../../formats/dcap/td-demands.ts";

export const azTdxSchema = z
  .strictObject({
    ...PLATFORM_SETTINGS,
    minimumEvidenceVersion: z
      .int()
      .min(0)
      .max(2)
      .default(0)
      .describe("Oldest form of evidence; 2 is what agents send today, and binds the user data as well."),
    allowedMrTds: hexList(96)
      .optional()
      .meta({ examples: [["00".repeat(48)]] })
      .describe("Paravisors by MRTD; absent: all, and then policies have to pin it."),
    ...TD_DEMANDS,
  })
  .prefault({})
  .describe("TDX confidential VMs on Azure; collateral comes from where that of tdx does.");

export type AzTdxSettings = z.output<typeof azTdxSchema>;
export const azTdxSection = zodSection(azTdxSchema);
