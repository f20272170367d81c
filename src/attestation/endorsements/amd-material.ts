/** AMD certificates and revocation lists from files: what the offline command and the offline folder hold. */
import { isZero } from "../../crypto/bytes.ts";
import { type Certificate, parseCertificate } from "../../crypto/certificate.ts";
import { parseRevocationList, type RevocationList } from "../../crypto/crl.ts";
import { DerError } from "../../crypto/der.ts";
import { looksLikePem, readPem } from "../../crypto/pem.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import { readCertificateTable } from "../formats/sev-snp/certificate-table.ts";
import type { AmdEndorsements, FoundVek, VekQuery } from "../formats/sev-snp/endorsements.ts";
import { isSelfIssued, type TrustAnchors } from "../formats/sev-snp/trust-anchors.ts";
import { issuerProduct, readVek, tcbMatches, type Vek } from "../formats/sev-snp/vek.ts";
import { BundleFormatError, isBundle, readBundle } from "./bundle.ts";

/** What files held. Nothing of it is trusted: certificates are verified against the anchors before use. */
export interface AmdMaterial {
  readonly certificates: readonly Certificate[];
  readonly revocationLists: readonly RevocationList[];
  /** One sentence per file that could not be read. */
  readonly faults: readonly string[];
}

export const NO_MATERIAL: AmdMaterial = { certificates: [], revocationLists: [], faults: [] };

export function mergeMaterial(parts: readonly AmdMaterial[]): AmdMaterial {
  return {
    certificates: parts.flatMap(({ certificates }) => certificates),
    revocationLists: parts.flatMap(({ revocationLists }) => revocationLists),
    faults: parts.flatMap(({ faults }) => faults),
  };
}

/**
 * Reads a file of certificates or revocation lists in DER or PEM, a bundle, or a certificate table as the kernel
 * hands it out. What cannot be read becomes a fault.
 *
 * @param name - for the fault
 */
export function readMaterial(bytes: Buffer, name: string): AmdMaterial {
  try {
    if (looksLikePem(bytes)) return readPemMaterial(bytes);
    if (bytes[0] === 0x30) return readDerMaterial(bytes);
    if (bytes[0] === 0x7b) return readBundleMaterial(bytes);
    return mergeMaterial(readCertificateTable(bytes).map(({ label, data }) => readEntry(label, data)));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return { ...NO_MATERIAL, faults: [`${name} is malformed: ${error.message}`] };
  }
}

/** The part of a bundle that is AMD's. Other JSON is nothing of AMD's. */
function readBundleMaterial(bytes: Buffer): AmdMaterial {
  try {
    const json = readJson(bytes);
    return isBundle(json)
      ? mergeMaterial(readBundle(json).amd.map(({ der }) => readDerMaterial(der)))
      : NO_MATERIAL;
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof BundleFormatError)
      throw new DerError(error.message);
    throw error;
  }
}

function readEntry(label: string, data: Buffer): AmdMaterial {
  if (label === "other") return NO_MATERIAL;
  return looksLikePem(data) ? readPemMaterial(data) : readDerMaterial(data);
}

function readPemMaterial(bytes: Buffer): AmdMaterial {
  const blocks = readPem(bytes.toString("latin1")).filter(({ label }) => /CERTIFICATE|CRL/.test(label));
  if (blocks.length === 0) throw new DerError("PEM text without certificate or revocation list");
  return mergeMaterial(blocks.map(({ der }) => readDerMaterial(der)));
}

function readDerMaterial(der: Buffer): AmdMaterial {
  const list = tryRead(() => parseRevocationList(der));
  if (list !== undefined) return { ...NO_MATERIAL, revocationLists: [list] };
  return { ...NO_MATERIAL, certificates: [parseCertificate(der)] };
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Anchors with further intermediates. Self-signed certificates in files never become roots. */
function withIntermediates(anchors: TrustAnchors, material: AmdMaterial): TrustAnchors {
  const further = material.certificates.filter((certificate) => !isSelfIssued(certificate));
  return { roots: anchors.roots, intermediates: [...anchors.intermediates, ...further] };
}

/** Endorsements from files alone; the network is never touched. */
export function offlineEndorsements(anchors: TrustAnchors, material: AmdMaterial): AmdEndorsements {
  const veks = material.certificates.flatMap((certificate) => tryRead(() => readVek(certificate)) ?? []);
  return {
    anchors: withIntermediates(anchors, material),
    faults: material.faults,
    vek: async (query, accept) => findVek(veks, query, accept),
    revocationLists: async () => material.revocationLists,
  };
}

function findVek(
  veks: readonly Vek[],
  query: VekQuery,
  accept: (der: Buffer) => boolean,
): FoundVek | undefined {
  const candidates = veks.filter((vek) => answers(vek, query)).map(({ certificate }) => certificate.der);
  const der = candidates.find(accept);
  return der && { der, origin: "the given collateral" };
}

/** Whether a certificate is the one asked for; a masked chip id leaves only product and TCB to compare. */
function answers(vek: Vek, { kind, products, chipId, tcb }: VekQuery): boolean {
  const product = issuerProduct(vek);
  if (vek.subjectKind !== kind || product === undefined || !products.includes(product)) return false;
  if (!tcbMatches(vek, tcb)) return false;
  if (kind === "VLEK" || isZero(chipId)) return true;
  return vek.hardwareId !== undefined && chipId.subarray(0, vek.hardwareId.length).equals(vek.hardwareId);
}
