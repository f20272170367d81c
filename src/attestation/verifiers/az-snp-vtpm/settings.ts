import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { idKeyDigests, SNP_DEMANDS } from "../../formats/sev-snp/demands.ts";

/** Signer of Azure's paravisor images in every published report, Milan and Genoa: SHA-384 of its ID key. */
export const AZURE_ID_KEY_DIGEST =
  "942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e006767648cba5b102af3d65756af4177";

export const azSnpSchema = z
  .strictObject({
    enabled: flag(true).describe("Whether evidence of SEV-SNP VMs on Azure is accepted at all."),
    minimumEvidenceVersion: z
      .int()
      .min(0)
      .max(2)
      .default(0)
      .describe("Oldest form of evidence; 2 is what agents send today, and binds the user data as well."),
    minimumReportVersion: z
      .int()
      .min(2)
      .max(5)
      .default(3)
      .describe("Oldest version of the SNP report; 2 names no processor."),
    dangerouslyAcceptAnyParavisor: flag(false).describe(
      "Accept paravisors of any signer; only where policies pin the measurement, or anybody with an SNP machine gets in.",
    ),
    ...SNP_DEMANDS,
    allowedIdKeyDigests: idKeyDigests()
      .default([AZURE_ID_KEY_DIGEST])
      .describe("SHA-384 of ID keys that may have signed the paravisor."),
  })
  .prefault({})
  .describe("SEV-SNP confidential VMs on Azure; certificates come from where those of snp do.");

export type AzSnpSettings = z.output<typeof azSnpSchema>;
export const azSnpSection = zodSection(azSnpSchema);
