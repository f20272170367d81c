// What every script needs of the checkout: its folder, its npm dependencies, and one builder at a time.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the checkout. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const LOCK = join(ROOT, ".build.lock");
const LOCK_WAIT_MS = 600_000;

/**
 * Installs the npm dependencies when they are missing or older than the lock file. The installer's words go to
 * stderr: stdout belongs to the program that was asked for.
 */
export function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  console.error("keywarden: installing npm dependencies, once …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status } = spawnSync(npm, ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
    env: environmentOfNpm(),
  });
  if (status !== 0) throw new Error("`npm ci` failed; its output stands above");
}

function dependenciesAreCurrent() {
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installed) || !existsSync(join(ROOT, "node_modules", "typescript"))) return false;
  return statSync(installed).mtimeMs >= statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

/** Called under `npx`, this process carries npm's settings for another purpose; `npm ci` must not see them. */
function environmentOfNpm() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => name !== "NODE_OPTIONS" && !/^npm_(config|command|lifecycle|package)/i.test(name),
    ),
  );
}

/** Runs `work` while no other process of this checkout does; waits for that other. */
export async function whileLocked(work) {
  await takeLock();
  try {
    return await work();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

async function takeLock() {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      mkdirSync(LOCK);
      writeFileSync(join(LOCK, "pid"), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (ownerIsGone()) rmSync(LOCK, { recursive: true, force: true });
    if (Date.now() > deadline) throw new Error(`another build holds ${LOCK}; remove it if none runs`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function ownerIsGone() {
  try {
    const pid = Number(readFileSync(join(LOCK, "pid"), "utf8"));
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // No such process; an owner that has not yet written its id gets the benefit of a few seconds.
    if (error.code === "ESRCH") return true;
    // It runs, as another user.
    if (error.code === "EPERM") return false;
    return existsSync(LOCK) && Date.now() - statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs > 5000;
  }
}

/** Runs a program in the checkout with its output shown. @returns its exit code */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], ...options });
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

/** Path of a package's own JavaScript program, to be run by this very Node without a shell in between. */
export function packageProgram(name, bin) {
  const folder = join(ROOT, "node_modules", name);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const relative = typeof bins === "string" ? bins : bins[bin];
  return join(folder, relative);
}
