import { StoryFault, tellStory } from "./story.ts";

/** The entry of `npm run quickstart`. */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

try {
  await tellStory({
    print: (line) => process.stdout.write(`${line}\n`),
    now: Date.now,
    atExit: (cleanUp) => process.once("exit", cleanUp),
    setEnv: (name, value) => {
      process.env[name] = value;
    },
  });
} catch (error) {
  process.stderr.write(`\nThe story stopped: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof StoryFault ? 1 : 2;
}
