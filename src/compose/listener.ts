import type { KeywardenConfig } from "../config/load.ts";
import { readSecret } from "../config/secret.ts";
import type { KbsServerOptions } from "../http/server.ts";
import type { TlsMaterial, TlsSource } from "../http/tls.ts";
import { warnBy } from "./trust.ts";
import type { World } from "./world.ts";

/** @returns `undefined` for plain http */
export function tlsSource({ server }: KeywardenConfig, world: World): TlsSource | undefined {
  return tlsSourceOf(server.tls, "server.tls", world);
}

/** @param path - of the section, for sentences @returns `undefined` for plain http */
export function tlsSourceOf(
  tls: KeywardenConfig["server"]["tls"],
  path: string,
  world: World,
): TlsSource | undefined {
  if (tls === undefined) return undefined;
  const { certificate, privateKey, minVersion } = tls;
  return {
    certPath: certificate,
    keyPath: "file" in privateKey ? privateKey.file : undefined,
    readKey: async () =>
      (await readSecret(privateKey, `${path}.privateKey`, world.env, warnBy(world))).toString("utf8"),
    minVersion: minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2",
  };
}

export function serverOptions(config: KeywardenConfig, tls: TlsMaterial | undefined): KbsServerOptions {
  const { server, attestation } = config;
  return {
    limits: {
      ...server,
      rates: server.rateLimits,
      maxAttestations: attestation.maxConcurrent,
      maxWaitingAttestations: attestation.maxWaiting,
    },
    tls,
    // Only https addresses are taken as public URLs.
    publicScheme: tls !== undefined || server.publicUrl !== undefined ? "https" : "http",
    trustedProxies: server.trustedProxies,
    explainInDetail: attestation.explainInDetail,
    metricsFor: metricsReaders(server),
  };
}

/** Behind a proxy on the same machine, which `publicUrl` tells of, everybody comes from loopback. */
function metricsReaders({ metrics, publicUrl }: KeywardenConfig["server"]): KbsServerOptions["metricsFor"] {
  return metrics.onMainListener === "loopback" && publicUrl !== undefined ? "nobody" : metrics.onMainListener;
}
