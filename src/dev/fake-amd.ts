/**
 * A vendor of one's own in the shape of AMD: roots, intermediates, a chip with its key, and the firmware that
 * signs reports. The real verifier judges what it makes; only the trust anchors differ. For development and
 * tests: whoever trusts its root trusts everybody who can read its keys.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { promisify } from "node:util";
import type { Product, VekKind } from "../attestation/formats/sev-snp/product.ts";
import type { Tcb } from "../attestation/formats/sev-snp/report.ts";

import { writePem } from "../crypto/pem.ts";
import type { JsonObject } from "../json/value.ts";
import {
  amdName,
  authorityExtensions,
  DEVELOPMENT_MARK,
  issueCertificate,
  vekExtensions,
} from "./amd-certificates.ts";
import { buildReport, printEvidence, type ReportFields, signReport } from "./snp-report.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;
const generate = promisify(generateKeyPair);

/** Everything a development vendor needs to go on after a restart. Holds private keys: write it 0600. */
export interface DevAmdState {
  readonly product: Product;
  /** Hexadecimal, 64 bytes. */
  readonly chipId: string;
  readonly tcb: Tcb;
  /** PKCS#8 PEM. */
  readonly vcekKeyPem: string;
  readonly vlekKeyPem: string;
  readonly arkPem: string;
  readonly askPem: string;
  readonly asvkPem: string;
  readonly vcekPem: string;
  readonly vlekPem: string;
}

export interface DevReportOptions
  extends Partial<Omit<ReportFields, "product" | "chipId" | "tcb" | "keyInfo">> {
  readonly kind?: VekKind;
  /** Sets the DEBUG bit of the guest policy. */
  readonly debug?: boolean;
  /** Leave the certificate out, as guests do whose host gives none. */
  readonly withoutCertificates?: boolean;
}

export interface DevAmd {
  /** The root and both intermediates: what `--trust-anchors` and the development configuration take. */
  readonly trustAnchorsPem: string;
  /** DER. */
  readonly chain: {
    readonly ark: Buffer;
    readonly ask: Buffer;
    readonly asvk: Buffer;
    readonly vcek: Buffer;
    readonly vlek: Buffer;
  };
  readonly state: DevAmdState;
  /** Evidence JSON of a guest on the development chip. */
  signReport(options: DevReportOptions): JsonObject;
}

const DEV_TCB: Tcb = { fmc: undefined, bootloader: 10, tee: 0, snp: 23, microcode: 84 };
const DEV_TCB_TURIN: Tcb = { fmc: 1, bootloader: 2, tee: 0, snp: 4, microcode: 90 };

/**
 * Makes a new vendor; three RSA-4096 keys take a second or two. Keys of the authorities are thrown away, so
 * that nothing else can ever be issued below this root.
 *
 * @param now - milliseconds since the epoch; certificates are valid from a day before
 */
export async function createDevAmd(now: number, product: Product = "Genoa"): Promise<DevAmd> {
  const [ark, ask, asvk] = await Promise.all([rsaKey(), rsaKey(), rsaKey()]);
  const [vcek, vlek] = [newVekKey(), newVekKey()];
  const chipId = newChipId(product);
  const tcb = product === "Turin" ? DEV_TCB_TURIN : DEV_TCB;
  const hardwareId = product === "Turin" ? chipId.subarray(0, 8) : chipId;
  const since = { notBefore: new Date(now - YEAR_MS / 365) };
  const authority = {
    ...since,
    notAfter: new Date(now + 25 * YEAR_MS),
    signingKey: ark,
    issuer: amdName(`ARK-${product}`),
  };
  const vekSpec = { product, tcb, hardwareId };
  const [arkDer, askDer, asvkDer, vcekDer, vlekDer] = await Promise.all([
    issueCertificate({
      ...authority,
      subject: amdName(`ARK-${product}`),
      serial: "0d0000",
      publicKey: createPublicKey(ark),
      extensions: [...authorityExtensions(true, undefined), DEVELOPMENT_MARK],
    }),
    issueCertificate({
      ...authority,
      subject: amdName(`SEV-${product}`),
      serial: "0d0001",
      publicKey: createPublicKey(ask),
      extensions: authorityExtensions(true, 0, 0x04),
    }),
    issueCertificate({
      ...authority,
      subject: amdName(`SEV-VLEK-${product}`),
      serial: "0d0101",
      publicKey: createPublicKey(asvk),
      extensions: authorityExtensions(true, 0, 0x04),
    }),
    issueCertificate({
      ...since,
      notAfter: new Date(now + 7 * YEAR_MS),
      subject: amdName("SEV-VCEK"),
      issuer: amdName(`SEV-${product}`),
      serial: "01",
      publicKey: createPublicKey(vcek),
      signingKey: ask,
      extensions: vekExtensions({ ...vekSpec, kind: "VCEK" }),
    }),
    issueCertificate({
      ...since,
      notAfter: new Date(now + YEAR_MS),
      subject: amdName("SEV-VLEK"),
      issuer: amdName(`SEV-VLEK-${product}`),
      serial: "01",
      publicKey: createPublicKey(vlek),
      signingKey: asvk,
      extensions: vekExtensions({ ...vekSpec, kind: "VLEK" }),
    }),
  ]);
  return openDevAmd({
    product,
    chipId: chipId.toString("hex"),
    tcb,
    vcekKeyPem: privatePem(vcek),
    vlekKeyPem: privatePem(vlek),
    arkPem: writePem("CERTIFICATE", arkDer),
    askPem: writePem("CERTIFICATE", askDer),
    asvkPem: writePem("CERTIFICATE", asvkDer),
    vcekPem: writePem("CERTIFICATE", vcekDer),
    vlekPem: writePem("CERTIFICATE", vlekDer),
  });
}

/** Goes on with a vendor made earlier. */
export function openDevAmd(state: DevAmdState): DevAmd {
  const keys = { VCEK: createPrivateKey(state.vcekKeyPem), VLEK: createPrivateKey(state.vlekKeyPem) };
  const chain = {
    ark: derOf(state.arkPem),
    ask: derOf(state.askPem),
    asvk: derOf(state.asvkPem),
    vcek: derOf(state.vcekPem),
    vlek: derOf(state.vlekPem),
  };
  return {
    trustAnchorsPem: state.arkPem + state.askPem + state.asvkPem,
    chain,
    state,
    signReport(options) {
      const kind = options.kind ?? "VCEK";
      const report = signReport(buildReport(reportFields(state, kind, options)), keys[kind]);
      const data = kind === "VCEK" ? chain.vcek : chain.vlek;
      return printEvidence(report, options.withoutCertificates ? null : [{ type: kind, data }]);
    },
  };
}

const POLICY_DEFAULT = 0x30000n;
const POLICY_DEBUG = 1n << 19n;

function reportFields(state: DevAmdState, kind: VekKind, options: DevReportOptions): ReportFields {
  return {
    version: 5,
    reportData: new Uint8Array(64),
    hostData: new Uint8Array(32),
    measurement: Buffer.from("keywarden development guest".padEnd(48, ".")),
    platformInfo: 0x25n,
    vmpl: 0,
    guestSvn: 1,
    firmware: { major: 1, minor: 55, build: 40 },
    launchMitigations: 0n,
    currentMitigations: 0n,
    ...options,
    policy: (options.policy ?? POLICY_DEFAULT) | (options.debug ? POLICY_DEBUG : 0n),
    product: state.product,
    chipId: kind === "VLEK" ? new Uint8Array(64) : Buffer.from(state.chipId, "hex"),
    tcb: state.tcb,
    keyInfo: kind === "VLEK" ? 4 : 0,
  };
}

async function rsaKey(): Promise<KeyObject> {
  return (await generate("rsa", { modulusLength: 4096 })).privateKey;
}

function newVekKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
}

function newChipId(product: Product): Buffer {
  const id = randomBytes(64);
  if (product === "Turin") id.fill(0, 8);
  return id;
}

function privatePem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ""), "base64");
}
