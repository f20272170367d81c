import { z } from "zod";
import { count, filePath, flag, httpsUrl, seconds } from "./parts.ts";
import { tokenSchema } from "./schema-token.ts";

/** Signature algorithms a token may have. Symmetric ones and `none` do not exist here. */
const TOKEN_ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "EdDSA",
] as const;
/** Signature algorithms an administrator's token may have. */
const ADMIN_ALGORITHMS = ["EdDSA", "ES256", "ES384", "RS256", "PS256", "PS384"] as const;

/** Refuses all but exactly one of `names`. */
function exactlyOne<Names extends string>(...names: readonly Names[]) {
  return (value: Readonly<Partial<Record<Names, unknown>>>, context: z.RefinementCtx): void => {
    const given = names.filter((name) => value[name] !== undefined);
    if (given.length === 1) return;
    const problem = given.length === 0 ? "one of them is required" : `not ${given.join(" and ")} together`;
    context.addIssue({ code: "custom", message: `needs exactly one of ${names.join(", ")}: ${problem}` });
  };
}

const policyId = z
  .string()
  .max(150)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "may hold A–Z a–z 0–9 . _ / - and begins with a letter or digit");

const policySelector = z.strictObject({
  selector: z
    .string()
    .min(1)
    .max(100)
    .describe("What a guest may send as `attestation-policy-selector` when it asks for a challenge."),
  policyId: policyId.describe("Appraisal policy set that its evidence is then judged by."),
  repositories: z
    .array(
      z
        .string()
        .max(120)
        .regex(
          /^(?:\*|[A-Za-z0-9_-][A-Za-z0-9_.-]*)$/,
          "must be the name of a repository, or * for all of them",
        ),
    )
    .min(1)
    .max(1_000)
    .describe(
      "All that evidence judged this way can open, whatever the release policy says; * is everything.",
    ),
});

export const attestationSchema = z
  .strictObject({
    tokenTtlSeconds: seconds(300, 30, 86_400).describe("How long an attestation token is valid."),
    issuer: z.string().min(1).max(1024).default("keywarden").describe("The token's `iss`."),
    developer: z
      .string()
      .min(1)
      .max(1024)
      .default("keywarden")
      .describe("The token's `ear.verifier-id.developer`."),
    token: tokenSchema,
    policyId: policyId
      .default("default")
      .describe("Appraisal policy set; `_<TEE class>` is appended to find the policy."),
    policySelectors: z
      .array(policySelector)
      .max(256)
      .default([])
      .meta({
        examples: [[{ selector: "team-a", policyId: "team-a", repositories: ["team-a"] }]],
      })
      .describe("Appraisal policy sets that guests may choose from; any other choice is refused."),
    dangerouslyAllowMissingTrustClaims: flag(false).describe(
      "Take appraisal policies without a rule trust_claims, which then claim nothing: status none.",
    ),
    verboseToken: flag(true).describe(
      "Keep additional evidence in the token; false makes tokens with many devices small.",
    ),
    explainInDetail: flag(false).describe(
      "Repeat in `detail`, which is all that guests print, the check that failed; the answer's other members always hold it.",
    ),
    dangerouslyAllowRsa1_5: flag(false).describe(
      "Also encrypt to RSA1_5 keys of guests of protocol 0.2 and later; guests of 0.1, which know nothing else, need no switch.",
    ),
    maxConcurrent: count(256, 1, 10_000).describe("Verifications in progress at once."),
    maxWaiting: count(1_024, 0, 100_000).describe(
      "Guests waiting for their turn; further ones are refused with 503.",
    ),
  })
  .prefault({})
  .describe("Verifying evidence and issuing tokens.");

export const trustedIssuer = z
  .strictObject({
    issuer: z.string().min(1).optional().describe("Required `iss`; any if absent."),
    audience: z.string().min(1).optional().describe("Required member of `aud`; any if absent."),
    algorithms: z
      .array(z.enum(TOKEN_ALGORITHMS))
      .min(1)
      .default(["ES256"])
      .describe("Signature algorithms that count."),
    jwksFile: filePath().optional().describe("JWK set in a file; a token's `kid` chooses the key."),
    jwksUri: httpsUrl().optional().describe("JWK set, or an OpenID issuer to discover it from."),
    jwksCertificates: filePath().optional().describe("PEM roots for that URL instead of the system's."),
    dangerouslyAllowPrivateAddress: flag(false).describe(
      "Let jwksUri lead to a private, loopback or link-local address.",
    ),
    certificates: filePath()
      .optional()
      .describe("PEM anchors; the token's x5c chain must end in one of them."),
    dangerouslyAllowIntermediateAnchors: flag(false).describe(
      "Accept anchors that are no self-signed roots: nobody above them can revoke them here.",
    ),
    certificateUsages: z
      .array(
        z
          .string()
          .regex(
            /^[0-2](?:\.(?:0|[1-9]\d{0,9})){1,20}$/,
            "must be an object identifier such as 1.3.6.1.5.5.7.3.36",
          ),
      )
      .min(1)
      .max(16)
      .optional()
      .describe(
        "Extended key usages of which the signing certificate must have one; if absent, one that has any must be for signing tokens or documents, or for any use.",
      ),
    encodings: z
      .array(z.enum(["jwt", "cwt"]))
      .min(1)
      .default(["jwt"])
      .describe("How this issuer's tokens may be written."),
    profiles: z
      .array(z.string().min(1).max(256))
      .min(1)
      .max(16)
      .optional()
      .describe(
        "Values of eat_profile that count; if absent it is not compared, and claims named as in the IETF drafts do not count.",
      ),
    publicKey: filePath().optional().describe("PEM public key that signs every token of this issuer."),
  })
  .superRefine(exactlyOne("jwksFile", "jwksUri", "certificates", "publicKey"));

export const tokensSchema = z
  .strictObject({
    trustedIssuers: z
      .array(trustedIssuer)
      .max(32)
      .default([])
      .meta({
        examples: [
          [
            {
              issuer: "https://verifier.example.org",
              algorithms: ["ES256"],
              jwksFile: "trust/verifier.jwks",
            },
          ],
        ],
      })
      .describe(
        "Other attestation services whose tokens release secrets here; our own tokens need no entry.",
      ),
    extraTeeKeyPaths: z
      .array(
        z
          .string()
          .regex(/^(?:\/(?:[^~/]|~[01])*)+$/, "must be a JSON pointer such as /customized/tee-pubkey"),
      )
      .max(32)
      .default([])
      .meta({ examples: [["/customized/tee-pubkey"]] })
      .describe("Further JSON pointers at which a token may carry the TEE public key."),
    leewaySeconds: count(60, 0, 300).describe("How far clocks of issuers may be off."),
  })
  .prefault({})
  .describe("Which attestation tokens are accepted.");

const identityProvider = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe("What the audit log calls it; its issuer if absent."),
    issuer: z.string().min(1).optional().describe("Required `iss`."),
    audience: z.string().min(1).optional().describe("Required member of `aud`."),
    algorithms: z
      .array(z.enum(ADMIN_ALGORITHMS))
      .min(1)
      .default(["EdDSA"])
      .describe("Signature algorithms that count."),
    publicKey: filePath().optional().describe("PEM public key, as `keywarden admin keygen` writes it."),
    jwksFile: filePath().optional().describe("JWK set in a file; a token's `kid` chooses the key."),
    legacyKeyWithoutRole: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe(
        "Role given to Ed25519 tokens that carry neither role nor issuer nor audience, as old clients make them.",
      ),
  })
  .superRefine(exactlyOne("publicKey", "jwksFile"))
  .superRefine(checkIdentityProvider);

interface ProviderShape {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly algorithms: readonly string[];
  readonly publicKey?: string | undefined;
  readonly legacyKeyWithoutRole?: string | undefined;
}

function checkIdentityProvider(provider: ProviderShape, context: z.RefinementCtx): void {
  const refuse = (message: string) => context.addIssue({ code: "custom", message });
  if (provider.legacyKeyWithoutRole === undefined) {
    if (provider.issuer === undefined || provider.audience === undefined)
      refuse("needs issuer and audience, else a token made for another server would count here");
    return;
  }
  if (provider.publicKey === undefined) refuse("legacyKeyWithoutRole works with publicKey only");
  if (provider.algorithms.some((algorithm) => algorithm !== "EdDSA"))
    refuse("legacyKeyWithoutRole works with algorithms: [EdDSA] only");
  if (provider.issuer !== undefined || provider.audience !== undefined)
    refuse("legacyKeyWithoutRole cannot ask for issuer or audience: such tokens carry neither");
}

const PATTERN = /^\/kbs\/v0(?:\/[^/?#%\\]+)+$/;

function checkPattern(pattern: string): boolean {
  const segments = pattern.split("/");
  const inner = segments.slice(1, -1);
  return (
    PATTERN.test(pattern) && !inner.includes("**") && !segments.some((each) => each === "." || each === "..")
  );
}

const rule = z.strictObject({
  methods: z
    .array(z.enum(["GET", "POST", "PUT", "DELETE", "*"]))
    .min(1)
    .describe("HTTP methods, or * for all."),
  paths: z
    .array(
      z
        .string()
        .refine(
          checkPattern,
          "must be a path such as /kbs/v0/resource/team-a/**: * is one part, ** at the end is the rest",
        ),
    )
    .min(1)
    .describe("Decoded paths; * stands for one part, ** at the end for the rest."),
});

const role = z.strictObject({
  role: z.string().min(1).max(100).describe("The token's `role`."),
  allow: z.array(rule).min(1).describe("What it may call; anything else is refused."),
});

const DEFAULT_ROLES = [{ role: "admin", allow: [{ methods: ["*" as const], paths: ["/kbs/v0/**"] }] }];

export const adminSchema = z
  .strictObject({
    identityProviders: z
      .array(identityProvider)
      .max(32)
      .default([])
      .meta({
        examples: [
          [{ issuer: "ops", audience: "keywarden", algorithms: ["EdDSA"], publicKey: "keys/admin.pub.pem" }],
        ],
      })
      .describe("Who signs administrators' tokens; without one every administrative call is refused."),
    roles: z.array(role).max(256).default(DEFAULT_ROLES).describe("What the `role` of a token may do."),
    leewaySeconds: count(60, 0, 300).describe("How far clocks of issuers may be off."),
  })
  .prefault({})
  .describe("Who may administer, and what.");
