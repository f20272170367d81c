/** What an operator may demand of Intel platforms: settings that every driver of DCAP quotes has, and their checks. */
import { z } from "zod";
import { flag, seconds } from "../../../config/parts.ts";
import { toHex } from "../../../crypto/bytes.ts";
import type { Trail } from "../../trail.ts";
import type { DcapCheck } from "./checks.ts";
import { TCB_STATUSES, type TcbStatus } from "./tcb-status.ts";
import type { VerifiedQuote } from "./verify-quote.ts";

const MAX_LIST = 10_000;
const DAY = 86_400;

/** Statuses of platforms that lack no update: what is left is the guest's software or the host's configuration. */
const UPDATED: readonly TcbStatus[] = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
];

/** A list of hexadecimal texts of one length, in lower case. */
export function hexList(digits: number) {
  const pattern = new RegExp(`^[0-9a-fA-F]{${digits}}$`);
  const entry = z.string().regex(pattern, `must be ${digits} hexadecimal digits`);
  return z.array(entry.transform((text) => text.toLowerCase())).max(MAX_LIST);
}

/** Members of the section of every driver that verifies DCAP quotes. */
export const PLATFORM_SETTINGS = {
  enabled: flag(true).describe("Whether evidence of this kind is accepted at all."),
  allowedTcbStatuses: z
    .array(z.enum(TCB_STATUSES))
    .min(1)
    .default([...UPDATED])
    .describe("TCB statuses that are accepted; Revoked never is."),
  refusedAdvisories: z
    .array(z.string().regex(/^INTEL-(?:SA|DOC)-\d{4,6}$/, "must be an advisory id such as INTEL-SA-00615"))
    .max(MAX_LIST)
    .default([])
    .describe("Security advisories no platform may be affected by."),
  minimumTcbDate: z.iso
    .date()
    .optional()
    .meta({ examples: ["2024-03-13"] })
    .describe("Oldest TCB date; a platform whose levels Intel dates earlier is refused."),
  minimumTcbEvaluationDataNumber: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ examples: [18] })
    .describe("Least TCB evaluation data number of TCB info and QE identity."),
  collateralGraceSeconds: seconds(0, 0, 366 * DAY).describe(
    "Time for which Intel's statements and revocation lists count after their end; the claims tell.",
  ),
  allowedFmspcs: hexList(12)
    .optional()
    .meta({ examples: [["00806f050000"]] })
    .describe("Platform types by FMSPC; absent: all."),
  allowedPlatformInstanceIds: hexList(32)
    .optional()
    .meta({ examples: [["00".repeat(16)]] })
    .describe("Platforms by claim platform_instance_id (Platform CA only); absent: all."),
  allowedPpids: hexList(32)
    .optional()
    .meta({ examples: [["00".repeat(16)]] })
    .describe("Processors by PPID (claim platform_provider_id); absent: all."),
} as const;

export type PlatformSettings = z.output<z.ZodObject<typeof PLATFORM_SETTINGS>>;

/** @throws EvidenceRejected naming the first setting that the platform does not meet */
export function appraisePlatform(
  trail: Trail<DcapCheck>,
  verified: VerifiedQuote,
  settings: PlatformSettings,
): void {
  const { tcb } = verified;
  checkEvaluationNumber(trail, verified, settings);
  trail.require(
    "tcb-status",
    settings.allowedTcbStatuses.includes(tcb.status),
    tcb.status,
    settings.allowedTcbStatuses.join(" or "),
  );
  checkTcbDate(trail, verified, settings);
  const affected = tcb.advisories.filter((id) => settings.refusedAdvisories.includes(id));
  trail.require("advisories", affected.length === 0, affected.join(", ") || `${tcb.advisories.length} apply`);
  checkPlatform(trail, verified, settings);
}

function checkEvaluationNumber(
  trail: Trail<DcapCheck>,
  { collateral: { tcbInfo, qeIdentity } }: VerifiedQuote,
  { minimumTcbEvaluationDataNumber: minimum }: PlatformSettings,
): void {
  const [info, identity] = [tcbInfo.evaluationNumber, qeIdentity.evaluationNumber];
  const enough = minimum === undefined || (info >= minimum && identity >= minimum);
  const seen = `TCB info ${info}, QE identity ${identity}`;
  trail.require("evaluation-number", enough, seen, minimum === undefined ? undefined : `at least ${minimum}`);
}

function checkTcbDate(
  trail: Trail<DcapCheck>,
  { tcb }: VerifiedQuote,
  { minimumTcbDate: minimum }: PlatformSettings,
): void {
  const recent = minimum === undefined || Date.parse(tcb.date) >= Date.parse(minimum);
  trail.require("tcb-age", recent, tcb.date, minimum === undefined ? undefined : `${minimum} or later`);
}

function checkPlatform(
  trail: Trail<DcapCheck>,
  { chain: { platform } }: VerifiedQuote,
  settings: PlatformSettings,
): void {
  const { fmspc, platformInstanceId, ppid } = platform;
  const instance = platformInstanceId && toHex(Buffer.from(platformInstanceId).reverse());
  const allowed =
    (settings.allowedFmspcs?.includes(fmspc) ?? true) &&
    (settings.allowedPpids?.includes(toHex(ppid)) ?? true) &&
    (settings.allowedPlatformInstanceIds === undefined ||
      (instance !== undefined && settings.allowedPlatformInstanceIds.includes(instance)));
  const seen = `FMSPC ${fmspc}, PPID ${toHex(ppid)}, platform instance ${instance ?? "none"}`;
  trail.require("platform", allowed, seen);
}
