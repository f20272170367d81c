import { z } from "zod";
import { count, filePath, seconds, secretReference, serviceOrigin, serviceUrl } from "./parts.ts";

/** Where Intel's statements may come from, in the words of the configuration. */
const INTEL_SOURCES = ["offline", "pccs", "pcs"] as const;

const DAY = 86_400;

const pccsSchema = z
  .strictObject({
    baseUrl: serviceOrigin()
      .optional()
      .meta({ examples: ["https://pccs.example:8081"] })
      .describe("Its origin; no other host is asked in its place."),
    apiVersion: z
      .enum(["v3", "v4"])
      .default("v4")
      .describe("Version in its paths; v3 knows no update type and no TDX of today."),
    certificates: filePath()
      .optional()
      .meta({ examples: ["keys/pccs-roots.pem"] })
      .describe("PEM roots for its TLS certificate instead of the system's."),
  })
  .prefault({})
  .describe("A provisioning certificate caching service (PCCS) of yours.");

const pcsSchema = z
  .strictObject({
    baseUrl: serviceOrigin()
      .default("https://api.trustedservices.intel.com")
      .describe(
        "Origin of Intel's service or of your own caching proxy for it; no other host is ever asked.",
      ),
    rootCrlUrl: serviceUrl()
      .default("https://certificates.trustedservices.intel.com/IntelSGXRootCA.der")
      .describe("The root's revocation list, which lies on a host of its own."),
    apiKey: secretReference()
      .optional()
      .meta({ examples: [{ env: "INTEL_PCS_API_KEY" }] })
      .describe(
        "Subscription key; needed only for quotes that name their PCK certificate instead of carrying it.",
      ),
  })
  .prefault({})
  .describe("Intel's provisioning certification service (PCS), version 4.");

const intelSchema = z
  .strictObject({
    sources: z
      .array(z.enum(INTEL_SOURCES))
      .min(1)
      .max(INTEL_SOURCES.length)
      .optional()
      .meta({ examples: [["pcs"]] })
      .describe(
        "Where to look, in this order; if absent: offline and pccs where described below, and pcs unless there is a pccs.",
      ),
    updateType: z
      .enum(["early", "standard"])
      .default("early")
      .describe("early: new TCB levels count at once; standard: about half a year later."),
    offlinePath: filePath()
      .optional()
      .meta({ examples: ["/etc/keywarden/intel-collateral.json"] })
      .describe("For the source offline: a bundle (`keywarden collateral bundle`), or a folder of answers."),
    pccs: pccsSchema,
    pcs: pcsSchema,
    cacheFolder: filePath()
      .optional()
      .meta({ examples: ["data/intel-collateral"] })
      .describe(
        "Folder that keeps verified collateral across restarts; `<dataDirectory>/intel-collateral` if absent.",
      ),
    refreshSeconds: seconds(DAY, 60, 30 * DAY).describe(
      "Age at which collateral is renewed in the background; half of its life at the latest.",
    ),
    timeoutSeconds: seconds(10, 1, 60).describe("Deadline of one request, from connecting to the last byte."),
    maxConcurrent: count(4, 1, 64).describe("Requests to one service at the same time."),
    maxWaiting: count(256, 1, 100_000).describe(
      "Requests to one service that may wait for their turn; further ones are refused.",
    ),
    negativeCacheSeconds: seconds(60, 1, DAY).describe("Time for which a failed answer is not asked again."),
  })
  .prefault({})
  .describe("Statements about Intel platforms, for TDX and SGX alike.");

export const collateralSchema = z
  .strictObject({ intel: intelSchema })
  .prefault({})
  .describe("What vendors state about platforms: certificates, revocation lists, TCB levels.");
