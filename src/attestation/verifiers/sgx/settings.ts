import { z } from "zod";
import { flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { PLATFORM_SETTINGS } from "../../formats/dcap/platform-settings.ts";
import { SGX_ATTRIBUTES, type SgxAttribute } from "./attributes.ts";

// Object.keys forgets the literal types; the table is a constant.
const ATTRIBUTE_NAMES = Object.keys(SGX_ATTRIBUTES) as [SgxAttribute, ...SgxAttribute[]];
const attributes = (sentence: string) => z.array(z.enum(ATTRIBUTE_NAMES)).default([]).describe(sentence);

export const sgxSchema = z
  .strictObject({
    ...PLATFORM_SETTINGS,
    allowDebug: flag(false).describe("Accept enclaves whose memory the host may read."),
    requiredAttributes: attributes("Enclave attributes that must be set, say kss."),
    forbiddenAttributes: attributes("Enclave attributes that must be clear, say provision-key."),
    allowedMiscSelect: z
      .string()
      .regex(/^0x[0-9a-fA-F]{1,8}$/, "must be a hexadecimal mask such as 0x1")
      .transform((text) => Number.parseInt(text, 16))
      .optional()
      .meta({ examples: ["0x1"] })
      .describe("MISCSELECT bits that may be set; absent: all."),
  })
  .prefault({})
  .describe("Intel SGX.");

export type SgxSettings = z.output<typeof sgxSchema>;
export const sgxSection = zodSection(sgxSchema);
