/** From the configuration's words to a store. */
import type { VaultClientOptions } from "../../vault/client.ts";
import { VaultClient } from "../../vault/client.ts";
import type { VaultReason } from "../../vault/fault.ts";
import { appRoleLogin, certificateLogin, jwtLogin, type Login, tokenLogin } from "../../vault/login.ts";
import { keyValue1, keyValue2 } from "./engines.ts";
import { VaultSecretStore } from "./index.ts";
import { PlaceTemplate } from "./places.ts";
import type { ValueFormat } from "./values.ts";

/** Where a secret is found: in a file or a variable of the environment. */
type Reference = { readonly file: string } | { readonly env: string };

export interface VaultStoreConfig {
  readonly address: string;
  readonly namespace?: string | undefined;
  readonly login: {
    readonly token?: Reference | undefined;
    readonly appRole?:
      | {
          readonly mount: string;
          readonly roleId: string;
          readonly secretId: Reference;
          readonly wrapped: boolean;
        }
      | undefined;
    readonly kubernetes?: JwtConfig | undefined;
    readonly jwt?: JwtConfig | undefined;
    readonly certificate?: { readonly mount: string; readonly role?: string | undefined } | undefined;
  };
  readonly engine: "kv1" | "kv2";
  readonly mount: string;
  readonly path: string;
  readonly field: string;
  readonly format: ValueFormat;
  readonly tls: {
    readonly certificateAuthorities?: string | undefined;
    readonly certificate?: string | undefined;
    readonly privateKey?: Reference | undefined;
  };
  readonly timeoutSeconds: number;
  readonly maxConnections: number;
  /** Checked where the configuration is. */
  readonly dangerouslyAllowPlainHttp: boolean;
}

interface JwtConfig {
  readonly mount: string;
  readonly role: string;
  readonly jwtFile: string;
}

export interface VaultStoreDependencies {
  /** @param what - option that refers to it, for the sentence of a failure */
  readonly readCredential: (reference: Reference, what: string) => Promise<string>;
  readonly readText: (file: string) => Promise<string>;
  readonly reportFault: (fault: { readonly file: string; readonly reason: string }) => void;
  readonly onEvent: VaultClientOptions["onEvent"];
  readonly onFailure: (reason: VaultReason | "value") => void;
}

const OPTION = "secrets.vault";

/** Reads what the connection needs; Vault itself is asked when the first secret is. */
export async function openVaultStore(
  config: VaultStoreConfig,
  dependencies: VaultStoreDependencies,
): Promise<VaultSecretStore> {
  const { address, namespace, engine, mount, path, field, format, timeoutSeconds, maxConnections } = config;
  const client = new VaultClient({
    address,
    namespace,
    tls: await readTls(config, dependencies),
    timeoutMilliseconds: timeoutSeconds * 1000,
    maxConnections,
    login: loginOf(config.login, dependencies),
    onEvent: dependencies.onEvent,
  });
  const { reportFault, onFailure } = dependencies;
  return new VaultSecretStore({
    client,
    engine: (engine === "kv1" ? keyValue1 : keyValue2)(client, mount),
    places: new PlaceTemplate(path),
    field,
    format,
    reportFault,
    onFailure,
  });
}

async function readTls({ tls }: VaultStoreConfig, { readText, readCredential }: VaultStoreDependencies) {
  const { certificateAuthorities, certificate, privateKey } = tls;
  return {
    certificateAuthorities:
      certificateAuthorities === undefined ? undefined : await readText(certificateAuthorities),
    certificate: certificate === undefined ? undefined : await readText(certificate),
    privateKey:
      privateKey === undefined ? undefined : await readCredential(privateKey, `${OPTION}.tls.privateKey`),
  };
}

function loginOf(
  { token, appRole, kubernetes, jwt, certificate }: VaultStoreConfig["login"],
  { readCredential, readText }: VaultStoreDependencies,
): Login {
  if (token !== undefined) return tokenLogin(() => readCredential(token, `${OPTION}.login.token`));
  if (appRole !== undefined) {
    const { mount, roleId, secretId, wrapped } = appRole;
    const readSecretId = () => readCredential(secretId, `${OPTION}.login.appRole.secretId`);
    return appRoleLogin({ mount, roleId, readSecretId, wrapped });
  }
  for (const [kind, given] of [
    ["kubernetes", kubernetes],
    ["jwt", jwt],
  ] as const)
    if (given !== undefined) return jwtLogin(kind, { ...given, readJwt: () => readText(given.jwtFile) });
  if (certificate !== undefined)
    return certificateLogin({ mount: certificate.mount, role: certificate.role });
  throw new RangeError(`${OPTION}.login names no method`);
}
