import { z } from "zod";
import { PlaceTemplate, VALUE_FORMATS } from "../secrets/stores.ts";
import { count, filePath, flag, seconds, secretReference } from "./parts.ts";

/** Paths of Vault: no slash at either end, nothing that could leave a mount. */
const VAULT_PATH = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/;
const vaultPath = () => z.string().max(512).regex(VAULT_PATH, "must be a path such as secret or teams/a");
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const appRole = z
  .strictObject({
    mount: vaultPath().default("approle").describe("Where the method is mounted, below auth/."),
    roleId: z.string().min(1).max(512).describe("The role's id, which is no secret."),
    secretId: secretReference().describe("The secret id; a file is read anew at each login."),
    wrapped: flag(false).describe("What is referred to is a wrapping token that holds the secret id."),
  })
  .describe("A role with a secret id.");

const byJwt = (mount: string, jwtFile: string | undefined, sentence: string) =>
  z
    .strictObject({
      mount: vaultPath().default(mount).describe("Where the method is mounted, below auth/."),
      role: z.string().min(1).max(512).describe("The role to log in as."),
      jwtFile: (jwtFile === undefined ? filePath() : filePath().default(jwtFile)).describe(
        "File with the JWT; read anew at each login.",
      ),
    })
    .describe(sentence);

const loginSchema = z
  .strictObject({
    token: secretReference()
      .optional()
      .meta({ examples: [{ file: "keys/vault-token" }] })
      .describe("A token of Vault; a file that an agent keeps fresh is read again when the token ends."),
    appRole: appRole.optional().meta({ examples: [{ roleId: "kbs", secretId: { env: "VAULT_SECRET_ID" } }] }),
    kubernetes: byJwt("kubernetes", SERVICE_ACCOUNT, "The pod's service account.")
      .optional()
      .meta({ examples: [{ role: "keywarden" }] }),
    jwt: byJwt("jwt", undefined, "Any other JWT that Vault was told to trust, of an OIDC provider say.")
      .optional()
      .meta({ examples: [{ role: "keywarden", jwtFile: "/run/secrets/id-token" }] }),
    certificate: z
      .strictObject({
        mount: vaultPath().default("cert").describe("Where the method is mounted, below auth/."),
        role: z
          .string()
          .min(1)
          .max(512)
          .optional()
          .meta({ examples: ["keywarden"] })
          .describe("The role to log in as; any that fits if absent."),
      })
      .optional()
      .meta({ examples: [{}] })
      .describe("The certificate of tls below."),
  })
  .superRefine((login, context) => {
    if (Object.values(login).filter((each) => each !== undefined).length !== 1)
      context.addIssue({
        code: "custom",
        message: "needs exactly one of token, appRole, kubernetes, jwt, certificate",
      });
  })
  .describe("How this server logs in.");

/** Secrets in HashiCorp Vault or OpenBao. */
export const vaultSecretsSchema = z
  .strictObject({
    address: z
      .string()
      .refine(isOrigin, "must be an http:// or https:// address without path, user name and query")
      .describe("Where Vault listens."),
    namespace: vaultPath()
      .optional()
      .meta({ examples: ["teams/a"] })
      .describe("Namespace, for Vaults that have them."),
    login: loginSchema,
    engine: z
      .enum(["kv1", "kv2"])
      .default("kv2")
      .describe("Version of the key/value engine; kv2 keeps history."),
    mount: vaultPath().default("secret").describe("Where the engine is mounted."),
    path: z
      .string()
      .max(512)
      .default("{repository}/{type}/{tag}")
      .superRefine((template, context) => {
        try {
          new PlaceTemplate(template);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          context.addIssue({ code: "custom", message: `cannot be used: ${error.message}` });
        }
      })
      .describe("Where a secret lies below the mount; each part fills a segment of its own."),
    field: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,100}$/, "must be the name of a field")
      .default("data")
      .describe("Field that holds the value."),
    format: z
      .enum(VALUE_FORMATS)
      .default("base64")
      .describe("base64; text: as people write it; trustee: as the reference server writes and reads it."),
    tls: z
      .strictObject({
        certificateAuthorities: filePath()
          .optional()
          .meta({ examples: ["/etc/keywarden/vault-ca.pem"] })
          .describe("PEM roots in place of the system's."),
        certificate: filePath()
          .optional()
          .meta({ examples: ["/etc/keywarden/vault-client.pem"] })
          .describe("PEM certificate of this server, for Vaults that ask for one."),
        privateKey: secretReference()
          .optional()
          .meta({ examples: [{ file: "/etc/keywarden/vault-client.key" }] })
          .describe("Its private key."),
      })
      .prefault({})
      .describe("TLS towards Vault; its certificate is always verified."),
    timeoutSeconds: seconds(5, 1, 60).describe("How long Vault may take over one answer."),
    maxConnections: count(32, 1, 1024).describe(
      "Connections to Vault at once; further requests wait for one.",
    ),
    dangerouslyAllowPlainHttp: flag(false).describe(
      "Accept an http:// address: token and secrets are readable on the way.",
    ),
  })
  .superRefine(({ address, dangerouslyAllowPlainHttp, tls, login }, context) => {
    if (address.startsWith("http:") && !dangerouslyAllowPlainHttp)
      context.addIssue({
        code: "custom",
        path: ["address"],
        message: "must be https://, because token and secrets travel there",
      });
    if ((tls.certificate === undefined) !== (tls.privateKey === undefined))
      context.addIssue({
        code: "custom",
        path: ["tls"],
        message: "needs certificate and privateKey, or neither",
      });
    if (login.certificate !== undefined && tls.certificate === undefined)
      context.addIssue({
        code: "custom",
        path: ["login", "certificate"],
        message: "needs tls.certificate and tls.privateKey",
      });
  })
  .describe("Options of the driver vault.");

export type VaultSecretsConfig = z.output<typeof vaultSecretsSchema>;

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(text);
  const plain = username === "" && password === "" && pathname === "/" && search === "" && hash === "";
  return plain && (protocol === "https:" || protocol === "http:");
}
