import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { NO_MATERIAL, offlineEndorsements } from "../../../src/attestation/endorsements/amd-material.ts";
import type { AmdEndorsements } from "../../../src/attestation/formats/sev-snp/endorsements.ts";
import type { Product, VekKind } from "../../../src/attestation/formats/sev-snp/product.ts";
import type { Tcb } from "../../../src/attestation/formats/sev-snp/report.ts";
import {
  type TrustAnchors,
  trustAnchorsFromPem,
} from "../../../src/attestation/formats/sev-snp/trust-anchors.ts";
import type { Expected, Verification } from "../../../src/attestation/verifier.ts";
import { type SnpSettings, snpSection } from "../../../src/attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "../../../src/attestation/verifiers/snp/verify.ts";
import { parseRevocationList, type RevocationList } from "../../../src/crypto/crl.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import {
  amdName,
  authorityExtensions,
  type CertificateSpec,
  issueCertificate,
  issueRevocationList,
  type RawExtension,
  type RevocationListSpec,
  vekExtensions,
} from "../../../src/dev/amd-certificates.ts";
import {
  buildReport,
  type EvidenceCertificate,
  printEvidence,
  type ReportFields,
  signReport,
} from "../../../src/dev/snp-report.ts";
import type { JsonObject } from "../../../src/json/value.ts";

/** The time everything is valid at, unless a test says otherwise. */
export const NOW = Date.parse("2026-06-01T12:00:00Z");
const DAY = 24 * 3600 * 1000;

export const REPORT_DATA = Buffer.alloc(48, 0x5a);
export const INIT_DATA = Buffer.alloc(32, 0x1d);

const TCBS: Readonly<Record<Product, Tcb>> = {
  Milan: { fmc: undefined, bootloader: 4, tee: 0, snp: 24, microcode: 219 },
  Genoa: { fmc: undefined, bootloader: 10, tee: 1, snp: 23, microcode: 84 },
  Turin: { fmc: 1, bootloader: 3, tee: 2, snp: 5, microcode: 97 },
};

/** RSA keys take most of a second each: one set serves a whole test file. */
const rsa = (bits: number) => generateKeyPairSync("rsa", { modulusLength: bits }).privateKey;
let keys: { readonly ark: KeyObject; readonly ca: KeyObject; readonly other: KeyObject } | undefined;

export function vendorKeys() {
  keys ??= { ark: rsa(4096), ca: rsa(4096), other: rsa(4096) };
  return keys;
}

/** What one story changes; everything it leaves out is right. */
export interface Story {
  readonly product?: Product;
  readonly kind?: VekKind;
  readonly report?: Partial<ReportFields>;
  /** Changes the report before the firmware signs it. */
  readonly beforeSigning?: (report: Buffer) => void;
  readonly afterSigning?: (report: Buffer) => void;
  readonly vekKey?: KeyObject;
  /** The key that signs the report, when it is not the one in the certificate. */
  readonly reportKey?: KeyObject;
  readonly vek?: Partial<CertificateSpec>;
  readonly vekExtensions?: (extensions: readonly RawExtension[]) => readonly RawExtension[];
  readonly intermediate?: Partial<CertificateSpec>;
  readonly root?: Partial<CertificateSpec>;
  /** The certificates of the evidence, when they are not just the signing key's. */
  readonly certificates?: (made: Made) => readonly EvidenceCertificate[] | null;
  readonly settings?: JsonObject;
  readonly expected?: Partial<Expected>;
  readonly now?: number;
  readonly lists?: readonly Partial<RevocationListSpec>[];
  readonly evidence?: (evidence: JsonObject) => JsonObject;
  readonly endorsements?: (made: Made, right: AmdEndorsements) => AmdEndorsements;
}

export interface Made {
  readonly rootDer: Buffer;
  readonly intermediateDer: Buffer;
  readonly vekDer: Buffer;
  readonly report: Buffer;
  readonly evidence: JsonObject;
  readonly anchors: TrustAnchors;
  readonly lists: readonly RevocationList[];
  readonly chipId: Buffer;
  readonly tcb: Tcb;
}

/** Makes vendor, chip and evidence of a story. */
export async function make(story: Story): Promise<Made> {
  const { ark, ca } = vendorKeys();
  const { product = "Genoa", kind = "VCEK" } = story;
  const tcb = TCBS[product];
  const chipId = chipOf(product);
  const vekKey = story.vekKey ?? newP384();
  const authority = `SEV-${kind === "VLEK" ? "VLEK-" : ""}${product}`;
  const [rootDer, intermediateDer, vekDer] = await Promise.all([
    issueCertificate({
      ...validity(10_000),
      subject: amdName(`ARK-${product}`),
      issuer: amdName(`ARK-${product}`),
      serial: "0100",
      publicKey: createPublicKey(ark),
      signingKey: ark,
      extensions: authorityExtensions(true, undefined),
      ...story.root,
    }),
    issueCertificate({
      ...validity(10_000),
      subject: amdName(authority),
      issuer: amdName(`ARK-${product}`),
      serial: "0101",
      publicKey: createPublicKey(ca),
      signingKey: ark,
      extensions: authorityExtensions(true, 0, 0x04),
      ...story.intermediate,
    }),
    issueCertificate({
      ...validity(365),
      subject: amdName(`SEV-${kind}`),
      issuer: amdName(authority),
      serial: "01",
      publicKey: createPublicKey(vekKey),
      signingKey: ca,
      extensions: extensionsOf(story, kind, product, tcb, chipId),
      ...story.vek,
    }),
  ]);
  const report = signedReport(story, kind, product, tcb, chipId, story.reportKey ?? vekKey);
  const made = {
    rootDer,
    intermediateDer,
    vekDer,
    report,
    evidence: {},
    anchors: trustAnchorsFromPem([rootDer, intermediateDer].map((der) => writePem("CERTIFICATE", der))),
    lists: await Promise.all((story.lists ?? []).map((list) => listOf(product, list))),
    chipId,
    tcb,
  };
  const certificates =
    story.certificates?.(made) ?? (story.certificates ? null : [{ type: kind, data: vekDer }]);
  const evidence = printEvidence(report, certificates);
  return { ...made, evidence: story.evidence?.(evidence) ?? evidence };
}

export function validity(days: number) {
  return { notBefore: new Date(NOW - 30 * DAY), notAfter: new Date(NOW + days * DAY) };
}

export function newP384(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
}

function chipOf(product: Product): Buffer {
  const id = Buffer.from(Array.from({ length: 64 }, (_, i) => i + 1));
  return product === "Turin" ? id.fill(0, 8) : id;
}

function extensionsOf(story: Story, kind: VekKind, product: Product, tcb: Tcb, chipId: Buffer) {
  const hardwareId = product === "Turin" ? chipId.subarray(0, 8) : chipId;
  const right = vekExtensions({ kind, product, tcb, hardwareId });
  return story.vekExtensions?.(right) ?? right;
}

function signedReport(
  story: Story,
  kind: VekKind,
  product: Product,
  tcb: Tcb,
  chipId: Buffer,
  key: KeyObject,
): Buffer {
  const report = buildReport({
    version: 3,
    product,
    reportData: REPORT_DATA,
    hostData: INIT_DATA,
    measurement: Buffer.alloc(48, 0x4d),
    chipId: kind === "VLEK" ? new Uint8Array(64) : chipId,
    policy: 0x30000n,
    platformInfo: 0x25n,
    vmpl: 0,
    keyInfo: kind === "VLEK" ? 4 : 0,
    guestSvn: 7,
    tcb,
    firmware: { major: 1, minor: 55, build: 40 },
    launchMitigations: 3n,
    currentMitigations: 7n,
    ...story.report,
  });
  story.beforeSigning?.(report);
  const signed = signReport(report, key);
  story.afterSigning?.(signed);
  return signed;
}

/** A revocation list of the story's root, good unless the story says otherwise. */
export async function listOf(product: Product, list: Partial<RevocationListSpec>): Promise<RevocationList> {
  return parseRevocationList(await listDer(product, list));
}

export function listDer(product: Product, list: Partial<RevocationListSpec>): Promise<Buffer> {
  return issueRevocationList({
    issuer: amdName(`ARK-${product}`),
    signingKey: vendorKeys().ark,
    thisUpdate: new Date(NOW - DAY),
    nextUpdate: new Date(NOW + 45 * DAY),
    revokedSerials: [],
    ...list,
  });
}

export function settingsOf(settings: JsonObject = {}): SnpSettings {
  const parsed = snpSection.parse(settings, "verifiers.snp");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

export function verifierFor(story: Story, made: Made): SnpVerifier {
  const right = offlineEndorsements(made.anchors, { ...NO_MATERIAL, revocationLists: made.lists });
  const endorsements = story.endorsements?.(made, right) ?? right;
  return new SnpVerifier(settingsOf(story.settings), endorsements, () => story.now ?? NOW);
}

export const EXPECTED: Expected = { runtimeDataDigest: REPORT_DATA, initDataDigest: INIT_DATA };

/** Tells a story to the real verifier. */
export async function tell(story: Story): Promise<Verification> {
  const made = await make(story);
  const expected = { ...EXPECTED, ...story.expected };
  return await verifierFor(story, made).verify(made.evidence, expected, AbortSignal.timeout(20_000));
}
