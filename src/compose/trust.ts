import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { openVerifiers } from "../attestation/drivers.ts";
import { httpsGet } from "../attestation/endorsements/https-get.ts";
import type { UpstreamWorld } from "../attestation/endorsements/upstream.ts";
import type { AkRegistry } from "../attestation/formats/tpm2/ak-registry.ts";
import type { Tee, Verifier } from "../attestation/verifier.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { KbsError } from "../errors.ts";
import type { Gate } from "../http/gate.ts";
import { MemorySessionStore } from "../sessions/memory-session-store.ts";
import { createRandomPool } from "../sessions/random-pool.ts";
import { KeyRing } from "../sessions/seal.ts";
import type { SessionStore } from "../sessions/session-store.ts";
import { Sessions } from "../sessions/sessions.ts";
import { TokenIssuer } from "../tokens/issue.ts";
import type { SignerWatch } from "../tokens/signer-watch.ts";
import type { SigningKeys } from "../tokens/signing-keys.ts";
import { parsePointer } from "../tokens/tee-key.ts";
import { openTrustedIssuers, ownIssuer, REMOTE_ISSUER } from "../tokens/trusted-issuers.ts";
import { TokenVerifier, type TrustedIssuer } from "../tokens/verify.ts";
import { LogPool } from "../workers/log-pool.ts";
import { openIntel } from "./intel-collateral.ts";
import { openTokenKeys } from "./token-keys.ts";
import type { World } from "./world.ts";

export { REMOTE_ISSUER } from "../tokens/trusted-issuers.ts";
export { warnBy } from "./world.ts";

const COOKIE_KEY_BYTES = 32;

export interface Tokens {
  readonly keys: SigningKeys;
  /** Looks for new signing keys; whoever starts it stops it. */
  readonly watch: SignerWatch;
  readonly issuer: TokenIssuer;
  readonly verifier: TokenVerifier;
  /** This server as an issuer whose tokens count. */
  readonly own: TrustedIssuer;
}

/** @throws KbsError naming the option or file that stands in the way */
export async function openTokens(config: KeywardenConfig, world: World): Promise<Tokens> {
  const { issuer: name, developer, tokenTtlSeconds, token } = config.attestation;
  const { now, log, version } = world;
  const { keys, watch } = await openTokenKeys(config, world);
  const own = ownIssuer(keys, name);
  const foreign = await openTrustedIssuers(config.tokens.trustedIssuers, {
    now,
    onFailure: (issuer, err) => log.warn({ event: "key-set-unavailable", issuer, err }),
  });
  const verifier = new TokenVerifier({
    issuers: [own, ...(await remoteIssuer(config, world)), ...foreign],
    extraTeeKeyPointers: config.tokens.extraTeeKeyPaths.map(parsePointer),
    leewaySeconds: config.tokens.leewaySeconds,
    now,
  });
  const build = `keywarden ${version}`;
  const lifetimeSeconds = tokenTtlSeconds;
  const issuer = new TokenIssuer({
    keys,
    issuer: name,
    developer,
    build,
    lifetimeSeconds,
    form: { encoding: token.encoding, profile: token.profile },
    embedKey: true,
    now,
  });
  return { keys, watch, issuer, verifier, own };
}

/** The attestation service elsewhere, if there is one: its tokens open secrets here without a further entry. */
async function remoteIssuer(
  { attestationService: { driver, remote } }: KeywardenConfig,
  { now, log }: World,
): Promise<readonly TrustedIssuer[]> {
  if (driver === "built-in" || remote === undefined) return [];
  const issuers = await openTrustedIssuers([remote.trustedIssuer], {
    now,
    onFailure: (issuer, err) => log.warn({ event: "key-set-unavailable", issuer, err }),
  }).catch((cause: unknown) => {
    throw new KbsError("internal", "attestationService.remote.trustedIssuer: its keys cannot be read.", {
      cause,
    });
  });
  return issuers.map((issuer) => ({ ...issuer, name: REMOTE_ISSUER }));
}

/**
 * The verifier of each TEE that the configuration accepts.
 *
 * @param attestGate - where appraisals take turns: none keeps its turn while it waits for a vendor's service
 */
export async function openVerifierMap(
  config: KeywardenConfig,
  world: World,
  attestGate: Gate,
  enrolledAks: AkRegistry,
): Promise<ReadonlyMap<Tee, Verifier>> {
  const { now, log } = world;
  const { snp } = config.dev.dangerouslyUseDevTrustAnchors;
  const upstreams: UpstreamWorld = {
    now,
    httpGet: httpsGet,
    onEvent: (event) => log.info({ event: "collateral", ...event }),
    whileWaiting: (signal, wait) => attestGate.outside(signal, wait),
  };
  const verifiers = await openVerifiers(config.verifiers, {
    ...upstreams,
    enrolledAks,
    logs: new LogPool(),
    intelCollateral: await openIntel(config, world, upstreams),
    devTrustAnchorsPem: { snp: await Promise.all(snp.map((file) => readFile(file, "utf8"))) },
  });
  return new Map(verifiers.map((verifier) => [verifier.tee, verifier]));
}

/**
 * Sessions whose nonces are consumed in this process's memory. Their key is as short-lived as that memory: were it
 * kept, a challenge that was answered before a restart could be answered once more after it.
 */
export function openSessions(
  { sessions: { ttlSeconds, maxCompleted, maxTokenBytes } }: KeywardenConfig,
  { now }: World,
): { readonly sessions: Sessions; readonly store: SessionStore } {
  const random = createRandomPool();
  const keys = new KeyRing([randomBytes(COOKIE_KEY_BYTES)], random);
  const store = new MemorySessionStore({ now, maxSessions: maxCompleted, maxBytes: maxTokenBytes });
  return {
    sessions: new Sessions({ keys, store, now, random, lifetimeSeconds: ttlSeconds }),
    store,
  };
}
