import type { SectionValues } from "./schema.ts";
import type { ConfigFault } from "./section.ts";

type Section = SectionValues["attestationService"];
type Remote = NonNullable<Section["remote"]> | NonNullable<Section["rvps"]["remote"]>;
type Listen = NonNullable<Section["grpc"]["listen"]>;

/** What is spelled correctly below `attestationService` and means trouble together. */
export function attestationServiceFaults(
  section: Section,
  isLoopback: (host: string) => boolean,
): readonly ConfigFault[] {
  const { driver, remote, rvps } = section;
  return [
    ...faultIf(
      driver !== "built-in" && remote === undefined,
      "attestationService.remote",
      `is missing, while attestationService.driver is ${driver}`,
    ),
    ...remoteFaults(remote, "attestationService.remote", isLoopback),
    ...remoteFaults(rvps.remote, "attestationService.rvps.remote", isLoopback),
    ...LISTENERS.flatMap((name) =>
      listenFaults(section[name].listen, `attestationService.${name}.listen`, isLoopback),
    ),
    ...certificateFaults(section),
  ];
}

const LISTENERS = ["grpc", "rest", "rvps"] as const;

function remoteFaults(
  remote: Remote | undefined,
  path: string,
  isLoopback: (host: string) => boolean,
): ConfigFault[] {
  if (remote === undefined) return [];
  const { address, clientCertificate, clientKey, dangerouslyAllowPlainHttp } = remote;
  const { protocol, hostname } = new URL(address);
  const plain = protocol === "http:" && !isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
  return [
    ...faultIf(
      plain && !dangerouslyAllowPlainHttp,
      `${path}.address`,
      "is plain http to another machine: use https, or say dangerouslyAllowPlainHttp",
    ),
    ...faultIf(
      (clientCertificate === undefined) !== (clientKey === undefined),
      `${path}.clientCertificate`,
      "and clientKey belong together: give both or neither",
    ),
    ...faultIf(
      clientCertificate !== undefined && protocol === "http:",
      `${path}.clientCertificate`,
      "needs an https address",
    ),
  ];
}

function listenFaults(
  listen: Listen | undefined,
  path: string,
  isLoopback: (host: string) => boolean,
): ConfigFault[] {
  if (listen === undefined) return [];
  const { host, tls, dangerouslyAllowPlainHttp } = listen;
  return [
    ...faultIf(
      tls === undefined && !isLoopback(host) && !dangerouslyAllowPlainHttp,
      `${path}.tls`,
      "is missing, while host can be reached by other machines: give certificate and privateKey, or listen on 127.0.0.1",
    ),
    ...faultIf(
      tls !== undefined && dangerouslyAllowPlainHttp,
      `${path}.dangerouslyAllowPlainHttp`,
      "contradicts tls: remove one of them",
    ),
  ];
}

/** Certificates of clients are seen only where TLS is spoken. */
function certificateFaults(section: Section): ConfigFault[] {
  const listeners = LISTENERS.flatMap((name) => section[name].listen ?? []);
  return faultIf(
    section.authentication.clientCertificates !== undefined &&
      listeners.length > 0 &&
      listeners.every(({ tls }) => tls === undefined),
    "attestationService.authentication.clientCertificates",
    "can never be seen: no listener has tls",
  );
}

function faultIf(condition: boolean, path: string, message: string): ConfigFault[] {
  return condition ? [{ path, message }] : [];
}
