import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "@jest/globals";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 240_000;

interface Told {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function tell(): Promise<Told> {
  // As a person runs it: without the options that npm gives to the test runner.
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawn(process.execPath, ["scripts/quickstart.js"], { cwd: ROOT, env });
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

let told: Told;
beforeAll(async () => {
  told = await tell();
}, LIMIT_MS);

test("the story ends well", () => {
  expect(told).toMatchObject({ code: 0, err: expect.not.stringContaining("stopped") });
});

test("it tells seven steps in order, then what to do next", () => {
  const headings = told.out.split("\n").filter((line) => /^\d\. |^The server has stopped/.test(line));
  expect(headings.map((line) => line.slice(0, 2))).toEqual(["1.", "2.", "3.", "4.", "5.", "6.", "7.", "Th"]);
});

test("the server is a process of its own, over TLS, on a port that was free", () => {
  expect(told.out).toMatch(/process \d+ listens on https:\/\/127\.0\.0\.1:\d+/);
});

test("nothing is provisioned without credentials", () => {
  expect(told.out).toMatch(/without a token +refused/);
});

test("the guest prints what it got: a passphrase and an image key", () => {
  expect(told.out).toMatch(/auth .*\n.*attest .*\n.*resource .*\n +got: correct-horse-[0-9a-f]{12}\n/);
  expect(told.out).toMatch(/got: 32 bytes, SHA-256 [0-9a-f]{16}…/);
});

test("the debug guest is refused, with the check, what was expected and what was seen", () => {
  const refusal = told.out.split(/^5\. .*$/m)[1]?.split(/^6\. .*$/m)[0];
  expect(refusal).toMatch(/refused at attest \(401\)/);
  expect(refusal).toMatch(/check: +\S*debug/);
  expect(refusal).toMatch(/expected: +\S/);
  expect(refusal).toMatch(/seen: +\S/);
});

test("the second guest is denied by policy", () => {
  expect(told.out).toMatch(/refused at resource \(403\)/);
});

test("the audit log it leaves is intact", () => {
  expect(told.out).toMatch(/audit\.ndjson is intact: \d+ records/);
});

test("nothing is left running and nothing on disk", () => {
  const pid = Number(/process (\d+) listens/.exec(told.out)?.[1]);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  const folder = /folder +(\S+)/.exec(told.out)?.[1] ?? ROOT;
  expect([basename(folder).startsWith("keywarden-quickstart-"), existsSync(folder)]).toEqual([true, false]);
});
