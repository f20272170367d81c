/** Files that `keywarden collateral` reads: bundles, answers of vendors' services, certificates, revocation lists. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type AmdMaterial,
  mergeMaterial,
  NO_MATERIAL,
  readMaterial,
} from "../../attestation/endorsements/amd-material.ts";
import {
  type IntelMaterial,
  mergeIntelMaterial,
  NO_INTEL_MATERIAL,
  readIntelMaterial,
} from "../../attestation/endorsements/intel-material.ts";
import {
  addDcapTrustAnchors,
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../../attestation/formats/dcap/trust-anchors.ts";
import {
  addTrustAnchors,
  pinnedTrustAnchors,
  trustAnchorsFromPem,
} from "../../attestation/formats/sev-snp/trust-anchors.ts";
import { parseCertificate } from "../../crypto/certificate.ts";
import { DerError } from "../../crypto/der.ts";
import { readPem } from "../../crypto/pem.ts";
import { readNamedFile, unreadable } from "../files.ts";
import { misuse } from "../world.ts";
import type { Anchors } from "./statements.ts";

export interface Material {
  readonly intel: IntelMaterial;
  readonly amd: AmdMaterial;
}

const MAX_FILES = 4096;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const AMD = "Advanced Micro Devices";
/** Names of files that hold something of use; others in a folder are passed over. */
const NAMES = /\.(?:json|der|cer|crt|pem|crl|hex|bin)$/i;

/** @throws CommandFailure (misuse) naming the file that cannot be read, or how it is malformed */
export async function readCollateralFiles(paths: readonly string[]): Promise<Material> {
  const files = (await Promise.all(paths.map(filesAt))).flat();
  if (files.length === 0) throw misuse("There is no collateral: name files or folders that hold some.");
  if (files.length > MAX_FILES) throw misuse(`These are more than ${MAX_FILES} files.`);
  const parts: Material[] = [];
  for (const file of files) parts.push(await readOne(file));
  const material = {
    intel: mergeIntelMaterial(parts.map(({ intel }) => intel)),
    amd: mergeMaterial(parts.map(({ amd }) => amd)),
  };
  const [fault] = [...material.intel.faults, ...material.amd.faults];
  if (fault !== undefined) throw misuse(`${fault}.`);
  return material;
}

async function filesAt(path: string): Promise<string[]> {
  const status = await stat(path).catch((error: unknown) => {
    throw unreadable(path, "collateral", error);
  });
  if (!status.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true }).catch((error: unknown) => {
    throw unreadable(path, "folder", error);
  });
  return names
    .filter((name) => NAMES.test(name))
    .sort()
    .map((name) => join(path, name));
}

async function readOne(file: string): Promise<Material> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(file, "collateral", error);
  });
  if (bytes.length > MAX_FILE_BYTES) throw misuse(`${file} is larger than ${MAX_FILE_BYTES} bytes.`);
  // JSON may be a bundle, in which both vendors have a part.
  if (bytes[0] === 0x7b) return { intel: readIntelMaterial(bytes, file), amd: readMaterial(bytes, file) };
  return isAmd(bytes)
    ? { intel: NO_INTEL_MATERIAL, amd: readMaterial(bytes, file) }
    : { intel: readIntelMaterial(bytes, file), amd: NO_MATERIAL };
}

/** AMD's certificates and lists name their organisation, in PEM as well once that is undone. */
function isAmd(bytes: Buffer): boolean {
  const blocks = readPem(bytes.toString("latin1")).map(({ der }) => der);
  return [bytes, ...blocks].some((der) => der.includes(AMD));
}

/** The vendors' own roots, and those of PEM files that count as much. @throws CommandFailure (misuse) */
export async function readAnchors(files: readonly string[]): Promise<Anchors> {
  let anchors: Anchors = { intel: pinnedDcapTrustAnchors(), amd: pinnedTrustAnchors() };
  for (const file of files) {
    const text = (await readNamedFile(file, "trust anchor")).toString("latin1");
    try {
      anchors = withRoots(anchors, text);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      throw misuse(`${file} cannot be used as trust anchor: ${error.message}.`);
    }
  }
  return anchors;
}

function withRoots({ intel, amd }: Anchors, text: string): Anchors {
  const [first] = readPem(text);
  if (first === undefined) throw new DerError("no PEM certificate in the file");
  return parseCertificate(first.der).publicKey.asymmetricKeyType === "rsa"
    ? { intel, amd: addTrustAnchors(amd, trustAnchorsFromPem([text])) }
    : { intel: addDcapTrustAnchors(intel, dcapTrustAnchorsFromPem([text])), amd };
}
