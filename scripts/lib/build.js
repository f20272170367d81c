// Compiles src/ to dist/. Everything is made aside and swapped in at the end, so that a build which fails, or
// one which is interrupted, leaves the program as it was.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join } from "node:path";
import { ensureDependencies, packageProgram, ROOT, run, whileLocked } from "./checkout.js";

const DIST = join(ROOT, "dist");
const STAMP = join(DIST, ".built");
/** Files beside the sources that the program reads at run time. */
const ASSETS = new Set([".pem", ".rego", ".json", ".der", ".css", ".html"]);

/** Builds if the sources are newer than the program. */
export async function ensureBuilt() {
  if (isCurrent() && existsSync(join(ROOT, "node_modules"))) return;
  await whileLocked(async () => {
    ensureDependencies();
    if (!isCurrent()) await compile();
  });
}

/** Builds whatever the state. */
export async function build() {
  await whileLocked(async () => {
    ensureDependencies();
    await compile();
  });
}

/** Folders count as well: one changes when a file in it is removed. */
function isCurrent() {
  const stamp = statSync(STAMP, { throwIfNoEntry: false });
  if (stamp === undefined) return false;
  const inputs = [
    ...entriesBelow(join(ROOT, "src")),
    join(ROOT, "tsconfig.json"),
    join(ROOT, "tsconfig.build.json"),
  ];
  return inputs.every(
    (file) =>
      (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY) <= stamp.mtimeMs,
  );
}

async function compile() {
  const next = join(ROOT, "dist.next");
  const started = new Date();
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next);
  try {
    const tsc = packageProgram("typescript", "tsc");
    const code = await run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", next], {
      stdio: ["ignore", 2, 2],
    });
    if (code !== 0) throw new Error("the sources do not compile; the compiler's words stand above");
    copyAssets(join(ROOT, "src"), next);
    // A source that changed while the compiler ran must count as newer: the stamp bears the time of the start.
    writeStamp(join(next, ".built"), started);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(next, DIST);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

function copyAssets(from, to) {
  for (const file of entriesBelow(from)) {
    if (!ASSETS.has(extname(file))) continue;
    const target = join(to, file.slice(from.length + 1));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
}

function writeStamp(file, time) {
  writeFileSync(file, "", { flush: true });
  utimesSync(file, time, time);
}

function* entriesBelow(folder) {
  yield folder;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* entriesBelow(path);
    else yield path;
  }
}
