import { AdminService } from "../admin/admin-service.ts";
import { Administration } from "../admin/administration.ts";
import { loadIdentityProviders } from "../admin/identity-providers.ts";
import type { AttestationService } from "../attestation/adapters/attestation-service.ts";
import type { TeeWrapper } from "../broker/wrap.ts";
import type { KeywardenConfig } from "../config/load.ts";
import type { AttestationPort, WellKnownPort } from "../http/ports.ts";
import { discoveryDocument, keySetDocument } from "../tokens/documents.ts";
import type { State } from "./state.ts";
import type { Tokens } from "./trust.ts";
import type { World } from "./world.ts";

/** Evidence in, token out: the verifier side behind `/auth` and `/attest`. */
export function attestationPort(service: AttestationService, wrapper: TeeWrapper): AttestationPort {
  return {
    challenge: (tee, extraParams, signal) => service.challenge(tee, extraParams, signal),
    async appraise({ tee, generation, hashAlgorithm, policyId, ...attestation }, _context, signal) {
      // A guest whose key nothing can be encrypted to learns it here, not after its evidence was checked.
      wrapper.check(attestation.teePublicKey, generation === "0.1" ? "quasi-jwe" : "jwe");
      const { nonce } = attestation;
      const chosen = policyId === undefined ? {} : { policyId };
      const request = { tee, generation, nonce, runtimeDataHash: hashAlgorithm, attestation, ...chosen };
      return service.attest(request, signal);
    },
  };
}

/** @throws KbsError naming the identity provider whose keys cannot be read */
export async function adminService(
  config: KeywardenConfig,
  state: State,
  { now }: World,
): Promise<AdminService> {
  const { identityProviders, roles, leewaySeconds } = config.admin;
  const providers = await loadIdentityProviders(identityProviders);
  return new AdminService({
    administration: new Administration(state),
    authentication: { providers, now, leewaySeconds },
    roles,
  });
}

export function wellKnownPort({ attestation, server }: KeywardenConfig, { keys }: Tokens): WellKnownPort {
  return {
    jwks: () => keySetDocument(keys.published),
    // What a client wrote into `Host` is believed only where nobody said under which name this server is reached.
    openidConfiguration: (origin) =>
      discoveryDocument(server.publicUrl?.replace(/\/+$/, "") ?? origin, attestation.issuer, keys.published),
  };
}
