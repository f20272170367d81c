import type { VerifierConfigs } from "../config/verifier-sections.ts";
import { openAmdEndorsements } from "./endorsements/amd-endorsements.ts";
import { readAuthorities, readImaPolicy } from "./endorsements/tpm-authorities.ts";
import type { UpstreamWorld } from "./endorsements/upstream.ts";
import type { DcapCollateralSource } from "./formats/dcap/collateral.ts";
import { fixedCollateral } from "./formats/dcap/fixed-collateral.ts";
import { pinnedDcapTrustAnchors } from "./formats/dcap/trust-anchors.ts";
import { inlineAppraiser, type LogAppraiser } from "./formats/eventlog/index.ts";
import type { AmdEndorsements } from "./formats/sev-snp/endorsements.ts";
import {
  addTrustAnchors,
  pinnedTrustAnchors,
  type TrustAnchors,
  trustAnchorsFromPem,
} from "./formats/sev-snp/trust-anchors.ts";
import { type AkRegistry, NO_ENROLMENTS } from "./formats/tpm2/ak-registry.ts";
import type { Verifier, VerifierDriver } from "./verifier.ts";
import { azSnpDriver } from "./verifiers/az-snp-vtpm/index.ts";
import { azTdxDriver } from "./verifiers/az-tdx-vtpm/index.ts";
import { sampleDeviceDriver, sampleDriver } from "./verifiers/sample/index.ts";
import { sgxDriver } from "./verifiers/sgx/index.ts";
import { snpDriver } from "./verifiers/snp/index.ts";
import { tdxDriver } from "./verifiers/tdx/index.ts";
import { tpmDriver } from "./verifiers/tpm/index.ts";
import type { TpmSettings } from "./verifiers/tpm/settings.ts";
import type { TpmTrust } from "./verifiers/tpm/trust.ts";

/** What verifiers may use of the world, handed in where the parts are put together. */
export interface VerifierWorld extends UpstreamWorld {
  /** PEM texts of roots that count like the vendor's own. Development only. */
  readonly devTrustAnchorsPem?: { readonly snp: readonly string[] };
  /** Intel's statements, for every driver of DCAP quotes; absent: there are none, and such evidence is refused. */
  readonly intelCollateral?: DcapCollateralSource;
  /** Attestation keys of machines that were enrolled; absent: none were. */
  readonly enrolledAks?: AkRegistry;
  /** Who appraises event logs; absent: the thread that verifies. */
  readonly logs?: LogAppraiser;
}

/** What several drivers open together, when the first of them needs it. */
interface OpenWorld extends VerifierWorld {
  readonly amd: () => Promise<AmdEndorsements>;
}

type Open = (configs: VerifierConfigs, world: OpenWorld) => Promise<Verifier | undefined>;

/** Every driver there is. They do not register themselves: what is not in this list does not exist. */
const DRIVERS: readonly Open[] = [
  async ({ sample }, world) => create(sampleDriver, sample, world, undefined),
  async ({ sample }, world) => create(sampleDeviceDriver, sample, world, undefined),
  async ({ snp }, world) => (snp.enabled ? create(snpDriver, snp, world, await world.amd()) : undefined),
  async ({ tdx }, world) => (tdx.enabled ? create(tdxDriver, tdx, world, intelCollateral(world)) : undefined),
  async ({ sgx }, world) => (sgx.enabled ? create(sgxDriver, sgx, world, intelCollateral(world)) : undefined),
  async ({ tpm }, world) =>
    tpm.enabled ? create(tpmDriver, tpm, world, await openTpmTrust(tpm, world)) : undefined,
  async ({ "az-snp-vtpm": azure }, world) =>
    azure.enabled ? create(azSnpDriver, azure, world, await world.amd()) : undefined,
  async ({ "az-tdx-vtpm": azure }, world) =>
    azure.enabled ? create(azTdxDriver, azure, world, intelCollateral(world)) : undefined,
];

/**
 * Opens all verifiers the configuration enables. A driver that is switched off by a switch of its own
 * (`allowSampleEvidence`) is there all the same, and refuses by name.
 *
 * @throws KbsError `collateral-unavailable` when a configured folder cannot be read; DerError when a
 *   development trust anchor is no certificate
 */
export async function openVerifiers(
  configs: VerifierConfigs,
  world: VerifierWorld,
): Promise<readonly Verifier[]> {
  let amd: Promise<AmdEndorsements> | undefined;
  const shared: OpenWorld = {
    ...world,
    amd: () => {
      amd ??= openAmdEndorsements(configs.snp, amdTrustAnchors(world), world);
      return amd;
    },
  };
  const opened = await Promise.all(DRIVERS.map((open) => open(configs, shared)));
  return opened.filter((verifier) => verifier !== undefined);
}

function create<Config, Source>(
  driver: VerifierDriver<Config, Source>,
  config: Config,
  { now }: VerifierWorld,
  collateral: Source,
): Verifier {
  return driver.create(config, { now, collateral });
}

async function openTpmTrust(
  { ekAuthorities, akAuthorities, imaPolicy }: TpmSettings,
  { enrolledAks, logs }: VerifierWorld,
): Promise<TpmTrust> {
  return {
    ekAuthorities: await readAuthorities(ekAuthorities),
    akAuthorities: await readAuthorities(akAuthorities),
    enrolled: enrolledAks ?? NO_ENROLMENTS,
    logs: logs ?? inlineAppraiser(),
    imaPolicy: imaPolicy === undefined ? undefined : await readImaPolicy(imaPolicy),
  };
}

function intelCollateral({ intelCollateral: source }: VerifierWorld): DcapCollateralSource {
  return source ?? fixedCollateral(pinnedDcapTrustAnchors(), []);
}

function amdTrustAnchors({ devTrustAnchorsPem }: VerifierWorld): TrustAnchors {
  const texts = devTrustAnchorsPem?.snp ?? [];
  const pinned = pinnedTrustAnchors();
  return texts.length === 0 ? pinned : addTrustAnchors(pinned, trustAnchorsFromPem(texts));
}
