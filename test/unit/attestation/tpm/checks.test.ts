import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../../src/attestation/verifier.ts";
import { TPM_CHECKS, type TpmCheck } from "../../../../src/attestation/verifiers/tpm/checks.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { KeyUsageFlags } from "../../../support/software-tpm/certificates.ts";
import { firmwareLog } from "../../../support/software-tpm/firmware-log.ts";
import { imaList } from "../../../support/software-tpm/ima-list.ts";
import {
  AK_ATTRIBUTES,
  vendors as authorities,
  defaultPcr,
  INIT_DATA,
  KINDS,
  type KindName,
  keyOf,
  makeQuote,
  NONCE,
  NOW,
  REPORT_DATA,
  type TpmStory,
  tellTpm,
} from "../../../support/software-tpm/index.ts";

const { vendor, cloud, stranger } = await authorities();
const bit = (number: number) => 2 ** number;
const other = keyOf("P-256, SHA-256", "other");
const quoteOf = (evidence: JsonObject) => evidence["tpm_quote"] as JsonObject; // tests made it an object
const withQuote = (change: (quote: JsonObject) => JsonObject) => (evidence: JsonObject) => ({
  ...evidence,
  tpm_quote: { ...quoteOf(evidence), ...change(quoteOf(evidence)) },
});
const withPcrs = (change: (pcrs: string[]) => string[]) =>
  withQuote((quote) => ({ pcrs: change(quote["pcrs"] as string[]) })); // the list form, which is the default
const flip = (bytes: Buffer, at = bytes.length - 1) => {
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
  return flipped;
};
const ALL = Array.from({ length: 24 }, (_, pcr) => pcr);
const log = firmwareLog();
const logged = (bank: string, pcr: number) => log.pcr(bank, pcr);
const logStory = (event_log: Buffer): TpmStory => ({
  form: "banks",
  selections: [
    { bank: "sha1", pcrs: [0, 7] },
    { bank: "sha256", pcrs: [0, 4, 7, 8] },
  ],
  pcrs: (bank, pcr) => (pcr === 8 ? defaultPcr(bank, pcr) : logged(bank, pcr)),
  evidence: (e) => ({ ...e, event_log: event_log.toString("base64") }),
});
const ima = imaList();
const imaStory = (ima_log: Buffer): TpmStory => ({
  pcrs: (bank, pcr) => (pcr === 10 ? ima.pcr10 : defaultPcr(bank, pcr)),
  evidence: (e) => ({ ...e, ima_log: ima_log.toString("base64") }),
});
const last = { clock: 4000n, resetCount: 2, restartCount: 0, safe: true };

/** Each story differs from the good one in one truth; the named check must be the one that says so. */
const STORIES: readonly (readonly [name: string, check: TpmCheck, story: TpmStory])[] = [
  ["B29 no quote at all", "malformed", { evidence: () => ({}) }],
  ["a quote that is a number", "malformed", { evidence: (e) => ({ ...e, tpm_quote: 1 }) }],
  ["no signature", "malformed", { evidence: withQuote(() => ({ signature: null })) }],
  ["URL-safe base64", "malformed", { evidence: withQuote(() => ({ message: "_w==" })) }],
  [
    "base64 with a blank",
    "malformed",
    { evidence: withQuote((q) => ({ message: ` ${String(q["message"])}` })) },
  ],
  ["a message of 5 KiB", "malformed", { evidence: withQuote(() => ({ message: "A".repeat(6000) })) }],
  ["a register of 31 bytes", "malformed", { evidence: withPcrs((p) => ["00".repeat(31), ...p.slice(1)]) }],
  [
    "a register that is no hexadecimal",
    "malformed",
    { evidence: withPcrs((p) => ["zz".repeat(32), ...p.slice(1)]) },
  ],
  ["33 registers", "malformed", { evidence: withPcrs((p) => [...p, ...p.slice(0, 9)]) }],
  ["a bank nobody knows", "malformed", { evidence: withQuote(() => ({ pcrs: { md5: {} } })) }],
  [
    "register 32",
    "malformed",
    { evidence: withQuote(() => ({ pcrs: { sha256: { 32: "00".repeat(32) } } })) },
  ],
  [
    "register 01",
    "malformed",
    { evidence: withQuote(() => ({ pcrs: { sha256: { "01": "00".repeat(32) } } })) },
  ],
  ["no key", "malformed", { evidence: ({ ak_public: _, ak_tpm2b_public: __, ...e }) => e }],
  ["nine certificates", "malformed", { evidence: (e) => ({ ...e, ak_cert: Array(9).fill("AA==") }) }],
  ["a Keylime quote of two parts", "malformed", { evidence: (e) => ({ ...e, tpm_quote: "rAA==:AA==" }) }],
  ["an RSA key of 1024 bits", "ak", { kind: "RSA-1024" }],
  ["an RSA exponent of 3", "ak", { kind: "RSA-2048, exponent 3", area: { exponent: 3 } }],
  ["a key on P-224", "ak", { kind: "P-224" }],
  ["a key with a byte behind it", "ak", { evidence: (e) => ({ ...e, ak_public: appended(e["ak_public"]) }) }],
  [
    "B21 a point off its curve",
    "ak",
    { evidence: ({ ak_tpm2b_public: _, ...e }) => ({ ...e, ak_public: moved(e["ak_public"]) }) },
  ],
  [
    "B21 a public area with a point off its curve",
    "ak-public",
    { evidence: (e) => ({ ...e, ak_tpm2b_public: moved(e["ak_tpm2b_public"]) }) },
  ],
  [
    "B21 a coordinate above the field prime",
    "ak",
    { evidence: ({ ak_tpm2b_public: _, ...e }) => ({ ...e, ak_public: aboveThePrime(e["ak_public"]) }) },
  ],
  [
    "a public area with a byte behind it",
    "ak-public",
    { evidence: (e) => ({ ...e, ak_tpm2b_public: appended(e["ak_tpm2b_public"]) }) },
  ],
  [
    "B18 the public area of another key",
    "ak-public",
    { evidence: (e) => ({ ...e, ak_public: spki(other) }) },
  ],
  ["a key that signs anything", "ak-attributes", { area: { attributes: AK_ATTRIBUTES - bit(16) } }],
  ["a key that may leave its TPM", "ak-attributes", { area: { attributes: AK_ATTRIBUTES - bit(1) } }],
  ["a key that may change its parent", "ak-attributes", { area: { attributes: AK_ATTRIBUTES - bit(4) } }],
  ["a key that somebody brought along", "ak-attributes", { area: { attributes: AK_ATTRIBUTES - bit(5) } }],
  ["a key that decrypts as well", "ak-attributes", { area: { attributes: AK_ATTRIBUTES + bit(17) } }],
  ["a key that does not sign", "ak-attributes", { area: { attributes: AK_ATTRIBUTES - bit(18) } }],
  ["a key without a scheme", "ak-attributes", { area: { scheme: undefined } }],
  ["SHA-1 with the default settings", "signature-algorithm", { kind: "RSA-2048, RSASSA, SHA-1" }],
  [
    "a scheme that is not the key's",
    "signature-algorithm",
    { kind: "RSA-2048, RSASSA, SHA-256", area: { scheme: { name: "rsapss", hash: "sha256" } } },
  ],
  [
    "a hash that is not the key's",
    "signature-algorithm",
    { area: { scheme: { name: "ecdsa", hash: "sha384" } } },
  ],
  [
    "an RSA signature for an ECC key",
    "signature-algorithm",
    {
      signingKey: keyOf("RSA-2048, RSASSA, SHA-256"),
      scheme: "rsassa",
      area: { scheme: { name: "ecdsa", hash: "sha256" } },
    },
  ],
  [
    "HMAC",
    "signature-algorithm",
    { afterSigning: (s) => Buffer.concat([Buffer.from([0, 5]), s.subarray(2)]) },
  ],
  [
    "SM3",
    "signature-algorithm",
    { afterSigning: (s) => Buffer.concat([s.subarray(0, 2), Buffer.from([0, 0x12]), s.subarray(4)]) },
  ],
  [
    "bytes after the signature",
    "signature-algorithm",
    { afterSigning: (s) => Buffer.concat([s, Buffer.alloc(2)]) },
  ],
  ["a cut signature", "signature-algorithm", { afterSigning: (s) => s.subarray(0, -1) }],
  ["another magic", "tpm-attest", { attest: { magic: 0xff544348 } }],
  ["a certification", "tpm-attest", { attest: { type: 0x8017 } }],
  ["a time attestation", "tpm-attest", { attest: { type: 0x8019 } }],
  ["a byte after the quote", "tpm-attest", { beforeSigning: (m) => Buffer.concat([m, Buffer.alloc(1)]) }],
  ["a cut quote", "tpm-attest", { beforeSigning: (m) => m.subarray(0, -1) }],
  ["safe neither yes nor no", "tpm-attest", { attest: { safe: 2 } }],
  ["17 selections", "tpm-attest", { beforeSigning: manySelections }],
  [
    "a bitmap of five bytes",
    "tpm-attest",
    { form: "banks", selections: [{ bank: "sha256", pcrs: ALL, size: 5 }] },
  ],
  ["B18 a foreign key's signature", "tpm-signature", { signingKey: other }],
  [
    "B1 a changed message",
    "tpm-signature",
    {
      evidence: withQuote((q) => ({
        message: flip(Buffer.from(String(q["message"]), "base64"), 50).toString("base64"),
      })),
    },
  ],
  [
    "an ECDSA signature of zeros",
    "tpm-signature",
    { afterSigning: (s) => Buffer.concat([s.subarray(0, 4), Buffer.from([0, 0, 0, 0])]) },
  ],
  ["an r longer than the field", "tpm-signature", { afterSigning: longR }],
  [
    "B17 a selection with a gap",
    "pcr-selection",
    { selections: [{ bank: "sha256", pcrs: [...ALL.slice(0, 8), 23] }] },
  ],
  [
    "B17 SHA-1 registers in the list",
    "pcr-selection",
    {
      selections: [{ bank: "sha1", pcrs: ALL }],
      evidence: withQuote(() => ({ pcrs: Array(24).fill("00".repeat(32)) })),
    },
  ],
  [
    "B17 a second bank beside the list",
    "pcr-selection",
    {
      selections: [
        { bank: "sha256", pcrs: ALL },
        { bank: "sha1", pcrs: [0] },
      ],
    },
  ],
  [
    "B17 a register that was not quoted",
    "pcr-selection",
    {
      form: "banks",
      selections: [{ bank: "sha256", pcrs: [0, 8] }],
      evidence: withQuote((q) => ({ pcrs: { sha256: { ...sha256(q), 7: "00".repeat(32) } } })),
    },
  ],
  [
    "B17 a quoted register that is missing",
    "pcr-selection",
    {
      form: "banks",
      selections: [{ bank: "sha256", pcrs: [0, 8] }],
      evidence: withQuote((q) => ({ pcrs: { sha256: { 0: sha256(q)["0"] ?? "" } } })),
    },
  ],
  [
    "one bank twice",
    "pcr-selection",
    {
      form: "banks",
      selections: [
        { bank: "sha256", pcrs: [0] },
        { bank: "sha256", pcrs: [8] },
      ],
    },
  ],
  [
    "a bank of unknown length",
    "pcr-selection",
    {
      form: "banks",
      selections: [
        { bank: "sha256", pcrs: [0, 8] },
        { bank: 0x27, pcrs: [0] },
      ],
    },
  ],
  ["a quote over nothing", "pcr-selection", { form: "banks", selections: [] }],
  ["a changed register", "pcr-digest", { evidence: withPcrs((p) => ["11".repeat(32), ...p.slice(1)]) }],
  [
    "two registers in each other's place",
    "pcr-digest",
    { evidence: withPcrs(([a = "", b = "", ...p]) => [b, a, ...p]) },
  ],
  [
    "a digest by the hash of the bank",
    "pcr-digest",
    { form: "banks", kind: "P-384, SHA-384", attest: { pcrDigest: createHash("sha256").digest() } },
  ],
  ["another nonce", "nonce", { attest: { extraData: Buffer.alloc(32, 1) } }],
  ["no nonce", "nonce", { attest: { extraData: Buffer.alloc(0) } }],
  [
    "the nonce padded by the guest",
    "nonce",
    { attest: { extraData: Buffer.concat([NONCE, Buffer.alloc(32)]) } },
  ],
  [
    "A13 a caller that expects nothing but says so",
    "nonce",
    { attest: { extraData: Buffer.alloc(0) }, expected: { runtimeDataDigest: Buffer.alloc(0) } },
  ],
  ["B26 other init-data", "init-data", { expected: { initDataDigest: Buffer.alloc(32, 1) } }],
  ["B26 init-data by SHA-384", "init-data", { expected: { initDataDigest: Buffer.alloc(48, 1) } }],
  [
    "B24 init-data against a register of zeros",
    "init-data",
    {
      pcrs: (bank, pcr) => (pcr === 8 ? Buffer.alloc(32) : defaultPcr(bank, pcr)),
      expected: { initDataDigest: Buffer.alloc(32) },
    },
  ],
  [
    "B26 init-data and something after it",
    "init-data",
    {
      pcrs: (bank, pcr) =>
        pcr === 8
          ? createHash("sha256").update(defaultPcr("sha256", 8)).update(INIT_DATA).digest()
          : defaultPcr(bank, pcr),
    },
  ],
  [
    "B17 init-data without PCR 8",
    "init-data",
    { form: "banks", selections: [{ bank: "sha256", pcrs: [0, 7] }] },
  ],
  [
    "B17 a quote without a register the settings require",
    "required-pcrs",
    {
      form: "banks",
      selections: [{ bank: "sha256", pcrs: [0, 8] }],
      settings: { requiredPcrs: { sha256: [0, 7] } },
    },
  ],
  [
    "a quote without a bank the settings require",
    "required-pcrs",
    { settings: { requiredPcrs: { sha384: [0] } } },
  ],
  [
    "B18 a certificate by a stranger",
    "ak-certificate",
    { akCertificate: { issuer: stranger.name, signingKey: stranger.key } },
  ],
  [
    "B18 a certificate with the authority's name only",
    "ak-certificate",
    { akCertificate: { signingKey: stranger.key } },
  ],
  ["B18 a certificate of another key", "ak-certificate", { akCertificate: { key: other } }],
  ["an attestation certificate that ended", "ak-certificate", { akCertificate: { to: -1 } }],
  ["an attestation certificate from the future", "ak-certificate", { akCertificate: { from: 1 } }],
  [
    "an attestation certificate for other uses",
    "ak-certificate",
    { akCertificate: { extendedUsage: ["1.3.6.1.5.5.7.3.1"] } },
  ],
  [
    "an attestation certificate that may not sign",
    "ak-certificate",
    { akCertificate: { keyUsage: KeyUsageFlags.keyAgreement } },
  ],
  ["an attestation certificate that is an authority", "ak-certificate", { akCertificate: { ca: true } }],
  [
    "an attestation certificate with an unknown critical extension",
    "ak-certificate",
    { akCertificate: { critical: "1.2.3.4" } },
  ],
  [
    "an attestation certificate that cannot be read",
    "ak-certificate",
    { akCertificate: {}, evidence: (e) => ({ ...e, ak_cert: ["AA=="] }) },
  ],
  [
    "B18 an EK certificate by a stranger",
    "ek-certificate",
    { ekCertificate: { issuer: stranger.name, signingKey: stranger.key } },
  ],
  [
    "B18 an EK certificate with its own root",
    "ek-certificate",
    {
      ekCertificate: { issuer: stranger.name, signingKey: stranger.key },
      ekChain: (leaf) => [leaf, stranger.der],
    },
  ],
  ["an EK certificate that ended", "ek-certificate", { ekCertificate: { to: -1 } }],
  ["an EK certificate for other uses", "ek-certificate", { ekCertificate: { extendedUsage: undefined } }],
  [
    "an EK certificate that may not encipher",
    "ek-certificate",
    { ekCertificate: { keyUsage: KeyUsageFlags.digitalSignature } },
  ],
  ["an EK certificate that is an authority", "ek-certificate", { ekCertificate: { ca: true } }],
  [
    "an EK certificate below another EK's",
    "ek-certificate",
    { ekCertificate: { issuer: "a TPM vendor's EK", signingKey: vendor.key } },
  ],
  [
    "B18 an enrolment with another endorsement key",
    "enrolment",
    { ekCertificate: {}, enrolled: { ekFingerprint: "00".repeat(32) } },
  ],
  [
    "B18 an enrolment of the key with other attributes",
    "enrolment",
    { enrolled: { akName: `000b${"00".repeat(32)}` } },
  ],
  ["an enrolment that was revoked", "enrolment", { enrolled: { status: "revoked" } }],
  ["B20 an enrolment that waits for approval", "enrolment", { enrolled: { status: "pending" } }],
  ["B18 B20 a key that nobody knows", "ak-trust", { enrolled: null }],
  [
    "B18 a certificate where only enrolled keys count",
    "ak-trust",
    { enrolled: null, akCertificate: {}, settings: { acceptedAkTrust: ["enrolled"] } },
  ],
  ["B18 an EK certificate alone", "ak-trust", { enrolled: null, ekCertificate: {} }],
  [
    "a certificate when no authority is configured",
    "ak-trust",
    { enrolled: null, akCertificate: {}, akAuthorities: false },
  ],
  ["B23 no event log where the settings require one", "event-log", { settings: { requireEventLog: true } }],
  ["B29 an event log that is none", "event-log", logStory(Buffer.from("not a log"))],
  ["B23 an event log without its last event", "event-log", logStory(log.withoutLast())],
  ["B23 an event log in another order", "event-log", logStory(log.reordered())],
  ["B23 an event log with one event more", "event-log", logStory(log.withOneMore())],
  [
    "B23 an event log without a register that the settings name",
    "event-log",
    { ...logStory(log.bytes), settings: { eventLogPcrs: [8] } },
  ],
  [
    "B23 an event log of another bank",
    "event-log",
    {
      ...logStory(log.bytes),
      kind: "P-384, SHA-384",
      selections: [{ bank: "sha384", pcrs: [0] }],
      expected: { initDataDigest: undefined },
    },
  ],
  ["B23 no IMA list where the settings require one", "ima-log", { settings: { requireImaLog: true } }],
  ["B29 an IMA list that is none", "ima-log", imaStory(Buffer.from("10 not a list\n"))],
  ["B23 an IMA list without its last record", "ima-log", imaStory(ima.withoutLast())],
  ["B23 an IMA list with another file", "ima-log", imaStory(ima.withChangedFile())],
  ["a file that the policy does not have", "ima-log", { ...imaStory(ima.bytes), imaPolicy: ima.policy(2) }],
  [
    "B17 an IMA list beside a quote without PCR 10",
    "ima-log",
    { ...imaStory(ima.bytes), form: "banks", selections: [{ bank: "sha256", pcrs: [0, 8] }] },
  ],
  ["the same quote again", "clock", { enrolled: { lastClock: { ...last, clock: 5000n } } }],
  ["a clock that went back", "clock", { enrolled: { lastClock: { ...last, clock: 6000n } } }],
  ["a reset counter that went back", "clock", { enrolled: { lastClock: { ...last, resetCount: 3 } } }],
  ["a restart counter that went back", "clock", { enrolled: { lastClock: { ...last, restartCount: 1 } } }],
  ["a clock that is safe no longer", "clock", { attest: { safe: 0 }, enrolled: { lastClock: last } }],
  [
    "an orderly reset with an earlier clock",
    "clock",
    { enrolled: { lastClock: { ...last, resetCount: 1, clock: 9000n } } },
  ],
  ["an enrolment withdrawn meanwhile", "clock", { registry: (right) => ({ ...right, ...withdrawn(right) }) }],
  [
    "more quotes than can be compared",
    "clock",
    { registry: (right) => ({ ...right, recordClock: async () => false }) },
  ],
];

function withdrawn(right: { find: (key: string, signal: AbortSignal) => Promise<object | undefined> }) {
  let asked = 0;
  return {
    recordClock: async () => false,
    find: async (key: string, signal: AbortSignal) => {
      const found = await right.find(key, signal);
      return (asked++ === 0 ? found : { ...found, status: "revoked" }) as never; // an enrolment, as the contract says
    },
  };
}

function sha256(quote: JsonObject): Record<string, string> {
  return (quote["pcrs"] as { sha256: Record<string, string> }).sha256;
}
function spki(key: typeof other): string {
  const { publicKey } = { publicKey: publicOf(key) };
  return publicKey.toString("base64");
}
function publicOf(key: typeof other): Buffer {
  const jwk = key.export({ format: "jwk" });
  const point = Buffer.concat([jwk.x, jwk.y].map((part) => Buffer.from(part ?? "", "base64url")));
  return Buffer.concat([Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex"), point]);
}
function appended(text: unknown): string {
  return Buffer.concat([Buffer.from(String(text), "base64"), Buffer.alloc(1)]).toString("base64");
}
function moved(text: unknown): string {
  return flip(Buffer.from(String(text), "base64")).toString("base64");
}
/** x plus the prime of P-256 would be the same point to whoever reduces it; it only fits in 32 bytes for a small x. */
function aboveThePrime(text: unknown): string {
  const der = Buffer.from(String(text), "base64");
  der.fill(0xff, der.length - 64, der.length - 32);
  return der.toString("base64");
}
function manySelections(message: Buffer): Buffer {
  // The count stands before one selection of six bytes and a digest of 34.
  const at = message.length - 34 - 6 - 4;
  const changed = Buffer.from(message);
  changed.writeUInt32BE(17, at);
  return changed;
}
function longR(signature: Buffer): Buffer {
  const r = Buffer.concat([Buffer.from([0, 33, 1]), signature.subarray(6, 38)]);
  return Buffer.concat([signature.subarray(0, 4), r, signature.subarray(38)]);
}

describe("each check refuses by its own name when its truth is missing", () => {
  test.each(STORIES)("%s → %s", async (_, check, story) => {
    const outcome: unknown = await tellTpm(story).then(
      () => "accepted",
      (error: unknown) => error,
    );
    if (!(outcome instanceof EvidenceRejected)) throw outcome;
    expect(outcome.check).toBe(check);
    expect(outcome.checks.at(-1)).toMatchObject({ check, outcome: "failed" });
  });

  test("every check has a story", () => {
    const told = new Set(STORIES.map(([, check]) => check));
    expect(Object.keys(TPM_CHECKS).filter((name) => !told.has(name as TpmCheck))).toEqual([]);
  });
});

/** A machine whose registers are all explained. */
const bothLogs: TpmStory = {
  form: "banks",
  selections: [{ bank: "sha256", pcrs: [0, 4, 7, 8, 10] }],
  pcrs: (bank, pcr) => (pcr === 10 ? ima.pcr10 : pcr === 8 ? defaultPcr(bank, pcr) : logged(bank, pcr)),
  evidence: (e) => ({ ...e, event_log: log.bytes.toString("base64"), ima_log: ima.bytes.toString("base64") }),
  imaPolicy: ima.policy(),
};

describe("what is right is accepted", () => {
  const claimsOf = async (story: TpmStory) => (await tellTpm(story)).results[0]?.claims ?? {};

  test("all checks, each once, in the order of the list", async () => {
    const { checks } = await tellTpm({
      ...bothLogs,
      akCertificate: {},
      ekCertificate: {},
      enrolled: { lastClock: last },
      settings: { requiredPcrs: { sha256: [0] } },
    });
    expect(checks.map(({ check }) => check)).toEqual(Object.keys(TPM_CHECKS));
    expect(checks.every(({ outcome }) => outcome === "passed")).toBe(true);
  });

  const good = Object.keys(KINDS).filter(
    (name) => !["RSA-1024", "RSA-2048, exponent 3", "P-224"].includes(name),
  );
  test.each(good as KindName[])("%s, over banks from SHA-1 to SHA-512", async (kind) => {
    const settings = { allowedSignatureHashes: ["sha1", "sha256", "sha384", "sha512"] };
    const selections = (["sha1", "sha256", "sha384", "sha512", "sm3_256"] as const).map((bank) => ({
      bank,
      pcrs: [0, 8, 23],
    }));
    const claims = await claimsOf({ kind, form: "banks", selections, settings });
    expect(Object.keys(claims["pcrs"] as JsonObject)).toEqual([
      "sha1",
      "sha256",
      "sha384",
      "sha512",
      "sm3_256",
    ]);
    expect(claims["pcr08"]).toBe(defaultPcr("sha256", 8).toString("hex"));
    expect(await claimsOf({ kind, settings })).toMatchObject({
      pcr00: "01".repeat(32),
      pcr17: "ff".repeat(32),
    });
  });

  test("B17 only registers that the quote covers are claims", async () => {
    const claims = await claimsOf({ form: "banks", selections: [{ bank: "sha256", pcrs: [0, 8] }] });
    expect(Object.keys(claims).filter((name) => /^pcr\d/.test(name))).toEqual(["pcr00", "pcr08"]);
    const other = await claimsOf({
      form: "banks",
      selections: [{ bank: "sha384", pcrs: [8] }],
      expected: { initDataDigest: undefined },
    });
    expect(Object.keys(other).filter((name) => /^pcr\d|init_data/.test(name))).toEqual([]);
  });

  test("a key is trusted on the strongest ground that there is", async () => {
    const fingerprint = (await makeQuote()).fingerprint;
    const listed = { trustedAks: [fingerprint] };
    const level = async (story: TpmStory) => (await claimsOf(story))["ak_trust"];
    expect(await level({})).toBe("enrolled");
    expect(await level({ enrolled: null, akCertificate: {}, settings: listed })).toBe("certified");
    expect(await level({ enrolled: null, settings: listed })).toBe("listed");
    expect(
      await level({
        enrolled: null,
        settings: { trustedAks: [String((await makeQuote()).evidence["ak_public"])] },
      }),
    ).toBe("listed");
    expect(await level({ enrolled: null, settings: { acceptedAkTrust: ["none"] } })).toBe("none");
  });

  test("what is known of the machine becomes claims", async () => {
    expect(await claimsOf({ ekCertificate: {}, akCertificate: {} })).toMatchObject({
      host: "host-1",
      ek_trust: "certificate",
      tpm_manufacturer: "id:00001014",
      tpm_model: "swtpm",
      ak_authority: cloud.name,
    });
    const unknown = await claimsOf({
      ekCertificate: {},
      enrolled: null,
      settings: { acceptedAkTrust: ["none"] },
    });
    expect(Object.keys(unknown).filter((name) => /^(host|ek_|tpm_manufacturer)/.test(name))).toEqual([]);
  });

  test("an intermediate authority that came along is used, up to a pinned one", async () => {
    const { issue, makeAuthority } = await import("../../../support/software-tpm/certificates.ts");
    expect(issue).toBeDefined();
    const middle = await makeAuthority("a vendor's intermediate", {}, vendor);
    const story = {
      ekCertificate: { issuer: middle.name, signingKey: middle.key },
      ekChain: (leaf: Buffer) => [leaf, middle.der],
    };
    expect((await tellTpm(story)).checks.find(({ check }) => check === "ek-certificate")).toMatchObject({
      outcome: "passed",
    });
    const short = await makeAuthority("no authority", { ca: false }, vendor);
    await expect(
      tellTpm({
        ekCertificate: { issuer: short.name, signingKey: short.key },
        ekChain: (leaf) => [leaf, short.der],
      }),
    ).rejects.toMatchObject({ check: "ek-certificate" });
  });

  test("a reboot is told, and an earlier clock is accepted after a reset that was not orderly", async () => {
    expect(await claimsOf({})).not.toHaveProperty("rebooted");
    expect((await claimsOf({ enrolled: { lastClock: last } }))["rebooted"]).toBe(false);
    expect((await claimsOf({ enrolled: { lastClock: { ...last, resetCount: 1 } } }))["rebooted"]).toBe(true);
    const lost = { attest: { safe: 0 }, enrolled: { lastClock: { ...last, resetCount: 1, clock: 9000n } } };
    expect((await claimsOf(lost))["rebooted"]).toBe(true);
    // Counters are obfuscated outside the endorsement hierarchy: they count on modulo 2^32.
    const wrapped = {
      attest: { resetCount: 0 },
      enrolled: { lastClock: { ...last, resetCount: 0xffffffff } },
    };
    expect((await claimsOf(wrapped))["rebooted"]).toBe(true);
  });

  test("expired certificates are a setting, and only their dates", async () => {
    const settings = { dangerouslyIgnoreCertificateValidity: true };
    await tellTpm({ ekCertificate: { to: -1 }, akCertificate: { to: -1 }, settings });
    await expect(
      tellTpm({ ekCertificate: { to: -1, issuer: stranger.name, signingKey: stranger.key }, settings }),
    ).rejects.toMatchObject({ check: "ek-certificate" });
  });

  test("B25 without an expectation nothing is compared, and it is said", async () => {
    const { checks } = await tellTpm({
      expected: { runtimeDataDigest: undefined, initDataDigest: undefined },
    });
    const open = checks.filter(({ check }) => check === "nonce" || check === "init-data");
    expect(open.map(({ outcome }) => outcome)).toEqual(["not-checked", "not-checked"]);
  });

  test("a whole binding in the place of a cut one counts where registers are named", async () => {
    const whole: TpmStory = { form: "banks", attest: { extraData: REPORT_DATA } };
    await tellTpm(whole);
    await expect(tellTpm({ ...whole, form: "list" })).rejects.toMatchObject({ check: "nonce" });
  });

  test("registers that no event explains are told, the init-data's aside", async () => {
    const claims = await claimsOf({
      ...logStory(log.bytes),
      selections: [{ bank: "sha256", pcrs: [0, 8, 9, 12, 17] }],
      pcrs: (bank, pcr) =>
        pcr === 0 ? logged(bank, pcr) : pcr === 12 ? Buffer.alloc(32) : defaultPcr(bank, pcr),
    });
    expect(claims["unexplained_pcrs"]).toEqual([9]);
    expect(claims["eventlog"]).toMatchObject({ algorithm: "sha256" });
  });

  test("an IMA list explains PCR 10, and its files become claims", async () => {
    const claims = await claimsOf(bothLogs);
    expect(claims["ima"]).toMatchObject({ records: 3, attested: 3, failed: 0 });
    expect(claims["unexplained_pcrs"]).toEqual([]);
    expect((await claimsOf(imaStory(ima.bytes)))["ima"]).not.toHaveProperty("policy_id");
  });

  test("records later than the quote are not attested, and not judged", async () => {
    const later = Buffer.concat([ima.bytes, ima.bytes]);
    const claims = await claimsOf({ ...imaStory(later), imaPolicy: ima.policy() });
    expect(claims["ima"]).toMatchObject({ records: 6, attested: 3 });
  });

  test("the time of judgement is the caller's", () => expect(NOW).toBe(Date.parse("2026-06-01T12:00:00Z")));
});
