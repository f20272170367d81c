import { z } from "zod";
import { count, filePath, flag, httpsUrl, seconds, secretReference } from "./parts.ts";

/** One path of Vault, without leading or trailing slash, dots and escapes. */
const vaultPath = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/,
      "must be a path such as transit",
    );

const vault = z
  .strictObject({
    address: z
      .string()
      .refine(isHttpAddress, "must be an http:// or https:// address without user name, path and query")
      .describe("Where Vault listens."),
    mount: vaultPath().default("transit").describe("Where the transit engine is mounted."),
    key: z
      .string()
      .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/, "must be the name of a key")
      .describe("Name of the transit key; its type must fit the algorithm."),
    namespace: vaultPath().optional().describe("Vault namespace."),
    token: secretReference().describe(
      "Vault token; a file is read again when Vault refuses the token, as agents renew it there.",
    ),
    certificates: filePath()
      .optional()
      .describe("PEM roots for Vault's certificate instead of the system's."),
    timeoutSeconds: seconds(5, 1, 60).describe("How long Vault may take over one answer."),
    dangerouslyAllowPlainHttp: flag(false).describe(
      "Accept an http:// address: the Vault token is readable.",
    ),
  })
  .superRefine(({ address, dangerouslyAllowPlainHttp }, context) => {
    if (address.startsWith("http:") && !dangerouslyAllowPlainHttp)
      context.addIssue({
        code: "custom",
        path: ["address"],
        message: "must be https://, because the Vault token travels there",
      });
  });

function isHttpAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(text);
  const plain = username === "" && password === "" && pathname === "/" && search === "" && hash === "";
  return plain && (protocol === "https:" || protocol === "http:");
}

const VAULT_EXAMPLE = {
  address: "https://vault.example.org:8200",
  key: "token-signer",
  token: { file: "keys/vault-token" },
};

const signer = z
  .strictObject({
    key: secretReference()
      .optional()
      .meta({ examples: [{ file: "keys/token-signer.pem" }] })
      .describe(
        "Private key in PEM or JWK form; a file is watched, and a new key in it takes over by itself.",
      ),
    ephemeral: z
      .literal(true)
      .optional()
      .meta({ examples: [true] })
      .describe("A key in memory: tokens end with the process, and replicas refuse each other's."),
    vault: vault
      .optional()
      .meta({ examples: [VAULT_EXAMPLE] })
      .describe("A key in the transit engine of Vault, which never leaves it."),
  })
  .superRefine((value, context) => {
    const given = [value.key, value.ephemeral, value.vault].filter((each) => each !== undefined);
    if (given.length !== 1)
      context.addIssue({ code: "custom", message: "needs exactly one of key, ephemeral, vault" });
  });

/** How attestation tokens are written and signed. */
export const tokenSchema = z
  .strictObject({
    encoding: z
      .enum(["jwt", "cwt"])
      .default("jwt")
      .describe("JSON (JWT), or CBOR (CWT) in base64url; Confidential Containers guests read JWT only."),
    profile: z
      .enum(["trustee", "veraison", "ietf"])
      .default("trustee")
      .describe("Claims and `eat_profile` as Confidential Containers, Veraison or the IETF draft has them."),
    algorithm: z
      .enum(["ES256", "ES384", "EdDSA"])
      .default("ES256")
      .describe("Signature algorithm; the key must fit it."),
    signer: signer
      .optional()
      .meta({ examples: [{ key: { file: "keys/token-signer.pem" } }] })
      .describe("The key that signs tokens; without it one is made in dataDirectory at first start."),
    certificates: filePath()
      .optional()
      .meta({ examples: ["keys/token-signer-chain.pem"] })
      .describe("PEM chain of that key, leaf first, sent along as x5c."),
    certificatesUrl: httpsUrl()
      .optional()
      .meta({ examples: ["https://kbs.example.org/token-signer-chain.pem"] })
      .describe("Where others can fetch that chain, sent along as x5u."),
    publishBeforeUseSeconds: count(300, 0, 86_400).describe(
      "How long a new key is in the key set before it signs; relying parties keep key sets for minutes.",
    ),
    checkSeconds: seconds(10, 1, 3_600).describe("How often the signer is looked at for a new key."),
  })
  .prefault({})
  .describe("Form and signature of attestation tokens.");
