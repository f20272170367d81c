import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { expect, test } from "@jest/globals";
import type { JsonObject } from "../../src/json/value.ts";
import { isObject, member, writeJson } from "../../src/json/write.ts";
import { formName, PROFILE_TAGS, TOKEN_PROFILES, type TokenForm } from "../../src/tokens/forms.ts";
import { FixedKeys } from "../../src/tokens/key-source.ts";
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from "../../src/tokens/signer.ts";
import { parsePointer } from "../../src/tokens/tee-key.ts";
import { TokenVerifier } from "../../src/tokens/verify.ts";
import { cpuSubmodule, fixedKeys, freshSigner, testIssuer } from "../support/ear.ts";
import { type Ask, describeInterop, type InteropAnswer } from "../support/interop.ts";
import { TEE_KEY } from "../support/tokens.ts";

/** The libraries look at the clock, so these tokens are of now. */
const now = () => Date.now();
const SIGNAL = new AbortController().signal;
const SUBMODULES = [
  cpuSubmodule(
    { count: 2n ** 63n - 1n },
    {
      status: "warning",
      trustVector: { hardware: 2, configuration: 33, "sourced-data": -1 },
      extensions: { "ear.trustee.identifiers": { validated: {} } },
      extensionKeys: { "ear.trustee.identifiers": -18 },
    },
  ),
  cpuSubmodule(
    {},
    { name: "gpu0", policyId: "gpus", status: "contraindicated", trustVector: { hardware: 97 } },
  ),
];

async function issued(algorithm: SigningAlgorithm, form: TokenForm) {
  const signer = freshSigner(algorithm);
  const issuer = testIssuer(fixedKeys(signer, now), { now });
  const { token } = await issuer.issue({ submodules: SUBMODULES, protocol: undefined }, SIGNAL, form);
  return { token, jwk: writeJson(signer.publicJwk), algorithm, encoding: form.encoding };
}

const jwt = (profile: TokenForm["profile"]): TokenForm => ({ encoding: "jwt", profile });
const cwt = (profile: TokenForm["profile"]): TokenForm => ({ encoding: "cwt", profile });
const times = (forms: readonly TokenForm[]) =>
  forms.flatMap((form) => SIGNING_ALGORITHMS.map((algorithm) => [formName(form), algorithm, form] as const));

/** Asks for one thing. */
async function once(ask: Ask, request: object): Promise<InteropAnswer> {
  const [answer] = await ask([request]);
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

function okOf(answer: InteropAnswer): JsonObject {
  if (!("ok" in answer)) throw new Error(answer.error);
  // What the programs print is JSON.
  return answer.ok as JsonObject;
}

function submodule(claims: JsonObject, name: string): JsonObject {
  const submods = member(claims, "submods");
  const found = isObject(submods) ? member(submods, name) : undefined;
  if (!isObject(found)) throw new Error(`no submodule ${name}`);
  return found;
}

/** What every library must have understood, under the names it prints. */
function expectClassic(claims: JsonObject): void {
  expect(submodule(claims, "cpu0")).toMatchObject({
    "ear.status": "warning",
    "ear.trustworthiness-vector": { hardware: 2, configuration: 33, "sourced-data": -1 },
    "ear.appraisal-policy-id": "default",
  });
  expect(submodule(claims, "gpu0")).toMatchObject({
    "ear.status": "contraindicated",
    "ear.trustworthiness-vector": { hardware: 97 },
    "ear.appraisal-policy-id": "gpus",
  });
  expect(claims["ear.verifier-id"]).toEqual({ developer: "https://kbs.example", build: "keywarden 0.1.0" });
}

/** A token that another library made must count here, and say here what it says there. */
async function expectCounts(
  ask: Ask,
  request: {
    readonly encoding: "jwt" | "cwt";
    readonly algorithm: SigningAlgorithm;
    readonly profile: string;
  },
  more: object = {},
): Promise<void> {
  const { privateKey, publicKey } = keyPair(request.algorithm);
  const exp = Math.floor(now() / 1000) + 300;
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  const tee = TEE_KEY.jwk;
  const answer = await once(ask, {
    op: "write",
    pem,
    exp,
    tee,
    issuer: "other",
    kid: "1",
    ...request,
    ...more,
  });
  const token = "ok" in answer ? String(answer.ok) : answer.error;
  const verifier = new TokenVerifier({
    issuers: [
      {
        name: "other",
        issuer: "other",
        audience: undefined,
        algorithms: [request.algorithm],
        encodings: [request.encoding],
        profiles: [request.profile],
        keys: new FixedKeys([{ kid: undefined, algorithm: request.algorithm, key: publicKey }]),
      },
    ],
    extraTeeKeyPointers: [parsePointer("/-70500")],
    now,
  });
  const { claims, teePublicKey } = await verifier.verify(token, SIGNAL);
  expect(teePublicKey).toEqual(tee);
  expect(submodule(claims, "cpu0")).toMatchObject({
    "ear.status": "warning",
    "ear.trustworthiness-vector": { "instance-identity": 2, configuration: 32 },
    "ear.appraisal-policy-id": "default",
  });
}

function keyPair(algorithm: SigningAlgorithm): {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
} {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("ec", { namedCurve: algorithm === "ES384" ? "P-384" : "P-256" });
}

/** Another key, and one bit of the signature: nothing that is signed by somebody else is read. */
async function expectRefusals(ask: Ask, form: TokenForm, more: object = {}): Promise<void> {
  const good = await issued("ES256", form);
  const bytes = Buffer.from(good.token.slice(-40), "base64url");
  bytes[4] = (bytes[4] ?? 0) ^ 1;
  const forged = good.token.slice(0, -40) + bytes.toString("base64url");
  const other = writeJson(freshSigner("ES256").publicJwk);
  const answers = await ask([
    { op: "read", ...good, ...more },
    { op: "read", ...good, ...more, token: forged },
    { op: "read", ...good, ...more, jwk: other },
  ]);
  expect(answers.map((answer) => "ok" in answer)).toEqual([true, false, false]);
}

describeInterop("the Rust crate ear 0.5, which writes dotted names", "rust", (ask) => {
  const version = { version: "0.5" };
  const forms = [jwt("trustee"), jwt("veraison"), cwt("trustee"), cwt("veraison")];

  test.each(times(forms))("AS-048 AS-049 reads %s with %s", async (_, algorithm, form) => {
    const claims = okOf(await once(ask, { op: "read", ...version, ...(await issued(algorithm, form)) }));
    expectClassic(claims);
    expect(claims["eat_profile"]).toBe(PROFILE_TAGS[form.profile]);
    expect(submodule(claims, "cpu0")["ear.veraison.annotated-evidence"]).toHaveProperty(
      ["runtime_data_claims", "tee-pubkey"],
      TEE_KEY.jwk,
    );
  });

  test("AS-049 a CWT says what the JWT says", async () => {
    const both = await ask([
      { op: "read", ...version, ...(await issued("ES256", jwt("trustee"))) },
      { op: "read", ...version, ...(await issued("ES256", cwt("trustee"))) },
    ]);
    const [inJson, inCbor] = both.map((answer) => member(okOf(answer), "submods"));
    expect(inCbor).toEqual(inJson);
  });

  test.each(["jwt", "cwt"] as const)("its own %s counts here", async (encoding) => {
    for (const algorithm of encoding === "jwt" ? SIGNING_ALGORITHMS : (["ES256", "ES384"] as const))
      await expectCounts(ask, { encoding, algorithm, profile: PROFILE_TAGS.veraison }, version);
  });

  test("C2 refuses what is forged", async () => {
    await expectRefusals(ask, jwt("trustee"), version);
    await expectRefusals(ask, cwt("trustee"), version);
  });
});

describeInterop("the Rust crate ear 0.6, which writes the names of the IETF drafts", "rust", (ask) => {
  const version = { version: "0.6" };

  test.each(times([jwt("ietf"), cwt("ietf")]))(
    "AS-048 AS-050 reads %s with %s",
    async (_, algorithm, form) => {
      const claims = okOf(await once(ask, { op: "read", ...version, ...(await issued(algorithm, form)) }));
      expect(claims["eat_profile"]).toBe(PROFILE_TAGS.ietf);
      expect(claims["ear_status"]).toBe("contraindicated");
      expect(claims["ear_verifier_id"]).toEqual({
        developer: "https://kbs.example",
        build: "keywarden 0.1.0",
      });
      expect(submodule(claims, "cpu0")).toMatchObject({
        ear_status: "warning",
        ear_trustworthiness_vector: { hardware: 2, configuration: 33, "sourced-data": -1 },
        ear_appraisal_policy_ids: ["default"],
      });
      expect(submodule(claims, "gpu0")).toMatchObject({
        ear_status: "contraindicated",
        ear_appraisal_policy_ids: ["gpus"],
      });
    },
  );

  test.each(["jwt", "cwt"] as const)("its own %s counts here", async (encoding) => {
    const profile = "tag:ietf.org,2026:rats/ear#04";
    for (const algorithm of encoding === "jwt" ? SIGNING_ALGORITHMS : (["ES256", "ES384"] as const))
      await expectCounts(ask, { encoding, algorithm, profile }, version);
  });

  test("C2 refuses what is forged", async () => {
    await expectRefusals(ask, jwt("ietf"), version);
    await expectRefusals(ask, cwt("ietf"), version);
  });
});

describeInterop("the Go module veraison/ear", "go", (ask) => {
  test.each(times([jwt("trustee"), jwt("veraison")]))(
    "AS-048 reads %s with %s",
    async (_, algorithm, form) => {
      const token = await issued(algorithm, form);
      const payload = Buffer.from(token.token.split(".")[1] ?? "", "base64url").toString();
      const [read, unmarshalled] = await ask([
        { op: "read", ...token, jwk: JSON.parse(token.jwk) },
        { op: "unmarshal", payload },
      ]);
      if (read === undefined || unmarshalled === undefined) throw new Error("no answer");
      expectClassic(okOf(read));
      expectClassic(okOf(unmarshalled));
    },
  );

  test("its own token counts here, with an expiry added", async () => {
    for (const algorithm of SIGNING_ALGORITHMS)
      await expectCounts(ask, { encoding: "jwt", algorithm, profile: PROFILE_TAGS.veraison });
  });

  test("AS-056 its own token without an expiry does not", async () => {
    await expect(
      expectCounts(
        ask,
        { encoding: "jwt", algorithm: "ES256", profile: PROFILE_TAGS.veraison },
        { op: "write-bare" },
      ),
    ).rejects.toMatchObject({ code: "token-rejected", detail: expect.stringContaining("exp") });
  });

  test("C2 refuses what is forged", async () => {
    const good = await issued("ES256", jwt("trustee"));
    const other = freshSigner("ES256").publicJwk;
    const answer = await once(ask, { op: "read", ...good, jwk: other });
    expect(answer).toHaveProperty("error");
  });
});

describeInterop("the Python packages PyJWT and cwt", "python", (ask) => {
  const all = TOKEN_PROFILES.flatMap((profile) => [jwt(profile), cwt(profile)]);

  test.each(times(all))("read %s with %s", async (_, algorithm, form) => {
    const claims = okOf(await once(ask, { op: "read", ...(await issued(algorithm, form)) }));
    const profile = form.encoding === "jwt" ? claims["eat_profile"] : claims["265"];
    expect(profile).toBe(PROFILE_TAGS[form.profile]);
    const submods = form.encoding === "jwt" ? claims["submods"] : claims["266"];
    expect(Object.keys(Object(submods))).toEqual(["cpu0", "gpu0"]);
  });

  test.each(["jwt", "cwt"] as const)("their own %s counts here", async (encoding) => {
    for (const algorithm of SIGNING_ALGORITHMS)
      await expectCounts(ask, { encoding, algorithm, profile: PROFILE_TAGS.veraison });
  });

  test("C2 refuse what is forged", async () => {
    await expectRefusals(ask, jwt("trustee"));
    await expectRefusals(ask, cwt("trustee"));
  });
});
