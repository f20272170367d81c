/** Stories about the key and the quote itself. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import type { TpmCheck } from "../../../src/attestation/verifiers/tpm/checks.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { AK_ATTRIBUTES, defaultPcr, INIT_DATA, keyOf, NONCE, type TpmStory } from "./index.ts";

export type NamedStory = readonly [name: string, check: TpmCheck, story: TpmStory];

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

/** Each differs from the good story in one truth; the named check must be the one that says so. */
export const QUOTE_STORIES: readonly NamedStory[] = [
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
];

function sha256(quote: JsonObject): Record<string, string> {
  return (quote["pcrs"] as { sha256: Record<string, string> }).sha256;
}
function spki(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
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
