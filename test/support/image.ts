import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "@jest/globals";
import { type Finished, finished } from "./processes.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BASE_SCRIPT = fileURLToPath(new URL("../e2e/image/base-image.sh", import.meta.url));
const TOOLS = ["buildah", "mmdebstrap", "unshare", "nsenter", "ip", "npm"];
/** What the build copies from, named in .dockerignore too. */
const CONTEXT = [
  ...["Dockerfile", ".dockerignore", ".npmrc", "LICENSE", "README.md", "kbs.config.yaml", "package.json"],
  ...["package-lock.json", "tsconfig.json", "tsconfig.build.json"],
  ...["bin", "scripts", "src", "policies", "resources"],
];

/**
 * A suite that builds and starts the container image. Without the tools, or without being root, it is skipped by name;
 * under CI, where both must be there, that is a failure.
 */
export function describeImage(name: string, body: () => void): void {
  const missing = TOOLS.filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (process.getuid?.() !== 0) missing.push("being root");
  if (missing.length === 0) describe(name, body);
  else if (process.env["CI"] === "true")
    test(`${name}: its tools are there`, () => {
      throw new Error(`the container image cannot be tried without: ${missing.join(", ")}`);
    });
  else
    describe.skip(`${name} (SKIPPED: needs ${missing.join(", ")})`, () => {
      test("needs these tools", () => undefined);
    });
}

/** What an image says of itself; the parts that the tests look at. */
export interface ImageDescription {
  readonly layers: readonly string[];
  readonly bytes: number;
  readonly config: {
    readonly User: string;
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly StopSignal: string;
    readonly Volumes: Readonly<Record<string, object>>;
    readonly Env: readonly string[];
    readonly Healthcheck: { readonly Test: readonly string[] };
  };
}

/** Images and containers in a folder of their own, all of which goes away with it. */
export class ImageStore {
  readonly folder: string = mkdtempSync(join(tmpdir(), "keywarden-image-"));
  readonly env: NodeJS.ProcessEnv;

  constructor() {
    const { NODE_OPTIONS: _options, ...outer } = process.env;
    this.env = { ...outer, BUILDAH_ISOLATION: "chroot" };
  }

  /** Words before every command of buildah's. */
  get words(): readonly string[] {
    const at = (name: string) => join(this.folder, name);
    return ["--root", at("images"), "--runroot", at("run"), "--storage-driver", "vfs"];
  }

  buildah(words: readonly string[]): string {
    return execFileSync("buildah", [...this.words, ...words], {
      env: this.env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 26,
    }).trim();
  }

  /** Puts the stand-in for the base image under the name that the Dockerfile's FROM has. */
  makeBase(): void {
    const archive = execFileSync(BASE_SCRIPT, { encoding: "utf8", env: this.env }).trim();
    const container = this.buildah(["from", "scratch"]);
    this.buildah(["add", "--quiet", container, archive, "/"]);
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    this.buildah(["config", "--env", path, container]);
    this.buildah(["commit", "--quiet", "--rm", container, "node:24-bookworm-slim"]);
  }

  /** A copy of what the image is made from, so that a change to the checkout meanwhile does no harm. */
  copyContext(name: string, from: string = ROOT): string {
    const target = join(this.folder, name);
    mkdirSync(target);
    for (const entry of CONTEXT) cpSync(join(from, entry), join(target, entry), { recursive: true });
    return target;
  }

  /** Builds from `context`, without anything that an earlier build left. @throws Error with the end of its words */
  async build(tag: string, context: string): Promise<void> {
    const { code, said } = await this.#bud([...proxyWords(), "--tag", tag, context]);
    if (code !== 0) throw new Error(`buildah bud ended with ${code}\n${said.slice(-3000)}`);
  }

  #bud(words: readonly string[]): Promise<Finished> {
    const fixed = ["bud", "--pull-never", "--no-cache", "--format", "docker"];
    const epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1700000000"];
    return finished("buildah", [...this.words, ...fixed, ...epoch, ...words], this.env);
  }

  describe(tag: string): ImageDescription {
    const { Docker, Manifest } = JSON.parse(this.buildah(["inspect", "--type", "image", tag]));
    const { layers } = JSON.parse(Manifest);
    return {
      layers: Docker.rootfs.diff_ids,
      bytes: layers.reduce((sum: number, layer: { size: number }) => sum + layer.size, 0),
      config: Docker.config,
    };
  }

  remove(): void {
    this.buildah(["rm", "--all"]);
    this.buildah(["rmi", "--all", "--force"]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** npm's cache makes the build quick; a proxy that speaks TLS itself has a root that must be known inside, too. */
function proxyWords(): readonly string[] {
  const cache = execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim();
  const words = existsSync(cache) ? ["--volume", `${cache}:/root/.npm`] : [];
  const roots = process.env["NODE_EXTRA_CA_CERTS"];
  if (roots === undefined || !existsSync(roots)) return words;
  const inside = "/run/extra-roots.pem";
  return [...words, "--volume", `${roots}:${inside}:ro`, "--build-arg", `NODE_EXTRA_CA_CERTS=${inside}`];
}

/** Paths of all files below a folder, from the folder. */
export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length));
}
