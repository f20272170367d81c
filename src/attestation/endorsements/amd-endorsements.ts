import { LRUCache } from "lru-cache";
import { parseRevocationList, type RevocationList } from "../../crypto/crl.ts";
import { DerError } from "../../crypto/der.ts";
import { isSignedBy } from "../formats/sev-snp/chain.ts";
import type { AmdEndorsements, FoundVek, VekQuery } from "../formats/sev-snp/endorsements.ts";
import type { Product, VekKind } from "../formats/sev-snp/product.ts";
import type { TrustAnchors } from "../formats/sev-snp/trust-anchors.ts";
import { hardwareIdText, kdsCrlPath, kdsVcekPath, storeFileName } from "./amd-kds.ts";
import { type AmdMaterial, NO_MATERIAL, offlineEndorsements } from "./amd-material.ts";
import { FileCache } from "./file-cache.ts";
import { readMaterialFolder, readStoreFile } from "./offline-folder.ts";
import { awaited, Upstream, type UpstreamWorld, unavailable } from "./upstream.ts";

/** Where AMD's statements are looked for; a part of the driver's settings. */
export interface AmdEndorsementSettings {
  readonly kds: {
    readonly enabled: boolean;
    readonly baseUrl: string;
    readonly timeoutSeconds: number;
    readonly maxConcurrent: number;
    readonly maxWaiting: number;
    readonly negativeCacheSeconds: number;
    readonly cacheFolder?: string | undefined;
  };
  readonly offlineFolder?: string | undefined;
}

const KDS = "AMD's key distribution service";
const MAX_VEKS = 4096;
const MAX_ANSWER_BYTES = 64 * 1024;
/** AMD issues lists for about 45 days; asking four times a day finds a new one early. */
const CRL_REFRESH_MILLISECONDS = 6 * 3600 * 1000;
/** Files of the offline folder are looked at again after this time, so that a new list needs no restart. */
const FOLDER_REFRESH_MILLISECONDS = 60_000;

/**
 * Opens the sources in their order: offline folder, cache, AMD's service. Nothing is asked before evidence
 * needs it.
 *
 * @throws KbsError `collateral-unavailable` when the offline folder cannot be read
 */
export async function openAmdEndorsements(
  settings: AmdEndorsementSettings,
  anchors: TrustAnchors,
  world: UpstreamWorld,
): Promise<AmdEndorsements> {
  const { offlineFolder } = settings;
  const material = offlineFolder === undefined ? NO_MATERIAL : await readMaterialFolder(offlineFolder);
  return new AmdSources(settings, anchors, material, world);
}

class AmdSources implements AmdEndorsements {
  readonly anchors: TrustAnchors;
  readonly #settings: AmdEndorsementSettings;
  readonly #world: UpstreamWorld;
  readonly #kds: Upstream | undefined;
  readonly #cache: FileCache | undefined;
  readonly #veks = new LRUCache<string, Buffer>({ max: MAX_VEKS });
  /** Names of files that are on the disk already. */
  readonly #kept = new LRUCache<string, true>({ max: MAX_VEKS });
  readonly #lists: RevocationLists | undefined;
  #files: AmdEndorsements;
  #filesReadAt: number;

  constructor(
    settings: AmdEndorsementSettings,
    anchors: TrustAnchors,
    material: AmdMaterial,
    world: UpstreamWorld,
  ) {
    this.#settings = settings;
    this.#world = world;
    this.#files = offlineEndorsements(anchors, material);
    this.#filesReadAt = world.now();
    this.anchors = this.#files.anchors;
    const { enabled, baseUrl, timeoutSeconds, negativeCacheSeconds, cacheFolder, ...limits } = settings.kds;
    this.#cache = cacheFolder === undefined ? undefined : new FileCache(cacheFolder);
    if (!enabled) return;
    const upstreamLimits = {
      ...limits,
      maxBytes: MAX_ANSWER_BYTES,
      timeoutMilliseconds: timeoutSeconds * 1000,
      negativeCacheMilliseconds: negativeCacheSeconds * 1000,
    };
    this.#kds = new Upstream(KDS, baseUrl, upstreamLimits, world);
    this.#lists = new RevocationLists(this.#kds, this.#cache, anchors, world);
  }

  get faults(): readonly string[] {
    return this.#files.faults;
  }

  async vek(
    query: VekQuery,
    accept: (der: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<FoundVek | undefined> {
    return (
      (await this.#offlineVek(query, accept, signal)) ??
      (query.kind === "VCEK" ? await this.#cachedOrFetched(query, accept, signal) : undefined)
    );
  }

  async #offlineVek(query: VekQuery, accept: (der: Buffer) => boolean, signal: AbortSignal) {
    const { offlineFolder } = this.#settings;
    if (offlineFolder === undefined) return undefined;
    const id = hardwareIdText(query);
    for (const name of id === undefined || query.kind === "VLEK" ? [] : [storeFileName(query), "vcek.der"]) {
      const der = await readStoreFile(offlineFolder, "vcek", id ?? "", name);
      if (der !== undefined && accept(der)) return { der, origin: "the offline folder" };
    }
    return await this.#files.vek(query, accept, signal);
  }

  async #cachedOrFetched(query: VekQuery, accept: (der: Buffer) => boolean, signal: AbortSignal) {
    const id = hardwareIdText(query);
    if (id === undefined) return undefined;
    for (const product of query.products) {
      const path = kdsVcekPath(product, id, query);
      const held = this.#veks.get(path) ?? (await this.#fromDisk(product, id, query, accept));
      const der = held ?? (await this.#ask(path, accept, signal));
      if (der === undefined) continue;
      this.#veks.set(path, der);
      const name = cacheName(product, id, query);
      return { der, origin: KDS, keep: () => this.#keep(name, der) };
    }
    return undefined;
  }

  async #keep(name: string, der: Buffer): Promise<void> {
    if (this.#kept.has(name)) return;
    this.#kept.set(name, true);
    await this.#cache?.put(name, der);
  }

  /** A file that does not verify is of no use to anybody: it is removed, and the service asked. */
  async #fromDisk(product: Product, id: string, query: VekQuery, accept: (der: Buffer) => boolean) {
    const name = cacheName(product, id, query);
    const der = await this.#cache?.get(name);
    if (der === undefined) return undefined;
    if (accept(der)) {
      this.#kept.set(name, true);
      return der;
    }
    await this.#cache?.delete(name);
    return undefined;
  }

  async #ask(
    path: string,
    accept: (der: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<Buffer | undefined> {
    const der = await this.#kds?.get(path, signal);
    if (der === undefined || accept(der)) return der;
    const why = "it answered with a certificate that does not verify";
    this.#kds?.disappointed(path, why);
    throw unavailable(KDS, why);
  }

  async revocationLists(
    product: Product,
    kind: VekKind,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<readonly RevocationList[]> {
    await this.#rereadFiles();
    const offline = await this.#files.revocationLists(product, kind, wait, signal);
    if (this.#lists === undefined) return offline;
    const hasFresh = offline.some((list) => isCurrent(list, this.#world.now()));
    const online = await this.#lists.get(product, kind, wait && !hasFresh, signal);
    return online === undefined ? offline : [...offline, online];
  }

  /** A folder that cannot be read now leaves what was read before. */
  async #rereadFiles(): Promise<void> {
    const { offlineFolder } = this.#settings;
    const now = this.#world.now();
    if (offlineFolder === undefined || Math.abs(now - this.#filesReadAt) < FOLDER_REFRESH_MILLISECONDS)
      return;
    this.#filesReadAt = now;
    const material = await readMaterialFolder(offlineFolder).catch(() => undefined);
    if (material !== undefined) this.#files = offlineEndorsements({ ...this.anchors }, material);
  }
}

function cacheName(product: Product, id: string, query: VekQuery): string {
  return `vcek/${product}/${id}/${storeFileName(query)}`;
}

function isCurrent({ thisUpdate, nextUpdate }: RevocationList, now: number): boolean {
  return thisUpdate <= now && nextUpdate !== undefined && now <= nextUpdate;
}

/** AMD's revocation lists, renewed in the background and never exchanged for an older or a forged one. */
class RevocationLists {
  readonly #kds: Upstream;
  readonly #cache: FileCache | undefined;
  readonly #anchors: TrustAnchors;
  readonly #world: UpstreamWorld;
  readonly #now: () => number;
  readonly #held = new Map<string, RevocationList>();
  readonly #askedAt = new Map<string, number>();
  readonly #renewals = new Map<string, Promise<void>>();

  constructor(kds: Upstream, cache: FileCache | undefined, anchors: TrustAnchors, world: UpstreamWorld) {
    this.#kds = kds;
    this.#cache = cache;
    this.#anchors = anchors;
    this.#world = world;
    this.#now = world.now;
  }

  /** @param wait - whether the caller cannot do without; a list that has run out is waited for in any case */
  async get(
    product: Product,
    kind: VekKind,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<RevocationList | undefined> {
    const key = kdsCrlPath(product, kind);
    const renewal = this.#isDue(key)
      ? this.#renew(key, cacheNameOfList(product, kind))
      : this.#renewals.get(key);
    const held = this.#held.get(key);
    const usable = held !== undefined && isCurrent(held, this.#now());
    if (renewal !== undefined && !usable && (wait || held !== undefined)) {
      const done = awaited(renewal, signal, KDS, this.#world);
      await (wait ? done : done.catch(() => undefined));
    }
    return this.#held.get(key);
  }

  #isDue(key: string): boolean {
    if (this.#renewals.has(key)) return false;
    const held = this.#held.get(key);
    if (held === undefined || !isCurrent(held, this.#now())) return true;
    return Math.abs(this.#now() - (this.#askedAt.get(key) ?? 0)) >= CRL_REFRESH_MILLISECONDS;
  }

  #renew(path: string, cacheName: string): Promise<void> {
    const renewal = this.#fetch(path, cacheName).finally(() => this.#renewals.delete(path));
    this.#renewals.set(path, renewal);
    // Nobody may be waiting; whoever needs the list is refused by its absence.
    renewal.catch(() => undefined);
    return renewal;
  }

  async #fetch(path: string, cacheName: string): Promise<void> {
    if (!this.#held.has(path)) this.#take(path, await this.#cache?.get(cacheName));
    this.#askedAt.set(path, this.#now());
    // The flight has its own deadline; this signal only has to exist.
    const der = await this.#kds.get(path, new AbortController().signal);
    if (der === undefined) return;
    const outcome = this.#take(path, der);
    if (outcome === "forged")
      this.#kds.disappointed(path, "it answered with a revocation list that does not verify");
    if (outcome === "taken") await this.#cache?.put(cacheName, der);
  }

  /** A list replaces the one held only when it is genuine and not older. */
  #take(path: string, der: Buffer | undefined): "taken" | "older" | "forged" | "absent" {
    if (der === undefined) return "absent";
    const list = this.#genuine(der);
    if (list === undefined) return "forged";
    const held = this.#held.get(path);
    if (held !== undefined && held.thisUpdate > list.thisUpdate) return "older";
    this.#held.set(path, list);
    return "taken";
  }

  #genuine(der: Buffer): RevocationList | undefined {
    try {
      const list = parseRevocationList(der);
      const roots = this.#anchors.roots.filter(({ subjectDer }) => subjectDer.equals(list.issuerDer));
      return roots.some((root) => isSignedBy(list, root)) ? list : undefined;
    } catch (error) {
      if (error instanceof DerError) return undefined;
      throw error;
    }
  }
}

function cacheNameOfList(product: Product, kind: VekKind): string {
  return `crl/${product}-${kind}.crl`;
}
