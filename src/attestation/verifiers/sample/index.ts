import type { VerifierDriver } from "../../verifier.ts";
import { type SampleSettings, sampleSection } from "./settings.ts";
import { SampleVerifier } from "./verify.ts";

/** Made-up evidence of a guest without a TEE; refused unless the settings allow it by name. */
export const sampleDriver: VerifierDriver<SampleSettings> = {
  tee: "sample",
  config: sampleSection,
  create: (config) => new SampleVerifier("sample", config),
};

/** Made-up evidence of a device beside the guest. */
export const sampleDeviceDriver: VerifierDriver<SampleSettings> = {
  tee: "sampledevice",
  config: sampleSection,
  create: (config) => new SampleVerifier("sampledevice", config),
};
