import { azSnpSection } from "../attestation/verifiers/az-snp-vtpm/settings.ts";
import { azTdxSection } from "../attestation/verifiers/az-tdx-vtpm/settings.ts";
import { sampleSection } from "../attestation/verifiers/sample/settings.ts";
import { sgxSection } from "../attestation/verifiers/sgx/settings.ts";
import { snpSection } from "../attestation/verifiers/snp/settings.ts";
import { tdxSection } from "../attestation/verifiers/tdx/settings.ts";
import { tpmSection } from "../attestation/verifiers/tpm/settings.ts";
import type { ConfigResult, ConfigSection } from "./section.ts";

/** Sections below `verifiers`, one per driver that has options, in the order of the file. */
export const VERIFIER_SECTIONS = {
  snp: snpSection,
  tdx: tdxSection,
  sgx: sgxSection,
  tpm: tpmSection,
  "az-snp-vtpm": azSnpSection,
  "az-tdx-vtpm": azTdxSection,
  sample: sampleSection,
} as const satisfies Record<string, ConfigSection<unknown>>;

type Sections = typeof VERIFIER_SECTIONS;
type ValueOf<Section> = Section extends { parse(value: unknown, path: string): ConfigResult<infer Value> }
  ? Value
  : never;

/** Options of one verifier driver each, by the name of its section. */
export type VerifierConfigs = { readonly [Name in keyof Sections]: ValueOf<Sections[Name]> };
