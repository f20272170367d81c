// npm run quickstart: from a fresh clone to a released secret in one command. Needs Node and npm, nothing else.
import { ensureBuilt } from "./lib/build.js";

try {
  await ensureBuilt();
  await import("../dist/cli/quickstart/main.js");
} catch (error) {
  console.error(`keywarden: ${error.message}`);
  process.exitCode = 1;
}
