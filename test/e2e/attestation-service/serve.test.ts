import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type Folder, folder } from "../../support/attestation-service.ts";
import { commandLine } from "../../support/command-line.ts";
import { grpcClient } from "../../support/grpc-client.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const LIMIT_MS = 60_000;

let at: Folder;
let child: ChildProcess | undefined;
beforeEach(() => {
  at = folder();
});
afterEach(() => {
  child?.kill("SIGKILL");
  at.dispose();
});

test(
  "keywarden attestation-service serve opens its doors, has no broker behind them, and ends with 0 at SIGTERM",
  async () => {
    const config = at.file(
      "as.yaml",
      `server: { metrics: { port: 0 } }
attestationService: { grpc: { listen: { port: 0 } }, rest: { listen: { port: 0 } } }
`,
    );
    const readyFile = join(at.path, "ready.json");
    const { NODE_OPTIONS: _options, npm_command: _npm, ...env } = process.env;
    const words = ["attestation-service", "serve", "--config", config, "--ready-file", readyFile];
    child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...words], { cwd: ROOT, env });
    for (const end = Date.now() + LIMIT_MS; !existsSync(readyFile) && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    const { serviceUrls, pid } = JSON.parse(readFileSync(readyFile, "utf8"));
    expect(pid).toBe(child.pid);
    const client = await grpcClient(serviceUrls.grpc);
    expect((await client.call("health", "Check", { service: "" })).message["status"]).toBe("SERVING");
    client.close();
    expect((await fetch(`${serviceUrls.rest}/healthz`)).status).toBe(200);
    expect((await fetch(`${serviceUrls.rest}/kbs/v0/resource/a/b/c`)).status).toBe(404);
    expect(existsSync(join(at.path, "data", "secrets"))).toBe(false);
    const ended = new Promise((resolve) => child?.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  },
  LIMIT_MS,
);

test("without a door to open it says which options are missing", async () => {
  const config = at.file("as.yaml", "server: { metrics: { port: 0 } }\n");
  const outcome = await commandLine(["attestation-service", "serve", "--config", config]);
  expect(outcome.code).toBe(1);
  expect(outcome.err).toContain("neither grpc.listen, rest.listen nor rvps.listen");
});
