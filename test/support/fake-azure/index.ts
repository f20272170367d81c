/** Confidential VMs on Azure as far as evidence shows them: a paravisor, its report, its vTPM. */
import { constants, createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import {
  type AmdMaterial,
  NO_MATERIAL,
  offlineEndorsements,
} from "../../../src/attestation/endorsements/amd-material.ts";
import { readQuote } from "../../../src/attestation/formats/dcap/quote.ts";
import type { HashName } from "../../../src/attestation/formats/tpm2/algorithms.ts";
import type { Expected, Verification, Verifier } from "../../../src/attestation/verifier.ts";
import {
  AZURE_ID_KEY_DIGEST,
  azSnpSection,
} from "../../../src/attestation/verifiers/az-snp-vtpm/settings.ts";
import { AzSnpVerifier } from "../../../src/attestation/verifiers/az-snp-vtpm/verify.ts";
import { azTdxSection } from "../../../src/attestation/verifiers/az-tdx-vtpm/settings.ts";
import { AzTdxVerifier } from "../../../src/attestation/verifiers/az-tdx-vtpm/verify.ts";
import type { ConfigSection } from "../../../src/config/section.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { type Story as AmdStory, make as makeAmd, NOW } from "../fake-amd/index.ts";
import { type Story as IntelStory, make as makeIntel } from "../fake-intel/index.ts";
import { defaultPcr, INIT_DATA, keyOf, REPORT_DATA } from "../software-tpm/index.ts";
import { type AttestFields, printAttest, type SelectionSpec } from "../software-tpm/structures.ts";

export { NOW } from "../fake-amd/index.ts";

export const EXPECTED: Expected = { runtimeDataDigest: REPORT_DATA, initDataDigest: INIT_DATA };
export { AZURE_ID_KEY_DIGEST } from "../../../src/attestation/verifiers/az-snp-vtpm/settings.ts";

const RSA = "RSA-2048, RSASSA, SHA-256";
export const attestationKey = () => keyOf(RSA, "azure");
export const otherKey = () => keyOf(RSA, "another");

/** What one story changes; everything it leaves out is right. */
export interface AzureStory {
  readonly kind?: "snp" | "tdx";
  readonly version?: 0 | 1 | 2;
  /** The variable data before it is printed, or the text itself. */
  readonly variableData?: (data: JsonObject) => JsonObject | string;
  /** 64 bytes of report data for the digest of the variable data. */
  readonly reportData?: (digest: Buffer) => Buffer;
  /** Changes the paravisor's report; nothing in it is signed by itself. */
  readonly hcl?: (report: Buffer) => Buffer;
  readonly tdReport?: (report: Buffer) => void;
  readonly attest?: Partial<AttestFields>;
  readonly selections?: readonly SelectionSpec[];
  readonly pcrs?: (pcr: number) => Buffer;
  readonly beforeSigning?: (message: Buffer) => Buffer;
  readonly afterSigning?: (signature: Buffer) => Buffer;
  readonly signingKey?: KeyObject;
  readonly pss?: boolean;
  readonly hash?: HashName;
  readonly evidence?: (evidence: JsonObject) => JsonValue;
  readonly amd?: AmdStory;
  /** Certificates that the verifier has besides those of the evidence. */
  readonly atHand?: (vcek: Buffer) => AmdMaterial;
  readonly intel?: IntelStory;
  readonly settings?: JsonObject;
  readonly expected?: Partial<Expected>;
}

export interface MadeAzure {
  readonly evidence: JsonValue;
  readonly verifier: Verifier;
  /** Parts of the evidence, as bytes. */
  readonly parts: Parts;
}
interface Parts {
  readonly message: Buffer;
  readonly signature: Buffer;
  readonly pcrs: readonly Buffer[];
  readonly hcl: Buffer;
  /** VCEK or TD quote. */
  readonly hardware: Buffer;
}

const ALL = Array.from({ length: 24 }, (_, pcr) => pcr);

export async function makeAzure(story: AzureStory = {}): Promise<MadeAzure> {
  const variable = Buffer.from(printVariableData(story));
  const digest = createHash("sha256").update(variable).digest();
  const reportData = story.reportData?.(digest) ?? Buffer.concat([digest, Buffer.alloc(32)]);
  const { hardwareReport, hardware, verifier } =
    story.kind === "tdx" ? await tdxParts(story, reportData) : await snpParts(story, reportData);
  const printed = printHcl(story.kind ?? "snp", hardwareReport, variable);
  const hcl = story.hcl?.(printed) ?? printed;
  const parts = { ...quoteParts(story), hcl, hardware };
  const evidence = printAzureEvidence(story, parts);
  return { evidence: story.evidence?.(evidence) ?? evidence, verifier, parts };
}

/** The keys as the paravisor writes them. */
export function jwk(kid: string, key: KeyObject): JsonObject {
  const { n = "", e = "" } = createPublicKey(key).export({ format: "jwk" });
  return { kid, key_ops: ["sign"], kty: "RSA", e, n };
}

function printVariableData({ variableData }: AzureStory): string {
  const data: JsonObject = {
    keys: [jwk("HCLAkPub", attestationKey()), jwk("HCLEkPub", otherKey())],
    "vm-configuration": {
      "console-enabled": true,
      "secure-boot": true,
      "tpm-enabled": true,
      vmUniqueId: "00000000-1111-2222-3333-444444444444",
    },
    "user-data": Buffer.concat([REPORT_DATA, Buffer.alloc(16)])
      .toString("hex")
      .toUpperCase(),
  };
  const changed = variableData?.(data) ?? data;
  return typeof changed === "string" ? changed : JSON.stringify(changed);
}

async function snpParts(story: AzureStory, reportData: Buffer) {
  const { beforeSigning, ...amd } = story.amd ?? {};
  const made = await makeAmd({
    ...amd,
    report: { reportData, hostData: Buffer.alloc(32), ...amd.report },
    beforeSigning: (report) => {
      Buffer.from(AZURE_ID_KEY_DIGEST, "hex").copy(report, 0xe0);
      beforeSigning?.(report);
    },
  });
  const at = story.atHand?.(made.vekDer) ?? NO_MATERIAL;
  const lists = { ...at, revocationLists: made.lists };
  const settings = parse(azSnpSection, story.settings);
  const verifier = new AzSnpVerifier(settings, offlineEndorsements(made.anchors, lists), () => NOW);
  return { hardwareReport: made.report, hardware: made.vekDer, verifier };
}

async function tdxParts(story: AzureStory, reportData: Buffer) {
  const { td, ...intel } = story.intel ?? {};
  const made = await makeIntel({ ...intel, td: { reportData, ...td } });
  const settings = parse(azTdxSection, story.settings);
  const verifier = new AzTdxVerifier(settings, made.source, () => NOW);
  return { hardwareReport: printTdReport(story, made.quote), hardware: made.quote, verifier };
}

/** The TDREPORT that the quote was made from. */
function printTdReport({ tdReport }: AzureStory, quoteBytes: Buffer): Buffer {
  const out = Buffer.alloc(1184);
  const quote = readQuote(quoteBytes);
  if (quote.tee === "tdx") {
    const { report } = quote;
    out.writeUInt8(0x81, 0);
    report.reportData.copy(out, 128);
    report.teeTcbSvn.copy(out, 264);
    report.mrSeam.copy(out, 280);
    const info = [report.tdAttributes, report.xfam, report.mrTd, report.mrConfigId, report.mrOwner];
    const rest = [report.mrOwnerConfig, report.rtmr0, report.rtmr1, report.rtmr2, report.rtmr3];
    Buffer.concat([...info, ...rest]).copy(out, 512);
  }
  tdReport?.(out);
  return out;
}

function printHcl(kind: "snp" | "tdx", hardwareReport: Buffer, variable: Buffer): Buffer {
  const out = Buffer.alloc(2600 + Math.max(0, variable.length - 1364));
  out.write("HCLA", 0, "latin1");
  out.writeUInt32LE(2, 4);
  out.writeUInt32LE(1236 + variable.length, 8);
  out.writeUInt32LE(2, 12);
  hardwareReport.copy(out, 32);
  out.writeUInt32LE(20 + variable.length, 1216);
  out.writeUInt32LE(1, 1220);
  out.writeUInt32LE(kind === "snp" ? 2 : 4, 1224);
  out.writeUInt32LE(1, 1228);
  out.writeUInt32LE(variable.length, 1232);
  variable.copy(out, 1236);
  return out;
}

function quoteParts(story: AzureStory): Pick<Parts, "message" | "signature" | "pcrs"> {
  const read = story.pcrs ?? ((pcr: number) => defaultPcr("sha256", pcr));
  const pcrs = ALL.map(read);
  const selections = story.selections ?? [{ bank: "sha256", pcrs: ALL }];
  const pcrDigest = createHash("sha256").update(Buffer.concat(pcrs)).digest();
  const printed = printAttest({ extraData: REPORT_DATA, selections, pcrDigest, ...story.attest });
  const message = story.beforeSigning?.(printed) ?? printed;
  const key = story.signingKey ?? attestationKey();
  const padding = story.pss === true ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const signed = sign(story.hash ?? "sha256", message, { key, padding });
  return { message, signature: story.afterSigning?.(signed) ?? signed, pcrs };
}

/** Evidence of the story's version, from bytes. */
export function printAzureEvidence(
  { kind = "snp", version = 2 }: AzureStory,
  { message, signature, pcrs, hcl, hardware }: Parts,
): JsonObject {
  const hex = (bytes: Buffer) => bytes.toString("hex");
  const url = (bytes: Buffer) => bytes.toString("base64url");
  const list = (bytes: Buffer) => [...bytes];
  if (version === 0) {
    const quote = { signature: list(signature), message: list(message), pcrs: pcrs.map(list) };
    return kind === "snp"
      ? { quote, report: list(hcl), vcek: writePem("CERTIFICATE", hardware) }
      : { tpm_quote: quote, hcl_report: list(hcl), td_quote: list(hardware) };
  }
  const tpm_quote = { signature: hex(signature), message: hex(message), pcrs: pcrs.map(hex) };
  const member = kind === "snp" ? { vcek: url(hardware) } : { td_quote: url(hardware) };
  return { version, tpm_quote, hcl_report: url(hcl), ...member };
}

function parse<T>(section: ConfigSection<T>, settings: JsonObject | undefined): T {
  const parsed = section.parse(settings, "settings");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

/** Makes the evidence of a story and has it judged. */
export async function tellAzure(story: AzureStory): Promise<Verification> {
  const { verifier, evidence } = await makeAzure(story);
  return await verifier.verify(evidence, { ...EXPECTED, ...story.expected }, AbortSignal.timeout(20_000));
}
