import { isIP } from "node:net";
import { attestationServiceFaults } from "./attestation-service-combinations.ts";
import type { SectionValues } from "./schema.ts";
import type { ConfigFault } from "./section.ts";
import type { VerifierConfigs } from "./verifier-sections.ts";

/**
 * Combinations that are each spelled correctly and together mean trouble. Every rule looks only at sections
 * that were read without fault, so that one wrong option does not hide the others.
 */
type Values = Partial<SectionValues> & { readonly verifiers?: Partial<VerifierConfigs> };
type Rule = (values: Values) => readonly ConfigFault[];

export function checkCombinations(values: Values): readonly ConfigFault[] {
  return RULES.flatMap((rule) => rule(values));
}

/** Whether `host` can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

const RULES: readonly Rule[] = [
  ({ server }) =>
    faultIf(
      server !== undefined &&
        server.tls === undefined &&
        !isLoopback(server.host) &&
        !server.dangerouslyAllowPlainHttp,
      "server.tls",
      "is missing, while server.host can be reached by other machines: give certificate and privateKey, or listen on 127.0.0.1",
    ),
  ({ server }) =>
    faultIf(
      server?.tls !== undefined && server.dangerouslyAllowPlainHttp,
      "server.dangerouslyAllowPlainHttp",
      "contradicts server.tls: remove one of them",
    ),
  ({ server }) =>
    faultIf(
      server !== undefined && server.headersTimeoutSeconds > server.requestTimeoutSeconds,
      "server.headersTimeoutSeconds",
      "must not be longer than server.requestTimeoutSeconds",
    ),
  ({ server }) =>
    faultIf(
      server?.metrics.enabled === true && server.metrics.port !== 0 && server.metrics.port === server.port,
      "server.metrics.port",
      "is the port of the main listener: choose another",
    ),
  ({ server }) =>
    (server?.trustedProxies ?? []).flatMap((proxy, at) =>
      faultIf(
        /\/0+$/.test(proxy),
        `server.trustedProxies[${at}]`,
        "would believe everybody's X-Forwarded-For",
      ),
    ),
  ({ attestation }) =>
    faultIf(
      attestation?.token.certificates !== undefined &&
        attestation.token.signer?.key === undefined &&
        attestation.token.signer?.vault === undefined,
      "attestation.token.certificates",
      "needs attestation.token.signer: the chain belongs to a key of yours",
    ),
  ({ attestation }) =>
    faultIf(
      attestation?.token.certificatesUrl !== undefined && attestation.token.certificates === undefined,
      "attestation.token.certificatesUrl",
      "needs attestation.token.certificates: what is fetched there must be what is sent along",
    ),
  ({ attestation }) => (attestation === undefined ? [] : ambiguousSelectors(attestation)),
  ({ mode, dev }) =>
    (["snp", "intel"] as const).flatMap((vendor) =>
      faultIf(
        mode === "production" && (dev?.dangerouslyUseDevTrustAnchors[vendor].length ?? 0) > 0,
        `dev.dangerouslyUseDevTrustAnchors.${vendor}`,
        "is refused in production: made-up vendors need mode: development",
      ),
    ),
  ({ mode, verifiers }) =>
    (["snp", "az-snp-vtpm"] as const).flatMap((tee) =>
      faultIf(
        mode === "production" && verifiers?.[tee]?.dangerouslyIgnoreCertificateValidity === true,
        `verifiers.${tee}.dangerouslyIgnoreCertificateValidity`,
        "is refused in production: expired certificates need mode: development",
      ),
    ),
  ({ collateral }) => (collateral === undefined ? [] : unusedIntelSources(collateral.intel)),
  ({ attestationService }) =>
    attestationService === undefined ? [] : attestationServiceFaults(attestationService, isLoopback),
  ({ admin }) => (admin === undefined ? [] : legacyRoles(admin)),
  ({ admin }) => (admin === undefined ? [] : repeatedRoles(admin)),
];

/** A source that is named but not described, or described but not named, is a mistake that would be found too late. */
function unusedIntelSources(intel: SectionValues["collateral"]["intel"]): ConfigFault[] {
  const { sources } = intel;
  if (sources === undefined) return [];
  return [
    ...faultIf(
      new Set(sources).size !== sources.length,
      "collateral.intel.sources",
      "names a source twice: each is asked once",
    ),
    ...(["offline", "pccs"] as const).flatMap((source) => {
      const option = source === "offline" ? "offlinePath" : "pccs.baseUrl";
      const given = (source === "offline" ? intel.offlinePath : intel.pccs.baseUrl) !== undefined;
      const named = sources.includes(source);
      return [
        ...faultIf(named && !given, `collateral.intel.${option}`, `is needed by the source ${source}`),
        ...faultIf(
          given && !named,
          "collateral.intel.sources",
          `must name ${source}, or ${option} is of no use`,
        ),
      ];
    }),
  ];
}

function ambiguousSelectors({ policySelectors, policyId }: SectionValues["attestation"]): ConfigFault[] {
  const names = policySelectors.map(({ selector }) => selector);
  return policySelectors.flatMap(({ selector, policyId: chosen, repositories }, at) => [
    ...faultIf(
      names.indexOf(selector) !== at,
      `attestation.policySelectors[${at}].selector`,
      "occurs twice: a guest's choice must mean one thing",
    ),
    ...faultIf(
      chosen === policyId && !repositories.includes("*"),
      `attestation.policySelectors[${at}].repositories`,
      'must be ["*"]: attestation.policyId is this very set, and what it judged opens everything',
    ),
  ]);
}

function legacyRoles(admin: SectionValues["admin"]): ConfigFault[] {
  const known = new Set(admin.roles.map(({ role }) => role));
  return admin.identityProviders.flatMap(({ legacyKeyWithoutRole: role }, at) =>
    faultIf(
      role !== undefined && !known.has(role),
      `admin.identityProviders[${at}].legacyKeyWithoutRole`,
      "names a role that admin.roles does not have",
    ),
  );
}

function repeatedRoles(admin: SectionValues["admin"]): ConfigFault[] {
  const names = admin.roles.map(({ role }) => role);
  return names.flatMap((name, at) =>
    faultIf(
      names.indexOf(name) !== at,
      `admin.roles[${at}].role`,
      "occurs twice: put all its rules under one entry",
    ),
  );
}

function faultIf(condition: boolean, path: string, message: string): ConfigFault[] {
  return condition ? [{ path, message }] : [];
}
