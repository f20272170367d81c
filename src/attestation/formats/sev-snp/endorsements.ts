import type { RevocationList } from "../../../crypto/crl.ts";
import type { Product, VekKind } from "./product.ts";
import type { Layout, Tcb } from "./report.ts";
import type { TrustAnchors } from "./trust-anchors.ts";

/** What identifies the certificate of a signing key. All of it is unauthenticated when it is asked for. */
export interface VekQuery {
  readonly kind: VekKind;
  /** Product lines that come into question; one, except for version 2 reports. */
  readonly products: readonly Product[];
  /** 64 bytes; all zero when the host masks it. */
  readonly chipId: Buffer;
  readonly layout: Layout;
  readonly tcb: Tcb;
}

export interface FoundVek {
  readonly der: Buffer;
  /** Where it was found, for the list of checks. */
  readonly origin: string;
  /**
   * Keeps the certificate across restarts. For certificates whose report turned out genuine: AMD issues one for
   * every TCB anybody asks for, and a guest must not fill the disk with them.
   */
  readonly keep?: () => Promise<void>;
}

/** What AMD says about its keys: roots, certificates of signing keys, revocation lists. */
export interface AmdEndorsements {
  readonly anchors: TrustAnchors;
  /** Operator's files that could not be read; any fault refuses evidence. */
  readonly faults: readonly string[];
  /**
   * Looks for the certificate of a signing key.
   *
   * @param accept - whether a candidate verifies; others are not given back
   * @returns undefined when there is none: AMD does not know the chip or TCB, or no source is configured
   * @throws KbsError `collateral-unavailable` when a source could not be asked
   */
  vek(query: VekQuery, accept: (der: Buffer) => boolean, signal: AbortSignal): Promise<FoundVek | undefined>;
  /**
   * Revocation lists at hand for one kind of authority, unverified.
   *
   * @param wait - whether to wait for a list when there is none
   * @throws KbsError `collateral-unavailable` only when waiting
   */
  revocationLists(
    product: Product,
    kind: VekKind,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<readonly RevocationList[]>;
}
