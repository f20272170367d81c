import {
  mergeMaterial,
  NO_MATERIAL,
  offlineEndorsements,
  readMaterial,
} from "../attestation/endorsements/amd-material.ts";
import type { AmdEndorsements } from "../attestation/formats/sev-snp/endorsements.ts";
import { pinnedTrustAnchors, trustAnchorsFromPem } from "../attestation/formats/sev-snp/trust-anchors.ts";

/** What stands behind SNP reports. */
export interface AmdOptions {
  /** PEM texts of roots (and intermediates) that replace AMD's. */
  readonly trustAnchorsPem?: readonly string[];
  /** Certificates, revocation lists and certificate tables; DER or PEM. */
  readonly collateral?: readonly Uint8Array[];
}

/** @throws DerError when a trust anchor is no certificate */
export function amdEndorsements({ trustAnchorsPem, collateral }: AmdOptions): AmdEndorsements {
  const anchors = trustAnchorsPem === undefined ? pinnedTrustAnchors() : trustAnchorsFromPem(trustAnchorsPem);
  const material = mergeMaterial([
    NO_MATERIAL,
    ...(collateral ?? []).map((bytes, i) => readMaterial(Buffer.from(bytes), `collateral ${i}`)),
  ]);
  return offlineEndorsements(anchors, material);
}
