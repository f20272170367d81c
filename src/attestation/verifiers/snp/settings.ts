import { z } from "zod";
import { count, filePath, flag, seconds, serviceOrigin } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { PRODUCTS } from "../../formats/sev-snp/product.ts";
import {
  PLATFORM_BITS,
  type PlatformBit,
  POLICY_BITS,
  type PolicyBit,
} from "../../formats/sev-snp/report.ts";
import { REVOCATION_MODES } from "../../formats/sev-snp/revocation.ts";

// Object.keys forgets the literal types; both tables are constants above.
const POLICY_NAMES = Object.keys(POLICY_BITS) as [PolicyBit, ...PolicyBit[]];
const PLATFORM_NAMES = Object.keys(PLATFORM_BITS) as [PlatformBit, ...PlatformBit[]];

const MAX_LIST = 10_000;
const KDS_URL = "https://kdsintf.amd.com";

function hexList(pattern: RegExp, what: string) {
  const entry = z.string().regex(pattern, `must be ${what}`);
  return z.array(entry.transform((text) => text.toLowerCase())).max(MAX_LIST);
}

const part = () => z.int().min(0).max(255).optional();

const tcbSchema = z.strictObject({
  bootloader: part()
    .meta({ examples: [4] })
    .describe("Least boot loader version."),
  tee: part()
    .meta({ examples: [0] })
    .describe("Least PSP operating system version."),
  snp: part()
    .meta({ examples: [24] })
    .describe("Least SNP firmware version."),
  microcode: part()
    .meta({ examples: [219] })
    .describe("Least microcode version."),
  fmc: part()
    .meta({ examples: [1] })
    .describe("Least FMC version; Turin only."),
});

function tcbByProduct(what: string) {
  const example = { bootloader: 4, snp: 24, microcode: 219 };
  return z
    .strictObject({
      Milan: tcbSchema
        .optional()
        .meta({ examples: [example] })
        .describe(`${what} on Milan.`),
      Genoa: tcbSchema
        .optional()
        .meta({ examples: [example] })
        .describe(`${what} on Genoa, Bergamo and Siena.`),
      Turin: tcbSchema
        .optional()
        .meta({ examples: [example] })
        .describe(`${what} on Turin.`),
    })
    .prefault({})
    .describe(`${what}, per product and per part; absent parts are not compared.`);
}

const policyBits = (sentence: string) => z.array(z.enum(POLICY_NAMES)).default([]).describe(sentence);
const platformBits = (sentence: string) => z.array(z.enum(PLATFORM_NAMES)).default([]).describe(sentence);

const mask = (sentence: string) =>
  z
    .string()
    .regex(/^0x[0-9a-fA-F]{1,16}$/, "must be a hexadecimal mask such as 0xb")
    .transform((text) => BigInt(text))
    .optional()
    .meta({ examples: ["0xb"] })
    .describe(sentence);

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
    allowedProducts: z
      .array(z.enum(PRODUCTS))
      .min(1)
      .default([...PRODUCTS])
      .describe("Processor lines; leave one out when its keys are no longer to be trusted."),
    allowVlek: flag(true).describe("Whether keys that AMD loads for a cloud provider (VLEK) may sign."),
    allowedCspIds: z
      .array(z.string().min(1))
      .max(MAX_LIST)
      .optional()
      .meta({ examples: [["CN=cc-us-east-2.amazonaws.com"]] })
      .describe("Cloud providers whose VLEKs are accepted; absent: all."),
    allowMaskedChipId: flag(false).describe(
      "Accept chip-signed reports whose host hides the chip's identity.",
    ),
    allowedChipIds: hexList(/^(?:[0-9a-fA-F]{128}|[0-9a-fA-F]{16})$/, "128 hexadecimal digits (16 on Turin)")
      .optional()
      .meta({ examples: [["1e550a8ee5cf9f4d"]] })
      .describe("Chips by CHIP_ID; absent: all. A masked chip id is never on the list."),
    allowDebug: flag(false).describe("Accept guests whose memory the host may read."),
    allowMigrationAgent: flag(false).describe("Accept guests that a migration agent may export."),
    requiredGuestPolicy: policyBits("Guest policy bits that must be set, say single-socket."),
    forbiddenGuestPolicy: policyBits("Guest policy bits that must be clear, say smt."),
    requiredPlatformInfo: platformBits("Platform bits that must be set, say tsme."),
    forbiddenPlatformInfo: platformBits("Platform bits that must be clear, say smt."),
    minimumTcb: tcbByProduct("Least REPORTED_TCB"),
    minimumLaunchTcb: tcbByProduct("Least LAUNCH_TCB"),
    minimumFirmware: z
      .string()
      .regex(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/, "must be major.minor.build, say 1.55.29")
      .optional()
      .meta({ examples: ["1.55.29"] })
      .describe("Least firmware version, current and committed."),
    requireCommittedTcb: flag(false).describe("Refuse firmware that the host could still roll back."),
    requiredLaunchMitigations: mask("Mitigations that must have been on at launch (version 5 reports)."),
    requiredCurrentMitigations: mask("Mitigations that must be on now (version 5 reports)."),
    allowedIdKeyDigests: hexList(/^[0-9a-fA-F]{96}$/, "96 hexadecimal digits")
      .optional()
      .meta({ examples: [["00".repeat(48)]] })
      .describe("SHA-384 of ID keys that may have signed the ID block; absent: all."),
    allowedAuthorKeyDigests: hexList(/^[0-9a-fA-F]{96}$/, "96 hexadecimal digits")
      .optional()
      .meta({ examples: [["00".repeat(48)]] })
      .describe("SHA-384 of author keys; absent: all."),
    revocation: z
      .enum(REVOCATION_MODES)
      .default("if-available")
      .describe(
        "required: no fresh revocation list, no trust; if-available: a list at hand must be good and fresh.",
      ),
    dangerouslyIgnoreCertificateValidity: flag(false).describe(
      "Accept expired certificates; for test data only.",
    ),
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
