/** Intel's statements from files of the operator: for sites without a network, and for the offline command. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
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
import {
  type FiledPiece,
  type IntelMaterial,
  mergeIntelMaterial,
  NO_INTEL_MATERIAL,
  readIntelMaterial,
  withIssuers,
} from "./intel-material.ts";
import {
  collateralOf,
  isCurrent,
  isOlder,
  judgePiece,
  type PieceName,
  pieceKey,
  piecesFor,
  type RawPiece,
} from "./intel-pieces.ts";
import { type FiledPlatform, platformCandidates } from "./intel-platforms.ts";

const MAX_FILES = 1024;
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const MAX_CHOSEN = 1024;
const ORIGIN = "the given collateral";

/**
 * Reads a bundle, or all that lies in a folder (and below it).
 *
 * @param name - for faults, which guests get to read: not where on the machine it is
 * @throws KbsError `collateral-unavailable` when it cannot be read; what it holds may still be a fault
 */
export async function readIntelPath(path: string, name = path): Promise<IntelMaterial> {
  const status = await stat(path).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  return status.isDirectory() ? await readFolder(path, name) : await readOne(path, name);
}

async function readFolder(folder: string, name: string): Promise<IntelMaterial> {
  const found = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  const paths = found.filter((file) => /\.(?:json|der|cer|crt|pem|crl|hex)$/i.test(file)).sort();
  if (paths.length > MAX_FILES)
    return { ...NO_INTEL_MATERIAL, faults: [`${name} holds more than ${MAX_FILES} files`] };
  const parts: IntelMaterial[] = [];
  for (const path of paths) parts.push(await readOne(join(folder, path), path));
  return mergeIntelMaterial(parts);
}

async function readOne(path: string, name: string): Promise<IntelMaterial> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  if (bytes.length > MAX_FILE_BYTES)
    return { ...NO_INTEL_MATERIAL, faults: [`${name} is larger than ${MAX_FILE_BYTES} bytes`] };
  return readIntelMaterial(bytes, name);
}

function unreadable(name: string, cause: unknown): KbsError {
  return new KbsError("collateral-unavailable", `${name} cannot be read`, { cause });
}

/** Statements of files by name, with the means to tell which of several is the one to use. */
export class IntelFiles {
  readonly #sets: readonly DcapCollateral[];
  readonly #platforms: readonly FiledPlatform[];
  readonly #byKey = new Map<string, RawPiece[]>();
  readonly #byKind = new Map<PieceName["kind"], FiledPiece[]>();
  readonly #pieces: CollateralPieces;
  readonly #now: () => number;
  /** The set for a query that was found last: the same bytes again cost no cryptography. */
  readonly #chosen = new LRUCache<string, DcapCollateral>({ max: MAX_CHOSEN });

  constructor(material: IntelMaterial, anchors: DcapTrustAnchors, now: () => number) {
    this.#sets = material.sets;
    this.#platforms = material.platforms;
    this.#pieces = new CollateralPieces(anchors);
    this.#now = now;
    for (const piece of withIssuers(material, anchors.roots)) {
      append(this.#byKey, pieceKey(piece.name), piece);
      append(this.#byKind, piece.name.kind, piece);
    }
  }

  /** All that is said to be this statement. */
  candidates(name: PieceName): readonly RawPiece[] {
    return this.#byKey.get(pieceKey(name)) ?? [];
  }

  /** The chain that is accepted for a quote that names its machine. */
  pckCertificateChain(query: PckCertificateQuery, accept: (chainPem: Buffer) => boolean): Buffer | undefined {
    return platformCandidates(this.#platforms, query).find(accept);
  }

  /**
   * The set that is accepted; if there is none, the nearest to one, so that the refusal names what is wrong with it.
   *
   * @returns undefined when a statement is missing
   */
  collateral(
    query: DcapCollateralQuery,
    accept: (set: DcapCollateral) => string | undefined,
  ): DcapCollateral | undefined {
    const key = `${query.tee}/${query.fmspc}/${query.ca}`;
    const known = this.#chosen.get(key);
    if (known !== undefined && accept(known) === undefined) return known;
    // The newest of each statement first: an older set may still count, and say nothing of what was revoked since.
    const newest = this.#assemble(query);
    const offered = newest === undefined ? this.#sets : [newest, ...this.#sets];
    const found = offered.find((set) => accept(set) === undefined) ?? offered[0];
    if (found !== undefined) this.#chosen.set(key, found);
    return found;
  }

  #assemble(query: DcapCollateralQuery): DcapCollateral | undefined {
    const [tcbInfo, qeIdentity, pckCrl, rootCaCrl] = piecesFor(query).map((name) => this.#best(name));
    if (!tcbInfo || !qeIdentity || !pckCrl || !rootCaCrl) return undefined;
    return collateralOf([tcbInfo, qeIdentity, pckCrl, rootCaCrl], ORIGIN);
  }

  /** Genuine before not, current before not, then the newest; the only one of its kind if none has the name. */
  #best(name: PieceName): RawPiece | undefined {
    const candidates = this.candidates(name);
    const ofKind = this.#byKind.get(name.kind) ?? [];
    if (candidates.length === 0) return ofKind.length === 1 ? ofKind[0] : undefined;
    const rated = candidates.map((raw) => ({ raw, facts: judgePiece(this.#pieces, name, raw) }));
    let best = rated[0];
    for (const next of rated.slice(1)) {
      if (typeof next.facts === "string" || best === undefined) continue;
      if (typeof best.facts === "string") best = next;
      else {
        const [held, offered] = [isCurrent(best.facts, this.#now()), isCurrent(next.facts, this.#now())];
        if (offered === held ? isOlder(best.facts, next.facts) : offered) best = next;
      }
    }
    return best?.raw;
  }
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** A source over files alone; the network is never touched. */
export function offlineIntelCollateral(
  anchors: DcapTrustAnchors,
  material: IntelMaterial,
  now: () => number,
): DcapCollateralSource {
  const files = new IntelFiles(material, anchors, now);
  return {
    anchors,
    faults: material.faults,
    collateral: async (query, accept) => files.collateral(query, accept),
    pckCertificateChain: async (query, accept) => files.pckCertificateChain(query, accept),
  };
}
