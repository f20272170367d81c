import { readFile } from "node:fs/promises";
import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import { KbsError } from "../errors.ts";
import { loadRememberedKeys, saveRememberedKeys } from "../tokens/remembered-keys.ts";
import { certificatesOf, type SignerChain } from "../tokens/signer.ts";
import { loadOrCreateSigner } from "../tokens/signer-files.ts";
import { ephemeralSigner, FileSigner, type SignerSource } from "../tokens/signer-source.ts";
import { SignerWatch } from "../tokens/signer-watch.ts";
import { type RememberedKey, SigningKeys } from "../tokens/signing-keys.ts";
import { VaultTransit } from "../tokens/vault-transit.ts";
import { VaultClient } from "../vault/client.ts";
import { tokenLogin } from "../vault/login.ts";
import { keyFile, type World, warnBy } from "./world.ts";

export interface TokenKeys {
  readonly keys: SigningKeys;
  /** Looks for new keys; not started. */
  readonly watch: SignerWatch;
}

type VaultConfig = NonNullable<NonNullable<KeywardenConfig["attestation"]["token"]["signer"]>["vault"]>;

/** Longest time that a look at the source of keys may take. */
const LOOK_MS = 30_000;
/** Signatures asked for at once. */
const VAULT_CONNECTIONS = 32;

/** @throws KbsError naming the option or file that stands in the way */
export async function openTokenKeys(config: KeywardenConfig, world: World): Promise<TokenKeys> {
  const { now, log, startSignal } = world;
  const { tokenTtlSeconds, token } = config.attestation;
  const source = await openSource(config, world);
  const lasting = token.signer?.ephemeral !== true;
  const path = keyFile(config, "token-keys.json");
  // A source that holds every key needs no memory; a key in memory leaves none.
  const remembers = lasting && !source.complete;
  const options = {
    publishMs: token.publishBeforeUseSeconds * 1000,
    overlapMs: (tokenTtlSeconds + config.tokens.leewaySeconds) * 1000,
    now,
  };
  const known = remembers ? await loadRememberedKeys(path, warnBy(world)) : [];
  const keys = new SigningKeys(await source.load(startSignal), options, known);
  const remember = async (all: readonly RememberedKey[]) => {
    if (remembers) await saveRememberedKeys(path, all);
  };
  await remember(keys.remembered);
  const watch = new SignerWatch({
    source,
    keys,
    intervalMs: token.checkSeconds * 1000,
    timeoutMs: LOOK_MS,
    remember,
    onChange: (kids) => log.info({ event: "token-signer-changed", kids, signing: keys.current.kid }),
    onFailure: (err) => log.error({ event: "token-signer-unavailable", err }),
  });
  return { keys, watch };
}

async function openSource(config: KeywardenConfig, world: World): Promise<SignerSource> {
  const { signer, algorithm } = config.attestation.token;
  if (signer === undefined) return ownKeyFile(config, world);
  if (signer.ephemeral === true) {
    world.log.warn({
      event: "token-signer-ephemeral",
      detail: "Tokens are signed with a key that ends with this process; other replicas refuse them.",
    });
    return ephemeralSigner(algorithm);
  }
  if (signer.vault !== undefined) return vaultSource(signer.vault, config, world);
  const { key } = signer;
  if (key === undefined) throw new KbsError("internal", "attestation.token.signer: it names no key.");
  const { certificates } = config.attestation.token;
  const what = "attestation.token.signer.key";
  return new FileSigner({
    what,
    algorithm,
    readKey: async () => (await readSecret(key, what, world.env, warnBy(world))).toString("utf8"),
    readChain: () => readChain(config),
    watched: [...("file" in key ? [key.file] : []), ...(certificates === undefined ? [] : [certificates])],
  });
}

/** The key that this server made for itself at its first start. */
async function ownKeyFile(config: KeywardenConfig, { log }: World): Promise<SignerSource> {
  const { algorithm } = config.attestation.token;
  const path = keyFile(config, "token-signer.pem");
  const { signer, created } = await loadOrCreateSigner(path, algorithm);
  if (created) log.info({ event: "token-signer-created", kid: signer.kid });
  return new FileSigner({
    what: path,
    algorithm,
    readKey: () => readFile(path, "utf8"),
    readChain: async () => undefined,
    watched: [path],
  });
}

async function vaultSource(vault: VaultConfig, config: KeywardenConfig, world: World): Promise<SignerSource> {
  const { address, namespace, token, certificates, timeoutSeconds, mount, key } = vault;
  const readToken = async () =>
    (await readSecret(token, "attestation.token.signer.vault.token", world.env, warnBy(world))).toString(
      "utf8",
    );
  const client = new VaultClient({
    address,
    namespace,
    tls: { certificateAuthorities: certificates === undefined ? undefined : await readPem(certificates) },
    login: tokenLogin(readToken),
    timeoutMilliseconds: timeoutSeconds * 1000,
    maxConnections: VAULT_CONNECTIONS,
    onEvent: (event) => (event.reason === undefined ? world.log.info(event) : world.log.warn(event)),
  });
  const { algorithm } = config.attestation.token;
  return new VaultTransit({ client, mount, key, algorithm, readChain: () => readChain(config) });
}

async function readChain({ attestation }: KeywardenConfig): Promise<SignerChain | undefined> {
  const { certificates: path, certificatesUrl: url } = attestation.token;
  if (path === undefined) return undefined;
  const pem = await readPem(path);
  try {
    return { certificates: certificatesOf(pem), url };
  } catch (cause) {
    throw new KbsError("internal", "attestation.token.certificates: it holds no PEM certificate.", { cause });
  }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new KbsError("internal", `${path} cannot be read.`, { cause });
  }
}
