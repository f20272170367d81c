#!/usr/bin/env node
// The `keywarden` command. In a checkout it first brings the program up to date with its sources, so that
// `npx keywarden …` works at once after cloning; an installed package has no sources and starts directly.
import { existsSync } from "node:fs";

const builder = new URL("../scripts/lib/build.js", import.meta.url);
const sources = new URL("../src/", import.meta.url);

async function bringUpToDate() {
  if (!existsSync(sources) || !existsSync(builder)) return true;
  const { ensureBuilt } = await import(builder);
  try {
    await ensureBuilt();
    return true;
  } catch (error) {
    console.error(`keywarden: ${error.message}.`);
    return false;
  }
}

if (await bringUpToDate()) await import("../dist/cli/main.js");
else process.exitCode = 2;
