// Before npm packs: the package holds the compiled program, which a checkout need not have. Nothing is printed on
// stdout, where `npm pack --json` writes.
import { ensureBuilt } from "./lib/build.js";

try {
  await ensureBuilt();
} catch (error) {
  console.error(`keywarden: ${error.message}`);
  process.exitCode = 1;
}
