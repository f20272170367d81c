/**
 * Intel's statements from files of several forms: our own bundle, collateral of one platform as one JSON file, the file
 * of Intel's PcsClientTool, and answers of the service as they were saved. What a file holds tells its form; its name
 * does not matter.
 */
import { fromHex } from "../../crypto/bytes.ts";
import { type Certificate, OID, parseCertificate } from "../../crypto/certificate.ts";
import { DerError } from "../../crypto/der.ts";
import { looksLikePem, readPem, writePem } from "../../crypto/pem.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member, writeJson } from "../../json/write.ts";
import { DcapFault } from "../formats/dcap/checks.ts";
import type { DcapCollateral, DcapTee, PckCa } from "../formats/dcap/collateral.ts";
import {
  CollateralFormatError,
  collateralFromJson,
  isCollateralJson,
} from "../formats/dcap/collateral-json.ts";
import { readList } from "../formats/dcap/revocation-lists.ts";
import { type BundleEntry, BundleFormatError, isBundle, readBundle } from "./bundle.ts";
import type { PieceName, RawPiece } from "./intel-pieces.ts";
import { type FiledPlatform, readClientToolPlatforms } from "./intel-platforms.ts";

/** A statement of a file, with what it says it is. */
export interface FiledPiece extends RawPiece {
  readonly name: PieceName;
}

/** What files held. Nothing of it is trusted. */
export interface IntelMaterial {
  readonly pieces: readonly FiledPiece[];
  /** Collateral that came as a whole. */
  readonly sets: readonly DcapCollateral[];
  /** Certificates that may be issuers of statements that came without. */
  readonly certificates: readonly Certificate[];
  /** Certificates of known machines, for quotes that name theirs. */
  readonly platforms: readonly FiledPlatform[];
  /** One sentence per file that could not be read. */
  readonly faults: readonly string[];
}

export const NO_INTEL_MATERIAL: IntelMaterial = {
  pieces: [],
  sets: [],
  certificates: [],
  platforms: [],
  faults: [],
};

const NO_CHAIN = Buffer.alloc(0);
const MAX_PARTS = 200_000;
const SIGNER = "Intel SGX TCB Signing";
const CA_NAMES: Readonly<Record<PckCa, string>> = {
  platform: "Intel SGX PCK Platform CA",
  processor: "Intel SGX PCK Processor CA",
};

export function mergeIntelMaterial(parts: readonly IntelMaterial[]): IntelMaterial {
  return {
    pieces: parts.flatMap(({ pieces }) => pieces),
    sets: parts.flatMap(({ sets }) => sets),
    certificates: parts.flatMap(({ certificates }) => certificates),
    platforms: parts.flatMap(({ platforms }) => platforms),
    faults: parts.flatMap(({ faults }) => faults),
  };
}

/**
 * Reads one file. What cannot be read becomes a fault.
 *
 * @param name - for the fault
 */
export function readIntelMaterial(bytes: Buffer, name: string): IntelMaterial {
  try {
    return /^\s*[{[]/.test(bytes.toString("latin1", 0, 64))
      ? readJsonFile(bytes, name)
      : readBinaryFile(bytes);
  } catch (error) {
    const known =
      error instanceof DerError ||
      error instanceof DcapFault ||
      error instanceof JsonSyntaxError ||
      error instanceof CollateralFormatError ||
      error instanceof BundleFormatError;
    if (!known) throw error;
    return { ...NO_INTEL_MATERIAL, faults: [`${name} is malformed: ${error.message}`] };
  }
}

/** @throws JsonSyntaxError | CollateralFormatError | BundleFormatError */
function readJsonFile(bytes: Buffer, name: string): IntelMaterial {
  const json = readJson(bytes, { maxParts: MAX_PARTS });
  if (isBundle(json)) return { ...NO_INTEL_MATERIAL, pieces: readBundle(json).intel.map(filed) };
  if (isCollateralJson(json)) return readSet(collateralFromJson(json, "the given collateral"));
  const statement = readStatement(json, bytes);
  if (statement !== undefined) return { ...NO_INTEL_MATERIAL, pieces: [statement] };
  const collaterals = isObject(json) ? member(json, "collaterals") : undefined;
  if (collaterals !== undefined && isObject(collaterals)) return readClientTool(collaterals);
  return { ...NO_INTEL_MATERIAL, faults: [`${name} is malformed: JSON that is no collateral`] };
}

function filed({ name, body, issuerChain }: BundleEntry): FiledPiece {
  return { name, body, issuerChain };
}

/** A whole set also is its parts, for platforms that a file of another date is for. */
function readSet(set: DcapCollateral): IntelMaterial {
  const tcbInfo = statementOf(set.tcbInfo, set.tcbInfoIssuerChain);
  const identity = statementOf(set.qeIdentity, set.qeIdentityIssuerChain);
  const list = listOf(set.pckCrl, set.pckCrlIssuerChain ?? NO_CHAIN);
  const root: FiledPiece = { name: { kind: "root-ca-crl" }, body: set.rootCaCrl, issuerChain: NO_CHAIN };
  const pieces = [tcbInfo, identity, list, root].filter((piece) => piece !== undefined);
  return { ...NO_INTEL_MATERIAL, sets: [set], pieces };
}

function statementOf(body: Buffer, issuerChain: Buffer): FiledPiece | undefined {
  try {
    const piece = readStatement(readJson(body, { maxParts: MAX_PARTS }), body);
    return piece && { ...piece, issuerChain };
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

/** An answer of the service: what it is stands in the inner object. */
function readStatement(json: JsonValue, body: Buffer): FiledPiece | undefined {
  if (!isObject(json)) return undefined;
  const [info, identity] = [member(json, "tcbInfo"), member(json, "enclaveIdentity")];
  if (info !== undefined && isObject(info)) {
    const fmspc = member(info, "fmspc");
    if (typeof fmspc !== "string" || !/^[0-9a-fA-F]{12}$/.test(fmspc)) return undefined;
    const tee: DcapTee = member(info, "id") === "TDX" ? "tdx" : "sgx";
    return { name: { kind: "tcb-info", tee, fmspc: fmspc.toLowerCase() }, body, issuerChain: NO_CHAIN };
  }
  if (identity === undefined || !isObject(identity)) return undefined;
  const tee: DcapTee = member(identity, "id") === "TD_QE" ? "tdx" : "sgx";
  return { name: { kind: "qe-identity", tee }, body, issuerChain: NO_CHAIN };
}

/** Certificates or a revocation list, in DER, PEM or hexadecimal text. @throws DerError | DcapFault */
function readBinaryFile(bytes: Buffer): IntelMaterial {
  const blocks = looksLikePem(bytes) ? readPem(bytes.toString("latin1")) : [];
  const certificates = blocks.filter(({ label }) => label === "CERTIFICATE");
  if (certificates.length > 0)
    return { ...NO_INTEL_MATERIAL, certificates: certificates.map(({ der }) => parseCertificate(der)) };
  const certificate = blocks.length === 0 ? asCertificate(bytes) : undefined;
  if (certificate !== undefined) return { ...NO_INTEL_MATERIAL, certificates: [certificate] };
  const list = listOf(bytes, NO_CHAIN);
  if (list === undefined) throw new DerError("a revocation list of an authority that is not Intel's");
  return { ...NO_INTEL_MATERIAL, pieces: [list] };
}

function asCertificate(bytes: Buffer): Certificate | undefined {
  try {
    return parseCertificate(bytes);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** @returns undefined when it is no list of the root or of a PCK authority */
function listOf(body: Buffer, issuerChain: Buffer): FiledPiece | undefined {
  let issuer: string;
  try {
    issuer = readList(body).issuerDer.toString("latin1");
  } catch (error) {
    if (error instanceof DcapFault) return undefined;
    throw error;
  }
  if (issuer.includes("SGX Root CA")) return { name: { kind: "root-ca-crl" }, body, issuerChain: NO_CHAIN };
  for (const ca of ["platform", "processor"] as const)
    if (issuer.includes(CA_NAMES[ca])) return { name: { kind: "pck-crl", ca }, body, issuerChain };
  return undefined;
}

/** The file that Intel's PcsClientTool writes for platforms without a network. */
function readClientTool(collaterals: JsonObject): IntelMaterial {
  const chains = object(member(collaterals, "certificates"));
  const infoChain =
    chainText(chains, "TCB-Info-Issuer-Chain") ?? chainText(chains, "SGX-TCB-Info-Issuer-Chain");
  const identityChain = chainText(chains, "SGX-Enclave-Identity-Issuer-Chain");
  const pckChains = object(member(chains, "SGX-PCK-Certificate-Issuer-Chain"));
  const lists = object(member(collaterals, "pckcacrl"));
  const infos = member(collaterals, "tcbinfos");
  const [platform, processor] = [chainText(pckChains, "PLATFORM"), chainText(pckChains, "PROCESSOR")];
  const pieces = [
    ...(infos !== undefined && isArray(infos) ? infos.map(object) : []).flatMap((info) =>
      ["sgx_tcbinfo", "tdx_tcbinfo", "sgx_tcbinfo_early", "tdx_tcbinfo_early"].map((name) =>
        embedded(member(info, name), infoChain),
      ),
    ),
    ...["qeidentity", "tdqeidentity", "qeidentity_early", "tdqeidentity_early"].map((name) =>
      embedded(member(collaterals, name), identityChain),
    ),
    clientToolList(member(lists, "platformCrl"), platform),
    clientToolList(member(lists, "processorCrl"), processor),
    clientToolList(member(collaterals, "rootcacrl"), NO_CHAIN),
  ].filter((piece) => piece !== undefined);
  const issuers = [platform, processor].filter((chain) => chain !== undefined);
  return { ...NO_INTEL_MATERIAL, pieces, platforms: readClientToolPlatforms(collaterals, issuers) };
}

function object(value: JsonValue | undefined): JsonObject {
  return value !== undefined && isObject(value) ? value : {};
}

function chainText(chains: JsonObject, name: string): Buffer | undefined {
  const value = member(chains, name);
  if (typeof value !== "string") return undefined;
  try {
    return Buffer.from(decodeURIComponent(value), "utf8");
  } catch {
    return undefined;
  }
}

/** A statement within another document: as text, or as the object itself, whose compact form is what was signed. */
function embedded(value: JsonValue | undefined, chain: Buffer | undefined): FiledPiece | undefined {
  if (value === undefined || chain === undefined) return undefined;
  const body = Buffer.from(typeof value === "string" ? value : writeJson(value), "utf8");
  return statementOf(body, chain);
}

function clientToolList(value: JsonValue | undefined, chain: Buffer | undefined): FiledPiece | undefined {
  if (typeof value !== "string") return undefined;
  const body = fromHex(value) ?? Buffer.from(value, "utf8");
  return listOf(body, chain ?? NO_CHAIN);
}

/**
 * Gives statements that came without issuers the certificates that may be theirs; each certificate of a fitting name
 * makes a candidate, and verification tells which one it is.
 *
 * @param roots - pinned
 */
export function withIssuers(material: IntelMaterial, roots: readonly Certificate[]): readonly FiledPiece[] {
  return material.pieces.flatMap((piece) => {
    const issuer = issuerName(piece.name);
    if (issuer === undefined || piece.issuerChain.length > 0) return [piece];
    const issuers = material.certificates.filter((it) => it.subject.get(OID.commonName) === issuer);
    return issuers.flatMap((it) => chainsOf(it, roots).map((issuerChain) => ({ ...piece, issuerChain })));
  });
}

function issuerName(name: PieceName): string | undefined {
  if (name.kind === "root-ca-crl") return undefined;
  return name.kind === "pck-crl" ? CA_NAMES[name.ca] : SIGNER;
}

function chainsOf(issuer: Certificate, roots: readonly Certificate[]): Buffer[] {
  return roots
    .filter(({ subjectDer }) => subjectDer.equals(issuer.issuerDer))
    .map(({ der }) => Buffer.from(writePem("CERTIFICATE", issuer.der) + writePem("CERTIFICATE", der)));
}
