import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateAdminKey, signAdminToken } from "../src/admin/credentials.ts";
import { openDevVendor } from "../src/cli/guest/snp-dev.ts";

/** The built server, running as a process of its own under plain Node. */
export interface Deployment {
  readonly url: string;
  readonly metricsUrl: string;
  readonly pid: number;
  readonly vendorFolder: string;
  /** From here on the time that the event loop is held counts. */
  watchLoop(): void;
  /** @returns for how long the event loop was held at once, in milliseconds */
  stop(): Promise<{ readonly p99: number; readonly max: number }>;
}

const LOOP_WATCH = new URL("./loop-watch.js", import.meta.url).href;

const ENTRY = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
export const SECRET_PATH = "default/disk/passphrase";

const ALLOW = `package policy
default allow := false
allow if {
	data.plugin == "resource"
	data["resource-path"][0] == "default"
	input.submods.cpu0["ear.status"] != "none"
}
`;

function configText(snp: string): string {
  const unlimited = "{ perSecond: 1000000, burst: 10000000 }";
  const limits = ["auth", "attest", "resource", "admin"].map((name) => `${name}: ${unlimited}`).join(", ");
  return `mode: development
server: { port: 0, metrics: { port: 0 }, rateLimits: { ${limits} } }
dataDirectory: data
sessions: { maxCompleted: 1000000 }
admin: { identityProviders: [ { issuer: bench, audience: keywarden, publicKey: admin.pub.pem } ] }
verifiers:
  sample: { allowSampleEvidence: true }
  snp: ${snp}
dev: { dangerouslyUseDevTrustAnchors: { snp: [ vendor/trust-anchors.pem ] } }
`;
}

/** @param snp - YAML flow mapping of the driver's section */
export async function deploy(snp = "{ kds: { enabled: false } }"): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), "keywarden-bench-"));
  const vendorFolder = join(folder, "vendor");
  await openDevVendor(vendorFolder, Date.now());
  const privateKey = join(folder, "admin.key");
  await generateAdminKey({ privateKey, publicKey: join(folder, "admin.pub.pem") });
  await writeFile(join(folder, "kbs.config.yaml"), configText(snp));
  const { child, url, metricsUrl } = await start(folder);
  const token = await signAdminToken({
    privateKeyFile: privateKey,
    issuer: "bench",
    audience: "keywarden",
    role: "admin",
    ttlSeconds: 3600,
    now: Date.now(),
  });
  await post(`${url}/kbs/v0/resource/${SECRET_PATH}`, token, "correct horse battery staple");
  const policy = Buffer.from(ALLOW).toString("base64url");
  await post(`${url}/kbs/v0/resource-policy`, token, JSON.stringify({ policy }));
  return {
    url,
    metricsUrl,
    pid: child.pid ?? 0,
    vendorFolder,
    watchLoop: () => child.kill("SIGUSR2"),
    stop: () => stop(child, folder),
  };
}

async function start(folder: string): Promise<{ child: ChildProcess; url: string; metricsUrl: string }> {
  const ready = join(folder, "ready.json");
  const config = join(folder, "kbs.config.yaml");
  // Errors are shown; the decisions that the log would hold are written to nowhere, as a container runtime would
  // take them away.
  const child = spawn(
    process.execPath,
    ["--import", LOOP_WATCH, ENTRY, "serve", "--config", config, "--ready-file", ready],
    {
      stdio: ["ignore", "ignore", process.env["BENCH_LOG"] === undefined ? "ignore" : "inherit"],
      env: { PATH: process.env["PATH"], KEYWARDEN_BENCH_LOOP: join(folder, "loop.json") },
    },
  );
  for (let waited = 0; waited < 30_000; waited += 50) {
    const text = await readFile(ready, "utf8").catch(() => undefined);
    if (text !== undefined) return { child, ...JSON.parse(text) };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  throw new Error("the server did not start; set BENCH_LOG=1 to see why");
}

async function post(url: string, token: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}` }, body });
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

async function stop(child: ChildProcess, folder: string): Promise<{ p99: number; max: number }> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
  const held = JSON.parse(await readFile(join(folder, "loop.json"), "utf8"));
  await rm(folder, { recursive: true, force: true });
  return held;
}
