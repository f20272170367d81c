// The built program under plain Node, driven from outside as a person would drive it: no loader, no test runner.
// What runs is the package as npm would publish it, unpacked aside, so that a file it forgets is missed here.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./checkout.js";

const execute = promisify(execFile);
const SECRET = "a very secret passphrase\n";

const CONFIG = `mode: development
server: { port: 0, metrics: { port: 0 } }
dataDirectory: data
admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
verifiers:
  sample: { allowSampleEvidence: true }
  snp: { kds: { enabled: false } }
dev: { dangerouslyUseDevTrustAnchors: { snp: [ vendor/trust-anchors.pem ] } }
`;

const POLICY = `package policy

default allow := false

allow if data.plugin == "resource"
`;

const LIBRARY = `import { verifySnp } from "keywarden/verifiers";
if (typeof verifySnp !== "function") throw new Error("verifySnp is no function");
`;

/**
 * @param node - the Node.js program to run everything with
 * @param tally - takes the steps
 */
export async function smoke(node, tally) {
  const { stdout } = await execute(node, ["--version"], { env: plainEnvironment() });
  const on = (name) => `${name}, Node ${stdout.trim()}`;
  const folder = mkdtempSync(join(tmpdir(), "keywarden-smoke-"));
  const packed = join(folder, "package");
  const program = join(packed, "bin", "keywarden.js");
  const keywarden = (...words) => runProgram(node, program, folder, words);
  let server;
  try {
    await tally.step(on("the package can be made"), () => unpackInto(folder, packed));
    await tally.step(on("the program tells its version"), async () => {
      const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      expectEqual((await keywarden("--version")).stdout.toString().trim(), version);
    });
    await tally.step(on("the library exports its verifiers"), () =>
      execute(node, ["--input-type=module", "--eval", LIBRARY], { cwd: packed, env: plainEnvironment() }),
    );
    server = await tally.step(on("the server starts"), () => startServer(node, program, folder, keywarden));
    if (server === undefined) return;
    const { url } = server;
    await tally.step(on("/healthz and /readyz say yes"), async () => {
      for (const path of ["/healthz", "/readyz"]) expectEqual((await fetch(url + path)).status, 200);
    });
    await tally.step(on("nothing is released before an administrator says so"), async () => {
      await keywarden("resource", "set", "default/smoke/secret", "secret", ...asAdmin(url));
      await expectExit(1, keywarden("guest", "get", "default/smoke/secret", "--tee", "sample", "--url", url));
    });
    await tally.step(on("an administrator installs a policy"), () =>
      keywarden("policy", "set", "policy.rego", ...asAdmin(url)),
    );
    for (const tee of ["sample", "snp-dev"])
      await tally.step(on(`a guest gets the secret: ${tee}`), async () => {
        const words = [
          "guest",
          "get",
          "default/smoke/secret",
          "--tee",
          tee,
          "--dev-pki",
          "vendor",
          "--url",
          url,
        ];
        expectEqual((await keywarden(...words)).stdout.toString(), SECRET);
      });
    await tally.step(on("a guest with debug on is refused"), () =>
      expectExit(
        1,
        keywarden(
          ...["guest", "get", "default/smoke/secret", "--tee", "snp-dev", "--debug"],
          ...["--dev-pki", "vendor", "--url", url],
        ),
      ),
    );
    await tally.step(on("SIGTERM ends the server with 0"), async () => expectEqual(await server.stop(), 0));
    await tally.step(on("the audit log it leaves is intact"), () =>
      keywarden("audit", "verify", "data/audit.ndjson"),
    );
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function asAdmin(url) {
  return ["--url", url, "--admin-token-file", "admin.token"];
}

/** Dependencies are borrowed from the checkout; the package's own files are not. */
async function unpackInto(folder, packed) {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const words = ["pack", "--json", "--loglevel=error", "--pack-destination", folder];
  const { stdout } = await execute(npm, words, { cwd: ROOT, env: plainEnvironment() });
  await execute("tar", ["-xzf", join(folder, JSON.parse(stdout)[0].filename), "-C", folder]);
  symlinkSync(join(ROOT, "node_modules"), join(packed, "node_modules"));
}

function runProgram(node, program, folder, words) {
  return execute(node, [program, ...words], {
    cwd: folder,
    env: plainEnvironment(),
    encoding: "buffer",
    timeout: 60_000,
  });
}

/** npm adds options for the test runner to Node's; the built program must do without them. */
function plainEnvironment() {
  const { NODE_OPTIONS: _options, ...rest } = process.env;
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith("KEYWARDEN_")));
}

async function startServer(node, program, folder, keywarden) {
  writeFileSync(join(folder, "kbs.config.yaml"), CONFIG);
  writeFileSync(join(folder, "policy.rego"), POLICY);
  writeFileSync(join(folder, "secret"), SECRET);
  await keywarden("admin", "keygen");
  await keywarden("admin", "token", "--out", "admin.token");
  await keywarden("guest", "dev-pki", "vendor");
  const log = join(folder, "server.log");
  const ready = join(folder, "ready.json");
  const output = openSync(log, "a");
  const child = spawn(node, [program, "serve", "--ready-file", ready], {
    cwd: folder,
    env: plainEnvironment(),
    stdio: ["ignore", output, output],
  });
  const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 128)));
  const stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const code = await exited;
    clearTimeout(late);
    return code;
  };
  for (let waited = 0; waited < 30_000 && child.exitCode === null; waited += 50) {
    if (existsSync(ready)) return { url: JSON.parse(readFileSync(ready, "utf8")).url, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error(`no start; its log ends:\n${readFileSync(log, "utf8").slice(-2000)}`);
}

async function expectExit(code, outcome) {
  const seen = await outcome.then(
    () => 0,
    (error) => error.code,
  );
  expectEqual(seen, code);
}

function expectEqual(seen, expected) {
  if (seen !== expected) throw new Error(`expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`);
}
