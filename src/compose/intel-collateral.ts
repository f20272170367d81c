import { readFile } from "node:fs/promises";
import { type IntelCollateral, openIntelCollateral } from "../attestation/endorsements/intel-endorsements.ts";
import type { UpstreamWorld } from "../attestation/endorsements/upstream.ts";
import {
  addDcapTrustAnchors,
  type DcapTrustAnchors,
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../attestation/formats/dcap/trust-anchors.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import { type World, warnBy } from "./world.ts";

/** How often old statements are looked for, so that none ends while nobody asks for it. */
const RENEWAL_MILLISECONDS = 600_000;

/**
 * Where statements about Intel platforms come from: one source for TDX and SGX alike, for revocation lists and the
 * services behind them are the same.
 *
 * @throws KbsError naming the option or file that stands in the way
 */
export async function openIntel(
  config: KeywardenConfig,
  world: World,
  upstreams: UpstreamWorld,
): Promise<IntelCollateral> {
  const { tdx, sgx, "az-tdx-vtpm": azure } = config.verifiers;
  const graces = [tdx, sgx, azure].map(({ collateralGraceSeconds }) => collateralGraceSeconds);
  const extras = {
    graceSeconds: Math.max(...graces),
    pcsApiKey: await readPcsApiKey(config, world),
  };
  const collateral = await openIntelCollateral(
    config.collateral.intel,
    await trustAnchors(config),
    extras,
    upstreams,
  );
  setInterval(() => collateral.renewDue(), RENEWAL_MILLISECONDS).unref();
  return collateral;
}

async function trustAnchors({ dev }: KeywardenConfig): Promise<DcapTrustAnchors> {
  const files = dev.dangerouslyUseDevTrustAnchors.intel;
  const pinned = pinnedDcapTrustAnchors();
  if (files.length === 0) return pinned;
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return addDcapTrustAnchors(pinned, dcapTrustAnchorsFromPem(texts));
}

async function readPcsApiKey({ collateral }: KeywardenConfig, world: World): Promise<string | undefined> {
  const { apiKey } = collateral.intel.pcs;
  if (apiKey === undefined) return undefined;
  const key = await readSecret(apiKey, "collateral.intel.pcs.apiKey", world.env, warnBy(world));
  return key.toString("utf8").trim();
}
