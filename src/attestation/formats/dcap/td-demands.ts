/** What an operator may demand of TDs: settings that every driver of their quotes has. */
import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { hexList } from "./platform-settings.ts";
import { TD_ATTRIBUTES, type TdAttribute } from "./td-attributes.ts";

// Object.keys forgets the literal types; the table is a constant.
const ATTRIBUTE_NAMES = Object.keys(TD_ATTRIBUTES) as [TdAttribute, ...TdAttribute[]];
const attributes = (sentence: string) => z.array(z.enum(ATTRIBUTE_NAMES)).default([]).describe(sentence);

const mask = (sentence: string) =>
  z
    .string()
    .regex(/^0x[0-9a-fA-F]{1,16}$/, "must be a hexadecimal mask such as 0x60000")
    .transform((text) => BigInt(text))
    .optional()
    .meta({ examples: ["0x60000"] })
    .describe(sentence);

/** Members of the section of every driver that verifies quotes of TDs. */
export const TD_DEMANDS = {
  allowDebug: flag(false).describe("Accept TDs that somebody may look into (any bit of the TUD group)."),
  requiredTdAttributes: attributes("TD attributes that must be set, say septve-disable."),
  forbiddenTdAttributes: attributes("TD attributes that must be clear, say migratable."),
  requiredXfam: mask("XFAM bits that must be set."),
  forbiddenXfam: mask("XFAM bits that must be clear, say 0x60000 for AMX."),
  allowServiceTd: flag(false).describe(
    "Accept TDs with a service TD (a migration TD, say), whose measurement then counts as well.",
  ),
  allowedServiceTds: hexList(96)
    .optional()
    .meta({ examples: [["00".repeat(48)]] })
    .describe("Service TDs by MR_SERVICETD that are accepted with or without allowServiceTd."),
  allowedMrSeams: hexList(96)
    .optional()
    .meta({ examples: [["00".repeat(48)]] })
    .describe("TDX modules by MRSEAM; absent: every module that Intel rates."),
} as const;

export type TdDemands = z.output<z.ZodObject<typeof TD_DEMANDS>>;
