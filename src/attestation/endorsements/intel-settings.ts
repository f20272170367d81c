/** A service that hands out Intel's statements: Intel's own, a proxy for it, or a cache of the operator's. */
type IntelSourceName = "offline" | "pccs" | "pcs";

/** How new the TCB levels are that Intel states: `early` at once, `standard` about half a year later. */
export type IntelUpdateType = "early" | "standard";

/** Where Intel's statements are looked for: the section `collateral.intel` of the configuration. */
export interface IntelCollateralSettings {
  /** Absent: offline and pccs where they are described, and pcs unless there is a pccs. */
  readonly sources?: readonly IntelSourceName[] | undefined;
  readonly updateType: IntelUpdateType;
  readonly offlinePath?: string | undefined;
  readonly pccs: {
    readonly baseUrl?: string | undefined;
    readonly apiVersion: "v3" | "v4";
    /** Path of PEM roots. */
    readonly certificates?: string | undefined;
  };
  readonly pcs: { readonly baseUrl: string; readonly rootCrlUrl: string };
  readonly cacheFolder?: string | undefined;
  readonly refreshSeconds: number;
  readonly timeoutSeconds: number;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly negativeCacheSeconds: number;
}

/** What the settings of others, and secrets that no setting holds, add to it. */
export interface IntelCollateralExtras {
  /** How long after their end statements are still handed out while no source has newer ones: the verifiers' grace. */
  readonly graceSeconds: number;
  /** Subscription key of Intel's service; never logged, never in an error. */
  readonly pcsApiKey?: string | undefined;
}

/** The sources that count, in the order in which they are asked. */
export function intelSources({ sources, offlinePath, pccs }: IntelCollateralSettings): IntelSourceName[] {
  if (sources !== undefined) return [...sources];
  const hasPccs = pccs.baseUrl !== undefined;
  return [...(offlinePath === undefined ? [] : (["offline"] as const)), hasPccs ? "pccs" : "pcs"];
}
