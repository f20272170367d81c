import { readFileSync } from "node:fs";
import { runProgram } from "./program.ts";
import type { World } from "./world.ts";

/** The entry of the `keywarden` command: the one place of the command line that touches the process. */
const world: World = {
  env: process.env,
  now: Date.now,
  out: (data) => process.stdout.write(data),
  err: (text) => process.stderr.write(text),
  readInput: async () => {
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  },
  inputPieces: () => process.stdin,
};

/** Both src/cli/ and dist/cli/ lie two folders below the manifest. */
function readVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}

// A reader that has seen enough (`| head`) closes the pipe; that is no fault of this program.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runProgram(process.argv.slice(2), world, readVersion());
