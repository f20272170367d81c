import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { SignJWT } from "jose";
import { AdminService } from "../../../src/admin/admin-service.ts";
import { Administration } from "../../../src/admin/administration.ts";
import { ReferenceValues } from "../../../src/attestation/reference-values/reference-values.ts";
import { KbsError } from "../../../src/errors.ts";
import type { AdminOperationName, AdminPort } from "../../../src/http/ports.ts";
import { StoredPolicies } from "../../../src/policy/stored-policies.ts";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";
import { MemorySecretStore } from "../../../src/secrets/memory/index.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";
import { fakePolicyEngine } from "../../support/fake-policy-engine.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const SIGNAL = new AbortController().signal;
const CONTEXT = { requestId: "r", client: "192.0.2.1" };
const ABC = parseResourcePath(["a", "b", "c"]);
const ALICE = { name: "alice", role: "admin" };
const DENY = "package policy\nallow := false";
const START = Date.parse("2026-06-01T00:00:00Z");
const { publicKey, privateKey } = generateKeyPairSync("ed25519");

let secrets: MemorySecretStore;
let policies: StoredPolicies;
let referenceValues: ReferenceValues;
let port: AdminPort;
let now: number;

beforeEach(async () => {
  now = START;
  secrets = new MemorySecretStore();
  const shipped = new Map([["resource-policy", DENY]]);
  policies = await StoredPolicies.open(
    { store: new MemoryDocumentStore(), engine: fakePolicyEngine, shipped, now: () => now },
    SIGNAL,
  );
  referenceValues = await ReferenceValues.open(
    { store: new MemoryDocumentStore(), now: () => now, reportFault: () => undefined },
    SIGNAL,
  );
  const key = { kid: undefined, key: publicKey, algorithms: ["EdDSA"] } as const;
  const ops = { name: "ops", issuer: "ops", audience: "kw", keys: [key], legacyRole: undefined };
  port = new AdminService({
    administration: new Administration({ secrets, policies, referenceValues }),
    authentication: { providers: [ops], now: () => now, leewaySeconds: 60 },
    roles: [{ role: "uploader", allow: [{ methods: ["POST"], paths: ["/kbs/v0/resource/team-a/**"] }] }],
  });
});

interface Asked {
  readonly plugin?: string;
  readonly method?: string;
  readonly path?: readonly string[];
  readonly query?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

function perform(operation: AdminOperationName, asked: Asked = {}) {
  const { plugin = operation.split(".")[0] ?? "", method = "POST", path = [], query = {}, body = "" } = asked;
  const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(body);
  return port.perform(
    { operation, plugin, method, path, id: path.join("/"), query, body: bytes },
    ALICE,
    CONTEXT,
    SIGNAL,
  );
}

function resource(method: "POST" | "DELETE", path: string, more: Asked = {}) {
  return perform("plugin", { plugin: "resource", method, path: path.split("/"), ...more });
}

const encode = (text: string) => Buffer.from(text).toString("base64url");

describe("resources", () => {
  test("P65 set overwrites and takes any bytes, none included; the answer has no body", async () => {
    const every = Uint8Array.from({ length: 256 }, (_, value) => value);
    for (const value of [every, new Uint8Array(), every.slice(3, 9)]) {
      expect((await resource("POST", "a/b/c", { body: value })).body ?? "").toBe("");
      const stored = await secrets.get(ABC, SIGNAL);
      expect(Buffer.from(stored ?? [])).toEqual(Buffer.from(value));
    }
  });

  test("D4 overwrite=false keeps what is there and says so; any other word is refused", async () => {
    await resource("POST", "a/b/c", { body: "one", query: { overwrite: "false" } });
    await expect(
      resource("POST", "a/b/c", { body: "two", query: { overwrite: "false" } }),
    ).rejects.toMatchObject({ code: "conflict" });
    await expect(
      resource("POST", "a/b/c", { body: "two", query: { overwrite: "no" } }),
    ).rejects.toMatchObject({ code: "malformed-request" });
    expect(Buffer.from((await secrets.get(ABC, SIGNAL)) ?? []).toString()).toBe("one");
    await resource("POST", "a/b/c", { body: "two", query: { overwrite: "true" } });
    expect(Buffer.from((await secrets.get(ABC, SIGNAL)) ?? []).toString()).toBe("two");
  });

  test.each([
    "a/b",
    "a/b/c/d",
    "",
    "a//c",
    "../b/c",
    "a/../c",
    "a/b/..",
    ".a/b/c",
    "a/.b/c",
    "a/b/.c",
    "a/b/c\0",
    "a/b/c\n",
    "a\\b/x/c",
    "a/b/é",
    "a/b/c ",
    "a/b/%2e%2e",
    "C:/b/c",
    "a/b/c:d",
    "a/b/\u202ec",
    `a/b/${"x".repeat(121)}`,
    "a/b/c*",
    "a/b/~c",
  ])("P66 D1 the path %j never reaches storage", async (path) => {
    for (const method of ["POST", "DELETE"] as const)
      await expect(resource(method, path, { body: "x" })).rejects.toMatchObject({
        code: "resource-path-invalid",
      });
    for await (const found of secrets.list(SIGNAL)) throw new Error(`stored ${found}`);
  });

  test("P67 delete removes, and deleting what is not there says so", async () => {
    await resource("POST", "a/b/c", { body: "one" });
    await resource("DELETE", "a/b/c");
    await expect(resource("DELETE", "a/b/c")).rejects.toMatchObject({ code: "not-found" });
  });

  test("list gives all paths in order, and no contents", async () => {
    for (const path of ["b/b/b", "a/b/c"]) await resource("POST", path, { body: "hidden" });
    expect(await perform("resource.list", { method: "GET" })).toMatchObject({
      contentType: "application/json",
      body: '["a/b/c","b/b/b"]',
    });
  });

  test("a plugin without administrative calls is not found", async () => {
    for (const plugin of ["other", "constructor", "__proto__", "resource-policy"])
      await expect(perform("plugin", { plugin })).rejects.toMatchObject({ code: "plugin-not-found" });
    await expect(perform("plugin", { plugin: "resource", method: "PUT" })).rejects.toMatchObject({
      code: "plugin-not-found",
    });
  });
});

describe("policies", () => {
  const set = (text: string) =>
    perform("resource-policy.set", { body: JSON.stringify({ policy: encode(text) }) });

  test("P72 set, list, read back, delete the resource policy", async () => {
    const text = 'package policy\nallow := "é"\n';
    expect((await set(text)).body ?? "").toBe("");
    expect((await perform("resource-policy.list")).body).toBe('["resource-policy"]');
    expect((await perform("resource-policy.get", { path: ["resource-policy"] })).body).toBe(text);
    expect(policies.resourcePolicy()).toMatchObject({ by: "alice", version: 1 });
    await perform("resource-policy.delete", { path: ["resource-policy"] });
    expect(policies.resourcePolicy()?.text).toBe(DENY);
    await expect(perform("resource-policy.delete", { path: ["resource-policy"] })).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(perform("resource-policy.get", { path: ["default_cpu"] })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test("P70 padded, foreign and broken base64url, text that is not UTF-8, and bodies of another shape are refused", async () => {
    const bodies = [
      { policy: "cGFja2FnZQ==" },
      { policy: "cGFja2FnZQ=" },
      { policy: "cGFja2FnZR" },
      { policy: "a+b/" },
      { policy: "a b" },
      { policy: "a\n" },
      { policy: Buffer.from([0xff, 0xfe]).toString("base64url") },
      { policy: 1 },
      { policy: null },
      {},
      [],
      "x",
      { policy: encode(DENY), policy_id: "other" },
    ];
    for (const body of [
      ...bodies.map((each) => JSON.stringify(each)),
      "",
      "{",
      '{"policy":"","policy":""}',
      "[".repeat(10_000),
    ])
      await expect(perform("resource-policy.set", { body })).rejects.toMatchObject({
        code: "policy-invalid",
        kbsType: "ParsePolicyError",
      });
    expect(policies.resourcePolicy()).toMatchObject({ text: DENY, version: 0 });
  });

  test("P70 a text that does not compile is refused with findings, and the old policy stays", async () => {
    await set("package policy\nallow := true");
    await expect(set("package policy\nallow := SYNTAX_ERROR")).rejects.toMatchObject({
      code: "policy-invalid",
      kbsType: "PolicyEngineError",
      extra: { findings: [expect.objectContaining({ row: 2, col: 10 })] },
    });
    expect(policies.resourcePolicy()).toMatchObject({ version: 1, text: "package policy\nallow := true" });
  });

  test("P71 an attestation policy is stored under its id; an id without a class is refused with a suggestion", async () => {
    const upload = (policy_id: unknown) =>
      perform("attestation-policy.set", {
        body: JSON.stringify({ type: "rego", policy_id, policy: encode("trust_claims := {}") }),
      });
    await upload("default_cpu");
    await upload("team/x_nvidia-dpu");
    expect((await perform("attestation-policy.list")).body).toBe('["default_cpu","team/x_nvidia-dpu"]');
    expect((await perform("attestation-policy.get", { path: ["team", "x_nvidia-dpu"] })).body).toBe(
      "trust_claims := {}",
    );
    expect(policies.attestationPolicy("default", "cpu")).toMatchObject({ by: "alice" });
    for (const id of ["default", "resource-policy", "../x_cpu", "", 1, undefined])
      await expect(upload(id)).rejects.toMatchObject({ code: "policy-invalid" });
    await expect(upload("default")).rejects.toMatchObject({ detail: expect.stringContaining("default_cpu") });
    await perform("attestation-policy.delete", { path: ["default_cpu"] });
    await expect(perform("attestation-policy.get", { path: ["default_cpu"] })).rejects.toMatchObject({
      code: "not-found",
    });
    await expect(perform("attestation-policy.delete", { path: ["resource-policy"] })).rejects.toMatchObject({
      code: "not-found",
    });
    expect(policies.resourcePolicy()?.text).toBe(DENY);
  });

  test("no upload of any bytes does anything but store or refuse", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        async (body) => {
          for (const operation of [
            "resource-policy.set",
            "attestation-policy.set",
            "reference-value.set",
          ] as const) {
            const error: unknown = await perform(operation, { body }).then(
              () => undefined,
              (reason: unknown) => reason,
            );
            expect(error).toBeInstanceOf(KbsError);
          }
        },
      ),
    );
  });
});

describe("reference values", () => {
  const set = (values: object) =>
    perform("reference-value.set", {
      body: JSON.stringify({
        version: "0.1.0",
        type: "sample",
        payload: Buffer.from(JSON.stringify(values)).toString("base64"),
      }),
    });

  test("P73 a value set by the sample message comes back as the bare JSON value", async () => {
    expect(await set({ launch_digest: ["abcde"], svn: 3, flag: true })).toMatchObject({
      contentType: "application/json",
    });
    for (const [id, text] of [
      ["launch_digest", '["abcde"]'],
      ["svn", "3"],
      ["flag", "true"],
    ] as const)
      expect(await perform("reference-value.get", { path: [id] })).toMatchObject({
        contentType: "application/json",
        body: text,
      });
    await expect(perform("reference-value.get", { path: ["unknown"] })).rejects.toMatchObject({
      code: "not-found",
      kbsType: "RvpsError",
    });
  });

  test("names with slashes come back from their decoded segments; integers beyond 2^53 are exact", async () => {
    const payload = Buffer.from('{"rvps:///x.org/a b:v1":18446744073709551615}').toString("base64");
    await perform("reference-value.set", { body: JSON.stringify({ type: "sample", payload }) });
    const answer = await perform("reference-value.get", { path: "rvps:///x.org/a b:v1".split("/") });
    expect(answer.body).toBe("18446744073709551615");
  });

  test("an expired value is not found, and the sentence says that it expired", async () => {
    await set({ a: 1 });
    now += 366 * 86_400_000;
    await expect(perform("reference-value.get", { path: ["a"] })).rejects.toMatchObject({
      code: "not-found",
      detail: expect.stringContaining("expired"),
    });
    expect(String((await perform("reference-value.list")).body)).toContain('"expired":true');
  });

  test("list and delete", async () => {
    await set({ b: 1, a: [2] });
    const listed: unknown = JSON.parse(String((await perform("reference-value.list")).body));
    expect(listed).toMatchObject([
      { name: "a", value: [2], by: "alice", expired: false, version: 1 },
      { name: "b" },
    ]);
    await perform("reference-value.delete", { path: ["a"] });
    await expect(perform("reference-value.delete", { path: ["a"] })).rejects.toMatchObject({
      code: "not-found",
    });
  });
});

describe("who may", () => {
  const call = async (role: string, method: string, path: string) => {
    const exp = START / 1000 + 60;
    const token = await new SignJWT({ role, iss: "ops", aud: "kw", sub: "alice", exp })
      .setProtectedHeader({ alg: "EdDSA" })
      .sign(privateKey);
    return port.authorize(
      { operation: "plugin", method, path, authorization: `Bearer ${token}` },
      CONTEXT,
      SIGNAL,
    );
  };

  test("P59 C7 without credentials no call is authorised", async () => {
    for (const authorization of [undefined, "", "Bearer", "Bearer x"])
      await expect(
        port.authorize(
          { operation: "plugin", method: "POST", path: "/kbs/v0/resource/a/b/c", authorization },
          CONTEXT,
          SIGNAL,
        ),
      ).rejects.toMatchObject({ code: "unauthenticated" });
  });

  test("P62 authentication first, then the role's rules", async () => {
    expect(await call("uploader", "POST", "/kbs/v0/resource/team-a/b/c")).toEqual({
      name: "alice",
      role: "uploader",
    });
    await expect(call("uploader", "POST", "/kbs/v0/resource/team-b/b/c")).rejects.toMatchObject({
      code: "admin-forbidden",
    });
    await expect(call("other", "POST", "/kbs/v0/resource/team-a/b/c")).rejects.toMatchObject({
      code: "admin-forbidden",
    });
  });
});

describeShared("recorded traffic of kbs-client", "fixtures/transcripts", () => {
  const body = (name: string): string => {
    const [{ request }] = JSON.parse(readFileSync(sharedPath("fixtures/transcripts", name), "utf8"));
    return request.body;
  };

  test("P63 the bodies it sends for policies and reference values are understood", async () => {
    await perform("resource-policy.set", { body: body("02-set-resource-policy.json") });
    expect(policies.resourcePolicy()?.text).toContain("default allow = true");
    await perform("attestation-policy.set", { body: body("03-set-attestation-policy.json") });
    expect(policies.attestationPolicy("default", "cpu")?.text).toContain("trust_claims := {");
    await perform("reference-value.set", { body: body("04-set-reference-value.json") });
    expect((await perform("reference-value.get", { path: ["launch_digest"] })).body).toBe('["abcdef"]');
  });
});
