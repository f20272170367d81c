import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { AttestationService } from "../../src/attestation/adapters/attestation-service.ts";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";
import { KbsError } from "../../src/errors.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { isObject, member } from "../../src/json/write.ts";
import { teePublicKeyJson } from "../../src/protocol/jwk.ts";
import type { VerifiedToken } from "../../src/tokens/verify.ts";
import { type HandshakeOptions, handshake } from "../support/attestation-service.ts";

/** One way to have evidence judged, ready to be asked. */
export interface AttestationServiceCase {
  readonly service: AttestationService;
  /** The broker's own verification of tokens. */
  verify(token: string): Promise<VerifiedToken>;
  close(): Promise<void>;
}

const INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"note.txt" = "hello"\n';

/** What every attestation service does for the broker, wherever it is. */
export function attestationServiceContract(name: string, open: () => Promise<AttestationServiceCase>): void {
  describe(`attestation service: ${name}`, () => {
    let made: AttestationServiceCase;
    beforeAll(async () => {
      made = await open();
    });
    afterAll(() => made.close());

    const signal = () => AbortSignal.timeout(10_000);
    const codeOf = (options: HandshakeOptions) =>
      handshake(options)
        .then((request) => made.service.attest(request, signal()))
        .then(
          () => "issued",
          (error: unknown) => (error instanceof KbsError ? error.code : error),
        );

    test("issues a token that opens secrets here and speaks of this nonce and this key", async () => {
      const request = await handshake();
      const { token, tokenExpiresAt } = await made.service.attest(request, signal());
      const verified = await made.verify(token);
      expect(teePublicKeyJson(verified.teePublicKey)).toEqual(
        teePublicKeyJson(request.attestation.teePublicKey),
      );
      const evidence = at(verified.claims, "submods", "cpu0", "ear.veraison.annotated-evidence");
      expect(at(evidence, "runtime_data_claims", "nonce")).toBe(request.nonce);
      expect(at(verified.claims, "submods", "cpu0", "ear.appraisal-policy-id")).toBe("default");
      expect(tokenExpiresAt).toBeGreaterThan(Date.now());
    });

    test.each(["0.1", "0.2"] as const)(
      "takes evidence of generation %s, which has no list of devices",
      async (generation) => {
        const { token } = await made.service.attest(await handshake({ generation }), signal());
        const { claims } = await made.verify(token);
        const evidence = at(claims, "submods", "cpu0", "ear.veraison.annotated-evidence");
        expect(at(evidence, "runtime_data_claims", "additional-evidence")).toBeUndefined();
      },
    );

    test("A2 refuses evidence that is bound to another nonce", async () => {
      expect(await codeOf({ boundNonce: "another" })).toBe("evidence-rejected");
    });

    test("A12 A14 refuses evidence that is bound to another TEE key", async () => {
      expect(await codeOf({ boundKey: generateTeeKey("p256") })).toBe("evidence-rejected");
    });

    test("B22 appraises a device beside the primary evidence, and the primary evidence vouches for the list", async () => {
      const request = await handshake({ device: "good" });
      const { token } = await made.service.attest(request, signal());
      const { claims } = await made.verify(token);
      expect(Object.keys(Object(member(claims, "submods")))).toEqual(["cpu0", "gpu0"]);
      const { attestation } = request;
      const dropped = { ...request, attestation: { ...attestation, additionalEvidence: "", additional: [] } };
      await expect(made.service.attest(dropped, signal())).rejects.toMatchObject({
        code: "evidence-rejected",
      });
    });

    test("AS-020 one device that does not verify means no token at all", async () => {
      expect(await codeOf({ device: "bound to another nonce" })).toBe("evidence-rejected");
    });

    test("init-data that the evidence vouches for stands in the token", async () => {
      const { token } = await made.service.attest(await handshake({ initData: INIT_DATA }), signal());
      const { claims } = await made.verify(token);
      const evidence = at(claims, "submods", "cpu0", "ear.veraison.annotated-evidence");
      expect(at(evidence, "init_data_claims")).toEqual({ "note.txt": "hello" });
    });

    test("refuses init-data that is not a document", async () => {
      expect(await codeOf({ initData: "no = [TOML" })).toBe("handshake-refused");
    });

    test("AS-026 a policy that does not exist is no judgement", async () => {
      expect(await codeOf({ policyId: "nowhere" })).toBe("appraisal-failed");
    });

    test("refuses a kind of TEE that is not accepted", async () => {
      expect(await codeOf({ tee: "se" })).toBe("evidence-rejected");
    });

    test("AS-092 asks nobody for an ordinary challenge: the session makes the nonce", async () => {
      expect(await made.service.challenge("sample", "", signal())).toEqual({
        extraParams: "",
        hashAlgorithm: "sha384",
      });
    });

    test("AS-093 a Secure Execution guest without SHA-512 is refused before anything else", async () => {
      const offer = { "supported-hash-algorithms": ["sha256"] };
      await expect(made.service.challenge("se", offer, signal())).rejects.toMatchObject({
        code: "handshake-refused",
      });
    });

    test("AS-097 a choice of policies that nobody mapped is refused before any evidence is seen", async () => {
      const choice = { "attestation-policy-selector": "mine" };
      await expect(made.service.challenge("sample", choice, signal())).rejects.toMatchObject({
        code: "handshake-refused",
      });
    });

    test("is ready", async () => {
      await expect(made.service.ready(signal())).resolves.toBeUndefined();
    });
  });
}

function at(value: JsonValue | undefined, ...names: readonly string[]): JsonValue & JsonObject {
  let found = value;
  for (const name of names) found = isObject(found) ? member(found, name) : undefined;
  // For looking at what is expected to be there.
  return found as JsonValue & JsonObject;
}
