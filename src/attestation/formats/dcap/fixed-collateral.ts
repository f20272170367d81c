/** Collateral at hand, for programs that have it already and for the offline command: no network, no cache. */
import type { DcapCollateral, DcapCollateralSource } from "./collateral.ts";
import type { DcapTrustAnchors } from "./trust-anchors.ts";

/**
 * A source over given sets. The first set that is accepted counts; if none is, the first one, so that the refusal
 * says what is wrong with it.
 */
export function fixedCollateral(
  anchors: DcapTrustAnchors,
  sets: readonly DcapCollateral[],
  faults: readonly string[] = [],
): DcapCollateralSource {
  return {
    anchors,
    faults,
    collateral: async (_query, accept) => sets.find((set) => accept(set) === undefined) ?? sets[0],
  };
}
