// Loaded into the measured server beside the program itself: how long was the event loop held? SIGUSR2 starts the
// measurement, the end of the process writes it.
import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 1;
const watch = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
watch.enable();
process.on("SIGUSR2", () => watch.reset());
process.on("exit", () => {
  const milliseconds = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const held = { p99: milliseconds(watch.percentile(99)), max: milliseconds(watch.max) };
  writeFileSync(process.env.KEYWARDEN_BENCH_LOOP, JSON.stringify(held));
});
