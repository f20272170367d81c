import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getResource } from "../../../src/cli/guest/client.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { type Answer, type Product, product } from "../../support/product.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { compact, signAs } from "../../support/tokens.ts";

/** Administrators of every kind, asking the whole product. */
let server: Product;

const ED = generateKeyPairSync("ed25519");
const EC = generateKeyPairSync("ec", { namedCurve: "P-256" });
const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 });
const LEGACY = generateKeyPairSync("ed25519");
const STRANGER = generateKeyPairSync("ed25519");
const pem = ({ publicKey }: { publicKey: KeyObject }): string =>
  String(publicKey.export({ type: "spki", format: "pem" }));
const SECOND = () => Math.floor(Date.now() / 1000);
const LIST = "/kbs/v0/resource";

beforeAll(async () => {
  server = await product({
    vendor: false,
    files: { "ed.pem": pem(ED), "ec.pem": pem(EC), "rsa.pem": pem(RSA), "legacy.pem": pem(LEGACY) },
    admin: `    - { issuer: ed, audience: KBS, algorithms: [ EdDSA ], publicKey: ed.pem }
    - { issuer: ec, audience: KBS, algorithms: [ ES256 ], publicKey: ec.pem }
    - { issuer: rsa, audience: KBS, algorithms: [ RS256 ], publicKey: rsa.pem }
    - { legacyKeyWithoutRole: lister, publicKey: legacy.pem }
  roles:
    - { role: admin, allow: [ { methods: [ "*" ], paths: [ "/kbs/v0/**" ] } ] }
    - { role: team-a, allow: [ { methods: [ POST, DELETE ], paths: [ "/kbs/v0/resource/team-a/**" ] } ] }
    - { role: lister, allow: [ { methods: [ GET ], paths: [ /kbs/v0/resource ] } ] }
`,
  });
});
afterAll(() => server.close());

const SIGNERS = { EdDSA: ["ed", ED], ES256: ["ec", EC], RS256: ["rsa", RSA] } as const;

/** An undefined member is left out of the token. */
function token(
  alg: keyof typeof SIGNERS,
  changes: Record<string, unknown> = {},
  { header = {}, key }: { readonly header?: JsonObject; readonly key?: KeyObject } = {},
): string {
  const [iss, pair] = SIGNERS[alg];
  const claims = { iss, aud: "KBS", sub: "alice", role: "admin", exp: SECOND() + 300, ...changes };
  const text = JSON.parse(JSON.stringify(claims)) as JsonObject; // an object as just printed
  return compact({ alg, ...header }, text, signAs(alg, key ?? pair.privateKey));
}

function ask(bearer: string, method = "GET", path = LIST, body?: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${bearer}` };
  return server.send(method, path, body === undefined ? { headers } : { headers, body });
}

const statusOf = async (bearer: string) => (await ask(bearer)).status;

describe("who may administer", () => {
  test.each(["EdDSA", "ES256", "RS256"] as const)("P60 %s with a role is accepted", async (alg) => {
    expect(await statusOf(token(alg))).toBe(200);
  });

  test.each([
    ["no role", { role: undefined }],
    ["a role that is no text", { role: ["admin"] }],
    ["the wrong issuer", { iss: "ec" }],
    ["no issuer", { iss: undefined }],
    ["the wrong audience", { aud: "other" }],
    ["no audience", { aud: undefined }],
    ["no expiry", { exp: undefined }],
    ["expired", { exp: SECOND() - 61 }],
    ["not valid yet", { nbf: SECOND() + 120 }],
  ])("P60 C4 %s is 401", async (_, changes) => {
    expect(await ask(token("EdDSA", changes))).toMatchObject({
      status: 401,
      json: { code: "unauthenticated", type: expect.stringMatching(/\/AdminAuth/) },
    });
  });

  test("P61 the audience may be a string or stand in an array", async () => {
    for (const aud of ["KBS", ["KBS"], ["other", "KBS"]])
      expect([aud, await statusOf(token("EdDSA", { aud }))]).toEqual([aud, 200]);
    for (const aud of [[], ["other"]]) expect(await statusOf(token("EdDSA", { aud }))).toBe(401);
  });

  test("C1 C2 no token brings its own key, and none its own idea of a signature", async () => {
    const jwk = { ...(STRANGER.publicKey.export({ format: "jwk" }) as JsonObject) }; // texts throughout
    const key = STRANGER.privateKey;
    for (const header of [{}, { jwk }, { jku: "https://127.0.0.1:1/" }, { kid: "ed", jwk }])
      expect(await statusOf(token("EdDSA", {}, { header, key }))).toBe(401);
    const [, payload] = token("EdDSA").split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    expect(await statusOf(`${none}.${payload}.`)).toBe(401);
    const hmac = signAs("HS256", Buffer.from(pem(ED)));
    const claims = { iss: "ed", aud: "KBS", role: "admin", exp: SECOND() + 300 };
    expect(await statusOf(compact({ alg: "HS256" }, claims, hmac))).toBe(401);
  });

  test("P64 a token without role counts for the one key that was configured so, and as its role", async () => {
    const legacy = compact({ alg: "EdDSA" }, { exp: SECOND() + 300 }, signAs("EdDSA", LEGACY.privateKey));
    expect(await statusOf(legacy)).toBe(200);
    expect((await ask(legacy, "POST", `${LIST}/a/b/c`, "x")).json["code"]).toBe("admin-forbidden");
    const raised = { exp: SECOND() + 300, role: "admin" };
    expect(await statusOf(compact({ alg: "EdDSA" }, raised, signAs("EdDSA", LEGACY.privateKey)))).toBe(401);
    const endless = compact({ alg: "EdDSA" }, {}, signAs("EdDSA", LEGACY.privateKey));
    expect(await statusOf(endless)).toBe(401);
  });
});

/** Sent as written: `fetch` would tidy the path up first. */
function rawPost(path: string, bearer: string): Promise<number> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${bearer}`, "content-length": "1" };
    const request = httpRequest({ hostname, port, path, method: "POST", headers, agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    request.on("error", reject);
    request.end("x");
  });
}

const names = async (): Promise<string[]> => JSON.parse((await server.admin("GET", LIST)).text);

describe("P62 C8 a role for team-a only", () => {
  test("writes there, in whatever spelling", async () => {
    const bearer = token("EdDSA", { role: "team-a" });
    for (const path of ["team-a/key/plain", "%74eam-a/key/escaped", "team-a%2Fkey%2Fslashes"])
      expect([path, await rawPost(`${LIST}/${path}`, bearer)]).toEqual([path, 200]);
    expect(await names()).toEqual(
      expect.arrayContaining(["team-a/key/plain", "team-a/key/escaped", "team-a/key/slashes"]),
    );
  });

  test.each([
    "/kbs/v0/resource/team-b/key/x",
    "/kbs/v0/resource/team-a/../team-b/key",
    "/kbs/v0/resource/team-a/%2e%2e/team-b/key/x",
    "/kbs/v0/resource/team-a%2F..%2Fteam-b%2Fkey%2Fx",
    "/kbs/v0/resource/team-a/..%5Cteam-b/key",
    "/kbs/v0/resource//team-a/key/x",
    "//kbs/v0/resource/team-b/key/x",
    "/kbs/v0/resource/team-ab/key/x",
    "/kbs/v0/resource/TEAM-A/key/x",
    "/kbs/v0/resource/team-b/key/x?path=/kbs/v0/resource/team-a/key/x",
    "/kbs/v0/resource/team-b/key/x#/kbs/v0/resource/team-a/",
    "/kbs/v0/resource-policy",
    "/kbs/v0/resource-policy/resource/team-a/key/x",
  ])("writes nothing at %s", async (path) => {
    const before = await names();
    const status = await rawPost(path, token("EdDSA", { role: "team-a" }));
    expect([400, 403, 404]).toContain(status);
    expect(await names()).toEqual(before);
  });
});

describe("names of secrets", () => {
  test.each([
    "a/b",
    "a/b/c/d",
    "a//c",
    ".hidden/b/c",
    "a/b/..",
    "a/%2e%2e/c",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f..%2f..%2fescaped/b/c",
    "a/b/c%00",
    "a/b/c%0a",
    "a/b/c%5cd",
    "a/b/C:",
    "a/b/%C3%A9",
    "a/b/%EF%BC%8E%EF%BC%8E",
    "a/b/c%20d",
    "a/b/c~",
    `a/b/${"x".repeat(121)}`,
  ])("P66 D1 %s is refused and leaves nothing behind", async (path) => {
    const before = [await names(), readdirSync(server.folder), readdirSync(join(server.folder, "data"))];
    expect(await rawPost(`${LIST}/${path}`, server.adminToken)).toBeGreaterThanOrEqual(400);
    expect([await names(), readdirSync(server.folder), readdirSync(join(server.folder, "data"))]).toEqual(
      before,
    );
  });

  test("D2 names that differ in case only hold a secret each", async () => {
    await server.provision("case/key/one", "lower");
    await server.provision("Case/KEY/One", "mixed");
    expect(String(await getResource(server.guest(), "case/key/one"))).toBe("lower");
    expect(String(await getResource(server.guest(), "Case/KEY/One"))).toBe("mixed");
  });

  test("D4 overwrite=false never overwrites, anything else always does", async () => {
    const put = async (value: string, query = "") =>
      (await server.admin("POST", `${LIST}/default/key/kept${query}`, value)).status;
    const get = async () => String(await getResource(server.guest(), "default/key/kept"));
    expect([await put("first", "?overwrite=false"), await get()]).toEqual([200, "first"]);
    expect([await put("second", "?overwrite=false"), await get()]).toEqual([409, "first"]);
    expect([await put("second"), await get()]).toEqual([200, "second"]);
    expect([await put("third", "?overwrite=true"), await get()]).toEqual([200, "third"]);
    expect([await put("fourth", "?overwrite=no"), await get()]).toEqual([400, "third"]);
  });
});

describe("policies and reference values", () => {
  const upload = (policy: string) =>
    server.admin("POST", "/kbs/v0/resource-policy", JSON.stringify({ policy }));
  // 47 characters, so that base64 has padding to leave out.
  const TEXT = 'package policy\nallow if data.plugin == "absent"';

  test("P70 base64url without padding is decoded; anything else is refused and the old policy stays", async () => {
    const good = Buffer.from(TEXT).toString("base64url");
    expect((await upload(good)).status).toBe(200);
    const stored = async () => (await server.admin("GET", "/kbs/v0/resource-policy/resource-policy")).text;
    expect(await stored()).toBe(TEXT);
    const broken = Buffer.from("package policy\nallow if {").toString("base64url");
    for (const policy of [
      `${good}=`,
      `${good}==`,
      "%%%",
      "a",
      Buffer.from([0xff]).toString("base64url"),
      broken,
    ])
      expect(await upload(policy)).toMatchObject({ status: 400, json: { code: "policy-invalid" } });
    expect(await stored()).toBe(TEXT);
  });

  test("segments after the name of a call that sets something mean nothing", async () => {
    const policy = Buffer.from(`${TEXT}\n`).toString("base64url");
    const body = JSON.stringify({ policy });
    expect((await server.admin("POST", "/kbs/v0/resource-policy/evaluate", body)).status).toBe(200);
    const stored = await server.admin("GET", "/kbs/v0/resource-policy/resource-policy");
    expect(stored.text).toBe(`${TEXT}\n`);
  });

  test("P72 GET resource-policy is a JSON array with the one id", async () => {
    const { headers, text } = await server.admin("GET", "/kbs/v0/resource-policy");
    expect([headers.get("content-type"), JSON.parse(text)]).toEqual([
      "application/json",
      ["resource-policy"],
    ]);
  });

  test("P73 reference values come back bare, unknown ones are told as RvpsError", async () => {
    const values = { launch_digest: ["abcde"], svn: 3, flag: true, "name:with/parts": { a: null } };
    const payload = Buffer.from(JSON.stringify(values)).toString("base64");
    const message = JSON.stringify({ version: "0.1.0", type: "sample", payload });
    expect((await server.admin("POST", "/kbs/v0/reference-value", message)).status).toBe(200);
    for (const [name, value] of Object.entries(values)) {
      const answer = await server.admin("GET", `/kbs/v0/reference-value/${encodeURIComponent(name)}`);
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(answer.text).toBe(JSON.stringify(value));
    }
    const unknown = await server.admin("GET", "/kbs/v0/reference-value/nothing");
    expect(unknown.status).toBe(404);
    expect(unknown.json["type"]).toMatch(/\/RvpsError$/);
  });

  test("P59 every administrative call without credentials is 401, and nothing changes", async () => {
    const state = async () =>
      Promise.all(
        ["resource", "resource-policy/resource-policy", "attestation-policy", "reference-value"].map(
          async (path) => (await server.admin("GET", `/kbs/v0/${path}`)).text,
        ),
      );
    const before = await state();
    const policy = Buffer.from("package policy\nallow := true").toString("base64url");
    const payload = Buffer.from('{"planted":1}').toString("base64");
    const calls: readonly (readonly [string, string, unknown?])[] = [
      ["POST", "resource/case/key/one", "planted"],
      ["DELETE", "resource/case/key/one"],
      ["GET", "resource"],
      ["POST", "resource-policy", { policy }],
      ["GET", "resource-policy"],
      ["GET", "resource-policy/resource-policy"],
      ["DELETE", "resource-policy/resource-policy"],
      ["POST", "attestation-policy", { policy_id: "default_cpu", policy }],
      ["GET", "attestation-policy/default_cpu"],
      ["DELETE", "attestation-policy/default_cpu"],
      ["POST", "reference-value", { version: "0.1.0", type: "sample", payload }],
      ["GET", "reference-value"],
      ["GET", "reference-value/svn"],
      ["DELETE", "reference-value/svn"],
    ];
    for (const [method, path, body] of calls) {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const { status, json } = await server.send(method, `/kbs/v0/${path}`, sent);
      expect([method, path, status, json["code"]]).toEqual([method, path, 401, "unauthenticated"]);
    }
    expect(await state()).toEqual(before);
  });
});

describeShared("recorded traffic of kbs-client", "fixtures/transcripts", () => {
  interface Recorded {
    readonly request: {
      readonly method: string;
      readonly path: string;
      readonly body?: string;
      readonly bodyBase64?: string;
    };
  }

  /** The request as the client sent it, with credentials of this server. */
  async function replay(name: string): Promise<Answer> {
    const text = readFileSync(sharedPath("fixtures/transcripts", name), "utf8");
    const [recorded]: Recorded[] = JSON.parse(text);
    if (recorded === undefined) throw new Error(`${name} is empty`);
    const { method, path, body = "", bodyBase64 } = recorded.request;
    const bytes = bodyBase64 === undefined ? Buffer.from(body) : Buffer.from(bodyBase64, "base64");
    return server.admin(method, path, method === "GET" ? undefined : bytes);
  }

  test("P63 its administrative calls succeed, in the order of a first installation", async () => {
    for (const name of [
      "01-set-resource.json",
      "02-set-resource-policy.json",
      "03-set-attestation-policy.json",
      "04-set-reference-value.json",
    ])
      expect(await replay(name)).toMatchObject({ status: 200, text: "" });
    expect(await replay("05-get-reference-value.json")).toMatchObject({ status: 200, text: '["abcdef"]' });
    expect((await replay("12-set-policy-deny.json")).status).toBe(200);
    expect((await replay("16-set-bad-policy.json")).status).toBe(400);
    expect((await replay("14-delete-resource.json")).status).toBe(200);
  });
});
