import { z } from "zod";
import { count, filePath, flag, seconds } from "./parts.ts";

/** Machines with a bare TPM and how they become known. */
export const tpmEnrolmentSchema = z
  .strictObject({
    enabled: flag(false).describe("Whether machines may ask to be enrolled at /kbs/v0/tpm/enroll."),
    policyFile: filePath()
      .optional()
      .meta({ examples: ["/etc/keywarden/enrolment.rego"] })
      .describe(
        "Policy with a rule allow that lets machines in; others wait for an administrator, as all do without it.",
      ),
    allowedEks: z
      .array(
        z
          .string()
          .regex(/^[0-9a-fA-F]{64}$/, "must be the SHA-256 of a SubjectPublicKeyInfo, 64 hexadecimal digits")
          .transform((text) => text.toLowerCase()),
      )
      .max(100_000)
      .default([])
      .meta({ examples: [["00".repeat(32)]] })
      .describe("Endorsement keys that count without a certificate by verifiers.tpm.ekAuthorities."),
    challengeSeconds: seconds(300, 30, 3600).describe(
      "Time a machine has to prove that its TPM read the secret.",
    ),
    maxEnrolments: count(100_000, 1, 1_000_000).describe("Keys that are enrolled or wait, at most."),
  })
  .prefault({})
  .describe("How machines with a TPM and no confidential guest become known.");
