// npm run build: compiles src/ to dist/ with plain Node able to run it.
import { build } from "./lib/build.js";

try {
  await build();
} catch (error) {
  console.error(`keywarden: ${error.message}`);
  process.exitCode = 1;
}
