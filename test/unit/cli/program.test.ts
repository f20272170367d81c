import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { AuditLog } from "../../../src/observability/audit-log.ts";
import { type CommandOutcome, commandLine } from "../../support/command-line.ts";
import { type ScriptedAnswer, type ScriptedBroker, scriptedBroker } from "../../support/scripted-broker.ts";

const TOKEN = "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl";
let folder: string;
let tokenFile: string;
let broker: ScriptedBroker | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keywarden-cli-"));
  tokenFile = join(folder, "admin.token");
  writeFileSync(tokenFile, `${TOKEN}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => broker?.close());

async function start(answer: ScriptedAnswer): Promise<ScriptedBroker> {
  broker = await scriptedBroker(() => answer);
  return broker;
}

/** Runs an administrator's command against the scripted server. */
async function administer(
  argv: readonly string[],
  answer: ScriptedAnswer,
  input?: string,
): Promise<CommandOutcome & { server: ScriptedBroker }> {
  const server = await start(answer);
  const outcome = await commandLine(
    [...argv, "--url", server.url.href, "--admin-token-file", tokenFile],
    input,
  );
  return { ...outcome, server };
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const OK: ScriptedAnswer = { status: 200 };
const DENIED: ScriptedAnswer = {
  status: 401,
  body: JSON.stringify({ type: "https://example.test/AdminAuthAccess", detail: "admin access denied" }),
};

test.each([
  [["unknown"]],
  [["resource"]],
  [["resource", "set", "a/b/c"]],
  [["resource", "set", "a/b", "file"]],
  [["resource", "set", "../b/c", "-"]],
  [["resource", "list", "--url", "ftp://127.0.0.1/"]],
  [["resource", "list", "--url", "http://user:password@127.0.0.1/"]],
  [["resource", "list", "--timeout", "0"]],
  [["resource", "list", "--ca", "/nowhere.pem", "--url", "http://127.0.0.1:1/"]],
  [["resource", "list", "--ca", "/nowhere.pem", "--url", "https://127.0.0.1:1/"]],
  [["resource", "list", "--admin-token-file", "/nowhere"]],
  [["policy", "list", "--kind", "other"]],
  [["policy", "set", "/nowhere.rego"]],
  [["reference-value", "set", "name", "1.5", "--as-integer"]],
  [["reference-value", "set", "name", "yes", "--as-bool"]],
  [["reference-value", "set", "name", "{", "--as-json"]],
  [["reference-value", "set", "name", "a", "b", "--as-single-value"]],
  [["guest", "get", "a/b/c"]],
  [["guest", "get", "a/b/c", "--tee", "tdx"]],
  [["guest", "get", "a/b", "--tee", "sample"]],
  [["guest", "get", "a/b/c", "--tee", "sample", "--debug"]],
  [["guest", "get", "a/b/c", "--tee", "sample", "--tee-key-file", "/nowhere.pem"]],
  [["guest", "get", "a/b/c", "--tee", "sample", "--init-data", "/nowhere.toml"]],
  [["admin", "token", "--ttl", "forever"]],
  [["admin", "token", "--key", "/nowhere.pem"]],
  [["audit", "verify", "/nowhere.ndjson"]],
])("%j is misuse: exit 2 and one sentence", async (argv) => {
  const { code, out, err } = await commandLine(argv);
  expect(code).toBe(2);
  expect(out).toHaveLength(0);
  expect(err).not.toBe("");
  expect(err).not.toMatch(/\n {4}at /);
});

test("help and version are no misuse", async () => {
  expect(await commandLine(["--version"])).toMatchObject({ code: 0, out: Buffer.from("0.0.0-test\n") });
  expect((await commandLine(["resource", "set", "--help"])).code).toBe(0);
});

test("resource set sends the exact bytes, with the token of the file", async () => {
  const secret = file("passphrase", "one\r\ntwo\n");
  const { code, server, out } = await administer(["resource", "set", "/default/disk/key", secret], OK);
  expect([code, out.toString()]).toEqual([0, "Stored default/disk/key: 9 bytes.\n"]);
  expect(server.seen).toMatchObject([
    {
      method: "POST",
      path: "/kbs/v0/resource/default/disk/key",
      authorization: `Bearer ${TOKEN}`,
      body: "one\r\ntwo\n",
    },
  ]);
});

test("resource set takes the secret from standard input, so that it touches no disk", async () => {
  const { server } = await administer(["resource", "set", "a/b/c", "-"], OK, "typed in");
  expect(server.seen[0]?.body).toBe("typed in");
});

test("a refusal is exit 1 with the server's own sentence, never with the token", async () => {
  const { code, err, out } = await administer(["resource", "delete", "a/b/c", "--json"], DENIED);
  expect(code).toBe(1);
  expect(err).toBe("keywarden: 401: admin access denied\n");
  expect(JSON.parse(out.toString())).toMatchObject({ outcome: "refused", status: 401 });
  expect(err + out).not.toContain(TOKEN);
});

test.each([201, 204, 302])("status %i is no success", async (status) => {
  expect((await administer(["resource", "delete", "a/b/c"], { status })).code).toBe(1);
});

test("the token is not sent in the clear to another machine", async () => {
  const argv = ["resource", "list", "--url", "http://kbs.example.test/", "--admin-token-file", tokenFile];
  const { code, err } = await commandLine(argv);
  expect(code).toBe(2);
  expect(err).toContain("plain http");
});

test("a file that holds no token is not sent", async () => {
  const server = await start(OK);
  const wrong = file("wrong.token", "-----BEGIN PRIVATE KEY-----");
  const { code } = await commandLine([
    "resource",
    "list",
    "--url",
    server.url.href,
    "--admin-token-file",
    wrong,
  ]);
  expect([code, server.seen.length]).toEqual([2, 0]);
});

test("resource list and get read the list of paths", async () => {
  const listed = { status: 200, body: '["a/b/c","d/e/f"]' };
  expect((await administer(["resource", "list"], listed)).out.toString()).toBe("a/b/c\nd/e/f\n");
  await broker?.close();
  expect((await administer(["resource", "get", "d/e/f"], listed)).code).toBe(0);
  await broker?.close();
  expect((await administer(["resource", "get", "d/e/x"], listed)).code).toBe(1);
});

test.each(["", "{}", "[1]", "<html>"])("resource list refuses the answer %j", async (body) => {
  expect((await administer(["resource", "list"], { status: 200, body })).code).toBe(1);
});

const REGO = "package policy\n\ndefault allow := false\n";

test.each([
  [
    ["--kind", "resource"],
    "resource-policy",
    { policy_id: "resource-policy", policy: Buffer.from(REGO).toString("base64url") },
  ],
  [
    ["--kind", "attestation", "--id", "default_gpu"],
    "attestation-policy",
    { type: "rego", policy_id: "default_gpu", policy: Buffer.from(REGO).toString("base64url") },
  ],
])("policy set %j uploads in base64url without padding", async (argv, path, body) => {
  const { server, code } = await administer(["policy", "set", file("p.rego", REGO), ...argv], OK);
  expect(code).toBe(0);
  expect(server.seen[0]).toMatchObject({ method: "POST", path: `/kbs/v0/${path}` });
  expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual(body);
});

test("a policy that does not compile is told with place, line and caret", async () => {
  const detail = "Policy refused, nothing was changed: it does not compile.";
  const finding = { severity: "error", code: "rego_parse_error", message: "unexpected }", row: 3, col: 9 };
  const body = JSON.stringify({ type: "t", detail, findings: [finding] });
  const policy = file("bad.rego", "package policy\n\nallow ifx}\n");
  const { code, err } = await administer(["policy", "set", policy], { status: 400, body });
  expect(code).toBe(1);
  expect(err.split("\n")).toEqual([
    `keywarden: 400: ${detail}`,
    `  ${policy}:3:9: rego_parse_error: unexpected }`,
    "    allow ifx}",
    "            ^",
    "",
  ]);
});

test("policy get prints the source; delete and list name kind and id", async () => {
  const got = await administer(["policy", "get", "--kind", "attestation", "--id", "team/a b"], {
    status: 200,
    body: REGO,
  });
  expect(got.out.toString()).toBe(REGO);
  expect(got.server.seen[0]?.path).toBe("/kbs/v0/attestation-policy/team/a%20b");
  await broker?.close();
  const deleted = await administer(["policy", "delete"], OK);
  expect(deleted.server.seen[0]).toMatchObject({
    method: "DELETE",
    path: "/kbs/v0/resource-policy/resource-policy",
  });
  await broker?.close();
  const listed = await administer(["policy", "list"], { status: 200, body: '["x"]' });
  expect(listed.out.toString()).toBe("resource\tx\nattestation\tx\n");
});

test.each([
  [
    ["v1", "v2"],
    ["v1", "v2"],
  ],
  [["3", "--as-integer"], [3]],
  [["true", "--as-bool", "--as-single-value"], true],
  [['{"a":[1]}', "--as-json"], { a: [1] }],
])("reference-value set %j registers %j", async (argv, value) => {
  const { server, code } = await administer(["reference-value", "set", "snp_launch", ...argv], OK);
  expect(code).toBe(0);
  const { payload, ...rest } = JSON.parse(server.seen[0]?.body ?? "");
  expect(rest).toEqual({ version: "0.1.0", type: "sample" });
  expect(JSON.parse(Buffer.from(payload, "base64").toString())).toEqual({ snp_launch: value });
});

test("reference-value keeps integers beyond 2^53 exact", async () => {
  const set = await administer(["reference-value", "set", "n", "18446744073709551615", "--as-integer"], OK);
  const { payload } = JSON.parse(set.server.seen[0]?.body ?? "");
  expect(Buffer.from(payload, "base64").toString()).toBe('{"n":[18446744073709551615]}');
  await broker?.close();
  const got = await administer(["reference-value", "get", "n"], {
    status: 200,
    body: "[18446744073709551615]",
  });
  expect(got.out.toString()).toBe("[18446744073709551615]\n");
});

test("reference-value list and delete", async () => {
  const body = '[{"name":"a","value":[1]},{"name":"b","value":2}]';
  expect((await administer(["reference-value", "list"], { status: 200, body })).out.toString()).toBe(
    "a\nb\n",
  );
  await broker?.close();
  const { server } = await administer(["reference-value", "delete", "a/b"], OK);
  expect(server.seen[0]).toMatchObject({ method: "DELETE", path: "/kbs/v0/reference-value/a/b" });
});

test("admin keygen and token make what identity providers take", async () => {
  const [key, pub, out] = ["k.pem", "k.pub.pem", "k.token"].map((name) => join(folder, name));
  if (key === undefined || pub === undefined || out === undefined) throw new Error("three names");
  expect((await commandLine(["admin", "keygen", "--private-key", key, "--public-key", pub])).code).toBe(0);
  expect(statSync(key).mode & 0o777).toBe(0o600);
  const argv = ["admin", "token", "--key", key, "--role", "auditor", "--ttl", "60"];
  const printed = await commandLine(argv);
  expect(printed.code).toBe(0);
  const token = printed.out.toString().trim();
  expect(decodeProtectedHeader(token).alg).toBe("EdDSA");
  expect(decodeJwt(token)).toMatchObject({ role: "auditor", iss: "ops", aud: "keywarden" });
  expect((await commandLine([...argv, "--out", out])).out).toHaveLength(0);
  expect(statSync(out).mode & 0o777).toBe(0o600);
  expect(readFileSync(out, "utf8").split(".")).toHaveLength(3);
  expect((await commandLine(["admin", "keygen", "--private-key", key, "--public-key", pub])).code).toBe(2);
  expect((await commandLine([...argv, "--out", out])).code).toBe(2);
});

test("guest get says which check failed, what was expected and what was seen", async () => {
  const refusal = {
    type: "t",
    detail: "refused",
    check: "debug",
    expected: "off",
    seen: "on",
    source: "AMD §1",
  };
  broker = await scriptedBroker(({ path }) => {
    if (path.endsWith("/auth"))
      return {
        status: 200,
        headers: { "set-cookie": "kbs-session-id=1" },
        body: '{"nonce":"bm9uY2U=","extra-params":""}',
      };
    return path.endsWith("/attest") ? { status: 401, body: JSON.stringify(refusal) } : DENIED;
  });
  const argv = ["guest", "get", "a/b/c", "--tee", "sample", "--url", broker.url.href];
  const { code, err, out } = await commandLine(argv);
  expect([code, out.length]).toEqual([1, 0]);
  expect(err.split("\n")).toEqual([
    "keywarden: The broker refused at attest (401): refused",
    "  check:     debug",
    "  expected:  off",
    "  seen:      on",
    "  source:    AMD §1",
    "",
  ]);
  const json = await commandLine([...argv, "--json"]);
  expect(JSON.parse(json.out.toString())).toMatchObject({
    outcome: "refused",
    step: "attest",
    status: 401,
    check: "debug",
    expected: "off",
    seen: "on",
  });
});

test("a server that cannot be reached is exit 1 with one sentence, also as JSON", async () => {
  const server = await start(OK);
  await server.close();
  const argv = ["guest", "get", "a/b/c", "--tee", "sample", "--url", server.url.href, "--json"];
  const { code, out, err } = await commandLine(argv);
  expect(code).toBe(1);
  expect(err).toMatch(/^keywarden: .* cannot be reached/);
  expect(JSON.parse(out.toString())).toMatchObject({ outcome: "failed", fault: "unreachable" });
});

test("audit verify tells an intact log from one with a changed record", async () => {
  const path = join(folder, "audit.ndjson");
  const log = await AuditLog.open({ path, now: Date.now });
  await log.record({ event: "first" });
  await log.record({ event: "second" });
  await log.close();
  const good = await commandLine(["audit", "verify", path, "--json"]);
  expect(good.code).toBe(0);
  const { head } = JSON.parse(good.out.toString());
  expect((await commandLine(["audit", "verify", path, "--head", head.digest])).code).toBe(0);
  expect((await commandLine(["audit", "verify", path, "--head", "0".repeat(64)])).code).toBe(1);
  chmodSync(path, 0o600);
  writeFileSync(path, readFileSync(path, "utf8").replace("first", "forst"));
  const bad = await commandLine(["audit", "verify", path]);
  expect([bad.code, bad.out.length]).toEqual([1, 0]);
  expect(bad.err).toContain("line 2");
});

test("audit verify follows the chain through the files of a rotated log", async () => {
  const [old, current] = [join(folder, "audit.1"), join(folder, "audit.current")];
  const log = await AuditLog.open({ path: current, now: Date.now });
  await log.record({ event: "first" });
  renameSync(current, old);
  await log.reopen();
  await log.record({ event: "second" });
  await log.close();
  const good = await commandLine(["audit", "verify", old, current, "--json"]);
  expect([good.code, JSON.parse(good.out.toString()).records]).toEqual([0, 2]);
  expect((await commandLine(["audit", "verify", current, old])).code).toBe(1);
  expect((await commandLine(["audit", "verify", current])).code).toBe(1);
});

test("config check says good, or all faults with their places", async () => {
  const good = await commandLine(["config", "check", file("good.yaml", "server: { port: 0 }\n")]);
  expect([good.code, good.out.toString()]).toEqual([0, expect.stringContaining("good")]);
  const bad = await commandLine([
    "config",
    "check",
    file("bad.yaml", "server: { prot: 0 }\naudit: { failClosed: maybe }\n"),
  ]);
  expect(bad.code).toBe(1);
  expect(bad.err).toContain("server.prot");
  expect(bad.err).toContain("audit.failClosed");
});

test("serve refuses a configuration with faults before anything listens", async () => {
  const { code, err } = await commandLine(["serve", "--config", file("bad2.yaml", "servre: {}\n")]);
  expect(code).toBe(1);
  expect(err).toContain("servre");
});
