/** What a machine with a network fetches for one without. */
import { kdsCrlPath } from "../../attestation/endorsements/amd-kds.ts";
import { mergeMaterial, NO_MATERIAL, readMaterial } from "../../attestation/endorsements/amd-material.ts";
import { agentFor, httpsGet } from "../../attestation/endorsements/https-get.ts";
import { type FiledPiece, NO_INTEL_MATERIAL } from "../../attestation/endorsements/intel-material.ts";
import { type PieceName, pieceTitle } from "../../attestation/endorsements/intel-pieces.ts";
import { IntelService } from "../../attestation/endorsements/intel-service.ts";
import type { IntelUpdateType } from "../../attestation/endorsements/intel-settings.ts";
import { Upstream, type UpstreamWorld } from "../../attestation/endorsements/upstream.ts";
import { DcapFault } from "../../attestation/formats/dcap/checks.ts";
import type { DcapTee } from "../../attestation/formats/dcap/collateral.ts";
import { evidenceText, readEvidenceQuote } from "../../attestation/formats/dcap/evidence.ts";
import { PckChains } from "../../attestation/formats/dcap/pck-chain.ts";
import { isBareQuote, readQuote } from "../../attestation/formats/dcap/quote.ts";
import type { Product, VekKind } from "../../attestation/formats/sev-snp/product.ts";
import { readNamedFile } from "../files.ts";
import { misuse } from "../world.ts";
import type { Material } from "./inputs.ts";
import type { Anchors } from "./statements.ts";

interface FetchPlan {
  /** Lower-case FMSPCs. */
  readonly fmspcs: readonly string[];
  readonly tees: readonly DcapTee[];
  readonly update: IntelUpdateType;
  readonly pcs: string;
  readonly rootCrl: string;
  /** Asked in the place of Intel's service. */
  readonly pccs: string | undefined;
  readonly pccsApi: "v3" | "v4";
  /** PEM. */
  readonly pccsRoots: string | undefined;
  readonly products: readonly Product[];
  readonly kds: string;
}

const LIMITS = {
  maxBytes: 1024 * 1024,
  timeoutMilliseconds: 30_000,
  maxConcurrent: 4,
  maxWaiting: 10_000,
  negativeCacheMilliseconds: 1,
};
const NEVER = new AbortController().signal;

/**
 * @param say - hears of statements that the service does not have
 * @throws KbsError `collateral-unavailable`
 */
export async function fetchCollateral(
  plan: FetchPlan,
  now: () => number,
  say: (sentence: string) => void,
): Promise<Material> {
  const world: UpstreamWorld = { httpGet: httpsGet, now };
  const intel = plan.fmspcs.length === 0 ? [] : await fetchIntel(intelService(plan, world), plan, say);
  const amd = await Promise.all(plan.products.map((product) => fetchAmd(product, plan.kds, world)));
  return {
    intel: { ...NO_INTEL_MATERIAL, pieces: intel },
    amd: mergeMaterial([NO_MATERIAL, ...amd]),
  };
}

function intelService(plan: FetchPlan, world: UpstreamWorld): IntelService {
  const { pccs, pccsApi, pccsRoots, pcs, rootCrl, update } = plan;
  const common = { updateType: update, pckCertificates: "no" as const, limits: LIMITS };
  if (pccs === undefined)
    return new IntelService(
      { ...common, name: "Intel's service", baseUrl: pcs, rootCrlUrl: rootCrl, apiVersion: "v4", extras: {} },
      world,
    );
  const extras = pccsRoots === undefined ? {} : { agent: agentFor(pccsRoots) };
  return new IntelService({ ...common, name: "the PCCS", baseUrl: pccs, apiVersion: pccsApi, extras }, world);
}

async function fetchIntel(
  service: IntelService,
  { fmspcs, tees }: FetchPlan,
  say: (sentence: string) => void,
): Promise<FiledPiece[]> {
  const names: PieceName[] = [
    ...tees.flatMap((tee) => fmspcs.map((fmspc): PieceName => ({ kind: "tcb-info", tee, fmspc }))),
    ...tees.map((tee): PieceName => ({ kind: "qe-identity", tee })),
    { kind: "pck-crl", ca: "platform" },
    { kind: "pck-crl", ca: "processor" },
    { kind: "root-ca-crl" },
  ];
  const found = await Promise.all(
    names.map(async (name) => {
      const raw = await service.piece(name);
      if (raw === undefined) say(`${service.name} has no ${pieceTitle(name)}`);
      return raw && { ...raw, name };
    }),
  );
  return found.filter((piece) => piece !== undefined);
}

async function fetchAmd(product: Product, kds: string, world: UpstreamWorld) {
  const upstream = new Upstream("AMD's key distribution service", kds, LIMITS, world);
  const kinds: readonly VekKind[] = ["VCEK", "VLEK"];
  const parts = await Promise.all(
    kinds.flatMap((kind) => [
      upstream.get(kdsCrlPath(product, kind), NEVER),
      upstream.get(`/${kind.toLowerCase()}/v1/${product}/cert_chain`, NEVER),
    ]),
  );
  const material = parts.map((part) => (part === undefined ? NO_MATERIAL : readMaterial(part, product)));
  return mergeMaterial(material);
}

/**
 * The FMSPC and the kind of TEE of a quote whose PCK chain verifies.
 *
 * @throws CommandFailure (misuse) when the file holds none
 */
export async function platformOf(
  file: string,
  { intel }: Anchors,
): Promise<{ readonly fmspc: string; readonly tee: DcapTee }> {
  const bytes = await readNamedFile(file, "evidence");
  try {
    const quote = readQuote(isBareQuote(bytes) ? bytes : readEvidenceQuote(evidenceText(bytes)));
    if (quote.certification.type !== 5)
      throw new DcapFault("unsupported", "a quote that does not carry its PCK chain: name the FMSPC instead");
    const { platform } = new PckChains(intel).verify(quote.certification.data);
    return { fmspc: platform.fmspc, tee: quote.tee };
  } catch (error) {
    if (!(error instanceof DcapFault)) throw error;
    throw misuse(`${file} is no evidence whose platform can be told: ${error.message}.`);
  }
}
