import { z } from "zod";
import { flag } from "./parts.ts";
import type { ConfigSection } from "./section.ts";
import { zodSection } from "./zod-section.ts";

/** Options of one verifier driver each, by TEE name. */
export type VerifierConfigs = Readonly<Record<string, unknown>>;

export const VERIFIER_SECTIONS: Readonly<Record<string, ConfigSection<unknown>>> = {
  snp: { parse: (value) => ({ ok: true, value: value ?? {} }) },
  sample: zodSection(
    z
      .strictObject({ allowSampleEvidence: flag(false).describe("Believe evidence anybody can make up.") })
      .prefault({}),
  ),
};
