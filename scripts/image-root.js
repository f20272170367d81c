// node scripts/image-root.js FOLDER: lays out the root file system of the container image. Runs in the build stage of
// the Dockerfile, after the program has been compiled and development's dependencies have been pruned.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./lib/checkout.js";
import { billOfMaterials } from "./lib/sbom.js";

/** The user that the image runs as, by number, so that an orchestrator can see that it is not root. */
const USER = 1000;
const PROGRAM = ["bin", "dist", "policies", "resources", "node_modules"];
const FILES = ["kbs.config.yaml", "README.md", "LICENSE"];
/** What packages carry for people and compilers, and no program reads at run time. */
const UNREAD = /\.(?:d\.[cm]?ts|[cm]?ts|map|md|markdown)$|\/\.bin$|\/\.package-lock\.json$|\/dist\/\.built$/;

const CONFIG = `# The configuration of the image, where none is mounted over it. Data outlive the container if /var/lib/keywarden is a
# volume. As it stands the server listens on the container's own loopback only, knows no administrator and releases
# nothing; docs/container.md says what to set.
dataDirectory: /var/lib/keywarden
`;

const FILES_OF_THE_SYSTEM = {
  "etc/passwd": `root:x:0:0:root:/:/none\nkeywarden:x:${USER}:${USER}:Keywarden:/var/lib/keywarden:/none\n`,
  "etc/group": `root:x:0:\nkeywarden:x:${USER}:\n`,
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "etc/keywarden/kbs.config.yaml": CONFIG,
};

const [, , target] = process.argv;
if (target === undefined) throw new Error("say where: node scripts/image-root.js FOLDER");
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? "0");
if (!Number.isSafeInteger(epoch) || epoch < 0) throw new Error("SOURCE_DATE_EPOCH is a number of seconds");

rmSync(target, { recursive: true, force: true });
const libraries = copyNode();
copyProgram();
for (const [name, text] of Object.entries(FILES_OF_THE_SYSTEM)) write(name, text);
const folder = join(target, "opt/keywarden");
const sbom = billOfMaterials({ folder, epoch, node: process.version.slice(1), packages: owners(libraries) });
write("opt/keywarden/sbom.cdx.json", `${JSON.stringify(sbom, undefined, 2)}\n`);
makeDataFolder();
settle(target);

/** @returns the paths of the shared libraries that node is linked to, as the loader finds them */
function copyNode() {
  const linked = execFileSync("ldd", [process.execPath], { encoding: "utf8" });
  const libraries = [...linked.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path]) => path);
  if (libraries.length === 0) throw new Error("ldd names no library of node");
  for (const path of libraries) copy(realpathSync(path), join(target, path));
  copy(process.execPath, join(target, "usr/local/bin/node"));
  return libraries;
}

function copyProgram() {
  for (const name of [...PROGRAM, ...FILES])
    cpSync(join(ROOT, name), join(target, "opt/keywarden", name), {
      recursive: true,
      filter: (path) => !UNREAD.test(path) || path === join(ROOT, "README.md"),
    });
  const { devDependencies: _tools, scripts: _commands, ...manifest } = readManifest();
  write("opt/keywarden/package.json", `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function readManifest() {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
}

/** The packages of the distribution that libraries come from. */
function owners(paths) {
  const names = new Set(paths.map(ownerOf));
  return [...names].sort().map((name) => {
    // dpkg's own placeholders, ${Package} and so on.
    const format = ["Package", "Version", "Architecture"].map((field) => `$\{${field}}`).join("\t");
    const shown = execFileSync("dpkg-query", ["-W", "-f", format, name], { encoding: "utf8" });
    const [pkg, version, architecture] = shown.split("\t");
    return { name: pkg, version, architecture };
  });
}

/** dpkg knows a file by the name that it was installed under, which may lie behind the link /lib → /usr/lib. */
function ownerOf(path) {
  const candidates = [path, realpathSync(path), realpathSync(path).replace(/^\/usr/, "")];
  for (const candidate of candidates)
    try {
      const found = execFileSync("dpkg-query", ["-S", candidate], { encoding: "utf8", stdio: "pipe" });
      return found.slice(0, found.lastIndexOf(": "));
    } catch {
      // The next spelling.
    }
  throw new Error(`no package owns ${path}`);
}

function makeDataFolder() {
  const folder = join(target, "var/lib/keywarden");
  mkdirSync(folder, { recursive: true });
  chownSync(folder, USER, USER);
}

function write(name, text) {
  const path = join(target, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

/** Modes and times that depend on the sources alone; children first, because touching them touches their folder. */
function settle(path) {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) settle(child);
    else if (entry.isFile()) chmodSync(child, isProgram(child) ? 0o755 : 0o644);
    if (!entry.isDirectory()) lutimesSync(child, epoch, epoch);
  }
  chmodSync(path, path.endsWith("/var/lib/keywarden") ? 0o700 : 0o755);
  lutimesSync(path, epoch, epoch);
}

function isProgram(path) {
  return /\/usr\/local\/bin\/node$|\/bin\/keywarden\.js$|\/ld-linux[^/]*$|\.so(?:\.\d+)*$/.test(path);
}
