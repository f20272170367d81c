import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeServerCertificate } from "../../../src/cli/quickstart/certificates.ts";
import { commandLine } from "../../support/command-line.ts";
import { describeImage, filesBelow, type ImageDescription, ImageStore } from "../../support/image.ts";
import { finished, type Running, running, until } from "../../support/processes.ts";

const READ_ONLY = fileURLToPath(new URL("read-only.sh", import.meta.url));
const USER = 1000;
const DATA = "/var/lib/keywarden";
const READY = ["--ready-file", `${DATA}/ready.json`];
const BUILD_LIMIT_MS = 900_000;
const LIMIT_MS = 120_000;

const CONFIG = `mode: development
server:
  host: 0.0.0.0
  port: 0
  tls: { certificate: server.pem, privateKey: { file: server.key } }
  metrics: { port: 0 }
dataDirectory: ${DATA}
admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
verifiers: { snp: { kds: { enabled: false } } }
dev: { dangerouslyUseDevTrustAnchors: { snp: [ trust-anchors.pem ] } }
`;

const POLICY = `package policy

default allow := false

allow if input.submods.cpu0["ear.veraison.annotated-evidence"].snp
`;

const PROBE = `const fs = require("node:fs");
const seen = ["/", "/etc", "/opt/keywarden", "/usr/local/bin", "/var/lib", "${DATA}"].map((folder) => {
  try { fs.writeFileSync(folder + "/probe", ""); fs.rmSync(folder + "/probe"); return "writable"; }
  catch ({ code }) { return code; }
});
console.log(JSON.stringify({ seen, uid: process.getuid(), groups: process.getgroups(), pid: process.pid }));`;

describeImage("the container image", () => {
  let store: ImageStore;
  let image: ImageDescription;
  let container: string;
  let root: string;
  const started: Running[] = [];

  const at = (name: string) => join(store.folder, name);
  const asAdmin = (url: string) => [
    ...["--url", url, "--ca", at("authority.pem"), "--admin-token-file", at("admin.token")],
  ];
  const guestGet = (url: string, ...more: readonly string[]) =>
    commandLine([
      ...["guest", "get", "default/disk/passphrase", "--tee", "snp-dev", "--dev-pki", at("vendor")],
      ...["--url", url, "--ca", at("authority.pem"), ...more],
    ]);

  beforeAll(async () => {
    store = new ImageStore();
    store.makeBase();
    // The second build sees the same sources under another path, with other times and other modes.
    const first = store.copyContext("sources");
    const second = store.copyContext("elsewhere", first);
    for (const file of filesBelow(second)) chmodSync(second + file, 0o600);
    await Promise.all([store.build("keywarden:first", first), store.build("keywarden:second", second)]);
    image = store.describe("keywarden:first");
    container = store.buildah(["from", "--pull-never", "keywarden:first"]);
    // Where an image declares a volume, buildah now and then mounts a folder of its own over the one it was given.
    store.buildah(["config", "--volume", `${DATA}-`, container]);
    root = store.buildah(["mount", container]);
    await prepareSite();
  }, BUILD_LIMIT_MS);

  afterAll(async () => {
    await Promise.all(started.map(({ kill }) => kill()));
    store?.remove();
  }, LIMIT_MS);

  /** What an operator mounts: a configuration with its keys, and an empty volume that belongs to user 1000. */
  async function prepareSite(): Promise<void> {
    for (const name of ["config", "data", "untouched"]) mkdirSync(at(name));
    for (const name of ["data", "untouched"]) chownSync(at(name), USER, USER);
    const keys = ["--private-key", at("admin.key"), "--public-key", at("config/admin.pub.pem")];
    await succeed(["admin", "keygen", ...keys]);
    await succeed(["admin", "token", "--key", at("admin.key"), "--out", at("admin.token")]);
    await succeed(["guest", "dev-pki", at("vendor")]);
    const tls = await makeServerCertificate(Date.now());
    writeFileSync(at("authority.pem"), tls.authority);
    writeFileSync(at("passphrase"), "from inside a container");
    writeFileSync(at("release.rego"), POLICY);
    const mounted = {
      "kbs.config.yaml": CONFIG,
      "server.pem": tls.certificate,
      "server.key": tls.privateKey,
      "trust-anchors.pem": readFileSync(at("vendor/trust-anchors.pem")),
    };
    for (const [name, content] of Object.entries(mounted)) {
      writeFileSync(at(`config/${name}`), content);
      chownSync(at(`config/${name}`), USER, USER);
    }
    chownSync(at("config/admin.pub.pem"), USER, USER);
  }

  /** `buildah run` of the image: its user, its environment, the folders of the site. */
  const inContainer = (...words: readonly string[]) => {
    const volumes = ["--volume", `${at("data")}:${DATA}`, "--volume", `${at("config")}:/etc/keywarden:ro`];
    return [...store.words, "run", ...volumes, container, "--", ...words];
  };
  const readOnly = (config: string, data: string, ...words: readonly string[]) => [
    ...["--mount", READ_ONLY, root, config, data, ...words],
  ];

  function start(program: string, words: readonly string[]): Running {
    const server = running(program, words, store.env);
    started.push(server);
    return server;
  }

  /** @returns what a server that has just been started wrote into its ready file */
  function ready(server: Running): Promise<{ url: string; metricsUrl: string; pid: number }> {
    return until(() => {
      if (server.child.exitCode !== null) throw new Error(`it ended:\n${server.said()}`);
      if (!server.said().includes("keywarden: listening on")) return undefined;
      const told = JSON.parse(readFileSync(at("data/ready.json"), "utf8"));
      return { ...told, url: told.url.replace("0.0.0.0", "127.0.0.1") };
    });
  }

  /** Process of this machine that is process 1 for itself. */
  function inside({ child }: Running): number {
    return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim());
  }

  test("two builds of the same sources are the same layer, to the bit", () => {
    expect(image.layers).toHaveLength(1);
    expect(store.describe("keywarden:second").layers).toEqual(image.layers);
  });

  test("it is no larger than 200 MB", () => {
    expect(image.bytes).toBeGreaterThan(50e6);
    expect(image.bytes).toBeLessThanOrEqual(200e6);
  });

  test("it says how it wants to be run: a user by number, no shell in between, a volume, a probe", () => {
    const { config } = image;
    const program = ["/usr/local/bin/node", "/opt/keywarden/bin/keywarden.js"];
    expect(config).toMatchObject({ User: "1000:1000", Entrypoint: program, StopSignal: "SIGTERM" });
    expect(config.Cmd).toEqual(["serve", "--config", "/etc/keywarden/kbs.config.yaml"]);
    expect(config.Healthcheck.Test).toEqual(["CMD", ...program, "health"]);
    expect(Object.keys(config.Volumes)).toEqual([DATA]);
    expect(config.Env.filter((line) => /key|token|secret|cache|npm/i.test(line))).toEqual([]);
  });

  test("it holds neither a shell nor a package manager, neither sources nor keys nor tools of development", () => {
    const files = filesBelow(root);
    const programs = files.filter((file) => (statSync(root + file).mode & 0o111) !== 0);
    expect(programs.filter((file) => !/\.so(\.|$)|ld-linux/.test(file)).sort()).toEqual([
      "/opt/keywarden/bin/keywarden.js",
      "/usr/local/bin/node",
    ]);
    expect(
      files.filter((file) => /\.key$|\.token$|\.tsx?$|\.npmrc$|\.map$|^\/var\/lib\/keywarden\//.test(file)),
    ).toEqual([]);
    const packages = files.filter((file) => /node_modules\/(typescript|jest|@biomejs|@swc|npm)\//.test(file));
    expect(packages).toEqual([]);
    expect(files.filter((file) => (statSync(root + file).mode & 0o6022) !== 0)).toEqual([]);
  });

  test("the list of what it is made of names every package in it, Node.js and the system's libraries", () => {
    const sbom = JSON.parse(readFileSync(join(root, "opt/keywarden/sbom.cdx.json"), "utf8"));
    expect([sbom.bomFormat, sbom.metadata.timestamp]).toEqual(["CycloneDX", "2023-11-14T22:13:20.000Z"]);
    const listed = new Set(
      sbom.components.map(({ name, version }: Record<string, string>) => `${name}@${version}`),
    );
    const manifests = filesBelow(join(root, "opt/keywarden/node_modules")).filter((file) =>
      /(^|\/node_modules)\/(@[^/]+\/)?[^/@]+\/package\.json$/.test(file),
    );
    const installed = manifests.map((file) => {
      const { name, version } = JSON.parse(
        readFileSync(join(root, "opt/keywarden/node_modules", file), "utf8"),
      );
      return `${name}@${version}`;
    });
    expect(installed.length).toBeGreaterThan(20);
    expect(installed.filter((each) => !listed.has(each))).toEqual([]);
    const names = sbom.components.map(({ name }: Record<string, string>) => name);
    expect(names).toEqual(expect.arrayContaining(["node", "libc6", "libstdc++6"]));
    expect(names).not.toContain("typescript");
  });

  test(
    "an administrator provisions a server in it, a genuine guest gets the secret, one with debug on does not",
    async () => {
      const { Entrypoint, Cmd, Healthcheck } = image.config;
      const server = start("buildah", inContainer(...Entrypoint, ...Cmd, ...READY));
      const { url, metricsUrl, pid } = await ready(server);
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
      const probe = [...Healthcheck.Test.slice(1), "--ready", "--url", metricsUrl];
      expect(await finished("buildah", inContainer(...probe), store.env)).toMatchObject({ code: 0 });
      await succeed(["resource", "set", "default/disk/passphrase", at("passphrase"), ...asAdmin(url)]);
      expect((await guestGet(url)).code).toBe(1);
      await succeed(["policy", "set", at("release.rego"), ...asAdmin(url)]);
      expect(await guestGet(url)).toMatchObject({ code: 0, out: Buffer.from("from inside a container") });
      expect((await guestGet(url, "--debug")).code).toBe(1);
      process.kill(pid, "SIGTERM");
      expect(await server.ended).toMatchObject({ code: 0, said: expect.stringContaining('"finished":true') });
    },
    LIMIT_MS,
  );

  test(
    "started anew on the same volume, as process 1 on a read-only root, it still has the secret; SIGTERM ends it",
    async () => {
      const { Entrypoint, Cmd } = image.config;
      const server = start("unshare", readOnly(at("config"), at("data"), ...Entrypoint, ...Cmd, ...READY));
      const { url, pid } = await ready(server);
      expect(pid).toBe(1);
      expect(await guestGet(url)).toMatchObject({ code: 0, out: Buffer.from("from inside a container") });
      process.kill(inside(server), "SIGTERM");
      expect(await server.ended).toMatchObject({ code: 0, said: expect.stringContaining('"finished":true') });
      expect((await commandLine(["audit", "verify", at("data/audit.ndjson")])).code).toBe(0);
    },
    LIMIT_MS,
  );

  test("on a read-only root nothing but the volume can be written", async () => {
    const words = readOnly("-", at("untouched"), "/usr/local/bin/node", "--eval", PROBE);
    const { said } = await finished("unshare", words, store.env);
    expect(JSON.parse(said)).toEqual({
      seen: ["EROFS", "EROFS", "EROFS", "EROFS", "EROFS", "writable"],
      uid: USER,
      groups: [USER],
      pid: 1,
    });
  });

  test(
    "unchanged it runs, is well by its own probe, and can be reached from nowhere else",
    async () => {
      const { Entrypoint, Cmd, Healthcheck } = image.config;
      const words = ["--net", ...readOnly("-", at("untouched"), ...Entrypoint, ...Cmd)];
      const server = start("unshare", words);
      await until(() => server.said().includes("keywarden: listening on") || undefined);
      expect(server.said()).toContain("keywarden: listening on http://127.0.0.1:8080");
      const network = `--net=/proc/${server.child.pid}/ns/net`;
      const probe = [network, "buildah", ...inContainer(...Healthcheck.Test.slice(1))];
      expect(await finished("nsenter", probe, store.env)).toMatchObject({ code: 0 });
      const outside = await commandLine(["health", "--url", "http://127.0.0.1:9464", "--timeout", "1"]);
      process.kill(inside(server), "SIGTERM");
      expect([(await server.ended).code, outside.code]).toEqual([0, 1]);
    },
    LIMIT_MS,
  );

  test(
    "a configuration that would listen in the open without TLS is refused in one sentence",
    async () => {
      mkdirSync(at("open"));
      writeFileSync(at("open/kbs.config.yaml"), `server: { host: 0.0.0.0 }\ndataDirectory: ${DATA}\n`);
      const { Entrypoint, Cmd } = image.config;
      const words = readOnly(at("open"), at("untouched"), ...Entrypoint, ...Cmd);
      const { code, said } = await finished("unshare", words, store.env);
      expect([code, said]).toEqual([1, expect.stringMatching(/kbs\.config\.yaml.*server/)]);
      expect(said).not.toMatch(/\n {4}at /);
    },
    LIMIT_MS,
  );
});

async function succeed(argv: readonly string[]): Promise<void> {
  const { code, err } = await commandLine(argv);
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${err}`);
}
