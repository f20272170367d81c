import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  RemoteAttestationService,
  type RemoteTransport,
} from "../../../../src/attestation/adapters/remote.ts";
import type { AppraisalRequest } from "../../../../src/attestation/requests.ts";
import { generateTeeKey } from "../../../../src/cli/guest/tee-key.ts";
import { KbsError } from "../../../../src/errors.ts";
import { ServiceUnavailable } from "../../../../src/grpc/unavailable.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { teePublicKeyJson } from "../../../../src/protocol/jwk.ts";
import { FixedKeys } from "../../../../src/tokens/key-source.ts";
import { TokenVerifier } from "../../../../src/tokens/verify.ts";
import { handshake } from "../../../support/attestation-service.ts";
import { compact, NOW, NOW_SECONDS, p256, signAs } from "../../../support/tokens.ts";

const SERVICE_KEY = p256();
const OWN_KEY = p256();
const STRANGER = generateKeyPairSync("ec", { namedCurve: "P-256" });
const REQUEST = await handshake({ device: "good" });

const issuer = (name: string, iss: string, pair: typeof SERVICE_KEY) => ({
  name,
  issuer: iss,
  audience: undefined,
  algorithms: ["ES256" as const],
  keys: new FixedKeys([{ kid: undefined, algorithm: "ES256", key: pair.publicKey }]),
});

const VERIFIER = new TokenVerifier({
  issuers: [issuer("self", "keywarden", OWN_KEY), issuer("attestation-service", "as", SERVICE_KEY)],
  now: () => NOW,
});

/** The claims of an honest service about `request`. */
function honest({ nonce, tee, attestation }: AppraisalRequest): Claims {
  const bound = { nonce, "tee-pubkey": teePublicKeyJson(attestation.teePublicKey) };
  const list = { ...bound, "additional-evidence": attestation.additionalEvidence };
  return {
    iss: "as",
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    submods: {
      cpu0: submodule({ [tee]: {}, report_data: "", runtime_data_claims: list }),
      gpu0: submodule({ sampledevice: {}, report_data: "", runtime_data_claims: bound }),
    },
  };
}

interface Claims extends JsonObject {
  readonly submods: JsonObject;
}

function submodule(evidence: JsonObject): JsonObject {
  return { "ear.status": "affirming", "ear.veraison.annotated-evidence": evidence };
}

function signed(claims: JsonObject, pair = SERVICE_KEY, header: JsonObject = { alg: "ES256" }): string {
  return compact(header, claims, signAs("ES256", pair.privateKey));
}

interface Asked {
  readonly service: RemoteAttestationService;
  calls: number;
}

function serviceThat(
  evaluate: (call: number) => Promise<string> | string,
  monotonic: () => number = () => 0,
): Asked {
  const asked = { calls: 0 };
  const transport: RemoteTransport = {
    name: "test",
    evaluate: async () => evaluate(++asked.calls),
    challenge: async () => "made by the service",
    health: async () => undefined,
    close: () => undefined,
  };
  const service = new RemoteAttestationService({
    transport,
    verify: (token, signal) => VERIFIER.verify(token, signal),
    issuer: "attestation-service",
    policyId: "default",
    selectors: new Map(),
    monotonic,
  });
  return Object.assign(asked, { service });
}

const signal = () => AbortSignal.timeout(10_000);
const believed = (token: string, request = REQUEST) =>
  serviceThat(() => token)
    .service.attest(request, signal())
    .then(
      () => "believed",
      (error: unknown) => (error instanceof KbsError ? error.code : error),
    );

describe("a token of an attestation service elsewhere", () => {
  test("is believed when it speaks of this handshake", async () => {
    expect(await believed(signed(honest(REQUEST)))).toBe("believed");
  });

  const cpu = (over: JsonObject): JsonObject => {
    const { submods } = honest(REQUEST);
    const evidence = Object(Object(submods["cpu0"])["ear.veraison.annotated-evidence"]);
    return { ...honest(REQUEST), submods: { ...submods, cpu0: submodule({ ...evidence, ...over }) } };
  };
  const bound = (over: JsonObject): JsonObject => ({
    nonce: REQUEST.nonce,
    "tee-pubkey": teePublicKeyJson(REQUEST.attestation.teePublicKey),
    "additional-evidence": REQUEST.attestation.additionalEvidence,
    ...over,
  });
  const { submods } = honest(REQUEST);

  test.each<[string, string]>([
    ["signed by a stranger", signed(honest(REQUEST), STRANGER)],
    ["signed by this broker's own key", signed({ ...honest(REQUEST), iss: "keywarden" }, OWN_KEY)],
    ["of another issuer", signed({ ...honest(REQUEST), iss: "somebody" })],
    ["that has expired", signed({ ...honest(REQUEST), exp: NOW_SECONDS - 61 })],
    ["without expiry", signed({ ...honest(REQUEST), exp: null })],
    ["without signature", `${signed(honest(REQUEST)).split(".").slice(0, 2).join(".")}.`],
    ["that is no token", "<html>It works!</html>"],
    ["that is empty", ""],
    ["A3 for another nonce", signed(cpu({ runtime_data_claims: bound({ nonce: "another" }) }))],
    [
      "A14 for another TEE key",
      signed(cpu({ runtime_data_claims: bound({ "tee-pubkey": { ...generateTeeKey("p256").jwk } }) })),
    ],
    ["without TEE key", signed(cpu({ runtime_data_claims: { nonce: REQUEST.nonce } }))],
    ["without runtime data", signed(cpu({ runtime_data_claims: null }))],
    [
      "B22 about another list of devices",
      signed(cpu({ runtime_data_claims: bound({ "additional-evidence": "" }) })),
    ],
    [
      "B22 that leaves a device out",
      signed({ ...honest(REQUEST), submods: { cpu0: submods["cpu0"] ?? null } }),
    ],
    [
      "about a device that nobody asked about",
      signed({ ...honest(REQUEST), submods: { ...submods, gpu1: submodule({ nvidia: {} }) } }),
    ],
    ["with a submodule that is not one", signed({ ...honest(REQUEST), submods: { ...submods, x: "y" } })],
    ["without submodules", signed({ ...honest(REQUEST), submods: {} })],
  ])("%s is refused, and says that the service is at fault", async (_what, token) => {
    expect(await believed(token)).toBe("attestation-service-distrusted");
  });

  test("a device's runtime data must be of this handshake as well", async () => {
    const stale = submodule({ sampledevice: {}, runtime_data_claims: { nonce: "old", "tee-pubkey": {} } });
    const token = signed({ ...honest(REQUEST), submods: { ...submods, gpu0: stale } });
    expect(await believed(token)).toBe("attestation-service-distrusted");
  });

  test("a service that keeps its tokens short may leave the list of devices out", async () => {
    const short = {
      nonce: REQUEST.nonce,
      "tee-pubkey": teePublicKeyJson(REQUEST.attestation.teePublicKey),
    };
    expect(await believed(signed(cpu({ runtime_data_claims: short })))).toBe("believed");
  });

  test("a token that was believed once is not believed for the next handshake", async () => {
    const token = signed(honest(REQUEST));
    expect(await believed(token)).toBe("believed");
    expect(await believed(token, await handshake({ device: "good" }))).toBe("attestation-service-distrusted");
  });
});

describe("asking again", () => {
  const unreachable = () => Promise.reject(new ServiceUnavailable("test", "down", { unreachable: true }));
  const late = () => Promise.reject(new ServiceUnavailable("test", "late"));
  const verdict = () => Promise.reject(new KbsError("evidence-rejected", "no"));

  test("happens once when the service was not reached", async () => {
    const asked = serviceThat((call) => (call === 1 ? unreachable() : signed(honest(REQUEST))));
    await asked.service.attest(REQUEST, signal());
    expect(asked.calls).toBe(2);
    const down = serviceThat(unreachable);
    await expect(down.service.attest(REQUEST, signal())).rejects.toMatchObject({
      code: "attestation-service-unavailable",
    });
    expect(down.calls).toBe(2);
  });

  test.each<[string, () => Promise<string>]>([
    ["a verdict", verdict],
    ["a deadline", late],
  ])("never happens after %s", async (_what, fail) => {
    const asked = serviceThat(fail);
    await expect(asked.service.attest(REQUEST, signal())).rejects.toBeInstanceOf(KbsError);
    expect(asked.calls).toBe(1);
  });

  test("E4 a service that keeps failing is left alone, tried by one, and used again", async () => {
    let now = 0;
    let up = false;
    const asked = serviceThat(
      () => (up ? signed(honest(REQUEST)) : late()),
      () => now,
    );
    const attest = () =>
      asked.service.attest(REQUEST, signal()).then(
        () => "believed",
        (error: unknown) => (error instanceof KbsError ? error.code : error),
      );
    for (let failures = 0; failures < 5; failures++) await attest();
    expect(asked.calls).toBe(5);
    expect(await attest()).toBe("attestation-service-unavailable");
    expect(asked.calls).toBe(5);
    now += 5_000;
    expect(await Promise.all([attest(), attest()])).toEqual([
      "attestation-service-unavailable",
      "attestation-service-unavailable",
    ]);
    expect(asked.calls).toBe(6);
    now += 5_000;
    up = true;
    expect(await attest()).toBe("believed");
    expect(await attest()).toBe("believed");
  });

  test("a verdict shows that the service works", async () => {
    const asked = serviceThat((call) => (call % 2 === 0 ? verdict() : late()));
    for (let calls = 0; calls < 12; calls++)
      await asked.service.attest(REQUEST, signal()).catch(() => undefined);
    expect(asked.calls).toBe(12);
  });
});

describe("the challenge", () => {
  test("AS-093 of Secure Execution comes from the service, with SHA-512", async () => {
    const { service } = serviceThat(verdictless);
    const offer = { "supported-hash-algorithms": ["sha384", "SHA512"] };
    expect(await service.challenge("se", offer, signal())).toEqual({
      nonce: "made by the service",
      extraParams: { "selected-hash-algorithm": "sha512" },
      hashAlgorithm: "sha512",
    });
  });
});

function verdictless(): Promise<string> {
  return Promise.reject(new TypeError("nothing is evaluated"));
}
