import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compileInto } from "../support/compiled.ts";
import { temporaryFolder } from "../support/folder.ts";
import { testAuthority } from "../support/tls-certificates.ts";

const run = promisify(execFile);
let server: Server;
let url = "";
let requests = 0;

beforeAll(async () => {
  server = createServer(await (await testAuthority()).issue("localhost"), (_request, response) => {
    requests++;
    response.end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server's address is an object.
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.close();
});

/** How each client of ours is asked for `url`. */
const CLIENTS = {
  "src/tokens/https-documents.ts": `
    const signal = new AbortController().signal;
    await new client.HttpsDocuments({ privateHosts: ["127.0.0.1"] }).get(url, signal);`,
  "src/attestation/endorsements/https-get.ts": `
    await client.httpsGet(new URL(url), { maxBytes: 100, timeoutMilliseconds: 5000 });`,
  "src/cli/http-client.ts": `
    const http = client.createHttpClient({ deadlineMs: 5000, maxResponseBytes: 100, userAgent: "test" });
    await http.send({ method: "GET", url: new URL(url) });`,
};

/** In a process of its own: jest gives tests a copy of the environment, which Node's TLS does not read. */
async function ask(entry: string, script: string): Promise<string> {
  const { path, dispose } = await temporaryFolder();
  const folder = join(path, "compiled");
  const compiled = await compileInto(folder, entry);
  const main = join(folder, "main.mjs");
  await writeFile(
    main,
    `const client = await import(${JSON.stringify(compiled)});
    const url = ${JSON.stringify(url)};
    try { ${script}
      console.log("answered");
    } catch (error) {
      console.log("refused");
    }
    process.exit();`,
  );
  const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" };
  try {
    return (await run(process.execPath, [main], { env })).stdout.trim();
  } finally {
    await dispose();
  }
}

describe("an environment that switches the verification of certificates off", () => {
  test("is one: a client that leaves it open is answered", async () => {
    expect(await ask("src/crypto/bytes.ts", "await fetch(url);")).toBe("answered");
    expect(requests).toBe(1);
  });

  test.each(Object.entries(CLIENTS))("E7 A16 does not reach %s", async (entry, script) => {
    const before = requests;
    expect(await ask(entry, script)).toBe("refused");
    expect(requests).toBe(before);
  });
});
