import type { JsonObject } from "../../src/json/value.ts";
import type { EarSubmodule } from "../../src/tokens/ear.ts";
import { TokenIssuer, type TokenIssuerOptions } from "../../src/tokens/issue.ts";
import { createSigner, type SigningAlgorithm, type TokenSigner } from "../../src/tokens/signer.ts";
import { generateSigningKey } from "../../src/tokens/signer-files.ts";
import { SigningKeys } from "../../src/tokens/signing-keys.ts";
import { NOW, TEE_KEY } from "./tokens.ts";

/** An appraised CPU as the pipeline hands it over. */
export function cpuSubmodule(evidence: JsonObject = {}, changes: Partial<EarSubmodule> = {}): EarSubmodule {
  return {
    name: "cpu0",
    status: "affirming",
    trustVector: { hardware: 2, configuration: 2 },
    policyId: "default",
    annotatedEvidence: {
      snp: { measurement: "00" },
      report_data: "00",
      runtime_data_claims: { nonce: "n", "tee-pubkey": TEE_KEY.jwk },
      ...evidence,
    },
    extensions: {},
    ...changes,
  };
}

export function freshSigner(algorithm: SigningAlgorithm = "ES256"): TokenSigner {
  return createSigner(generateSigningKey(algorithm), algorithm);
}

/** Keys that never change. */
export function fixedKeys(signer: TokenSigner, now = () => NOW): SigningKeys {
  return new SigningKeys([{ signer }], { publishMs: 300_000, overlapMs: 360_000, now });
}

export function testIssuer(
  keys: TokenIssuerOptions["keys"],
  changes: Partial<TokenIssuerOptions> = {},
): TokenIssuer {
  return new TokenIssuer({
    keys,
    issuer: "keywarden",
    developer: "https://kbs.example",
    build: "keywarden 0.1.0",
    lifetimeSeconds: 300,
    embedKey: true,
    now: () => NOW + 999,
    ...changes,
  });
}
