import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { commandLine } from "../support/command-line.ts";
import { type LiveServer, liveServer } from "../support/live-server.ts";

const PATH = "default/disk/passphrase";
const SECRET = randomBytes(1024);
const ALLOW = `package policy

default allow := false

allow if {
	data.plugin == "resource"
	data["resource-path"][0] == "default"
	object.get(data.query, "deny", "no") == "no"
}
`;
const INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha384"\n\n[data]\n"aa.toml" = "a = 1"\n';

let live: LiveServer;
beforeAll(async () => {
  live = await liveServer();
}, 60_000);
afterAll(() => live.close());

test("C7: nothing can be provisioned without a credential", async () => {
  const secret = live.file("secret", SECRET);
  expect((await commandLine(["resource", "set", PATH, secret, "--url", live.url])).code).toBe(1);
  expect((await commandLine(["resource", "list", "--url", live.url])).code).toBe(1);
});

test("nothing is released on a fresh install, not even to an attested guest", async () => {
  expect((await live.administer(["resource", "set", PATH, live.file("secret", SECRET)])).code).toBe(0);
  const { code, out, err } = await live.guestGet(PATH, ["--tee", "snp-dev"]);
  expect([code, out.length]).toEqual([1, 0]);
  expect(err).toContain("resource (403)");
});

test("after an administrator's policy the guest gets the exact bytes", async () => {
  expect((await live.administer(["policy", "set", live.file("allow.rego", ALLOW)])).code).toBe(0);
  const { code, out } = await live.guestGet(PATH, ["--tee", "snp-dev"]);
  expect([code, out.toString("hex")]).toEqual([0, SECRET.toString("hex")]);
});

test.each([
  ["P-521", ["--tee-key", "p521"]],
  ["RSA-OAEP-256", ["--tee-key", "rsa"]],
  ["a token shown as Bearer", ["--bearer"]],
  ["protocol 0.2.0", ["--protocol", "0.2.0"]],
  ["protocol 0.1.1", ["--protocol", "0.1.1"]],
  ["protocol 0.1.0", ["--protocol", "0.1.0"]],
  ["protocol 0.1.1 and a token shown as Bearer", ["--protocol", "0.1.1", "--bearer"]],
])("releases to a sample guest: %s", async (_name, options) => {
  const { code, err, out } = await live.guestGet(PATH, ["--tee", "sample", ...options]);
  expect([code, err]).toEqual([0, expect.stringContaining("1024 bytes")]);
  expect(out.equals(SECRET)).toBe(true);
});

test("releases to a guest with a device, and with init-data bound to its evidence", async () => {
  const initData = ["--init-data", live.file("init-data.toml", INIT_DATA)];
  expect((await live.guestGet(PATH, ["--tee", "sample", "--sample-device"])).code).toBe(0);
  expect((await live.guestGet(PATH, ["--tee", "snp-dev", ...initData])).code).toBe(0);
});

test("RSA1_5 is for the generations that know nothing else", async () => {
  const { code, err } = await live.guestGet(PATH, ["--tee", "sample", "--tee-key", "rsa1_5"]);
  expect(code).toBe(1);
  expect(err).toContain("attest (401)");
});

test("the query reaches the policy", async () => {
  expect((await live.guestGet(`${PATH}?deny=no`, ["--tee", "sample"])).code).toBe(0);
  expect((await live.guestGet(`${PATH}?deny=yes`, ["--tee", "sample"])).code).toBe(1);
});

test("B5: a debug guest is refused, with the check, what was expected and what was seen", async () => {
  const { code, out } = await live.guestGet(PATH, ["--tee", "snp-dev", "--debug", "--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(out.toString())).toMatchObject({
    outcome: "refused",
    step: "attest",
    status: 401,
    check: "debug",
    expected: expect.any(String),
    seen: expect.any(String),
  });
});

test("P67: a missing resource is told at once, after one handshake", async () => {
  const { code, err } = await live.guestGet("default/no/such", ["--tee", "sample", "--verbose"]);
  expect(code).toBe(1);
  expect(err.split("\n").slice(0, 4)).toEqual(["resource: 401", "auth: 200", "attest: 200", "resource: 404"]);
});

test("resources are listed, told and deleted", async () => {
  expect(JSON.parse((await live.administer(["resource", "list", "--json"])).out.toString())).toEqual({
    paths: [PATH],
  });
  await live.administer(["resource", "set", "default/x/y", "-"], "typed in");
  expect((await live.administer(["resource", "get", "default/x/y"])).code).toBe(0);
  expect((await live.administer(["resource", "delete", "default/x/y"])).code).toBe(0);
  expect((await live.administer(["resource", "get", "default/x/y"])).code).toBe(1);
  expect((await live.administer(["resource", "delete", "default/x/y"])).code).toBe(1);
});

test("policies are listed, read back, refused with their place, and deleted", async () => {
  const attestation = ["--kind", "attestation", "--id", "default_cpu"];
  expect((await live.administer(["policy", "get"])).out.toString()).toBe(ALLOW);
  const bad = await live.administer([
    "policy",
    "set",
    live.file("bad.rego", "package policy\n\nallow if {\n"),
  ]);
  expect(bad.code).toBe(1);
  expect(bad.err).toMatch(/bad\.rego:\d+:\d+: \w+/);
  expect((await live.administer(["policy", "get"])).out.toString()).toBe(ALLOW);
  expect((await live.administer(["policy", "list"])).out.toString()).toContain("resource\tresource-policy\n");
  const shipped = await live.administer(["policy", "get", ...attestation]);
  const own = live.file(
    "own.rego",
    shipped.out.toString().replace("package policy", "# mine\npackage policy"),
  );
  expect((await live.administer(["policy", "set", own, ...attestation])).code).toBe(0);
  expect((await live.administer(["policy", "get", ...attestation])).out.toString()).toContain("# mine\n");
  expect((await live.administer(["policy", "delete", ...attestation])).code).toBe(0);
  expect((await live.administer(["policy", "get", ...attestation])).out.toString()).toBe(
    shipped.out.toString(),
  );
});

test("reference values are set, read, listed and deleted", async () => {
  expect((await live.administer(["reference-value", "set", "snp/launch", "aa", "bb"])).code).toBe(0);
  expect((await live.administer(["reference-value", "get", "snp/launch"])).out.toString()).toBe(
    '["aa","bb"]\n',
  );
  expect((await live.administer(["reference-value", "list"])).out.toString()).toBe("snp/launch\n");
  expect((await live.administer(["reference-value", "delete", "snp/launch"])).code).toBe(0);
  expect((await live.administer(["reference-value", "get", "snp/launch"])).code).toBe(1);
});

test("deleting the resource policy ends all releases", async () => {
  expect((await live.administer(["policy", "delete"])).code).toBe(0);
  expect((await live.guestGet(PATH, ["--tee", "snp-dev"])).code).toBe(1);
});

test("the audit log that all of this left is intact", async () => {
  expect((await commandLine(["audit", "verify", join(live.folder, "data", "audit.ndjson")])).code).toBe(0);
});
