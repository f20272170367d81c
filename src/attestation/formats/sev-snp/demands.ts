/** What an operator may demand of SNP reports: settings that every driver of such reports has. */
import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { PRODUCTS } from "./product.ts";
import { PLATFORM_BITS, type PlatformBit, POLICY_BITS, type PolicyBit } from "./report.ts";
import { REVOCATION_MODES } from "./revocation.ts";

// Object.keys forgets the literal types; both tables are constants above.
const POLICY_NAMES = Object.keys(POLICY_BITS) as [PolicyBit, ...PolicyBit[]];
const PLATFORM_NAMES = Object.keys(PLATFORM_BITS) as [PlatformBit, ...PlatformBit[]];

const MAX_LIST = 10_000;

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

/** A list of SHA-384 digests of ID or author keys. */
export const idKeyDigests = () => hexList(/^[0-9a-fA-F]{96}$/, "96 hexadecimal digits");

/** Members of the section of every driver that verifies SNP reports. */
export const SNP_DEMANDS = {
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
  allowMaskedChipId: flag(false).describe("Accept chip-signed reports whose host hides the chip's identity."),
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
  allowedIdKeyDigests: idKeyDigests()
    .optional()
    .meta({ examples: [["00".repeat(48)]] })
    .describe("SHA-384 of ID keys that may have signed the ID block; absent: all."),
  allowedAuthorKeyDigests: idKeyDigests()
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
} as const;

/** What a report has to meet, the two demands included that drivers word for themselves. */
export type SnpDemands = z.output<z.ZodObject<typeof SNP_DEMANDS>> & {
  /** 2 to 5. */
  readonly minimumReportVersion: number;
  readonly allowedVmpls: readonly number[];
};
