import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  ADMIN_TOKEN,
  type AloneService,
  aloneService,
  READER_TOKEN,
  SERVICE_TOKEN,
} from "../../support/attestation-service.ts";
import { commandLine } from "../../support/command-line.ts";
import { type GrpcClientOptions, grpcClient } from "../../support/grpc-client.ts";
import { testAuthority } from "../../support/tls-certificates.ts";

const POLICY = `package policy
import rego.v1
trust_claims := {"executables": 2, "hardware": 2, "configuration": 2}
`;
const base64url = (text: string) => Buffer.from(text).toString("base64url");
const EVIDENCE = base64url('{"svn":"1","report_data":""}');
const EVALUATE = { verification_requests: [{ tee: "sample", evidence: EVIDENCE }] };
const SET = { policy_id: "default_cpu", policy: base64url(POLICY) };
const message = (name: string, value: unknown) =>
  JSON.stringify({
    version: "0.1.0",
    type: "sample",
    payload: Buffer.from(JSON.stringify({ [name]: value })).toString("base64"),
  });

/** What each call needs, and how it is made over gRPC. */
const CALLS = [
  ["attestation", "AttestationEvaluate", EVALUATE, "evaluate"],
  ["attestation", "GetAttestationChallenge", { inner: { tee: "sample", tee_params: "" } }, "evaluate"],
  ["attestation", "SetAttestationPolicy", SET, "administer"],
  ["referenceValues", "RegisterReferenceValue", { message: message("svn", ["1"]) }, "administer"],
  ["referenceValues", "QueryReferenceValue", { reference_value_id: "svn" }, "read"],
  ["administration", "ListPolicies", {}, "administer"],
  ["administration", "GetPolicy", { policy_id: "default_cpu" }, "administer"],
  ["administration", "ListReferenceValues", {}, "read"],
  ["administration", "DeleteReferenceValue", { reference_value_id: "svn" }, "administer"],
  ["administration", "DeletePolicy", { policy_id: "default_cpu" }, "administer"],
] as const;

async function codes(url: string, options: GrpcClientOptions): Promise<Record<string, number>> {
  const client = await grpcClient(url, options);
  const seen: Record<string, number> = {};
  for (const [service, name, argument] of CALLS)
    seen[name] = (await client.call(service, name, argument)).code;
  client.close();
  return seen;
}

function expectedCodes(allowed: readonly string[], refusal: status): Record<string, number> {
  return Object.fromEntries(
    CALLS.map(([, name, , need]) => [name, allowed.includes(need) ? status.OK : refusal]),
  );
}

async function rest(service: AloneService, method: string, path: string, token?: string, body?: unknown) {
  const answer = await fetch(`${service.rest}${path}`, {
    method,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, text: await answer.text() };
}

describe("AS-098 nobody may do anything without being told so", () => {
  let service: AloneService;
  beforeAll(async () => {
    service = await aloneService();
  });
  afterAll(() => service.close());

  test("C7 without credentials every call but health and the key set is refused, over gRPC", async () => {
    expect(await codes(service.grpc, {})).toEqual(expectedCodes([], status.UNAUTHENTICATED));
  });

  test("D12 and on the port of reference values", async () => {
    const client = await grpcClient(service.rvps);
    const put = await client.call("referenceValues", "RegisterReferenceValue", { message: message("x", 1) });
    const health = await client.call("health", "Check", { service: "" });
    // Evaluation is not served there at all.
    const evaluate = await client.call("attestation", "AttestationEvaluate", EVALUATE);
    client.close();
    expect([put.code, health.code, evaluate.code]).toEqual([
      status.UNAUTHENTICATED,
      status.OK,
      status.UNIMPLEMENTED,
    ]);
  });

  test("C7 and over REST", async () => {
    const asked = [
      ["POST", "/attestation", {}],
      ["POST", "/challenge", {}],
      ["POST", "/policy", SET],
      ["GET", "/policy", undefined],
      ["GET", "/policy/default_cpu", undefined],
      ["DELETE", "/policy/default_cpu", undefined],
      ["POST", "/kbs/v0/reference-value", {}],
      ["GET", "/kbs/v0/attestation-policy", undefined],
    ] as const;
    for (const [method, path, body] of asked)
      expect({ path, status: (await rest(service, method, path, undefined, body)).status }).toEqual({
        path,
        status: 401,
      });
  });

  test("a wrong token is refused, and no word of it is logged or answered", async () => {
    const wrong = "x".repeat(40);
    const client = await grpcClient(service.grpc, { token: wrong });
    const answer = await client.call("attestation", "AttestationEvaluate", EVALUATE);
    client.close();
    expect(answer).toMatchObject({ code: status.UNAUTHENTICATED, problem: "unauthenticated" });
    expect(answer.details).not.toContain(wrong);
    expect(readFileSync(service.auditFile, "utf8")).not.toContain(wrong);
  });

  test.each([
    ["evaluate", SERVICE_TOKEN, ["evaluate"]],
    ["read-reference-values", READER_TOKEN, ["read"]],
    ["administer", ADMIN_TOKEN, ["administer", "read"]],
  ])("a token that may %s may do that, and nothing else", async (_may, token, allowed) => {
    expect(await codes(service.grpc, { token })).toEqual(expectedCodes(allowed, status.PERMISSION_DENIED));
    const evaluated = await rest(service, "POST", "/attestation", token, { ...EVALUATE, policy_ids: [] });
    expect(evaluated.status).toBe(allowed.includes("evaluate") ? 200 : 403);
    const set = await rest(service, "POST", "/policy", token, SET);
    expect(set.status).toBe(allowed.includes("administer") ? 200 : 403);
  });

  test("credentials are asked for before the message is read", async () => {
    const client = await grpcClient(service.grpc);
    const huge = { verification_requests: [{ tee: "sample", evidence: "A".repeat(6 << 20) }] };
    const answer = await client.call("attestation", "AttestationEvaluate", huge);
    client.close();
    expect(answer.code).toBe(status.UNAUTHENTICATED);
  });
});

describe("administrators", () => {
  let service: AloneService;
  beforeAll(async () => {
    service = await aloneService();
  });
  afterAll(() => service.close());

  test("AS-090 a policy arrives as base64url, with or without padding", async () => {
    const padded = Buffer.from(`${POLICY}#x\n`).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
    expect(padded).toMatch(/=$/);
    for (const policy of [padded, padded.replace(/=+$/, "")])
      expect((await rest(service, "POST", "/policy", ADMIN_TOKEN, { ...SET, policy })).status).toBe(200);
    const stored = await rest(service, "GET", "/policy/default_cpu", ADMIN_TOKEN);
    expect(stored.text).toBe(`${POLICY}#x\n`);
    const other = await rest(service, "POST", "/policy", ADMIN_TOKEN, { ...SET, policy: "a b" });
    expect(JSON.parse(other.text).code).toBe("policy-invalid");
  });

  test("a policy is listed, read back, applied, and taken away again", async () => {
    const client = await grpcClient(service.grpc, { token: ADMIN_TOKEN });
    await client.call("attestation", "SetAttestationPolicy", { ...SET, policy_id: "mine_cpu" });
    const listed = await client.call("administration", "ListPolicies", {});
    expect(listed.message["policy_ids"]).toContain("mine_cpu");
    const got = await client.call("administration", "GetPolicy", { policy_id: "mine_cpu" });
    expect(got.message["policy"]).toBe(POLICY);
    const overRest = await rest(service, "GET", "/policy", ADMIN_TOKEN);
    expect(JSON.parse(overRest.text)).toContainEqual({ "policy-id": "mine_cpu" });
    const body = { ...EVALUATE, policy_ids: ["mine"] };
    expect((await rest(service, "POST", "/attestation", SERVICE_TOKEN, body)).status).toBe(200);
    const taken = await client.call("administration", "DeletePolicy", { policy_id: "mine_cpu" });
    expect(taken.code).toBe(status.OK);
    const again = await client.call("administration", "DeletePolicy", { policy_id: "mine_cpu" });
    expect(again.code).toBe(status.NOT_FOUND);
    expect((await rest(service, "POST", "/attestation", SERVICE_TOKEN, body)).status).toBe(422);
    client.close();
  });

  test.each([
    ["does not parse", { ...SET, policy: base64url("package policy\nallow {") }],
    ["has an id without class", { ...SET, policy_id: "default" }],
    ["is not base64url", { ...SET, policy: "*" }],
  ])("a policy that %s changes nothing", async (_what, set) => {
    const before = await rest(service, "GET", "/policy", ADMIN_TOKEN);
    const client = await grpcClient(service.grpc, { token: ADMIN_TOKEN });
    const answer = await client.call("attestation", "SetAttestationPolicy", set);
    client.close();
    expect(answer).toMatchObject({ code: status.ABORTED, problem: "policy-invalid" });
    expect(await rest(service, "GET", "/policy", ADMIN_TOKEN)).toEqual(before);
  });

  test("AS-082 AS-085 AS-086 reference values: any name, absent is an empty answer, listed and taken away", async () => {
    const name = "rvps:///example.org/a b:v1";
    const client = await grpcClient(service.rvps, { token: ADMIN_TOKEN });
    const query = async () =>
      (await client.call("referenceValues", "QueryReferenceValue", { reference_value_id: name })).message;
    expect((await query())["reference_value_results"]).toBeUndefined();
    const put = await client.call("referenceValues", "RegisterReferenceValue", {
      message: message(name, [1]),
    });
    expect(put.code).toBe(status.OK);
    expect((await query())["reference_value_results"]).toBe("[1]");
    const listed = await client.call("administration", "ListReferenceValues", {});
    const values: { name: string }[] = JSON.parse(String(listed.message["reference_values"]));
    expect(values.map((each) => each.name)).toContain(name);
    await client.call("administration", "DeleteReferenceValue", { reference_value_id: name });
    expect((await query())["reference_value_results"]).toBeUndefined();
    client.close();
  });

  test.each([
    ["is not JSON", "{"],
    ["has an unknown type", JSON.stringify({ type: "slsa", payload: "" })],
    ["AS-080 has another version", JSON.stringify({ version: "9", type: "sample", payload: "e30=" })],
  ])("a registration that %s is refused", async (_what, sent) => {
    const client = await grpcClient(service.grpc, { token: ADMIN_TOKEN });
    const answer = await client.call("referenceValues", "RegisterReferenceValue", { message: sent });
    client.close();
    expect(answer).toMatchObject({ code: status.ABORTED, problem: "reference-value-invalid" });
  });

  test("the calls of the KBS API that are about judging evidence are here as well, and no others", async () => {
    const listed = await rest(service, "GET", "/kbs/v0/attestation-policy", ADMIN_TOKEN);
    expect(JSON.parse(listed.text)).toContain("default_cpu");
    expect((await rest(service, "GET", "/kbs/v0/reference-value", READER_TOKEN)).status).toBe(200);
    expect((await rest(service, "GET", "/kbs/v0/attestation-policy", READER_TOKEN)).status).toBe(403);
    for (const path of ["resource", "resource-policy", "resource/a/b/c"])
      expect((await rest(service, "GET", `/kbs/v0/${path}`, ADMIN_TOKEN)).status).toBe(404);
  });

  test("what was set is on record with who set it", async () => {
    await rest(service, "POST", "/policy", ADMIN_TOKEN, SET);
    const lines = readFileSync(service.auditFile, "utf8").trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "").record).toMatchObject({
      event: "admin",
      operation: "attestation-policy.set",
      administrator: "ops",
      policy: "default_cpu",
      outcome: "done",
    });
  });
});

describe("administrators' own tokens", () => {
  test("count at every door, as far as their role goes, and for the tools of the KBS API", async () => {
    const sections = `admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
  roles:
    - { role: admin, allow: [ { methods: [ "*" ], paths: [ /kbs/v0/** ] } ] }
    - { role: broker, allow: [ { methods: [ POST ], paths: [ /kbs/v0/attestation-service/evaluate ] } ] }
`;
    const made = await aloneKeys();
    const service = await aloneService({ sections, files: { "admin.pub.pem": made.publicKey } });
    const admin = await made.token("admin");
    const broker = await made.token("broker");
    expect(await codes(service.grpc, { token: admin })).toEqual(
      expectedCodes(["evaluate", "administer", "read"], status.OK),
    );
    const limited = await codes(service.grpc, { token: broker });
    expect(limited["AttestationEvaluate"]).toBe(status.OK);
    expect(limited["SetAttestationPolicy"]).toBe(status.PERMISSION_DENIED);
    expect(limited["QueryReferenceValue"]).toBe(status.PERMISSION_DENIED);
    const listed = await commandLine([
      "policy",
      "list",
      "--kind",
      "attestation",
      "--url",
      service.rest,
      "--admin-token-file",
      service.file("t", admin),
    ]);
    expect(String(listed.out)).toContain("default_cpu");
    await service.close();
  });

  async function aloneKeys() {
    const at = await aloneService();
    const files = ["--private-key", join(at.path, "a.key"), "--public-key", join(at.path, "a.pub")];
    await commandLine(["admin", "keygen", ...files]);
    const key = readFileSync(join(at.path, "a.key"), "utf8");
    const publicKey = readFileSync(join(at.path, "a.pub"), "utf8");
    await at.close();
    return {
      publicKey,
      token: async (role: string): Promise<string> => {
        const folder = await aloneService();
        const out = join(folder.path, "t");
        const asked = ["--key", folder.file("k", key), "--role", role, "--out", out];
        await commandLine(["admin", "token", ...asked]);
        const token = readFileSync(out, "utf8").trim();
        await folder.close();
        return token;
      },
    };
  }
});

describe("client certificates", () => {
  test("count where they are named and chain to the configured root, over gRPC and REST alike", async () => {
    const [authority, strangers] = [await testAuthority(), await testAuthority()];
    const server = await authority.issue("as");
    const service = await aloneService({
      listen: "tls: { certificate: tls.pem, privateKey: { file: tls.key } }",
      files: { "tls.pem": server.cert, "tls.key": server.key, "clients.pem": authority.pem },
      authentication: `    clientCertificates:
      authorities: clients.pem
      clients:
        - { name: kbs.example.org, may: [ evaluate ] }
        - { name: "spiffe://example.org/ops", may: [ administer ] }
`,
    });
    const dns = (value: string) => [{ type: "dns" as const, value }];
    const cases: [string, GrpcClientOptions["client"], readonly string[], status][] = [
      ["named", await authority.issue("x", dns("kbs.example.org")), ["evaluate"], status.PERMISSION_DENIED],
      [
        "named by URI",
        await authority.issue("x", [{ type: "url", value: "spiffe://example.org/ops" }]),
        ["administer", "read"],
        status.PERMISSION_DENIED,
      ],
      [
        "not named",
        await authority.issue("kbs.example.org", dns("other.example.org")),
        [],
        status.UNAUTHENTICATED,
      ],
      ["wildcard", await authority.issue("x", dns("*.example.org")), [], status.UNAUTHENTICATED],
      ["none", undefined, [], status.UNAUTHENTICATED],
    ];
    for (const [what, client, allowed, refusal] of cases) {
      const options = { roots: authority.pem, ...(client === undefined ? {} : { client }) };
      expect({ what, seen: await codes(service.grpc, options) }).toEqual({
        what,
        seen: expectedCodes(allowed, refusal),
      });
    }
    // Imported here: at the head of the file the test runner would give node:tls without its functions.
    const { request: httpsRequest } = await import("node:https");
    const overRest = (client: GrpcClientOptions["client"]) =>
      new Promise((resolve, reject) =>
        httpsRequest(
          `${service.rest}/attestation`,
          { method: "POST", ca: authority.pem, agent: false, ...client },
          (answer) => resolve(answer.resume().statusCode),
        )
          .on("error", reject)
          .end(JSON.stringify({ ...EVALUATE, policy_ids: [] })),
      );
    expect(await overRest(await authority.issue("x", dns("kbs.example.org")))).toBe(200);
    expect(await overRest(await authority.issue("x", dns("other.example.org")))).toBe(401);
    expect(await overRest(undefined)).toBe(401);
    // Here the library may break the connection off instead, as the certificate names the configured root falsely.
    const client = await strangers.issue("x", dns("kbs.example.org"));
    for (const code of Object.values(await codes(service.grpc, { roots: authority.pem, client })))
      expect([status.UNAUTHENTICATED, status.UNAVAILABLE]).toContain(code);
    await service.close();
  });
});

describe("connections", () => {
  test("TLS that agrees on no protocol, as a simple proxy beside a broker makes it, may speak HTTP/2 all the same", async () => {
    const authority = await testAuthority();
    const { key, cert } = await authority.issue("as");
    const service = await aloneService({
      listen: "tls: { certificate: tls.pem, privateKey: { file: tls.key } }",
      files: { "tls.pem": cert, "tls.key": key },
    });
    const { hostname: host, port } = new URL(service.grpc);
    const session = connectHttp2(service.grpc, {
      createConnection: () => connectTls({ host, port: Number(port), ca: authority.pem }),
    });
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const status = new Promise((resolve) =>
      stream.on("trailers", (trailers) => resolve(trailers["grpc-status"])),
    );
    // One message of no length.
    stream.resume().end(Buffer.alloc(5));
    expect(await status).toBe("0");
    session.destroy();
    await service.close();
  });

  test("a connection that says nothing takes nothing but its place", async () => {
    const service = await aloneService();
    const { hostname, port } = new URL(service.grpc);
    const silent = connectTcp(Number(port), hostname);
    await new Promise((resolve) => silent.once("connect", resolve));
    const client = await grpcClient(service.grpc);
    expect((await client.call("health", "Check", { service: "" })).code).toBe(status.OK);
    client.close();
    silent.destroy();
    await service.close();
  });
});

describe("what takes the protection away says so in its name", () => {
  test("anonymous evaluation opens evaluation and nothing else; a wrong credential is refused all the same", async () => {
    const service = await aloneService({
      authentication: "    dangerouslyAllowAnonymousEvaluation: true",
    });
    expect(await codes(service.grpc, {})).toEqual(expectedCodes(["evaluate"], status.UNAUTHENTICATED));
    const wrong = await codes(service.grpc, { token: "x".repeat(40) });
    expect(wrong).toEqual(expectedCodes([], status.UNAUTHENTICATED));
    await service.close();
  });

  test("AS-089 with both switches a stock key broker, which sends no credentials, can do all that it does", async () => {
    const service = await aloneService({
      authentication: `    dangerouslyAllowAnonymousEvaluation: true
    dangerouslyAllowAnonymousAdministration: true`,
    });
    expect(await codes(service.grpc, {})).toEqual(
      expectedCodes(["evaluate", "administer", "read"], status.OK),
    );
    await service.close();
  });
});

describe("starting", () => {
  test.each<[string, Parameters<typeof aloneService>[0], string]>([
    ["a short token", { files: { "service.token": "short" } }, "at least 32"],
    [
      "roots that cannot be read",
      {
        authentication:
          "    clientCertificates: { authorities: nowhere.pem, clients: [ { name: a, may: [ evaluate ] } ] }",
        listen: "tls: { certificate: tls.pem, privateKey: { file: tls.key } }",
      },
      "",
    ],
  ])("refuses %s", async (_what, options, sentence) => {
    await expect(aloneService(options)).rejects.toThrow(sentence);
  });
});
