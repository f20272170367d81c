import { z } from "zod";
import { count, filePath, flag, seconds, serviceOrigin } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { SNP_DEMANDS } from "../../formats/sev-snp/demands.ts";

const KDS_URL = "https://kdsintf.amd.com";

const kdsSchema = z
  .strictObject({
    enabled: flag(true).describe(
      "Whether AMD's key distribution service is asked for certificates and CRLs.",
    ),
    baseUrl: serviceOrigin()
      .default(KDS_URL)
      .describe("Origin of the service or of your own caching proxy for it; no other host is ever asked."),
    timeoutSeconds: seconds(10, 1, 60).describe("Deadline of one request, from connecting to the last byte."),
    maxConcurrent: count(4, 1, 64).describe("Requests to the service at the same time."),
    maxWaiting: count(256, 1, 100_000).describe(
      "Requests that may wait for their turn; further ones are refused.",
    ),
    negativeCacheSeconds: seconds(60, 1, 86_400).describe(
      "Time for which a failed answer is not asked again.",
    ),
    cacheFolder: filePath()
      .optional()
      .meta({ examples: ["data/amd-kds"] })
      .describe(
        "Folder that keeps verified certificates and CRLs across restarts; `<dataDirectory>/amd-kds` if absent.",
      ),
  })
  .prefault({})
  .describe("AMD's key distribution service (KDS).");

export const snpSchema = z
  .strictObject({
    enabled: flag(true).describe("Whether SEV-SNP evidence is accepted at all."),
    minimumReportVersion: z
      .int()
      .min(2)
      .max(5)
      .default(3)
      .describe("Oldest report version; 2 names no processor."),
    allowedVmpls: z
      .array(z.int().min(0).max(3))
      .min(1)
      .max(4)
      .default([0])
      .describe("Privilege levels a report may come from; lower levels own higher ones."),
    ...SNP_DEMANDS,
    kds: kdsSchema,
    offlineFolder: filePath()
      .optional()
      .meta({ examples: ["/opt/confidential-containers/attestation-service/kds-store"] })
      .describe("Folder with certificates (vcek/<chip id>/…) and CRLs, asked before the network."),
  })
  .prefault({})
  .describe("AMD SEV-SNP.");

export type SnpSettings = z.output<typeof snpSchema>;
export const snpSection = zodSection(snpSchema);
