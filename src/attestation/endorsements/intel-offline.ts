import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DcapTrustAnchors } from "../formats/dcap/trust-anchors.ts";
import { IntelFiles, readIntelPath } from "./intel-files.ts";
import type { IntelMaterial } from "./intel-material.ts";
import type { UpstreamWorld } from "./upstream.ts";

const OFFLINE = "the offline collateral";
/** Files are looked at again after this time, so that a new bundle needs no restart. */
const REFRESH_MILLISECONDS = 60_000;
const MAX_STAMPS = 4096;

/**
 * A bundle or a folder of the operator's, read again when it changed.
 */
export class OfflineSource {
  readonly name = OFFLINE;
  readonly #path: string;
  readonly #anchors: DcapTrustAnchors;
  readonly #world: UpstreamWorld;
  #material: IntelMaterial;
  #files: IntelFiles;
  #stamp: string;
  #lookedAt: number;
  #edition = 0;

  static async open(path: string, anchors: DcapTrustAnchors, world: UpstreamWorld): Promise<OfflineSource> {
    const stamp = await stampOf(path);
    return new OfflineSource(path, anchors, world, await readIntelPath(path, OFFLINE), stamp);
  }

  private constructor(
    path: string,
    anchors: DcapTrustAnchors,
    world: UpstreamWorld,
    material: IntelMaterial,
    stamp: string,
  ) {
    this.#path = path;
    this.#anchors = anchors;
    this.#world = world;
    this.#material = material;
    this.#files = new IntelFiles(material, anchors, world.now);
    this.#stamp = stamp;
    this.#lookedAt = world.now();
  }

  get faults(): readonly string[] {
    return this.#material.faults;
  }

  get edition(): number {
    return this.#edition;
  }

  get files(): IntelFiles {
    return this.#files;
  }

  /** Files that cannot be read now, say half copied ones, leave what was read before; the log tells. */
  async look(): Promise<void> {
    const { now, onEvent } = this.#world;
    if (Math.abs(now() - this.#lookedAt) < REFRESH_MILLISECONDS) return;
    this.#lookedAt = now();
    const stamp = await stampOf(this.#path);
    if (stamp === this.#stamp) return;
    const material = await readIntelPath(this.#path, OFFLINE).catch(() => undefined);
    const fault = material === undefined ? "it cannot be read" : material.faults[0];
    if (material === undefined || fault !== undefined) {
      onEvent?.({ upstream: OFFLINE, outcome: "failed", milliseconds: 0, ...(fault && { detail: fault }) });
      return;
    }
    this.#material = material;
    this.#files = new IntelFiles(material, this.#anchors, now);
    this.#stamp = stamp;
    this.#edition++;
  }
}

/** Tells a file, or all files of a folder, from what was there earlier. */
async function stampOf(path: string): Promise<string> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  const paths = [path, ...names.slice(0, MAX_STAMPS).map((name) => join(path, name))];
  return (await Promise.all(paths.map(stampOfOne))).join();
}

async function stampOfOne(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path).catch(() => ({ ino: 0, size: 0, mtimeMs: 0 }));
  return `${ino}/${size}/${mtimeMs}`;
}
