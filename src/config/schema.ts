import { z } from "zod";
import { SECRET_STORE_DRIVERS } from "../secrets/stores.ts";
import { count, filePath, flag, seconds } from "./parts.ts";
import { attestationServiceSchema } from "./schema-attestation-service.ts";
import { collateralSchema } from "./schema-collateral.ts";
import { tpmEnrolmentSchema } from "./schema-enrolment.ts";
import { referenceValuesSchema } from "./schema-reference-values.ts";
import { serverSchema } from "./schema-server.ts";
import { adminSchema, attestationSchema, tokensSchema } from "./schema-trust.ts";
import { vaultSecretsSchema } from "./schema-vault.ts";

const MIB = 1024 * 1024;

const modeSchema = z
  .enum(["production", "development"])
  .default("production")
  .describe("`development` is needed by everything below `dev`; never serve real guests with it.");

const dataDirectorySchema = filePath()
  .default("data")
  .describe("Folder for secrets, policies, reference values, keys made at first start and the audit log.");

const secretsSchema = z
  .strictObject({
    driver: z
      .enum(SECRET_STORE_DRIVERS)
      .default("fs")
      .describe(
        "fs: files that survive; vault: HashiCorp Vault or OpenBao; memory: gone at the end of the process.",
      ),
    fs: z
      .strictObject({
        folder: filePath()
          .optional()
          .meta({ examples: ["data/secrets"] })
          .describe("Where; `<dataDirectory>/secrets` if absent."),
        cacheBytes: count(32 * MIB, 0, 4096 * MIB).describe(
          "Memory for secrets read a moment ago; 0 reads the file each time.",
        ),
      })
      .prefault({})
      .describe("Options of the driver fs."),
    memory: z
      .strictObject({
        maxTotalBytes: count(256 * MIB, 1, 16 * 1024 * MIB).describe("Sum of the lengths of all secrets."),
        maxSecrets: count(100_000, 1, 10_000_000).describe("Number of secrets."),
      })
      .prefault({})
      .describe("Options of the driver memory."),
    vault: vaultSecretsSchema.optional().meta({
      examples: [{ address: "https://vault.example.org:8200", login: { kubernetes: { role: "keywarden" } } }],
    }),
  })
  .superRefine(({ driver, vault }, context) => {
    if (driver === "vault" && vault === undefined)
      context.addIssue({ code: "custom", path: ["vault"], message: "is missing: the driver vault needs it" });
  })
  .prefault({})
  .describe("Where secrets rest.");

const stateSchema = z
  .strictObject({
    driver: z
      .enum(["fs", "memory"])
      .default("fs")
      .describe("Where policies and reference values rest: fs in dataDirectory, or memory."),
  })
  .prefault({})
  .describe("Everything administrators set that is not a secret.");

const sessionsSchema = z
  .strictObject({
    ttlSeconds: seconds(300, 30, 3600).describe("Time a guest has from /auth to its last request by cookie."),
    maxCompleted: count(200_000, 1, 50_000_000).describe(
      "Attested sessions remembered at once; further ones are refused.",
    ),
    maxTokenBytes: count(512 * MIB, MIB, 64 * 1024 * MIB).describe(
      "Sum of the lengths of their sealed tokens.",
    ),
  })
  .prefault({})
  .describe("Handshakes of guests.");

const pluginsSchema = z
  .strictObject({
    resource: z
      .strictObject({ enabled: flag(true).describe("Whether /kbs/v0/resource is served.") })
      .prefault({})
      .describe("Secrets by repository, type and tag."),
  })
  .prefault({})
  .describe("What lives below /kbs/v0/<name>.");

const policySchema = z
  .strictObject({
    maxSteps: count(5_000_000, 1_000, 1_000_000_000).describe(
      "Steps one evaluation may take before it is denied.",
    ),
    timeoutMilliseconds: count(250, 10, 60_000).describe("Time one evaluation may take before it is denied."),
    maxPolicyBytes: count(MIB, 1024, 16 * MIB).describe("Longest policy text."),
    checks: z
      .enum(["strict", "parse-only"])
      .default("strict")
      .describe(
        "parse-only accepts any policy that parses, for moving in policies nobody checked; what is wrong then denies when it is met.",
      ),
    dialect: z.enum(["v1", "v0"]).default("v1").describe("Rego version of policies that do not say."),
  })
  .prefault({})
  .describe("Limits of policy evaluation; whoever reaches one is denied.");

const auditSchema = z
  .strictObject({
    file: filePath()
      .optional()
      .meta({ examples: ["data/audit.ndjson"] })
      .describe("Where; `<dataDirectory>/audit.ndjson` if absent."),
    failClosed: flag(true).describe("Refuse a release or change whose audit record cannot be written."),
  })
  .prefault({})
  .describe("The audit log: one line per decision, chained by digests.");

const logSchema = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error"])
      .default("info")
      .describe("Least severity that is written."),
  })
  .prefault({})
  .describe("The operational log, JSON lines on standard error.");

const devSchema = z
  .strictObject({
    dangerouslyUseDevTrustAnchors: z
      .strictObject({
        snp: z
          .array(filePath())
          .max(8)
          .default([])
          .meta({ examples: [["dev/ark.pem"]] })
          .describe("PEM files with roots that count like AMD's own."),
        intel: z
          .array(filePath())
          .max(8)
          .default([])
          .meta({ examples: [["dev/intel-root.pem"]] })
          .describe("PEM files with roots that count like Intel's own."),
      })
      .prefault({})
      .describe("Made-up vendors whose evidence is believed."),
  })
  .prefault({})
  .describe("For trying and testing; refused unless mode is development.");

/** Every section of the file but `verifiers`, whose options belong to the drivers; in the order of the file. */
export const SECTIONS = {
  mode: modeSchema,
  server: serverSchema,
  dataDirectory: dataDirectorySchema,
  secrets: secretsSchema,
  state: stateSchema,
  sessions: sessionsSchema,
  attestation: attestationSchema,
  attestationService: attestationServiceSchema,
  collateral: collateralSchema,
  tokens: tokensSchema,
  admin: adminSchema,
  tpmEnrolment: tpmEnrolmentSchema,
  plugins: pluginsSchema,
  policy: policySchema,
  referenceValues: referenceValuesSchema,
  audit: auditSchema,
  log: logSchema,
  dev: devSchema,
} as const;

type Sections = typeof SECTIONS;
export type SectionName = keyof Sections;
export type SectionValues = { readonly [Name in SectionName]: z.output<Sections[Name]> };
