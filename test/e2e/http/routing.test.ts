import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import {
  type Answer,
  AUTH_BODY,
  answersIn,
  raw,
  startServer,
  type TestServer,
} from "../../support/http-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const variant = (answer: Answer) => String(answer.json()["type"]).split("/").at(-1);
const BEARER = { authorization: "Bearer a.b.c" };
const ADMIN = { authorization: "Bearer admin" };
const admin = (method: string, path: string, body?: string | Buffer) =>
  server.call(method, path, { headers: ADMIN, ...(body === undefined ? {} : { body }) });

function expectProblem(answer: Answer, status: number, code: string): void {
  expect(answer.status).toBe(status);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  const problem = answer.json();
  expect(problem).toMatchObject({ status, code });
  for (const member of ["type", "title", "detail", "instance"])
    expect(problem[member]).toEqual(expect.stringMatching(/./));
}

describe("guests' paths", () => {
  test.each([
    undefined,
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "zzz",
  ])("P4 the content type %j does not matter", async (type) => {
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    expect((await server.call("POST", "/kbs/v0/auth", { headers, body: AUTH_BODY })).status).toBe(200);
  });

  test.each([
    ["/kbs/v0/resource/default/key/1", ["default", "key", "1"]],
    ["/kbs/v0/%72esource/default/%6bey/1", ["default", "key", "1"]],
    ["/kbs/v0/resource/default%2Fkey/1", ["default", "key", "1"]],
    ["/kbs/v0/resource/a//b", ["a", "", "b"]],
    ["/kbs/v0/resource/..%2f..%2fetc/passwd", ["..", "..", "etc", "passwd"]],
    ["//kbs/v0/resource/default/key/1", ["default", "key", "1"]],
    ["http://other.example/kbs/v0/resource/default/key/1", ["default", "key", "1"]],
  ])("P5 %s reaches the plugin as its decoded segments", async (path, segments) => {
    expect((await server.call("GET", path, { headers: BEARER })).status).toBe(200);
    expect(server.release.released[0]).toMatchObject({ plugin: "resource", path: segments, method: "GET" });
  });

  test("P68 the query is a flat map in which the last of a name counts", async () => {
    await server.call("GET", "/kbs/v0/resource/a/b/c?x=1&y=a%20b+c&x=2&z&__proto__=p&=e", {
      headers: BEARER,
    });
    expect(Object.entries(server.release.released[0]?.query ?? {})).toEqual([
      ["x", "2"],
      ["y", "a b c"],
      ["z", ""],
      ["__proto__", "p"],
      ["", "e"],
    ]);
  });

  test.each([
    "/kbs/v0/resource/a/b/%zz",
    "/kbs/v0/resource/a/b/%",
    "/kbs/v0/resource/a/b/%ff",
    "/kbs/v0/resource/a/b/%c0%af",
    "/kbs/v0/resource/a/b/c?x=%",
    "/kbs/v0/resource/a/b/c?%ff=1",
    `/kbs/v0/resource/a/b/c?${"x=1&".repeat(200)}`,
  ])("a broken encoding is 400 and reaches nobody: %s", async (path) => {
    expectProblem(await server.call("GET", path, { headers: BEARER }), 400, "malformed-request");
    expect(server.release.released).toHaveLength(0);
  });

  test.each([
    ["GET", "/kbs/v0/nothing/here", "nothing"],
    ["GET", "/kbs/v0/auth", "auth"],
    ["GET", "/kbs/v0/attest", "attest"],
    ["PUT", "/kbs/v0/auth", "auth"],
    ["DELETE", "/kbs/v0/resource-policy", "resource-policy"],
    ["PUT", "/kbs/v0/attestation-policy", "attestation-policy"],
    ["GET", "/kbs/v0/", ""],
    ["POST", "/kbs/v0/RESOURCE-POLICY", "RESOURCE-POLICY"],
    ["GET", "/kbs/v0/constructor", "constructor"],
  ])("P6 %s %s is PluginNotFound", async (method, path, name) => {
    const answer = await server.call(method, path, { headers: ADMIN });
    expectProblem(answer, 404, "plugin-not-found");
    expect(variant(answer)).toBe("PluginNotFound");
    expect(answer.json()["detail"]).toBe(`Plugin ${name} not found`);
  });

  test.each(["HEAD", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])(
    "P7 %s under the prefix is 405",
    async (method) => {
      for (const path of ["/kbs/v0/auth", "/kbs/v0/resource/a/b/c", "/kbs/v0/nothing"]) {
        const answer = await server.call(method, path, { headers: ADMIN });
        expect(answer.status).toBe(405);
        expect(answer.headers["allow"]).toBe("GET, POST, PUT, DELETE");
        if (method !== "HEAD") expectProblem(answer, 405, "method-not-allowed");
      }
    },
  );

  test("extra segments after auth and attest are ignored", async () => {
    expect((await server.call("POST", "/kbs/v0/auth/any/thing", { body: AUTH_BODY })).status).toBe(200);
    expect((await server.call("POST", "/kbs/v0/attest/any", { body: "{}" })).json()["code"]).toBe(
      "session-unknown",
    );
  });

  test("P76 a GET with a body reaches the plugin with it", async () => {
    const body = Buffer.from([0, 1, 2, 255]);
    await server.call("GET", "/kbs/v0/echo/wrap-key", { headers: BEARER, body });
    expect(server.release.released[0]).toMatchObject({ plugin: "echo", path: ["wrap-key"] });
    expect(server.release.released[0]?.body).toEqual(body);
  });

  test("PUT on a resource is a guest's call, as in the reference server", async () => {
    expect(variant(await server.call("PUT", "/kbs/v0/resource/a/b/c"))).toBe("TokenNotFound");
  });

  test("answers what the plugin answered", async () => {
    server.release.verdict = async () => ({
      status: 200,
      contentType: "text/xml",
      body: Buffer.from([1, 2, 0]),
    });
    const answer = await server.call("GET", "/kbs/v0/echo/x", { headers: BEARER });
    expect(answer.headers["content-type"]).toBe("text/xml");
    expect(answer.headers["content-length"]).toBe("3");
    expect(answer.headers["cache-control"]).toBe("no-store");
  });
});

describe("administrators' paths", () => {
  const CALLS: [string, string][] = [
    ["POST", "/kbs/v0/attestation-policy"],
    ["GET", "/kbs/v0/attestation-policy"],
    ["GET", "/kbs/v0/attestation-policy/default_cpu"],
    ["DELETE", "/kbs/v0/attestation-policy/default_cpu"],
    ["POST", "/kbs/v0/resource-policy"],
    ["GET", "/kbs/v0/resource-policy"],
    ["GET", "/kbs/v0/resource-policy/resource-policy"],
    ["DELETE", "/kbs/v0/resource-policy/resource-policy"],
    ["POST", "/kbs/v0/resource-policy/resource-policy"],
    ["POST", "/kbs/v0/reference-value"],
    ["GET", "/kbs/v0/reference-value"],
    ["GET", "/kbs/v0/reference-value/launch/digest"],
    ["DELETE", "/kbs/v0/reference-value/launch"],
    ["GET", "/kbs/v0/resource"],
    ["GET", "/kbs/v0/resource/"],
    ["POST", "/kbs/v0/resource/a/b/c"],
    ["DELETE", "/kbs/v0/resource/a/b/c"],
  ];

  test.each(CALLS)(
    "P59 C7 %s %s without credentials is refused, and nothing is done",
    async (method, path) => {
      for (const headers of [{}, { authorization: "Bearer wrong" }, { cookie: "kbs-session-id=x" }]) {
        const answer = await server.call(method, path, { headers, body: "secret" });
        expectProblem(answer, 401, "unauthenticated");
        expect(answer.json()["detail"]).toMatch(/^admin access denied for endpoint [a-z-]+: no credentials/);
      }
      expect(server.admin.performed).toHaveLength(0);
    },
  );

  test.each(CALLS)("%s %s with credentials is exactly 200", async (method, path) => {
    expect((await admin(method, path)).status).toBe(200);
    expect(server.admin.performed).toHaveLength(1);
  });

  test("a refused administrator is AdminAuthAccess, on plugin paths AdminAuthInitialization", async () => {
    expect(variant(await server.call("POST", "/kbs/v0/resource-policy"))).toBe("AdminAuthAccess");
    expect(variant(await server.call("POST", "/kbs/v0/resource/a/b/c"))).toBe("AdminAuthInitialization");
  });

  test("P65 the body arrives byte for byte, whatever its type, and may be empty", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await admin("POST", "/kbs/v0/resource/a/b/c", bytes);
    await admin("POST", "/kbs/v0/resource/a/b/c");
    expect(server.admin.performed[0]).toMatchObject({
      operation: "plugin",
      plugin: "resource",
      path: ["a", "b", "c"],
    });
    expect(server.admin.performed[0]?.body).toEqual(bytes);
    expect(server.admin.performed[1]?.body).toHaveLength(0);
  });

  test.each([
    ["GET", "/kbs/v0/reference-value/a%2Fb/c", "reference-value.get", "a/b/c"],
    ["GET", "/kbs/v0/resource-policy/my%20policy", "resource-policy.get", "my policy"],
    ["DELETE", "/kbs/v0/attestation-policy/x_cpu", "attestation-policy.delete", "x_cpu"],
    ["GET", "/kbs/v0/resource", "resource.list", ""],
  ])("%s %s is %s of %j", async (method, path, operation, id) => {
    await admin(method, path);
    expect(server.admin.performed[0]).toMatchObject({ operation, id });
  });

  test.each([
    ["POST", "/kbs/v0/resource/team-a/key/1?x=/kbs/v0/resource/team-b", "/kbs/v0/resource/team-a/key/1"],
    ["POST", "/kbs/v0/%72esource/team%2Da/key%2F1", "/kbs/v0/resource/team-a/key/1"],
    ["POST", "//kbs/v0/resource/team-a/key/1", "/kbs/v0/resource/team-a/key/1"],
    ["POST", "/kbs/v0/resource/team-a/..%2fteam-b/key/1", "/kbs/v0/resource/team-a/../team-b/key/1"],
    ["POST", "/kbs/v0/resource-policy/anything/else", "/kbs/v0/resource-policy"],
    ["POST", "/kbs/v0/attestation-policy/x", "/kbs/v0/attestation-policy"],
    ["GET", "/kbs/v0/resource/", "/kbs/v0/resource"],
  ])("P62 C8 %s %s is authorised as what it does: %s", async (method, path, authorised) => {
    await admin(method, path);
    expect(server.admin.calls[0]?.path).toBe(authorised);
  });

  test.each([
    "ftp://x/kbs/v0/resource-policy",
    "/kbs\\v0/resource-policy#",
    "/kbs/v0\\resource-policy#",
    "/kbs/v0/resource-policy#/kbs/v0/resource",
    "http:///\\kbs/v0/resource-policy",
  ])("C8 what parsers read in two ways is read in none: %s", async (target) => {
    const text = await raw(
      server.port,
      `POST ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    expect(answersIn(text)[0]?.status).toBe(400);
    expect(server.admin.calls).toEqual([]);
    expect(server.admin.performed).toEqual([]);
  });

  test("answers with what the use case gave", async () => {
    server.admin.answer = { contentType: "application/json", body: '["resource-policy"]' };
    const answer = await admin("GET", "/kbs/v0/resource-policy");
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.text).toBe('["resource-policy"]');
  });

  test("credentials are looked at before the body is read", async () => {
    const text = await raw(
      server.port,
      "POST /kbs/v0/resource/a/b/c HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n",
    );
    expect(answersIn(text)[0]?.status).toBe(401);
  });
});

describe("outside the prefix", () => {
  test("P8 GET /healthz is 200", async () => {
    const answer = await server.call("GET", "/healthz");
    expect(answer.status).toBe(200);
    expect(answer.text).toBe("");
  });

  test("GET /readyz says what is not ready", async () => {
    const sick = await startServer({
      probes: [{ name: "store", check: () => Promise.reject(new KbsError("storage-unavailable", "Gone.")) }],
    });
    expectProblem(await sick.call("GET", "/readyz"), 503, "storage-unavailable");
    expect((await server.call("GET", "/readyz")).json()).toMatchObject({ ready: true });
    await sick.close();
  });

  test("serves the key set and the discovery document", async () => {
    expect((await server.call("GET", "/.well-known/jwks.json")).json()).toEqual({ keys: [] });
    const host = `127.0.0.1:${server.port}`;
    expect((await server.call("GET", "/.well-known/openid-configuration")).json()).toEqual({
      issuer: `http://${host}`,
      jwks_uri: `http://${host}/.well-known/jwks.json`,
    });
  });

  test.each([
    "/",
    "/kbs",
    "/kbs/v0",
    "/kbs/v1/auth",
    "/KBS/v0/auth",
    "/%6bbs/v0/auth",
    "/favicon.ico",
    "/metrics",
    "*",
  ])("P10 %s is 404 with a JSON body", async (path) => {
    expectProblem(await server.call("GET", path), 404, "not-found");
  });

  test("an error that nobody foresaw says no more than that it happened", async () => {
    server.release.verdict = async () => {
      throw new TypeError("postgres://user:password@10.0.0.1/kbs");
    };
    const answer = await server.call("GET", "/kbs/v0/resource/a/b/c", { headers: BEARER });
    expectProblem(answer, 500, "internal");
    expect(answer.text).not.toMatch(/postgres|TypeError|at /);
    const line = server.logged.find((each) => each.includes(String(answer.json()["instance"])));
    expect(line).toContain("postgres");
  });
});
