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
    collateral: async (_query, accept) =>
      // With one set there is nothing to choose, and whoever asks judges it anyway.
      sets.length > 1 ? (sets.find((set) => accept(set) === undefined) ?? sets[0]) : sets[0],
  };
}
