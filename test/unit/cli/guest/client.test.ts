import { afterEach, expect, test } from "@jest/globals";
import { FlattenedEncrypt } from "jose";
import { sampleAttester, sampleDeviceAttester } from "../../../../src/cli/guest/attester.ts";
import {
  attest,
  type GuestOptions,
  getResource,
  getResourceByToken,
  ProtocolFault,
} from "../../../../src/cli/guest/client.ts";
import type { Generation } from "../../../../src/cli/guest/generation.ts";
import { initDataDigest, runtimeDataDigest } from "../../../../src/cli/guest/generation.ts";
import { Refused } from "../../../../src/cli/guest/refusal.ts";
import { generateTeeKey } from "../../../../src/cli/guest/tee-key.ts";
import { createHttpClient, TransportError } from "../../../../src/cli/http-client.ts";
import {
  type ScriptedAnswer,
  type ScriptedBroker,
  type ScriptedRequest,
  scriptedBroker,
} from "../../../support/scripted-broker.ts";

const NONCE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TOKEN = `${b64url({ alg: "ES256" })}.${b64url({ exp: 1 })}.c2ln`;
const NO_TOKEN = problem(401, "TokenNotFound", "Attestation Token not found");
const AUTH: ScriptedAnswer = {
  status: 200,
  headers: { "set-cookie": "kbs-session-id=0123456789abcdef0123456789abcdef; Max-Age=300" },
  body: JSON.stringify({ nonce: NONCE, "extra-params": "" }),
};
const ATTEST: ScriptedAnswer = { status: 200, body: JSON.stringify({ token: TOKEN }) };
const TEE_KEY = generateTeeKey("rsa");

let broker: ScriptedBroker | undefined;
const http = createHttpClient({ deadlineMs: 5000, maxResponseBytes: 1 << 20, userAgent: "test" });
afterEach(async () => {
  http.close();
  await broker?.close();
});

function b64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function problem(status: number, variant: string, detail: string): ScriptedAnswer {
  const type = `https://github.com/confidential-containers/kbs/errors/${variant}`;
  return { status, body: JSON.stringify({ type, detail }) };
}

async function sealed(): Promise<ScriptedAnswer> {
  const jwe = await new FlattenedEncrypt(Buffer.from("secret"))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM" })
    .encrypt({ ...TEE_KEY.jwk, alg: "RSA-OAEP-256" });
  return { status: 200, body: JSON.stringify(jwe) };
}

/** Answers `/auth` and `/attest` well and hands resource requests to `resource`. */
async function start(
  resource: (request: ScriptedRequest) => ScriptedAnswer,
  steps: { auth?: ScriptedAnswer; attest?: ScriptedAnswer } = {},
): Promise<ScriptedBroker> {
  broker = await scriptedBroker((request) => {
    if (request.path === "/kbs/v0/auth") return steps.auth ?? AUTH;
    if (request.path === "/kbs/v0/attest") return steps.attest ?? ATTEST;
    return resource(request);
  });
  return broker;
}

function guest(url: URL, more: Partial<GuestOptions> = {}): GuestOptions {
  return {
    url,
    http,
    attester: sampleAttester,
    generation: "0.4.0",
    teeKey: () => TEE_KEY,
    now: () => Date.parse("2026-01-01T00:00:00Z"),
    ...more,
  };
}

function calls(server: ScriptedBroker): string[] {
  return server.seen.map(({ method, path }) => `${method} ${path.replace("/kbs/v0/", "")}`);
}

const GET = "GET resource/default/key/1";
const HANDSHAKE = ["POST auth", "POST attest"];

test("asks without a cookie, attests on 401, and asks again with the cookie", async () => {
  const answer = await sealed();
  const server = await start(({ cookie }) => (cookie === undefined ? NO_TOKEN : answer));
  expect((await getResource(guest(server.url), "default/key/1")).toString()).toBe("secret");
  expect(calls(server)).toEqual([GET, ...HANDSHAKE, GET]);
  expect(server.seen.map(({ cookie }) => cookie)).toEqual([
    undefined,
    undefined,
    "kbs-session-id=0123456789abcdef0123456789abcdef",
    "kbs-session-id=0123456789abcdef0123456789abcdef",
  ]);
});

test("tries three times on 401, nine requests, as the deployed guests do", async () => {
  const server = await start(() => problem(401, "PolicyDeny", "Access denied by policy"));
  await expect(getResource(guest(server.url), "default/key/1")).rejects.toBeInstanceOf(Refused);
  expect(calls(server)).toEqual([GET, ...HANDSHAKE, GET, ...HANDSHAKE, GET, ...HANDSHAKE]);
});

test.each([403, 404, 429, 500, 503])("stops at once on %i and keeps the reason", async (status) => {
  const server = await start(({ cookie }) =>
    cookie === undefined ? NO_TOKEN : problem(status, "PolicyDeny", "Access denied by policy"),
  );
  await expect(getResource(guest(server.url), "default/key/1")).rejects.toMatchObject({
    step: "resource",
    status,
    message: "Access denied by policy",
  });
  expect(calls(server)).toHaveLength(4);
});

test.each(["", "<html>no</html>", '{"type":"x"}', '{"type":1,"detail":"x"}', "[]"])(
  "loses the reason of a refusal whose body is %j, and says so",
  async (body) => {
    const server = await start(() => ({ status: 403, body }));
    await expect(getResource(guest(server.url), "default/key/1")).rejects.toThrow("without a reason");
  },
);

test.each([
  ["auth", 401],
  ["auth", 429],
  ["auth", 503],
  ["attest", 401],
  ["attest", 403],
] as const)("does not try again when /%s answers %i", async (step, status) => {
  const server = await start(() => NO_TOKEN, { [step]: problem(status, "AttestationError", "no") });
  await expect(getResource(guest(server.url), "default/key/1")).rejects.toMatchObject({ step, status });
  expect(calls(server)).toHaveLength(step === "auth" ? 2 : 3);
});

test("carries what the broker says about a failed check", async () => {
  const body = JSON.stringify({ type: "t", detail: "d", check: "debug", expected: "off", seen: "on" });
  const server = await start(() => NO_TOKEN, { attest: { status: 401, body } });
  await expect(getResource(guest(server.url), "default/key/1")).rejects.toMatchObject({
    answer: { check: "debug", expected: "off", seen: "on" },
  });
});

test("Bearer: shows the token without a cookie, and makes a new one after each 401", async () => {
  const server = await start(() => problem(401, "TokenVerifierError", "Token Verifier error"));
  await expect(getResourceByToken(guest(server.url), "default/key/1")).rejects.toMatchObject({ status: 401 });
  const handshakeThenGet = [...HANDSHAKE, GET];
  expect(calls(server)).toEqual([
    ...handshakeThenGet,
    ...handshakeThenGet,
    ...handshakeThenGet,
    ...HANDSHAKE,
  ]);
  const gets = server.seen.filter(({ method }) => method === "GET");
  expect(gets.map(({ authorization, cookie }) => [authorization, cookie])).toEqual(
    Array(3).fill([`Bearer ${TOKEN}`, undefined]),
  );
});

test("Bearer: opens what it gets", async () => {
  const answer = await sealed();
  const server = await start(() => answer);
  expect((await getResourceByToken(guest(server.url), "default/key/1")).toString()).toBe("secret");
  expect(calls(server)).toEqual([...HANDSHAKE, GET]);
});

test("copies the query, and puts one slash between address and prefix", async () => {
  const server = await start(() => problem(404, "ResourceNotFound", "no"));
  const url = new URL(`${server.url.href}gateway//`);
  await expect(getResource(guest(url), "/default/key/1?a=b")).rejects.toMatchObject({ status: 404 });
  expect(server.seen[0]?.path).toBe("/gateway/kbs/v0/resource/default/key/1?a=b");
});

test("sends no cookie that the broker limited to another path", async () => {
  const server = await start(() => NO_TOKEN, {
    auth: { ...AUTH, headers: { "set-cookie": "kbs-session-id=1; Path=/kbs/v0/auth" } },
  });
  await expect(attest(guest(server.url))).rejects.toThrow("no cookie that this guest may send");
});

test.each([
  ["no nonce", { "extra-params": "" }],
  ["no extra-params", { nonce: NONCE }],
  ["an unknown digest", { nonce: NONCE, "extra-params": { "selected-hash-algorithm": "md5" } }],
  ["a digest that is no string", { nonce: NONCE, "extra-params": { "selected-hash-algorithm": 1 } }],
])("does not go on from a challenge with %s", async (_name, challenge) => {
  const server = await start(() => NO_TOKEN, { auth: { ...AUTH, body: JSON.stringify(challenge) } });
  await expect(attest(guest(server.url))).rejects.toBeInstanceOf(ProtocolFault);
});

test.each(["a.b", "a.b.c", "", `${b64url({})}.!.x`])("does not take %j for a token", async (token) => {
  const server = await start(() => NO_TOKEN, { attest: { status: 200, body: JSON.stringify({ token }) } });
  await expect(attest(guest(server.url))).rejects.toThrow("`token` is not a signed token");
});

test("hashes with the algorithm that the broker selected, whatever its case", async () => {
  const challenge = { nonce: NONCE, "extra-params": { "selected-hash-algorithm": "SHA512" } };
  const server = await start(() => NO_TOKEN, { auth: { ...AUTH, body: JSON.stringify(challenge) } });
  await attest(guest(server.url));
  expect(reportData(server).length).toBe(64);
});

test("does not follow a redirect, with a credential or without", async () => {
  const server = await start(() => ({ status: 307, headers: { location: "/elsewhere" } }));
  await expect(getResource(guest(server.url), "default/key/1")).rejects.toMatchObject({ fault: "redirect" });
  expect(server.seen).toHaveLength(1);
});

test("refuses an answer larger than its bound", async () => {
  const server = await start(() => ({ status: 200, body: "x".repeat(4097) }));
  const small = createHttpClient({ deadlineMs: 5000, maxResponseBytes: 4096, userAgent: "test" });
  await expect(getResource(guest(server.url, { http: small }), "default/key/1")).rejects.toMatchObject({
    fault: "too-large",
  });
  small.close();
});

test("says that nobody listens", async () => {
  const server = await start(() => NO_TOKEN);
  await server.close();
  const outcome = getResource(guest(server.url), "default/key/1");
  await expect(outcome).rejects.toBeInstanceOf(TransportError);
  await expect(outcome).rejects.toMatchObject({ fault: "unreachable" });
});

function reportData(server: ScriptedBroker): Buffer {
  const body = JSON.parse(server.seen.find(({ path }) => path.endsWith("/attest"))?.body ?? "{}");
  return Buffer.from(body["tee-evidence"].primary_evidence.report_data, "base64");
}

/** Bodies as recorded from the deployed clients of each generation. */
test.each<[Generation, string, RegExp]>([
  [
    "0.4.0",
    '{"version":"0.4.0","tee":"sample","extra-params":{"supported-hash-algorithms":["sha256","sha384","sha512","sm3"]}}',
    /^{"init-data":null,"runtime-data":{"nonce":"[^"]+","tee-pubkey":{"kty":"RSA","alg":"[^"]+","n":"[^"]+","e":"AQAB"}},"tee-evidence":{"primary_evidence":{"report_data":"[^"]+","svn":"1"},"additional_evidence":""}}$/,
  ],
  [
    "0.2.0",
    '{"version":"0.2.0","tee":"sample","extra-params":{"supported-hash-algorithms":["sha256","sha384","sha512"]}}',
    /^{"tee-pubkey":{"kty":"RSA","alg":"[^"]+","n":"[^"]+","e":"AQAB"},"tee-evidence":{"report_data":"[^"]+","svn":"1"}}$/,
  ],
  [
    "0.1.1",
    '{"version":"0.1.1","tee":"sample","extra-params":{"supported-hash-algorithms":["sha256","sha384","sha512"]}}',
    /^{"tee-pubkey":{"kty":"RSA","alg":"[^"]+","n":"[^"]+","e":"AQAB"},"tee-evidence":{"report_data":"[^"]+","svn":"1"}}$/,
  ],
  [
    "0.1.0",
    '{"version":"0.1.0","tee":"sample","extra-params":""}',
    /^{"tee-pubkey":{"kty":"RSA","alg":"[^"]+","n":"[^"]+","e":"AQAB"},"tee-evidence":"{\\"report_data\\":\\"[^"]+\\",\\"svn\\":\\"1\\"}"}$/,
  ],
])("generation %s sends the bodies of its clients", async (generation, request, attestation) => {
  const server = await start(() => NO_TOKEN);
  await attest(guest(server.url, { generation }));
  expect(server.seen[0]?.body).toBe(request);
  expect(server.seen[1]?.body).toMatch(attestation);
});

test("a device is bound to nonce and key, and its evidence to the primary evidence", async () => {
  const server = await start(() => NO_TOKEN);
  await attest(guest(server.url, { devices: [sampleDeviceAttester] }));
  const { additional_evidence: additional } = JSON.parse(server.seen[1]?.body ?? "")["tee-evidence"];
  const device = runtimeDataDigest("sha384", NONCE, TEE_KEY.jwk, undefined).toString("base64");
  expect(JSON.parse(additional)).toEqual({ sampledevice: { svn: "2", report_data: device } });
  expect(reportData(server)).toEqual(runtimeDataDigest("sha384", NONCE, TEE_KEY.jwk, additional));
});

/** Annex A of the protocol description. */
const VECTOR_KEY = {
  kty: "EC",
  crv: "P-256",
  alg: "ECDH-ES+A256KW",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
};

test("vector A.2: the digest of a device", () => {
  expect(runtimeDataDigest("sha384", NONCE, VECTOR_KEY, undefined).toString("hex")).toBe(
    "f4b39bba933d6e8ccbe043d31758e04973477676eab86cc3950560e75e4749e316fff72b913e526c729e200c13d52d44",
  );
});

test("vector A.3: the digest of primary evidence", async () => {
  const digest = runtimeDataDigest("sha384", NONCE, VECTOR_KEY, "");
  expect(await sampleAttester.collect({ reportData: digest, initDataDigest: undefined })).toEqual({
    svn: "1",
    report_data: "cqptH/GXi/1gpcJ3JELcJcKzIsLCYgWrttP2x64mhGGuE1o6uCn1H+P581LHVl33",
  });
});

test("vector A.4: the digest of primary evidence with a device", () => {
  const additional =
    '{"sampledevice":{"svn":"2","report_data":"9LObupM9bozL4EPTF1jgSXNHdnbquGzDlQVg515HSeMW//crkT5SbHKeIAwT1S1E"}}';
  expect(runtimeDataDigest("sha384", NONCE, VECTOR_KEY, additional).toString("base64")).toBe(
    "fMgCKj2Vte1EpzaZqDOnydDxTFzo9O8tRQ18xI/rV9czTHLcOHJQ0w9sBJtGC1+Y",
  );
});

test("vector A.4b: the digest of init-data is over its exact text", () => {
  const body =
    'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n"aa.toml" = \'\'\'\n[token_configs]\n[token_configs.kbs]\nurl = "http://kbs:8080"\n\'\'\'\n';
  expect(initDataDigest({ format: "toml", body }).toString("hex")).toBe(
    "f92c3f43e566425fa661e87aedd5b24ce183b099c0bf761f5c3cd64e2c1f4323",
  );
  expect(() => initDataDigest({ format: "toml", body: 'algorithm = "md5"' })).toThrow(RangeError);
});
