/** A TPM in software, as far as a quote shows it: keys, banks of PCRs, quotes, certificates, enrolments. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { inlineAppraiser } from "../../../src/attestation/formats/eventlog/index.ts";
import type { AkRegistry, EnrolledAk } from "../../../src/attestation/formats/tpm2/ak-registry.ts";
import { BANKS, type BankName, type HashName } from "../../../src/attestation/formats/tpm2/algorithms.ts";
import { authoritiesFromPem } from "../../../src/attestation/formats/tpm2/certificate-chain.ts";
import { sized } from "../../../src/attestation/formats/tpm2/cursor.ts";
import { keyFingerprint } from "../../../src/attestation/formats/tpm2/keys.ts";
import { type PcrValues, pcrDigest } from "../../../src/attestation/formats/tpm2/pcrs.ts";
import { objectName, readPublicArea } from "../../../src/attestation/formats/tpm2/public-area.ts";
import type { Expected, Verification } from "../../../src/attestation/verifier.ts";
import { type TpmSettings, tpmSection } from "../../../src/attestation/verifiers/tpm/settings.ts";
import { TpmVerifier } from "../../../src/attestation/verifiers/tpm/verify.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import {
  AK_USAGE,
  type Authority,
  type CertificateFields,
  EK_USAGE,
  issue,
  KeyUsageFlags,
  makeAuthority,
  NOW,
} from "./certificates.ts";
import {
  type AttestFields,
  type PublicAreaFields,
  printAttest,
  printPublicArea,
  type SchemeName,
  type SelectionSpec,
  signAttest,
} from "./structures.ts";

export { type Authority, NOW } from "./certificates.ts";

export const REPORT_DATA = createHash("sha384").update("runtime data").digest();
export const INIT_DATA = createHash("sha256").update("init data").digest();
export const EXPECTED: Expected = { runtimeDataDigest: REPORT_DATA, initDataDigest: INIT_DATA };
/** What is expected, as guests hand it to the TPM. */
export const NONCE = REPORT_DATA.subarray(0, 32);

export const AK_ATTRIBUTES = 0x00050072;
export const EK_ATTRIBUTES = 0x000300b2;

interface Kind {
  readonly make: () => KeyObject;
  readonly scheme: SchemeName;
  readonly hash: HashName;
}
const rsa =
  (bits: number, exponent = 65537) =>
  () =>
    generateKeyPairSync("rsa", { modulusLength: bits, publicExponent: exponent }).privateKey;
const ec = (namedCurve: string) => () => generateKeyPairSync("ec", { namedCurve }).privateKey;

export const KINDS = {
  "RSA-2048, RSASSA, SHA-256": { make: rsa(2048), scheme: "rsassa", hash: "sha256" },
  "RSA-2048, PSS, SHA-256": { make: rsa(2048), scheme: "rsapss", hash: "sha256" },
  "RSA-3072, RSASSA, SHA-384": { make: rsa(3072), scheme: "rsassa", hash: "sha384" },
  "RSA-2048, RSASSA, SHA-512": { make: rsa(2048), scheme: "rsassa", hash: "sha512" },
  "RSA-2048, RSASSA, SHA-1": { make: rsa(2048), scheme: "rsassa", hash: "sha1" },
  "P-256, SHA-256": { make: ec("P-256"), scheme: "ecdsa", hash: "sha256" },
  "P-384, SHA-384": { make: ec("P-384"), scheme: "ecdsa", hash: "sha384" },
  "P-521, SHA-512": { make: ec("P-521"), scheme: "ecdsa", hash: "sha512" },
  "RSA-1024": { make: rsa(1024), scheme: "rsassa", hash: "sha256" },
  "RSA-2048, exponent 3": { make: rsa(2048, 3), scheme: "rsassa", hash: "sha256" },
  "P-224": { make: ec("secp224r1"), scheme: "ecdsa", hash: "sha256" },
} as const satisfies Readonly<Record<string, Kind>>;
export type KindName = keyof typeof KINDS;

/** Keys take a while each: one of a kind serves a whole test file. */
const keys = new Map<string, KeyObject>();
export function keyOf(kind: KindName, which = ""): KeyObject {
  const id = kind + which;
  const known = keys.get(id) ?? KINDS[kind].make();
  keys.set(id, known);
  return known;
}

let authorities: Promise<{ vendor: Authority; cloud: Authority; stranger: Authority }> | undefined;
export function vendors() {
  authorities ??= (async () => ({
    vendor: await makeAuthority("a TPM vendor"),
    cloud: await makeAuthority("a cloud"),
    stranger: await makeAuthority("a stranger"),
  }))();
  return authorities;
}

/** What one story changes; everything it leaves out is right. */
export interface TpmStory {
  readonly kind?: KindName;
  /** Signs in the place of the attestation key. */
  readonly signingKey?: KeyObject;
  readonly scheme?: SchemeName;
  readonly hash?: HashName;
  readonly area?: Partial<PublicAreaFields>;
  readonly selections?: readonly SelectionSpec[];
  /** Registers of the machine, when a test cares. */
  readonly pcrs?: (bank: BankName, pcr: number) => Buffer;
  readonly attest?: Partial<AttestFields>;
  readonly beforeSigning?: (message: Buffer) => Buffer;
  readonly afterSigning?: (signature: Buffer) => Buffer;
  /** `list`: as Confidential Containers guests send values. */
  readonly form?: "list" | "banks";
  readonly evidence?: (evidence: JsonObject) => JsonObject;
  readonly settings?: JsonObject;
  readonly expected?: Partial<Expected>;
  /** How the key was enrolled; null: it was not. */
  readonly enrolled?: Partial<EnrolledAk> | null;
  readonly akCertificate?: Partial<CertificateFields>;
  readonly ekCertificate?: Partial<CertificateFields>;
  readonly ekChain?: (leaf: Buffer) => readonly Buffer[];
  /** Absent authorities are not configured. */
  readonly ekAuthorities?: boolean;
  readonly akAuthorities?: boolean;
  readonly imaPolicy?: Uint8Array;
  readonly registry?: (right: AkRegistry) => AkRegistry;
}

export interface MadeQuote {
  readonly evidence: JsonObject;
  readonly message: Buffer;
  readonly signature: Buffer;
  readonly publicArea: Buffer;
  readonly akPublic: Buffer;
  readonly fingerprint: string;
  readonly akName: string;
  readonly ekFingerprint: string;
  readonly values: PcrValues;
}

const ALL = Array.from({ length: 24 }, (_, pcr) => pcr);

/** Registers as after a boot: PCR 8 holds the init-data, DRTM registers are all ones, the rest is something. */
export function defaultPcr(bank: BankName, pcr: number): Buffer {
  const { bytes } = BANKS[bank];
  if (pcr >= 17 && pcr <= 22) return Buffer.alloc(bytes, 0xff);
  if (pcr === 8 && bank === "sha256")
    return createHash("sha256").update(Buffer.alloc(32)).update(INIT_DATA).digest();
  return Buffer.alloc(bytes, pcr === 16 || pcr === 23 ? 0 : pcr + 1);
}

export async function makeQuote(story: TpmStory = {}): Promise<MadeQuote> {
  const kind: Kind = KINDS[story.kind ?? "P-256, SHA-256"];
  const key = keyOf(story.kind ?? "P-256, SHA-256");
  const { scheme = kind.scheme, hash = kind.hash, form = "list" } = story;
  const selections = story.selections ?? [{ bank: "sha256", pcrs: ALL }];
  const values = readPcrs(selections, story.pcrs ?? defaultPcr);
  const digest = pcrDigest(
    selections.map(({ bank, pcrs }) => ({
      algorithm: 0,
      bank: typeof bank === "number" ? undefined : bank,
      pcrs: [...pcrs].sort((a, b) => a - b),
    })),
    values,
    hash,
  );
  const printed = printAttest({ extraData: NONCE, selections, pcrDigest: digest, ...story.attest });
  const message = story.beforeSigning?.(printed) ?? printed;
  const signed = signAttest(message, story.signingKey ?? key, scheme, hash);
  const signature = story.afterSigning?.(signed) ?? signed;
  const publicKey = createPublicKey(key);
  // Node writes no JWK for P-224, so evidence of such a key has no public area.
  const area =
    story.kind === "P-224"
      ? undefined
      : printPublicArea(publicKey, {
          attributes: AK_ATTRIBUTES,
          scheme: { name: scheme, hash },
          ...story.area,
        });
  const akPublic = publicKey.export({ type: "spki", format: "der" });
  const parts = { message, signature, publicArea: area ?? Buffer.alloc(0), akPublic, values };
  const evidence = await printEvidence(story, parts, form);
  return {
    ...parts,
    evidence: story.evidence?.(evidence) ?? evidence,
    fingerprint: keyFingerprint(publicKey),
    akName: area === undefined ? "" : objectName(readPublicArea(area)).toString("hex"),
    ekFingerprint: keyFingerprint(createPublicKey(endorsementKey())),
  };
}

export function endorsementKey(): KeyObject {
  return keyOf("RSA-2048, RSASSA, SHA-256", "endorsement");
}

function readPcrs(
  selections: readonly SelectionSpec[],
  read: (bank: BankName, pcr: number) => Buffer,
): PcrValues {
  const values = new Map<BankName, Map<number, Buffer>>();
  for (const { bank, pcrs } of selections) {
    if (typeof bank === "number") continue;
    const registers = values.get(bank) ?? new Map<number, Buffer>();
    for (const pcr of pcrs) registers.set(pcr, read(bank, pcr));
    values.set(bank, registers);
  }
  return values;
}

async function printEvidence(
  story: TpmStory,
  {
    message,
    signature,
    publicArea,
    akPublic,
    values,
  }: Omit<MadeQuote, "evidence" | "fingerprint" | "akName" | "ekFingerprint">,
  form: "list" | "banks",
): Promise<JsonObject> {
  const base64 = (bytes: Buffer) => bytes.toString("base64");
  const hex = (registers: ReadonlyMap<number, Buffer>) =>
    Object.fromEntries([...registers].map(([pcr, value]) => [String(pcr), value.toString("hex")]));
  const pcrs =
    form === "list"
      ? [...(values.get("sha256")?.values() ?? [])].map((value) => value.toString("hex"))
      : Object.fromEntries([...values].map(([bank, registers]) => [bank, hex(registers)]));
  const { vendor, cloud } = await vendors();
  const akCert =
    story.akCertificate &&
    (await issue({
      subject: "an attestation key",
      issuer: cloud.name,
      key: keyOf(story.kind ?? "P-256, SHA-256"),
      signingKey: cloud.key,
      keyUsage: KeyUsageFlags.digitalSignature,
      extendedUsage: [AK_USAGE],
      ...story.akCertificate,
    }));
  const ekCert =
    story.ekCertificate &&
    (await issue({
      subject: "an endorsement key",
      issuer: vendor.name,
      key: endorsementKey(),
      signingKey: vendor.key,
      keyUsage: KeyUsageFlags.keyEncipherment,
      extendedUsage: [EK_USAGE],
      tpm: "2.23.133.2.1=id:00001014, 2.23.133.2.2=swtpm, 2.23.133.2.3=id:20191023",
      ...story.ekCertificate,
    }));
  return {
    tpm_quote: { signature: base64(signature), message: base64(message), pcrs },
    ak_public: base64(akPublic),
    ...(publicArea.length === 0 ? {} : { ak_tpm2b_public: base64(sized(publicArea)) }),
    ...(akCert === undefined ? {} : { ak_cert: [base64(akCert)] }),
    ...(ekCert === undefined ? {} : { ek_cert: (story.ekChain?.(ekCert) ?? [ekCert]).map(base64) }),
  };
}

export function tpmSettings(settings: JsonObject = {}): TpmSettings {
  const parsed = tpmSection.parse(settings, "verifiers.tpm");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.value;
}

/** An enrolment of the quote's own key, kept in memory; the clock is noted as the contract says. */
export function memoryRegistry(enrolments: readonly EnrolledAk[]): AkRegistry {
  const kept = new Map(enrolments.map((one) => [one.akFingerprint, one]));
  return {
    find: async (fingerprint) => kept.get(fingerprint),
    recordClock: async (fingerprint, judgedAgainst, clock) => {
      const one = kept.get(fingerprint);
      if (one === undefined || one.lastClock !== judgedAgainst) return false;
      kept.set(fingerprint, { ...one, lastClock: clock });
      return true;
    },
  };
}

export function enrolmentOf(made: MadeQuote, over: Partial<EnrolledAk> = {}): EnrolledAk {
  return {
    status: "approved",
    akFingerprint: made.fingerprint,
    akName: made.akName,
    ekFingerprint: made.ekFingerprint,
    ekTrust: "certificate",
    host: "host-1",
    manufacturer: "id:00001014",
    lastClock: undefined,
    ...over,
  };
}

export async function tpmVerifier(story: TpmStory, made: MadeQuote): Promise<TpmVerifier> {
  const { vendor, cloud } = await vendors();
  const registry = memoryRegistry(story.enrolled === null ? [] : [enrolmentOf(made, story.enrolled)]);
  const none = authoritiesFromPem([]);
  const trust = {
    ekAuthorities: story.ekAuthorities === false ? none : authoritiesFromPem([vendor.pem]),
    akAuthorities: story.akAuthorities === false ? none : authoritiesFromPem([cloud.pem]),
    enrolled: story.registry?.(registry) ?? registry,
    logs: inlineAppraiser(),
    imaPolicy: story.imaPolicy,
  };
  return new TpmVerifier(tpmSettings(story.settings), trust, () => NOW);
}

/** Makes the evidence of a story and has it judged. */
export async function tellTpm(story: TpmStory): Promise<Verification> {
  const made = await makeQuote(story);
  const verifier = await tpmVerifier(story, made);
  return await verifier.verify(
    made.evidence,
    { ...EXPECTED, ...story.expected },
    new AbortController().signal,
  );
}
