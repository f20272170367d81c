import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { sampleAttester } from "../../../src/cli/guest/attester.ts";
import { getResource } from "../../../src/cli/guest/client.ts";
import { generateTeeKey } from "../../../src/cli/guest/tee-key.ts";
import { createHttpClient } from "../../../src/cli/http-client.ts";
import { makeServerCertificate, type ServerCertificate } from "../../../src/cli/quickstart/certificates.ts";
import { commandLine } from "../../support/command-line.ts";

let mine: ServerCertificate;
let foreign: ServerCertificate;
let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  response.writeHead(404).end('{"type":"t","detail":"nothing here"}');
});
let port = 0;

beforeAll(async () => {
  [mine, foreign] = await Promise.all([makeServerCertificate(Date.now()), makeServerCertificate(Date.now())]);
  server.setSecureContext({ cert: mine.certificate, key: mine.privateKey });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** What a guest gets from the broker at `host` when it pins `ca`. */
async function ask(ca: string | undefined, host: string): Promise<unknown> {
  const http = createHttpClient({
    deadlineMs: 5000,
    maxResponseBytes: 4096,
    userAgent: "test",
    ...(ca === undefined ? {} : { ca }),
  });
  try {
    const guest = {
      url: new URL(`https://${host}:${port}`),
      http,
      attester: sampleAttester,
      generation: "0.4.0",
      teeKey: () => generateTeeKey("p256"),
      now: Date.now,
    } as const;
    return await getResource(guest, "default/key/1").catch((error: unknown) => error);
  } finally {
    http.close();
  }
}

test("the leaf is an end-entity certificate under an authority that may issue no other", () => {
  const leaf = new X509Certificate(mine.certificate);
  const authority = new X509Certificate(mine.authority);
  expect(leaf.verify(authority.publicKey)).toBe(true);
  expect([leaf.ca, authority.ca]).toEqual([false, true]);
  expect(leaf.subjectAltName).toBe("IP Address:127.0.0.1, DNS:localhost");
});

test("a guest that pins the broker's root speaks to it", async () => {
  expect(await ask(mine.authority, "127.0.0.1")).toMatchObject({ status: 404, message: "nothing here" });
  expect(await ask(mine.authority, "localhost")).toMatchObject({ status: 404 });
});

test("A16: a guest refuses a broker under another root before it sends anything", async () => {
  const before = requests;
  expect(await ask(foreign.authority, "127.0.0.1")).toMatchObject({ fault: "identity" });
  expect(await ask(undefined, "127.0.0.1")).toMatchObject({ fault: "identity" });
  expect(requests).toBe(before);
});

test("A16: a guest refuses a broker whose certificate is for another name", async () => {
  const before = requests;
  expect(await ask(mine.authority, "[::ffff:127.0.0.1]")).toMatchObject({ fault: "identity" });
  expect(requests).toBe(before);
});

test("A16: no environment variable switches the check off", async () => {
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  try {
    expect(await ask(foreign.authority, "127.0.0.1")).toMatchObject({ fault: "identity" });
  } finally {
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  }
});

test("C10: neither an administrator's secret nor the token goes to a server under another root", async () => {
  const before = requests;
  const folder = mkdtempSync(join(tmpdir(), "keywarden-pin-"));
  const [ca, token] = ["ca.pem", "admin.token"].map((name) => join(folder, name));
  if (ca === undefined || token === undefined) throw new Error("two names");
  writeFileSync(ca, foreign.authority);
  writeFileSync(token, "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl");
  const server = ["--url", `https://127.0.0.1:${port}`, "--ca", ca, "--admin-token-file", token];
  const { code, err } = await commandLine(["resource", "set", "default/key/1", "-", ...server], "secret");
  expect([code, requests]).toEqual([1, before]);
  expect(err).toContain("is not the broker that was pinned");
  writeFileSync(ca, mine.authority);
  expect((await commandLine(["resource", "set", "default/key/1", "-", ...server], "secret")).err).toContain(
    "nothing here",
  );
  expect(requests).toBe(before + 1);
  rmSync(folder, { recursive: true });
});

test("C12: with a pin there is no way around it: plain http is refused before anything is sent", async () => {
  const { code, err } = await commandLine([
    "guest",
    "get",
    "default/key/1",
    ...["--tee", "sample", "--ca", "/any.pem", "--url", `http://127.0.0.1:${port}`],
  ]);
  expect(code).toBe(2);
  expect(err).toContain("plain http");
});
