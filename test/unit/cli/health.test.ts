import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type CommandOutcome, commandLine } from "../../support/command-line.ts";
import { type LiveServer, liveServer } from "../../support/live-server.ts";
import { type ScriptedAnswer, type ScriptedBroker, scriptedBroker } from "../../support/scripted-broker.ts";

let answer: ScriptedAnswer;
let server: ScriptedBroker;
beforeEach(async () => {
  answer = { status: 200 };
  server = await scriptedBroker(() => answer);
});
afterEach(() => server.close());

function health(...words: readonly string[]): Promise<CommandOutcome> {
  return commandLine(["health", "--url", server.url.href, ...words]);
}

test("a server that lives: exit 0, and only /healthz was asked", async () => {
  expect(await health()).toMatchObject({ code: 0, out: Buffer.from("alive\n"), err: "" });
  expect(server.seen.map(({ method, path }) => [method, path])).toEqual([["GET", "/healthz"]]);
});

test("--ready asks /readyz", async () => {
  expect(await health("--ready")).toMatchObject({ code: 0, out: Buffer.from("ready\n") });
  expect(server.seen.map(({ path }) => path)).toEqual(["/readyz"]);
});

test("a server that is not ready: exit 1, and its own reason", async () => {
  answer = { status: 503, body: JSON.stringify({ type: "about:blank", detail: "Not ready: secrets." }) };
  const { code, out, err } = await health("--ready");
  expect([code, out.length, err]).toEqual([1, 0, "keywarden: /readyz answers 503: Not ready: secrets.\n"]);
});

test.each([204, 302, 404, 500])("an answer of %s is a no, whatever stands in it", async (status) => {
  answer = {
    status,
    headers: { location: "http://127.0.0.1:1/" },
    ...(status === 204 ? {} : { body: "ok" }),
  };
  expect((await health()).code).toBe(1);
});

test("no server, no name, no time left: exit 1", async () => {
  const { href } = server.url;
  await server.close();
  expect((await commandLine(["health", "--url", href])).code).toBe(1);
  expect((await commandLine(["health", "--url", "http://nowhere.invalid:1"])).code).toBe(1);
  server = await scriptedBroker(() => answer);
  expect((await health("--timeout", "0.000001")).code).toBe(1);
});

test.each([
  [["--url", "ftp://127.0.0.1/"]],
  [["--timeout", "never"]],
  [["--url", "https://127.0.0.1:1/", "--ca", "/nowhere.pem"]],
])("%j is misuse: exit 2", async (words) => {
  expect((await health(...words)).code).toBe(2);
});

test("a real server is alive and ready; below another path it is neither", async () => {
  const live: LiveServer = await liveServer({ vendor: false });
  try {
    expect((await commandLine(["health", "--ready", "--url", live.url])).code).toBe(0);
    expect((await commandLine(["health", "--url", `${live.url}/kbs`])).code).toBe(1);
  } finally {
    await live.close();
  }
});
