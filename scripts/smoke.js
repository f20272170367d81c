// npm run smoke: builds, then drives the program under this Node, and under KEYWARDEN_NODE24 where that is set.
import { ensureBuilt } from "./lib/build.js";
import { smoke } from "./lib/smoke.js";
import { newTally } from "./lib/steps.js";

const tally = newTally();
const nodes = [process.execPath, process.env.KEYWARDEN_NODE24].filter((node) => node);
await tally.step("the program builds", ensureBuilt);
if (tally.failures.length === 0) for (const node of nodes) await smoke(node, tally);
console.log(`${tally.passed} passed, ${tally.failures.length} failed`);
process.exitCode = tally.failures.length === 0 ? 0 : 1;
