import { createHash, randomBytes } from "node:crypto";
import { describe, expect, jest, test } from "@jest/globals";
import {
  Broker,
  type BrokerDependencies,
  type ReleasePolicy,
  type ReleaseRequest,
} from "../../../src/broker/release.ts";
import { TeeWrapper } from "../../../src/broker/wrap.ts";
import { openLegacyResponse, openResponse } from "../../../src/cli/guest/decrypt.ts";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import { KbsError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import type { Plugin, PluginAnswer } from "../../../src/plugins/plugin.ts";
import { resourcePlugin } from "../../../src/plugins/resource/index.ts";
import type { CompiledPolicy } from "../../../src/policy/policy-engine.ts";
import { parseTeePublicKey } from "../../../src/protocol/jwk.ts";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";
import { MemorySecretStore } from "../../../src/secrets/memory/index.ts";
import type { VerifiedToken } from "../../../src/tokens/verify.ts";
import { compileText, provisioned, shippedPolicy } from "../../support/shipped-policies.ts";

const KEY = generateTeeKey("p256");
const SECRET = Buffer.from("disk passphrase");
const PATH = ["team-a", "luks", "disk1"];
const signal = new AbortController().signal;
const ALLOW = shippedPolicy("release/allow-all-dangerous");
const DENY = shippedPolicy("release/deny-all");

function token(claims: JsonObject = {}, key = KEY): VerifiedToken {
  return {
    claims,
    teePublicKey: parseTeePublicKey(key.jwk),
    issuer: "self",
    validUntil: Number.MAX_SAFE_INTEGER,
  };
}

function policy(compiled: CompiledPolicy | undefined, version = 1): ReleasePolicy {
  return { name: "resource-policy", version, compiled };
}

/** A broker over a store with one secret, and everything a test looks at. */
async function setUp(changes: Partial<BrokerDependencies> = {}) {
  const store = new MemorySecretStore();
  await store.put(parseResourcePath(PATH), SECRET, { overwrite: true }, signal);
  const read = jest.spyOn(store, "get");
  const events: JsonObject[] = [];
  const broker = new Broker({
    policies: { resourcePolicy: () => policy(ALLOW) },
    referenceValues: provisioned({}),
    wrapper: new TeeWrapper(),
    audit: {
      record: async (event) => {
        events.push(event);
      },
    },
    fingerprintKey: randomBytes(32),
    ...changes,
  });
  return { broker, store, read, events };
}

const STORE_OF = (plugin: Plugin, changes: Partial<ReleaseRequest> = {}): ReleaseRequest => ({
  requestId: "request-1",
  plugin,
  request: { method: "GET", path: PATH, query: {}, body: Buffer.alloc(0) },
  token: token(),
  ...changes,
});

test("P38 P50 a verified token and an allowing policy give the secret, encrypted to the guest's key", async () => {
  const { broker, store, events } = await setUp();
  const answer = await broker.release(STORE_OF(resourcePlugin(store)), signal);
  expect(answer.contentType).toBe("application/json");
  expect(openResponse(Buffer.from(answer.body), KEY)).toEqual(SECRET);
  expect(events).toEqual([
    expect.objectContaining({
      event: "release",
      outcome: "released",
      requestId: "request-1",
      plugin: "resource",
      path: "team-a/luks/disk1",
      policyHash: ALLOW.hash,
      policyVersion: 1,
      secretFingerprint: expect.stringMatching(/^[0-9a-f]{32}$/),
    }),
  ]);
});

describe("P47 P48 D10 answers of the policy that are not true", () => {
  test.each([
    ["P48 false", "default allow := false", "policy-denied", "false"],
    ["P48 undefined", "allow if input.nothing", "policy-denied", "undefined"],
    ["P48 AS-063 the text true", 'allow := "true"', "policy-denied", "not-boolean"],
    ["P48 AS-063 the number 1", "allow := 1", "policy-denied", "not-boolean"],
    ["P48 AS-063 null", "allow := null", "policy-denied", "not-boolean"],
    ["P48 AS-063 an object", "allow := {}", "policy-denied", "not-boolean"],
    ["P48 AS-063 a set", "allow contains true if true", "policy-denied", "not-boolean"],
    ["an error: conflicting rules", "allow := true\n\nallow := false", "policy-error", "evaluation-error"],
  ])("%s", async (_, rules, code, reason) => {
    const compiled = compileText(`package policy\n\n${rules}\n`);
    const { broker, store, read, events } = await setUp({
      policies: { resourcePolicy: () => policy(compiled) },
    });
    const refusal = broker.release(STORE_OF(resourcePlugin(store)), signal);
    await expect(refusal).rejects.toMatchObject({ code, status: 403, extra: { reason } });
    // P49: a denied request never touches the store.
    expect(read).not.toHaveBeenCalled();
    expect(events).toEqual([
      expect.objectContaining({ outcome: code === "policy-denied" ? "denied" : "policy-error", reason }),
    ]);
  });

  test("P47 the denial is PolicyDeny with the detail that people search for", async () => {
    const { broker, store } = await setUp({ policies: { resourcePolicy: () => policy(DENY) } });
    await expect(broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      kbsType: "PolicyDeny",
      detail: "Access denied by policy",
    });
  });

  test("D6 D10 no policy, and one that no longer compiles", async () => {
    for (const [current, reason] of [
      [undefined, "no-policy"],
      [policy(undefined), "policy-unusable"],
    ] as const) {
      const { broker, store, read } = await setUp({ policies: { resourcePolicy: () => current } });
      const refusal = broker.release(STORE_OF(resourcePlugin(store)), signal);
      await expect(refusal).rejects.toMatchObject({ code: "policy-error", extra: { reason } });
      expect(read).not.toHaveBeenCalled();
    }
  });

  test("D9 a policy without end is stopped by its budget", async () => {
    const endless = compileText(
      "package policy\n\nallow if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b == -1\n}\n",
    );
    const { broker, store } = await setUp({ policies: { resourcePolicy: () => policy(endless) } });
    await expect(broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      code: "policy-error",
      extra: { reason: "budget-exceeded" },
    });
  });

  test("reference values that cannot be read", async () => {
    const referenceValues = async () => {
      throw new Error("down");
    };
    const compiled = compileText('package policy\n\nallow if query_reference_value("a") == null\n');
    const { broker, store } = await setUp({
      referenceValues,
      policies: { resourcePolicy: () => policy(compiled) },
    });
    await expect(broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      code: "policy-error",
    });
  });

  test("AS-068 unlike in the reference server, reference values may decide a release", async () => {
    const compiled = compileText(
      'package policy\n\nallow if input.level in query_reference_value("levels")\n',
    );
    const { broker, store } = await setUp({
      referenceValues: provisioned({ levels: [1, 2] }),
      policies: { resourcePolicy: () => policy(compiled) },
    });
    const ask = (level: number) =>
      broker.release(STORE_OF(resourcePlugin(store), { token: token({ level }) }), signal);
    await expect(ask(2)).resolves.toBeDefined();
    await expect(ask(3)).rejects.toMatchObject({ code: "policy-denied" });
  });

  test("D11 the record of a release and of a denial names the reference values they rested on", async () => {
    const compiled = compileText(
      'package policy\n\nallow if {\n\tinput.level in query_reference_value("levels")\n\tquery_reference_value("none") == null\n}\n',
    );
    const { broker, store, events } = await setUp({
      referenceValues: provisioned({ levels: [1, 2] }),
      policies: { resourcePolicy: () => policy(compiled) },
    });
    const ask = (level: number) =>
      broker.release(STORE_OF(resourcePlugin(store), { token: token({ level }) }), signal);
    await ask(2);
    await ask(3).catch(() => undefined);
    const levels = createHash("sha256").update("[1,2]").digest("hex").slice(0, 32);
    for (const event of events) expect(event).toMatchObject({ referenceValues: { levels, none: "unknown" } });
    expect(events.map((event) => event["outcome"])).toEqual(["released", "denied"]);
  });

  test("AS-084 the record says of a reference value that it has expired", async () => {
    const compiled = compileText('package policy\n\nallow if input.level in query_reference_value("old")\n');
    const { broker, store, events } = await setUp({
      referenceValues: async () => Object.assign(new Map([["old", null]]), { expired: new Set(["old"]) }),
      policies: { resourcePolicy: () => policy(compiled) },
    });
    const ask = broker.release(STORE_OF(resourcePlugin(store), { token: token({ level: 1 }) }), signal);
    await expect(ask).rejects.toMatchObject({ code: "policy-denied" });
    expect(events).toEqual([expect.objectContaining({ referenceValues: { old: "expired" } })]);
  });
});

test("P47 P68 AS-062 the policy sees plugin, path segments, query and the whole token", async () => {
  const compiled = compileText(`package policy

allow if {
	data.plugin == "resource"
	data["resource-path"] == ["team-a", "luks", "disk1"]
	data.query == {"x": "1"}
	input == {"sub": "guest"}
}
`);
  const { broker, store } = await setUp({ policies: { resourcePolicy: () => policy(compiled) } });
  const request = { method: "GET" as const, path: PATH, query: { x: "1" }, body: Buffer.alloc(0) };
  const good = STORE_OF(resourcePlugin(store), { request, token: token({ sub: "guest" }) });
  await expect(broker.release(good, signal)).resolves.toBeDefined();
  const other = { ...good, request: { ...request, query: { x: "2" } } };
  await expect(broker.release(other, signal)).rejects.toMatchObject({ code: "policy-denied" });
});

test("P67 a missing resource is 404 after the policy allowed it, and is written down", async () => {
  const { broker, store, events } = await setUp();
  const request = {
    method: "GET" as const,
    path: ["team-a", "luks", "none"],
    query: {},
    body: Buffer.alloc(0),
  };
  await expect(broker.release(STORE_OF(resourcePlugin(store), { request }), signal)).rejects.toMatchObject({
    code: "not-found",
    status: 404,
  });
  expect(events).toEqual([expect.objectContaining({ outcome: "failed", reason: "not-found" })]);
});

describe("E13 the audit record comes before the secret", () => {
  test("a release whose record cannot be written is refused", async () => {
    const audit = {
      record: async () => {
        throw new KbsError("audit-unavailable", "disk full");
      },
    };
    const { broker, store } = await setUp({ audit });
    await expect(broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      code: "audit-unavailable",
    });
    const denying = await setUp({ audit, policies: { resourcePolicy: () => policy(DENY) } });
    await expect(denying.broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      code: "audit-unavailable",
    });
  });

  test("nothing is answered while the record is being written", async () => {
    let written: () => void = () => undefined;
    const audit = { record: () => new Promise<void>((resolve) => (written = resolve)) };
    const { broker, store } = await setUp({ audit });
    let answered = false;
    const answer = broker.release(STORE_OF(resourcePlugin(store)), signal).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    written();
    await answer;
  });

  test("the record holds no secret, no token and no key, only a keyed fingerprint", async () => {
    const { broker, store, events } = await setUp();
    await broker.release(STORE_OF(resourcePlugin(store), { token: token({ sub: "subject-1" }) }), signal);
    const text = JSON.stringify(events);
    const { createHash } = await import("node:crypto");
    for (const leak of [
      SECRET.toString(),
      createHash("sha256").update(SECRET).digest("hex").slice(0, 16),
      "subject-1",
    ])
      expect(text).not.toContain(leak);
  });

  test("fingerprints tell versions apart and are equal for equal secrets", async () => {
    const { broker, store, events } = await setUp();
    const plugin = resourcePlugin(store);
    await broker.release(STORE_OF(plugin), signal);
    await broker.release(STORE_OF(plugin), signal);
    await store.put(parseResourcePath(PATH), Buffer.from("another"), { overwrite: true }, signal);
    await broker.release(STORE_OF(plugin), signal);
    const [first, second, third] = events.map((event) => event["secretFingerprint"]);
    expect(first).toBe(second);
    expect(third).not.toBe(first);
  });
});

describe("D11 policy and secret change while a request is served", () => {
  test("a policy that denies, set while the secret is read, denies", async () => {
    let current = policy(ALLOW, 1);
    const { broker, store, events } = await setUp({ policies: { resourcePolicy: () => current } });
    const plugin = resourcePlugin(store);
    const slow: Plugin = {
      ...plugin,
      handle: async (request, abort) => {
        current = policy(DENY, 2);
        await store.put(parseResourcePath(PATH), Buffer.from("new secret"), { overwrite: true }, abort);
        return plugin.handle(request, abort);
      },
    };
    await expect(broker.release(STORE_OF(slow), signal)).rejects.toMatchObject({ code: "policy-denied" });
    expect(events).toEqual([
      expect.objectContaining({ outcome: "denied", policyVersion: 2, policyHash: DENY.hash }),
    ]);
  });

  test("a policy that still allows: the record names the version that decided", async () => {
    let current = policy(ALLOW, 1);
    let reads = 0;
    const { broker, store, events } = await setUp({ policies: { resourcePolicy: () => current } });
    const plugin = resourcePlugin(store);
    const slow: Plugin = {
      ...plugin,
      handle: async (request, abort) => {
        if (reads++ === 0) current = policy(ALLOW, 2);
        return plugin.handle(request, abort);
      },
    };
    await expect(broker.release(STORE_OF(slow), signal)).resolves.toBeDefined();
    expect(events).toEqual([expect.objectContaining({ outcome: "released", policyVersion: 2 })]);
  });

  test("a policy that never rests is answered with try again", async () => {
    let version = 0;
    const { broker, store } = await setUp({ policies: { resourcePolicy: () => policy(ALLOW, version++) } });
    await expect(broker.release(STORE_OF(resourcePlugin(store)), signal)).rejects.toMatchObject({
      code: "overloaded",
      retryAfterSeconds: 1,
    });
  });
});

describe("what plugins see and give", () => {
  const plugin = (answer: Partial<PluginAnswer>, handle = jest.fn<Plugin["handle"]>()): Plugin => ({
    name: "resource",
    access: () => "token",
    handle: handle.mockResolvedValue({
      body: Buffer.from("plain"),
      contentType: "text/plain",
      encrypted: false,
      ...answer,
    }),
  });

  test("an answer that need not be encrypted goes out as it is", async () => {
    const { broker } = await setUp();
    await expect(broker.release(STORE_OF(plugin({})), signal)).resolves.toEqual({
      body: Buffer.from("plain"),
      contentType: "text/plain",
    });
  });

  test("the init-data claims of the attested guest, and nobody else's", async () => {
    const { broker } = await setUp();
    const handle = jest.fn<Plugin["handle"]>();
    const claims = {
      submods: { cpu0: { "ear.veraison.annotated-evidence": { init_data_claims: { "aa.toml": {} } } } },
    };
    await broker.release(STORE_OF(plugin({}, handle), { token: token(claims) }), signal);
    expect(handle.mock.calls[0]?.[0].initDataClaims).toEqual({ "aa.toml": {} });
    await broker.release(STORE_OF(plugin({}, handle)), signal);
    expect(handle.mock.calls[1]?.[0].initDataClaims).toBeUndefined();
  });

  test("P56 an unusable TEE key releases nothing and is not recorded as a release", async () => {
    const { broker, store, events } = await setUp();
    const bad = { ...token(), teePublicKey: { ...parseTeePublicKey(KEY.jwk), y: String(KEY.jwk["x"]) } };
    const request = STORE_OF(resourcePlugin(store), { token: bad as VerifiedToken });
    await expect(broker.release(request, signal)).rejects.toMatchObject({ code: "tee-key-rejected" });
    expect(events).not.toContainEqual(expect.objectContaining({ outcome: "released" }));
  });

  test("guests of protocol 0.1 get their form, by the mark in the token or by their session", async () => {
    const legacy = generateTeeKey("rsa1_5");
    const { broker, store } = await setUp();
    for (const request of [
      { token: token({ "keywarden.protocol": "0.1" }, legacy) },
      { token: token({}, legacy), legacyAnswer: true },
    ]) {
      const { body } = await broker.release(STORE_OF(resourcePlugin(store), request), signal);
      expect(openLegacyResponse(Buffer.from(body), legacy)).toEqual(SECRET);
    }
  });
});

describe("the resource plugin", () => {
  const request = (
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: readonly string[] = PATH,
    body = SECRET,
  ) => ({
    method,
    path,
    query: {},
    body,
    initDataClaims: undefined,
  });

  test("P65 P67 set, get, replace, delete", async () => {
    const plugin = resourcePlugin(new MemorySecretStore());
    const done = { body: new Uint8Array(0), contentType: undefined, encrypted: false };
    await expect(plugin.handle(request("POST"), signal)).resolves.toEqual(done);
    await expect(plugin.handle(request("GET"), signal)).resolves.toMatchObject({
      body: SECRET,
      encrypted: true,
    });
    await plugin.handle(request("POST", PATH, Buffer.alloc(0)), signal);
    await expect(plugin.handle(request("GET"), signal)).resolves.toMatchObject({ body: Buffer.alloc(0) });
    await expect(plugin.handle(request("DELETE"), signal)).resolves.toEqual(done);
    for (const method of ["GET", "DELETE"] as const)
      await expect(plugin.handle(request(method), signal)).rejects.toMatchObject({ code: "not-found" });
  });

  test("P66 paths of two or four parts, and PUT", async () => {
    const plugin = resourcePlugin(new MemorySecretStore());
    for (const path of [
      ["a", "b"],
      ["a", "b", "c", "d"],
      ["a", "..", "c"],
      ["a", ".b", "c"],
      ["a", "", "c"],
    ])
      await expect(plugin.handle(request("POST", path), signal)).rejects.toMatchObject({
        code: "resource-path-invalid",
      });
    await expect(plugin.handle(request("PUT"), signal)).rejects.toMatchObject({ code: "method-not-allowed" });
  });

  test("only reading is for guests", () => {
    const plugin = resourcePlugin(new MemorySecretStore());
    const of = (method: "GET" | "POST" | "PUT" | "DELETE") => plugin.access(method, PATH);
    expect([of("GET"), of("POST"), of("PUT"), of("DELETE")]).toEqual(["token", "admin", "admin", "admin"]);
  });
});
