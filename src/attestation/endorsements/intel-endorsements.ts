import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { LRUCache } from "lru-cache";
import { KbsError } from "../../errors.ts";
import type {
  DcapCollateral,
  DcapCollateralQuery,
  DcapCollateralSource,
  PckCertificateQuery,
} from "../formats/dcap/collateral.ts";
import { CollateralPieces } from "../formats/dcap/pieces.ts";
import type { DcapTrustAnchors } from "../formats/dcap/trust-anchors.ts";
import { FileCache } from "./file-cache.ts";
import { agentFor } from "./https-get.ts";
import { PieceKeeper, type PieceSource } from "./intel-keeper.ts";
import { OfflineSource } from "./intel-offline.ts";
import { collateralOf, type GenuinePiece, piecesFor } from "./intel-pieces.ts";
import { IntelService } from "./intel-service.ts";
import { type IntelCollateralExtras, type IntelCollateralSettings, intelSources } from "./intel-settings.ts";
import { awaited, type UpstreamWorld, unavailable } from "./upstream.ts";

/** Collateral that is renewed without being asked for. */
export interface IntelCollateral extends DcapCollateralSource {
  /** Asks anew for everything that is getting old; to be called now and then. */
  renewDue(): void;
}

const PCS = "Intel's provisioning certification service";
const PCCS = "the provisioning certificate caching service";
const MAX_SETS = 1024;
const MAX_CHAINS = 4096;
const API_KEY_HEADER = "Ocp-Apim-Subscription-Key";

/**
 * Opens the sources that the settings name. Nothing is asked before evidence needs it.
 *
 * @throws KbsError `collateral-unavailable` when files that the settings name cannot be read
 */
export async function openIntelCollateral(
  settings: IntelCollateralSettings,
  anchors: DcapTrustAnchors,
  extras: IntelCollateralExtras,
  world: UpstreamWorld,
): Promise<IntelCollateral> {
  const sources = intelSources(settings);
  const { offlinePath } = settings;
  const files =
    sources.includes("offline") && offlinePath !== undefined
      ? await OfflineSource.open(offlinePath, anchors, world)
      : undefined;
  const services = new Map<string, IntelService>();
  if (sources.includes("pcs")) services.set("pcs", pcsService(settings, extras, world));
  if (sources.includes("pccs")) services.set("pccs", await pccsService(settings, world));
  const ordered = sources.map((name) => (name === "offline" ? files : services.get(name)));
  return new IntelSources(settings, extras, anchors, ordered, world);
}

function pcsService(
  settings: IntelCollateralSettings,
  { pcsApiKey }: IntelCollateralExtras,
  world: UpstreamWorld,
): IntelService {
  const options = {
    name: PCS,
    ...settings.pcs,
    apiVersion: "v4" as const,
    updateType: settings.updateType,
    pckCertificates: pcsApiKey === undefined ? ("no" as const) : ("by-encrypted-ppid" as const),
    limits: limitsOf(settings),
    extras: pcsApiKey === undefined ? {} : { headers: { [API_KEY_HEADER]: pcsApiKey } },
  };
  return new IntelService(options, world);
}

async function pccsService(settings: IntelCollateralSettings, world: UpstreamWorld): Promise<IntelService> {
  const { baseUrl, apiVersion, certificates } = settings.pccs;
  if (baseUrl === undefined) throw unavailable(PCCS, "the settings do not say where it is");
  const roots = certificates === undefined ? undefined : await readRoots(certificates);
  const options = {
    name: PCCS,
    baseUrl,
    apiVersion,
    updateType: settings.updateType,
    pckCertificates: "by-qe-id" as const,
    limits: limitsOf(settings),
    extras: roots === undefined ? {} : { agent: agentFor(roots) },
  };
  return new IntelService(options, world);
}

async function readRoots(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((cause: unknown) => {
    throw new KbsError("collateral-unavailable", `the roots for ${PCCS} cannot be read`, { cause });
  });
}

function limitsOf(settings: IntelCollateralSettings) {
  const { maxConcurrent, maxWaiting, timeoutSeconds, negativeCacheSeconds } = settings;
  return {
    maxConcurrent,
    maxWaiting,
    timeoutMilliseconds: timeoutSeconds * 1000,
    negativeCacheMilliseconds: negativeCacheSeconds * 1000,
  };
}

interface KnownSet {
  readonly parts: readonly GenuinePiece[];
  readonly set: DcapCollateral;
}

class IntelSources implements IntelCollateral {
  readonly anchors: DcapTrustAnchors;
  readonly #world: UpstreamWorld;
  readonly #offline: OfflineSource | undefined;
  readonly #services: readonly IntelService[];
  readonly #keeper: PieceKeeper;
  readonly #cache: FileCache | undefined;
  /** The same object for the same statements, by which verified ones are known again. */
  readonly #sets = new LRUCache<string, KnownSet>({ max: MAX_SETS });
  readonly #chains = new LRUCache<string, Buffer>({ max: MAX_CHAINS });
  /** Chain → where it lies on the disk. */
  readonly #places = new LRUCache<string, string>({ max: MAX_CHAINS });

  constructor(
    settings: IntelCollateralSettings,
    { graceSeconds }: IntelCollateralExtras,
    anchors: DcapTrustAnchors,
    sources: readonly (OfflineSource | IntelService | undefined)[],
    world: UpstreamWorld,
  ) {
    this.anchors = anchors;
    this.#world = world;
    this.#services = sources.filter((source) => source instanceof IntelService);
    this.#offline = sources.find((source) => source instanceof OfflineSource);
    this.#cache = settings.cacheFolder === undefined ? undefined : new FileCache(settings.cacheFolder);
    this.#keeper = new PieceKeeper({
      sources: sources.filter((source) => source !== undefined).map(asPieceSource),
      pieces: new CollateralPieces(anchors),
      cache: this.#services.length === 0 ? undefined : this.#cache,
      updateType: settings.updateType,
      refreshMilliseconds: settings.refreshSeconds * 1000,
      staleMilliseconds: graceSeconds * 1000,
      now: world.now,
      onStale: (detail) =>
        world.onEvent?.({ upstream: "collateral", outcome: "stale", milliseconds: 0, detail }),
    });
  }

  get faults(): readonly string[] {
    return this.#offline?.faults ?? [];
  }

  /**
   * Every statement was verified and counts now; whether they fit the quote, say whether its platform is revoked, is
   * for the verification to refuse by name. Only files that do not verify are handed on as they are.
   */
  async collateral(
    query: DcapCollateralQuery,
    accept: (set: DcapCollateral) => string | undefined,
    signal: AbortSignal,
  ): Promise<DcapCollateral | undefined> {
    await this.#offline?.look();
    const names = piecesFor(query);
    const held = names.map((name) => this.#keeper.current(name));
    const set = this.#setOf(query, held);
    if (set !== undefined) return set;
    const asked = Promise.all(names.map((name) => this.#keeper.get(name)));
    const found = this.#setOf(query, await awaited(asked, signal, "collateral", this.#world));
    return found ?? this.#offline?.files.collateral(query, accept);
  }

  #setOf(
    { tee, fmspc, ca }: DcapCollateralQuery,
    pieces: readonly (GenuinePiece | undefined)[],
  ): DcapCollateral | undefined {
    const [tcbInfo, qeIdentity, pckCrl, rootCaCrl] = pieces;
    if (!tcbInfo || !qeIdentity || !pckCrl || !rootCaCrl) return undefined;
    const parts = [tcbInfo, qeIdentity, pckCrl, rootCaCrl] as const;
    const key = `${tee}/${fmspc}/${ca}`;
    const known = this.#sets.get(key);
    if (known?.parts.every((part, at) => isSame(part, parts[at])) === true) return known.set;
    const origins = [...new Set(parts.map(({ origin }) => origin))];
    const set = collateralOf(parts, origins.join(" and "));
    this.#sets.set(key, { parts, set });
    return set;
  }

  renewDue(): void {
    this.#keeper.renewDue();
  }

  async pckCertificateChain(
    query: PckCertificateQuery,
    accept: (chainPem: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const filed = this.#offline?.files.pckCertificateChain(query, accept);
    if (filed !== undefined) return filed;
    const key = keyOf(query);
    const known = this.#chains.get(key) ?? (await this.#cache?.get(chainFile(key)));
    if (known !== undefined && accept(known)) {
      this.#chains.set(key, known);
      return known;
    }
    const found = await this.#fetchChain(query, accept, signal);
    if (found === undefined) return undefined;
    this.#chains.set(key, found);
    await this.#toDisk(key, found);
    return found;
  }

  /** A PPID can be encrypted in endlessly many ways; whoever does so still has one place on the disk. */
  async #toDisk(key: string, chain: Buffer): Promise<void> {
    const hash = createHash("sha256").update(chain).digest("base64");
    const place = this.#places.get(hash);
    this.#places.set(hash, key);
    await this.#cache?.put(chainFile(key), chain);
    if (place !== undefined && place !== key) await this.#cache?.delete(chainFile(place));
  }

  /** @throws KbsError `collateral-unavailable` when no service knew it and one could not be asked, or lied */
  async #fetchChain(
    query: PckCertificateQuery,
    accept: (chainPem: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    let trouble: unknown;
    for (const service of this.#services) {
      try {
        const found = await service.pckCertificateChain(query, signal);
        if (found === undefined) continue;
        if (accept(found)) return found;
        // Not remembered: it may be the quote that lies, and the next one of this platform may not.
        throw unavailable(service.name, "it answered with a PCK certificate that does not verify or fit");
      } catch (error) {
        if (!(error instanceof KbsError)) throw error;
        trouble ??= error;
      }
    }
    if (trouble !== undefined) throw trouble;
    return undefined;
  }
}

/** Files may have one body with several issuers. */
function isSame(a: GenuinePiece, b: GenuinePiece | undefined): boolean {
  return a.body === b?.body && a.issuerChain === b.issuerChain;
}

function asPieceSource(source: OfflineSource | IntelService): PieceSource {
  if (source instanceof OfflineSource)
    return {
      name: source.name,
      isFile: true,
      edition: () => source.edition,
      pieces: async (name) => source.files.candidates(name),
      disappointed: () => undefined,
    };
  return {
    name: source.name,
    isFile: false,
    edition: () => 0,
    pieces: async (name) => {
      const piece = await source.piece(name);
      return piece === undefined ? [] : [piece];
    },
    disappointed: (name, why) => source.disappointed(name, why),
  };
}

function keyOf({ ppid, encryptedPpid, cpuSvn, pceSvn, pceId, qeId }: PckCertificateQuery): string {
  const hash = createHash("sha256");
  for (const part of [ppid, encryptedPpid, cpuSvn, qeId]) hash.update(`${part?.toString("hex") ?? ""}/`);
  return hash.update(`${pceSvn}/${pceId}`).digest("hex");
}

function chainFile(key: string): string {
  return `pck/${key}.pem`;
}
