import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";
import { keyValue1, keyValue2 } from "../../../src/secrets/vault/engines.ts";
import { VaultSecretStore } from "../../../src/secrets/vault/index.ts";
import { PlaceTemplate } from "../../../src/secrets/vault/places.ts";
import type { ValueFormat } from "../../../src/secrets/vault/values.ts";
import { VaultClient } from "../../../src/vault/client.ts";
import {
  appRoleLogin,
  certificateLogin,
  jwtLogin,
  type Login,
  tokenLogin,
} from "../../../src/vault/login.ts";
import { VaultServer } from "../../support/vault-server.ts";

const SIGNAL = new AbortController().signal;
const PATH = parseResourcePath(["default", "disk", "passphrase"]);
const KEEP = { overwrite: false };
const READ_WRITE = [{ prefix: "kv", capabilities: ["read", "update", "list", "delete"] }];

let server: VaultServer;
let events: { event: string; login: string; reason?: string }[];
let failures: string[];
let faults: string[];
const stores: VaultSecretStore[] = [];

beforeEach(async () => {
  server = await VaultServer.start();
  server.mount("kv1", 1);
  server.mount("kv2", 2);
  server.policy("kbs", READ_WRITE);
  [events, failures, faults] = [[], [], []];
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await server.stop();
});

interface Wanted {
  readonly login?: Login;
  readonly engine?: 1 | 2;
  readonly format?: ValueFormat;
  readonly template?: string;
  readonly timeout?: number;
  readonly namespace?: string;
  readonly address?: string;
}

function open(wanted: Wanted = {}): VaultSecretStore {
  const { engine = 2, format = "base64", template = "{repository}/{type}/{tag}", timeout = 2000 } = wanted;
  const client = new VaultClient({
    address: wanted.address ?? server.address,
    namespace: wanted.namespace,
    tls: {},
    timeoutMilliseconds: timeout,
    maxConnections: 8,
    login: wanted.login ?? tokenLogin(async () => server.root),
    onEvent: (event) => events.push(event),
  });
  const store = new VaultSecretStore({
    client,
    engine: engine === 1 ? keyValue1(client, "kv1") : keyValue2(client, "kv2"),
    places: new PlaceTemplate(template),
    field: "data",
    format,
    onFailure: (reason) => failures.push(reason),
    reportFault: ({ file, reason }) => faults.push(`${file}: ${reason}`),
  });
  stores.push(store);
  return store;
}

const text = async (store: VaultSecretStore) => Buffer.from((await store.get(PATH, SIGNAL)) ?? []).toString();
const put = (store: VaultSecretStore, value: string) =>
  store.put(PATH, Buffer.from(value), { overwrite: true }, SIGNAL);

describe("logins", () => {
  const cases: Record<string, () => Login> = {
    token: () => tokenLogin(async () => `${server.token(["kbs"])}\n`),
    approle: () => {
      const { roleId, secretId } = server.appRole("kbs", ["kbs"]);
      return appRoleLogin({ mount: "approle", roleId, readSecretId: async () => secretId, wrapped: false });
    },
    kubernetes: () => {
      server.acceptJwt("kubernetes", "a.b.c", ["kbs"]);
      return jwtLogin("kubernetes", { mount: "kubernetes", role: "kbs", readJwt: async () => "a.b.c\n" });
    },
    jwt: () => {
      server.acceptJwt("oidc", "d.e.f", ["kbs"]);
      return jwtLogin("jwt", { mount: "oidc", role: "kbs", readJwt: async () => "d.e.f" });
    },
  };
  for (const [kind, make] of Object.entries(cases))
    test(`${kind}: a secret is written and read, with one login`, async () => {
      const store = open({ login: make() });
      await put(store, "secret");
      expect(await Promise.all([text(store), text(store)])).toEqual(["secret", "secret"]);
      expect(events.filter(({ event }) => event === "vault-login")).toEqual([
        { event: "vault-login", login: kind },
      ]);
    });

  test("many requests at once share one login", async () => {
    const { roleId, secretId } = server.appRole("kbs", ["kbs"]);
    const store = open({
      login: appRoleLogin({ mount: "approle", roleId, readSecretId: async () => secretId, wrapped: false }),
    });
    await Promise.all(Array.from({ length: 20 }, () => store.get(PATH, SIGNAL)));
    expect(server.requests.filter((line) => line.endsWith("/login"))).toHaveLength(1);
  });

  test("a wrapped secret id is unwrapped once, and serves later logins", async () => {
    const role = server.appRole("kbs", ["kbs"]);
    const wrapping = role.wrap();
    const store = open({
      login: appRoleLogin({
        mount: "approle",
        roleId: role.roleId,
        readSecretId: async () => wrapping,
        wrapped: true,
      }),
    });
    await put(store, "secret");
    server.revokeAll();
    expect(await text(store)).toBe("secret");
    expect(server.requests.filter((line) => line.endsWith("/unwrap"))).toHaveLength(1);

    const late = open({
      login: appRoleLogin({
        mount: "approle",
        roleId: role.roleId,
        readSecretId: async () => wrapping,
        wrapped: true,
      }),
    });
    await expect(late.get(PATH, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
      extra: { reason: "login-refused" },
    });
  });

  test("a token that was revoked is replaced; one that is denied by policy is not", async () => {
    const { roleId, secretId } = server.appRole("kbs", ["kbs"]);
    const login = appRoleLogin({
      mount: "approle",
      roleId,
      readSecretId: async () => secretId,
      wrapped: false,
    });
    const store = open({ login });
    await put(store, "secret");
    server.revokeAll();
    expect(await text(store)).toBe("secret");
    server.policy("kbs", []);
    const logins = () => server.requests.filter((line) => line.endsWith("/login")).length;
    const before = logins();
    for (let i = 0; i < 3; i++)
      await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ extra: { reason: "denied" } });
    expect(logins()).toBe(before);
  });

  test("a token file that an agent replaced is read again", async () => {
    let token = server.token(["kbs"]);
    const store = open({ login: tokenLogin(async () => token) });
    await put(store, "secret");
    server.revoke(token);
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    token = server.token(["kbs"]);
    expect(await text(store)).toBe("secret");
  });

  test("a token is renewed before it ends, and taken anew when Vault extends it no more", async () => {
    await server.stop();
    for (const renewable of [true, false]) {
      server = await VaultServer.start({ tokenTtl: 1, renewable });
      server.mount("kv2", 2);
      server.policy("kbs", READ_WRITE);
      const { roleId, secretId } = server.appRole("kbs", ["kbs"]);
      const store = open({
        login: appRoleLogin({ mount: "approle", roleId, readSecretId: async () => secretId, wrapped: false }),
      });
      await put(store, "secret");
      const wanted = renewable ? "renew-self" : "/login";
      const count = () => server.requests.filter((line) => line.endsWith(wanted)).length;
      const before = count();
      for (let waited = 0; count() === before && waited < 5000; waited += 20)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(count()).toBeGreaterThan(before);
      expect(await text(store)).toBe("secret");
      await store.close();
      if (renewable) await server.stop();
    }
  });

  test("wrong credentials, an absent method and an empty token are refused logins", async () => {
    server.appRole("kbs", ["kbs"]);
    for (const login of [
      appRoleLogin({ mount: "approle", roleId: "x", readSecretId: async () => "y", wrapped: false }),
      jwtLogin("kubernetes", { mount: "kubernetes", role: "kbs", readJwt: async () => "nobody's" }),
      certificateLogin({ mount: "cert", role: "kbs" }),
      tokenLogin(async () => " \n"),
    ])
      await expect(open({ login }).get(PATH, SIGNAL)).rejects.toMatchObject({
        code: "storage-unavailable",
        extra: { reason: "login-refused" },
      });
  });
});

describe("faults", () => {
  const reasonOf = async (store: VaultSecretStore) =>
    store
      .get(PATH, SIGNAL)
      .then(String, (error: { code: string; extra?: { reason?: string } }) => [
        error.code,
        error.extra?.reason,
      ]);

  test("sealed, gone, slow, redirecting, limiting and babbling servers are told apart, and get over it", async () => {
    const store = open({ timeout: 300 });
    await put(store, "secret");
    server.sealed = true;
    expect(await reasonOf(store)).toEqual(["storage-unavailable", "sealed"]);
    await expect(store.ready(SIGNAL)).rejects.toMatchObject({ extra: { reason: "sealed" } });
    server.sealed = false;
    for (const [answer, reason] of [
      [{ status: 307, body: "", headers: { location: "http://127.0.0.1:9/" } }, "standby"],
      [{ status: 472, body: "" }, "standby"],
      [{ status: 429, body: '{"errors":["request path limit"]}' }, "rate-limited"],
      [{ status: 500, body: '{"errors":["internal error"]}' }, "failed"],
      [{ status: 502, body: "<html>" }, "failed"],
      [{ status: 200, body: "<html>" }, "malformed"],
      [{ status: 200, body: "[1]" }, "malformed"],
    ] as const) {
      server.answer = answer;
      expect([answer, await reasonOf(store)]).toEqual([answer, ["storage-unavailable", reason]]);
    }
    server.answer = undefined;
    server.hanging = true;
    expect(await reasonOf(store)).toEqual(["storage-unavailable", "timeout"]);
    server.hanging = false;
    const { port } = server;
    await server.stop();
    expect(await reasonOf(store)).toEqual(["storage-unavailable", "unreachable"]);
    await server.listen(port);
    expect(await text(store)).toBe("secret");
    expect(new Set(failures)).toEqual(
      new Set(["sealed", "standby", "rate-limited", "failed", "malformed", "timeout", "unreachable"]),
    );
  });

  test("a mount or namespace that is not there is no absent secret", async () => {
    const store = open({ namespace: "teams/a" });
    expect(await reasonOf(store)).toEqual(["storage-unavailable", "not-found"]);
    const bare = await VaultServer.start();
    try {
      expect(await reasonOf(open({ address: bare.address }))).toEqual(["storage-unavailable", "not-found"]);
    } finally {
      await bare.stop();
    }
  });

  test("the token goes nowhere: no redirect is followed, and no error holds it", async () => {
    const seen: string[] = [];
    const elsewhere = createServer((request, response) => {
      seen.push(JSON.stringify(request.headers));
      response.end("{}");
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { port } = elsewhere.address() as AddressInfo; // a TCP listener has one
    const token = server.token(["kbs"]);
    const store = open({ login: tokenLogin(async () => token), timeout: 300 });
    await put(store, "secret");
    const errors: unknown[] = [];
    const provoke = async () => store.get(PATH, SIGNAL).catch((error: unknown) => errors.push(error));
    server.answer = { status: 307, body: "", headers: { location: `http://127.0.0.1:${port}/` } };
    await provoke();
    server.answer = undefined;
    server.hanging = true;
    await provoke();
    server.hanging = false;
    server.revokeAll();
    await provoke();
    await server.stop();
    await provoke();
    await server.listen(0);
    elsewhere.close();
    expect(seen).toEqual([]);
    expect(errors).toHaveLength(4);
    for (const error of errors) {
      for (const shown of [
        inspect(error, { depth: 20, showHidden: true }),
        JSON.stringify(error),
        String(error),
      ])
        expect(shown).not.toContain(token);
    }
  });

  test("a server that repeats what it was sent puts none of it into an error", async () => {
    const token = server.token(["kbs"]);
    // Of the first version, which writes without reading before.
    const store = open({ login: tokenLogin(async () => token), engine: 1 });
    await put(store, "secret");
    const value = "value-that-nobody-must-see";
    const encoded = Buffer.from(value).toString("base64");
    const shown: string[] = [];
    for (const said of [`no such token ${token}`, `cannot read ${encoded}`, "too bad"]) {
      server.answer = { status: 500, body: JSON.stringify({ errors: [said] }) };
      const error = await put(store, value).catch((refusal: unknown) => refusal);
      shown.push(inspect(error, { depth: 20, showHidden: true }));
    }
    expect(shown[0]).toContain("no such token …");
    expect(shown[1]).toContain("cannot read …");
    expect(shown[2]).toContain("too bad");
    for (const one of shown) for (const secret of [token, encoded]) expect(one).not.toContain(secret);
  });

  test("an environment made for other programs changes nothing", async () => {
    const names = {
      VAULT_ADDR: "http://127.0.0.1:9",
      VAULT_TOKEN: "stolen",
      VAULT_NAMESPACE: "n",
      VAULT_PREFIX: "/x",
      VAULT_SKIP_VERIFY: "1",
    };
    const before = Object.fromEntries(Object.keys(names).map((name) => [name, process.env[name]]));
    Object.assign(process.env, names);
    try {
      const store = open();
      await put(store, "secret");
      expect(await text(store)).toBe("secret");
    } finally {
      for (const [name, value] of Object.entries(before))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }
  });
});

describe("values and places", () => {
  test("what the reference server wrote is read: byte numbers, text, and other JSON", async () => {
    const store = open({ engine: 1, format: "trustee" });
    for (const [data, bytes] of [
      [[0, 255, 10], Buffer.from([0, 255, 10])],
      ["text ä", Buffer.from("text ä")],
      [{ a: [1, "b"] }, Buffer.from('{"a":[1,"b"]}')],
      [[1, 256], Buffer.from("[1,256]")],
      [7, Buffer.from("7")],
    ] as const) {
      server.plant("kv1", "default/disk/passphrase", { data });
      expect(Buffer.from((await store.get(PATH, SIGNAL)) ?? [])).toEqual(bytes);
    }
    await put(store, "ab");
    expect(
      await (
        await fetch(`${server.address}/v1/kv1/default/disk/passphrase`, {
          headers: { "x-vault-token": "root" },
        })
      ).json(),
    ).toMatchObject({
      data: { data: [97, 98] },
    });
  });

  test("a foreign or damaged value is refused by name and never given out, and the rest goes on", async () => {
    const store = open();
    const other = parseResourcePath(["default", "disk", "other"]);
    await store.put(other, Buffer.from("fine"), KEEP, SIGNAL);
    for (const data of [
      {},
      { value: "x" },
      { data: "not base64!" },
      { data: 7 },
      { data: [1, 2, 300] },
      { data: null },
    ]) {
      server.plant("kv2", "default/disk/passphrase", data);
      await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    }
    expect(faults[0]).toBe("default/disk/passphrase: it has no field data");
    expect(faults.join()).not.toContain("not base64!");
    expect(Buffer.from((await store.get(other, SIGNAL)) ?? []).toString()).toBe("fine");
  });

  test("text is kept as text; bytes that are none are refused before anything is written", async () => {
    const store = open({ format: "text" });
    await put(store, "läsbar");
    await expect(store.put(PATH, Buffer.of(0xff), { overwrite: true }, SIGNAL)).rejects.toMatchObject({
      code: "malformed-request",
    });
    expect(await text(store)).toBe("läsbar");
  });

  test("a template puts secrets where it says, and lists them back", async () => {
    const store = open({ template: "kbs/{type}/by-repository/{repository}/{tag}" });
    await put(store, "secret");
    server.plant("kv2", "kbs/disk/elsewhere/default/x", { data: "" });
    server.plant("kv2", "kbs/disk/by-repository/default/deep/er", { data: "" });
    server.plant("kv2", "other/disk", { data: "" });
    const listed: string[] = [];
    for await (const path of store.list(SIGNAL)) listed.push(path);
    expect(listed).toEqual([PATH]);
    expect(server.requests.some((line) => line.includes("/kbs/disk/by-repository/default/passphrase"))).toBe(
      true,
    );
    for (const template of [
      "",
      "{repository}/{type}",
      "{repository}/{type}-{tag}",
      "{tag}/{tag}/{type}/{repository}",
      "../{repository}/{type}/{tag}",
      "a b/{repository}/{type}/{tag}",
      "{repository}//{type}/{tag}",
    ])
      expect(() => new PlaceTemplate(template)).toThrow(RangeError);
  });

  test("a deleted version is absent, not listed, and its number goes on counting", async () => {
    const store = open();
    await put(store, "one");
    expect(await store.delete(PATH, SIGNAL)).toBe(true);
    expect(await store.delete(PATH, SIGNAL)).toBe(false);
    const listed: string[] = [];
    for await (const path of store.list(SIGNAL)) listed.push(path);
    expect(listed).toEqual([]);
    expect(await store.put(PATH, Buffer.from("two"), KEEP, SIGNAL)).toBe("stored");
    expect(await text(store)).toBe("two");
  });
});
