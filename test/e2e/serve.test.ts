import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { sampleAttester } from "../../src/cli/guest/attester.ts";
import { attest, getResource } from "../../src/cli/guest/client.ts";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";
import { createHttpClient, type HttpClient } from "../../src/cli/http-client.ts";
import { commandLine } from "../support/command-line.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 60_000;

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "keywarden-serve-"));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

interface Ready {
  readonly url: string;
  readonly metricsUrl: string;
  readonly pid: number;
}

/** Runs `keywarden serve` from the sources as a process of its own. */
function serve(port: number, env: Record<string, string> = {}, shell = false, more = ""): ChildProcess {
  const config = join(folder, "kbs.config.yaml");
  writeFileSync(config, `server: { port: ${port}, metrics: { port: 0 } }\n${more}`);
  const words = [
    "--import",
    "tsx",
    "src/cli/main.ts",
    "serve",
    "--config",
    config,
    "--ready-file",
    readyFile(),
  ];
  const { NODE_OPTIONS: _options, npm_command: _npm, ...outer } = process.env;
  const options = { cwd: ROOT, env: { ...outer, ...env } };
  const child = shell
    ? spawn("sh", ["-c", `'${process.execPath}' ${words.join(" ")}; true`], options)
    : spawn(process.execPath, words, options);
  children.push(child);
  return child;
}

function readyFile(): string {
  return join(folder, "ready.json");
}

/** Waits for what must come; the limit only ends a test that has failed. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; ) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("waited in vain");
}

function ready(): Promise<Ready> {
  return until(() => (existsSync(readyFile()) ? JSON.parse(readFileSync(readyFile(), "utf8")) : undefined));
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", resolve));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "tells where it listens, answers there, and ends with 0 at %s",
  async (signal) => {
    const child = serve(0);
    const { url, metricsUrl, pid } = await ready();
    expect(pid).toBe(child.pid);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${metricsUrl}/metrics`)).status).toBe(200);
    const ended = exitCode(child);
    child.kill(signal);
    expect(await ended).toBe(0);
  },
  LIMIT_MS,
);

test(
  "at SIGHUP the audit log goes on in a fresh file, and the chain with it",
  async () => {
    const child = serve(0);
    const { url } = await ready();
    const [log, old] = [join(folder, "data/audit.ndjson"), join(folder, "data/audit.1.ndjson")];
    await fetch(`${url}/kbs/v0/resource`);
    renameSync(log, old);
    child.kill("SIGHUP");
    await until(() => existsSync(log) || undefined);
    await fetch(`${url}/kbs/v0/resource`);
    const ended = exitCode(child);
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect((await commandLine(["audit", "verify", old, log])).code).toBe(0);
    expect((await commandLine(["audit", "verify", log])).code).toBe(1);
  },
  LIMIT_MS,
);

test(
  "the log at level debug begins with the configuration in force, secrets as references",
  async () => {
    const signer = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const pem = String(signer.export({ type: "pkcs8", format: "pem" }));
    const more = "log: { level: debug }\nattestation: { token: { signer: { key: { env: SIGNER_PEM } } } }\n";
    const child = serve(0, { SIGNER_PEM: pem }, false, more);
    let said = "";
    child.stderr?.on("data", (text) => {
      said += text;
    });
    await ready();
    const line = await until(() => said.split("\n").find((each) => each.includes('"event":"configuration"')));
    const { config } = JSON.parse(line);
    expect(config.attestation).toMatchObject({
      token: { signer: { key: { env: "SIGNER_PEM" } } },
      tokenTtlSeconds: 300,
    });
    expect(config.verifiers.snp.allowedVmpls).toEqual([0]);
    expect(said).not.toContain(pem.slice(40, 80));
  },
  LIMIT_MS,
);

test(
  "P80 A7 whole flows, good and bad, leave nothing in the log that opens anything",
  async () => {
    const at = (name: string) => join(folder, name);
    const keys = ["--private-key", at("admin.key"), "--public-key", at("admin.pub.pem")];
    await commandLine(["admin", "keygen", ...keys]);
    await commandLine(["admin", "token", "--key", at("admin.key"), "--out", at("admin.token")]);
    const more = `admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
verifiers: { sample: { allowSampleEvidence: true } }
`;
    const child = serve(0, {}, false, more);
    let log = "";
    child.stderr?.on("data", (text) => {
      log += text;
    });
    const { url } = await ready();
    writeFileSync(at("secret"), "the disk passphrase");
    writeFileSync(at("allow.rego"), "package policy\nallow := true\n");
    const admin = ["--url", url, "--admin-token-file", at("admin.token")];
    await commandLine(["resource", "set", "default/key/one", at("secret"), ...admin]);
    await commandLine(["policy", "set", at("allow.rego"), ...admin]);
    const confidential = ["the disk passphrase", readFileSync(at("admin.token"), "utf8").trim()];
    const http = createHttpClient({ deadlineMs: 20_000, maxResponseBytes: 1 << 20, userAgent: "test" });
    // Everything the server hands out, and everything the guest sends, is on the list.
    const watched: HttpClient = {
      ...http,
      send: async (exchange) => {
        const answer = await http.send(exchange);
        const { nonce, token, ciphertext } = JSON.parse(answer.body.toString());
        for (const text of [nonce, token, ciphertext]) if (typeof text === "string") confidential.push(text);
        for (const cookie of answer.headers["set-cookie"] ?? [])
          confidential.push(cookie.split(/[=;]/)[1] ?? "");
        if (typeof exchange.body === "string") {
          const evidence = JSON.parse(exchange.body)["tee-evidence"]?.primary_evidence?.report_data;
          if (typeof evidence === "string" && answer.status === 200) confidential.push(evidence);
        }
        return answer;
      },
    };
    const guest = {
      url: new URL(url),
      http: watched,
      attester: sampleAttester,
      generation: "0.4.0",
      teeKey: () => generateTeeKey("p256"),
      now: Date.now,
    } as const;
    expect(String(await getResource(guest, "default/key/one"))).toBe("the disk passphrase");
    const { token } = await attest(guest);
    for (const authorization of [`Bearer ${token}x`, `Bearer ${token}`, "Bearer a.b.c"])
      await fetch(`${url}/kbs/v0/resource/default/key/none`, { headers: { authorization } });
    const liar = { tee: "sample", collect: async () => ({ svn: "1", report_data: "AAAA" }) };
    await expect(attest({ ...guest, attester: liar })).rejects.toMatchObject({ status: 401 });
    http.close();
    const ended = exitCode(child);
    child.kill("SIGTERM");
    await ended;
    expect(log).toContain('"event":"release"');
    expect(confidential.length).toBeGreaterThan(8);
    for (const text of confidential) {
      expect(text.length).toBeGreaterThan(10);
      expect(log).not.toContain(text);
    }
  },
  LIMIT_MS,
);

test(
  "an address that is taken is told in one sentence",
  async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const child = serve(typeof address === "object" && address !== null ? address.port : 0);
    let said = "";
    child.stderr?.on("data", (text) => {
      said += text;
    });
    expect(await exitCode(child)).toBe(1);
    expect(said).toContain("keywarden: The server does not start: another program listens on this address");
    expect(said).not.toMatch(/\n {4}at /);
    other.close();
  },
  LIMIT_MS,
);

test(
  "started by npm, it ends when npm is gone, for npm passes no signal on",
  async () => {
    const shell = serve(0, { npm_command: "exec" }, true);
    const { pid } = await ready();
    expect(pid).not.toBe(shell.pid);
    shell.kill("SIGKILL");
    await until(() => (isRunning(pid) ? undefined : true));
  },
  LIMIT_MS,
);
