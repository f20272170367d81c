import { z } from "zod";
import { count, filePath, flag } from "../../../config/parts.ts";
import { zodSection } from "../../../config/zod-section.ts";
import { fromBase64 } from "../../../crypto/bytes.ts";
import { HASH_NAMES } from "../../formats/tpm2/algorithms.ts";
import { keyFingerprint, readSpki } from "../../formats/tpm2/keys.ts";

const MAX_LIST = 10_000;
const MAX_FILES = 256;

/** Grounds on which an attestation key may be trusted; the highest that holds is the claim `ak_trust`. */
export const AK_TRUST = ["none", "listed", "certified", "enrolled"] as const;
export type AkTrust = (typeof AK_TRUST)[number];

/** A key is told by the fingerprint of its canonical form, whichever way it was written. */
const trustedAk = z.string().transform((text, context): string => {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  try {
    return keyFingerprint(readSpki(fromBase64(text) ?? Buffer.alloc(0)));
  } catch {
    context.addIssue({
      code: "custom",
      message: "must be a base64 SubjectPublicKeyInfo, or 64 hexadecimal digits of its SHA-256",
    });
    return z.NEVER;
  }
});

const pcrs = (bank: string) =>
  z
    .array(z.int().min(0).max(31))
    .max(32)
    .optional()
    .meta({ examples: [[0, 4, 7]] })
    .describe(`Registers of the ${bank} bank.`);

const authorityFiles = (sentence: string, example: string) =>
  z
    .array(filePath())
    .max(MAX_FILES)
    .default([])
    .meta({ examples: [[example]] })
    .describe(sentence);

export const tpmSchema = z
  .strictObject({
    enabled: flag(true).describe("Whether evidence of a TPM is accepted at all."),
    acceptedAkTrust: z
      .array(z.enum(AK_TRUST))
      .min(1)
      .default(["listed", "certified", "enrolled"])
      .describe(
        "Grounds to trust an attestation key; add none only where policies compare ak_public themselves.",
      ),
    trustedAks: z
      .array(trustedAk)
      .max(MAX_LIST)
      .default([])
      .meta({ examples: [["00".repeat(32)]] })
      .describe("Attestation keys that count as listed: base64 SubjectPublicKeyInfo, or the SHA-256 of it."),
    ekAuthorities: authorityFiles(
      "PEM files or folders with the TPM manufacturers whose endorsement keys count.",
      "/etc/keywarden/tpm-vendors",
    ),
    akAuthorities: authorityFiles(
      "PEM files or folders with authorities whose certificates make an attestation key certified.",
      "/etc/keywarden/ak-authorities.pem",
    ),
    allowedSignatureHashes: z
      .array(z.enum(HASH_NAMES))
      .min(1)
      .default(["sha256", "sha384", "sha512"])
      .describe("Hashes with which a quote may be signed; sha1 only for machines that have nothing else."),
    requiredPcrs: z
      .strictObject({
        sha1: pcrs("SHA-1"),
        sha256: pcrs("SHA-256"),
        sha384: pcrs("SHA-384"),
        sha512: pcrs("SHA-512"),
      })
      .prefault({})
      .describe("Registers that a quote has to cover, by bank; others may be covered besides."),
    requireEventLog: flag(false).describe("Refuse evidence without an event log."),
    maxEventLogBytes: count(4 * 1024 * 1024, 1024, 64 * 1024 * 1024).describe("Longest event log in bytes."),
    eventLogPcrs: z
      .array(z.int().min(0).max(23))
      .min(1)
      .max(24)
      .optional()
      .meta({ examples: [[0, 1, 2, 3, 4, 5, 6, 7]] })
      .describe(
        "Registers that a quote beside an event log has to cover and the log to explain; absent: every quoted one it touches. Leave out what the running system goes on extending.",
      ),
    eventClaims: z
      .enum(["full", "facts", "none"])
      .default("full")
      .describe("What an event log becomes claims of: every event, what policies usually ask, or nothing."),
    requireImaLog: flag(false).describe(
      "Refuse evidence without an IMA list of which PCR 10 vouches for a record.",
    ),
    maxImaLogBytes: count(16 * 1024 * 1024, 1024, 64 * 1024 * 1024).describe("Longest IMA list in bytes."),
    imaPolicy: filePath()
      .optional()
      .meta({ examples: ["/etc/keywarden/ima-policy.json"] })
      .describe(
        "Files that may have run: a Keylime runtime policy, or lines of sha256sum; evidence without a list is refused then. Absent: lists are not judged.",
      ),
    dangerouslyIgnoreCertificateValidity: flag(false).describe(
      "Accept expired certificates; many endorsement keys have one that ended before the machine.",
    ),
  })
  .prefault({})
  .describe("TPM 2.0 without a confidential guest: physical, firmware and virtual TPMs.");

export type TpmSettings = z.output<typeof tpmSchema>;
export const tpmSection = zodSection(tpmSchema);
