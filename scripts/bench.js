// Runs the benchmarks against the built program: `npm run bench [-- NAME…] [-- --quick]`.
import { join } from "node:path";
import { ensureBuilt } from "./lib/build.js";
import { ROOT, run } from "./lib/checkout.js";

await ensureBuilt();
process.exitCode = await run(process.execPath, [
  "--expose-gc",
  "--import",
  "tsx",
  join(ROOT, "bench", "main.ts"),
  ...process.argv.slice(2),
]);
