import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type {
  DcapCollateral,
  DcapCollateralSource,
  DcapTee,
  PckCa,
} from "../../../src/attestation/formats/dcap/collateral.ts";
import { fixedCollateral } from "../../../src/attestation/formats/dcap/fixed-collateral.ts";
import { dcapTrustAnchorsFromPem } from "../../../src/attestation/formats/dcap/trust-anchors.ts";
import type { Expected, Verification } from "../../../src/attestation/verifier.ts";
import { sgxSection } from "../../../src/attestation/verifiers/sgx/settings.ts";
import { SgxVerifier } from "../../../src/attestation/verifiers/sgx/verify.ts";
import { tdxSection } from "../../../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../../src/attestation/verifiers/tdx/verify.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import { authorityExtensions, type RawExtension } from "../../../src/dev/amd-certificates.ts";
import {
  type IntelCertificateSpec,
  type IntelListSpec,
  intelName,
  issueIntelCertificate,
  issueIntelList,
  listNumber,
  type PckSpec,
  pckExtension,
} from "../../../src/dev/intel-certificates.ts";
import {
  buildQuote,
  buildSgxReport,
  buildTdReport,
  type QuoteSpec,
  type SgxFields,
  type TdFields,
} from "../../../src/dev/intel-quote.ts";
import {
  components,
  QE_MRSIGNER,
  qeIdentity,
  signedStatement,
  tcbInfo,
} from "../../../src/dev/intel-statements.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";

/** The time everything is valid at, unless a test says otherwise. */
export const NOW = Date.parse("2026-06-01T12:00:00Z");
export const DAY = 24 * 3600 * 1000;
export const REPORT_DATA = Buffer.alloc(48, 0x5a);
export const INIT_DATA = Buffer.alloc(48, 0x1d);
export const FMSPC = "00806f050000";
const INTEL_DATE = (at: number) => new Date(at).toISOString().replace(/\.\d+Z/, "Z");

export function newP256(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export const KEYS = {
  root: newP256(),
  ca: newP256(),
  signer: newP256(),
  pck: newP256(),
  attestation: newP256(),
  other: newP256(),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
};

type Certified = Partial<IntelCertificateSpec>;

/** What one story changes; everything it leaves out is right. */
export interface Story {
  readonly tee?: DcapTee;
  readonly version?: 3 | 4 | 5;
  /** TD report 1.5; version 5 only. */
  readonly td15?: boolean;
  readonly td?: TdFields;
  readonly enclave?: SgxFields;
  readonly qe?: SgxFields;
  readonly quote?: Partial<QuoteSpec>;
  /** Changes the quote after everything was signed. */
  readonly afterSigning?: (quote: Buffer) => Buffer;
  readonly ca?: PckCa;
  readonly pck?: Partial<PckSpec>;
  /** In the place of the SGX extensions. */
  readonly pckExtensions?: readonly RawExtension[];
  readonly root?: Certified;
  readonly intermediate?: Certified;
  readonly leaf?: Certified;
  readonly signer?: Certified;
  /** The chain of the quote, when it is not leaf, CA and root. */
  readonly chain?: (made: Pki) => readonly Buffer[];
  readonly tcbInfo?: (info: JsonObject) => JsonValue;
  readonly qeIdentity?: (identity: JsonObject) => JsonValue;
  /** Key that signs TCB info and QE identity. */
  readonly statementKey?: KeyObject;
  readonly rootList?: Partial<IntelListSpec>;
  readonly pckList?: Partial<IntelListSpec>;
  readonly collateral?: (right: DcapCollateral, made: Pki) => Partial<DcapCollateral> | undefined;
  readonly source?: (right: DcapCollateralSource, made: Made) => DcapCollateralSource;
  readonly evidence?: (evidence: JsonObject) => JsonValue;
  readonly settings?: JsonObject;
  readonly expected?: Partial<Expected>;
  readonly now?: number;
}

/** DER certificates. */
interface Pki {
  readonly root: Buffer;
  readonly intermediate: Buffer;
  readonly leaf: Buffer;
  readonly signer: Buffer;
}

export interface Made extends Pki {
  readonly quote: Buffer;
  readonly evidence: JsonValue;
  readonly collateral: DcapCollateral;
  readonly source: DcapCollateralSource;
}

export function validity(days: number) {
  return { notBefore: new Date(NOW - 30 * DAY), notAfter: new Date(NOW + days * DAY) };
}

const CA_NAMES: Readonly<Record<PckCa, string>> = {
  platform: "Intel SGX PCK Platform CA",
  processor: "Intel SGX PCK Processor CA",
};
export const ROOT_NAME = intelName("Intel SGX Root CA");
export const caName = (ca: PckCa = "platform") => intelName(CA_NAMES[ca]);
export const SIGNER_NAME = intelName("Intel SGX TCB Signing");
export const LEAF_NAME = intelName("Intel SGX PCK Certificate");

export const PCK: PckSpec = {
  ppid: Buffer.alloc(16, 0x77),
  components: components(4, 4, 2, 2, 4, 1, 0, 4),
  pceSvn: 13,
  pceId: Buffer.alloc(2),
  fmspc: Buffer.from(FMSPC, "hex"),
  sgxType: 1,
  platformInstanceId: Buffer.from(Array.from({ length: 16 }, (_, i) => i)),
  configuration: [true, false, true],
};

/** keyUsage of the leaf: digitalSignature and nonRepudiation. */
const LEAF_EXTENSIONS = authorityExtensions(false, undefined, 0xc0);

const issued = new Map<string, Promise<Buffer>>();

/** Signatures take time: what a story leaves as it is, is made once for a test file. */
function once(name: string | undefined, make: () => Promise<Buffer>): Promise<Buffer> {
  if (name === undefined) return make();
  const known = issued.get(name) ?? make();
  issued.set(name, known);
  return known;
}

async function makePki(story: Story): Promise<Pki> {
  const { ca = "platform" } = story;
  const authority = (name: string, key: KeyObject, serial: string, pathLength: number | undefined) => ({
    ...validity(10_000),
    subject: name,
    issuer: ROOT_NAME,
    serial,
    publicKey: createPublicKey(key),
    signingKey: KEYS.root,
    extensions: authorityExtensions(true, pathLength, 0x06),
  });
  const processor = { platformInstanceId: undefined, configuration: undefined, sgxType: 0 };
  const pck = pckExtension({ ...PCK, ...(ca === "processor" ? processor : {}), ...story.pck });
  const [root, intermediate, leaf, signer] = await Promise.all([
    once(story.root === undefined ? "root" : undefined, () =>
      issueIntelCertificate({ ...authority(ROOT_NAME, KEYS.root, "1001", 1), ...story.root }),
    ),
    once(story.intermediate === undefined ? ca : undefined, () =>
      issueIntelCertificate({ ...authority(caName(ca), KEYS.ca, "2001", 0), ...story.intermediate }),
    ),
    once(isPlainLeaf(story) ? `leaf ${ca}` : undefined, () =>
      issueIntelCertificate({
        ...validity(2000),
        subject: LEAF_NAME,
        issuer: caName(ca),
        serial: "00f00dcafe",
        publicKey: createPublicKey(KEYS.pck),
        signingKey: KEYS.ca,
        extensions: [...LEAF_EXTENSIONS, ...(story.pckExtensions ?? [pck])],
        ...story.leaf,
      }),
    ),
    once(story.signer === undefined ? "signer" : undefined, () =>
      issueIntelCertificate({
        ...authority(SIGNER_NAME, KEYS.signer, "3001", undefined),
        extensions: LEAF_EXTENSIONS,
        ...story.signer,
      }),
    ),
  ]);
  return { root, intermediate, leaf, signer };
}

function isPlainLeaf({ leaf, pck, pckExtensions }: Story): boolean {
  return leaf === undefined && pck === undefined && pckExtensions === undefined;
}

export function pem(...ders: readonly Buffer[]): Buffer {
  return Buffer.from(ders.map((der) => writePem("CERTIFICATE", der)).join(""));
}

async function makeCollateral(story: Story, pki: Pki): Promise<DcapCollateral> {
  const { tee = "tdx", ca = "platform" } = story;
  const spec = {
    tee,
    issueDate: INTEL_DATE(NOW - 10 * DAY),
    nextUpdate: INTEL_DATE(NOW + 20 * DAY),
    fmspc: FMSPC,
  };
  const list = (issuer: string, signingKey: KeyObject, number: number) => ({
    issuer,
    signingKey,
    thisUpdate: new Date(NOW - DAY),
    nextUpdate: new Date(NOW + 30 * DAY),
    revokedSerials: ["4001"],
    extensions: [listNumber(number)],
  });
  const key = story.statementKey ?? KEYS.signer;
  const [rootCaCrl, pckCrl] = await Promise.all([
    once(story.rootList === undefined ? "root list" : undefined, () =>
      issueIntelList({ ...list(ROOT_NAME, KEYS.root, 1), ...story.rootList }),
    ),
    once(story.pckList === undefined ? `list ${ca}` : undefined, () =>
      issueIntelList({ ...list(caName(ca), KEYS.ca, 2), ...story.pckList }),
    ),
  ]);
  const [info, identity] = [tcbInfo(spec), qeIdentity(spec)];
  const right: DcapCollateral = {
    tcbInfo: signedStatement("tcbInfo", story.tcbInfo?.(info) ?? info, key),
    tcbInfoIssuerChain: pem(pki.signer, pki.root),
    qeIdentity: signedStatement("enclaveIdentity", story.qeIdentity?.(identity) ?? identity, key),
    qeIdentityIssuerChain: pem(pki.signer, pki.root),
    pckCrl,
    pckCrlIssuerChain: pem(pki.intermediate, pki.root),
    rootCaCrl,
    origin: "the story",
  };
  return { ...right, ...story.collateral?.(right, pki) };
}

function makeQuote(story: Story, pki: Pki): Buffer {
  const { tee = "tdx", td15 = false } = story;
  const version = story.version ?? (tee === "sgx" ? 3 : td15 ? 5 : 4);
  const chain = story.chain?.(pki) ?? [pki.leaf, pki.intermediate, pki.root];
  const quote = buildQuote({
    version,
    tee,
    report: tee === "tdx" ? tdReport(story, td15) : enclaveReport(story),
    qe: {
      mrSigner: Buffer.from(QE_MRSIGNER, "hex"),
      attributesFlags: Buffer.from("1100000000000000", "hex"),
      attributesXfrm: Buffer.from("e700000000000000", "hex"),
      isvProdId: Buffer.from([tee === "tdx" ? 2 : 1, 0]),
      isvSvn: Buffer.from([8, 0]),
      ...story.qe,
    },
    qeAuthData: Buffer.alloc(32, 0xaa),
    attestationKey: KEYS.attestation,
    pckKey: KEYS.pck,
    certification: { type: 5, data: Buffer.concat([pem(...chain), Buffer.alloc(1)]) },
    ...story.quote,
  });
  return story.afterSigning?.(quote) ?? quote;
}

function tdReport({ td }: Story, td15: boolean): Buffer {
  return buildTdReport(
    {
      teeTcbSvn: Buffer.from([6, 1, 3]),
      teeTcbSvn2: Buffer.from([6, 1, 3]),
      tdAttributes: Buffer.from("0000001000000000", "hex"),
      xfam: Buffer.from("e702060000000000", "hex"),
      mrSeam: Buffer.alloc(48, 0x5e),
      mrTd: Buffer.alloc(48, 0x4d),
      mrConfigId: INIT_DATA,
      reportData: REPORT_DATA,
      ...td,
    },
    td15 ? "1.5" : "1.0",
  );
}

function enclaveReport({ enclave }: Story): Buffer {
  return buildSgxReport({
    mrEnclave: Buffer.alloc(32, 0x4d),
    mrSigner: Buffer.alloc(32, 0x5e),
    attributesFlags: Buffer.from("8500000000000000", "hex"),
    attributesXfrm: Buffer.from("e700000000000000", "hex"),
    configId: INIT_DATA,
    reportData: REPORT_DATA,
    ...enclave,
  });
}

/** Makes vendor, platform and evidence of a story. */
export async function make(story: Story): Promise<Made> {
  const pki = await makePki(story);
  const collateral = await makeCollateral(story, pki);
  const quote = makeQuote(story, pki);
  const evidence: JsonObject = { quote: quote.toString("base64"), cc_eventlog: null };
  const anchors = dcapTrustAnchorsFromPem([pem(pki.root).toString(), pem(pki.intermediate).toString()]);
  const source = fixedCollateral(anchors, [collateral]);
  const made = {
    ...pki,
    quote,
    evidence: story.evidence === undefined ? evidence : story.evidence(evidence),
    collateral,
    source,
  };
  return { ...made, source: story.source?.(source, made) ?? source };
}

export function verifierFor(story: Story, { source }: Made): TdxVerifier | SgxVerifier {
  const now = () => story.now ?? NOW;
  return story.tee === "sgx"
    ? new SgxVerifier(settingsOf(sgxSection, story.settings), source, now)
    : new TdxVerifier(settingsOf(tdxSection, story.settings), source, now);
}

function settingsOf<T>(
  section: { parse(value: unknown, path: string): { ok: boolean; value?: T; faults?: unknown } },
  settings: JsonObject = {},
): T {
  const parsed = section.parse(settings, "settings");
  if (!parsed.ok || parsed.value === undefined) throw new Error(JSON.stringify(parsed));
  return parsed.value;
}

export const EXPECTED: Expected = { runtimeDataDigest: REPORT_DATA, initDataDigest: INIT_DATA };

/** Tells a story to the real verifier. */
export async function tell(story: Story): Promise<Verification> {
  const made = await make(story);
  const expected = { ...EXPECTED, ...story.expected };
  return await verifierFor(story, made).verify(made.evidence, expected, AbortSignal.timeout(20_000));
}
