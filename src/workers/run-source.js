// Starts a thread from TypeScript, where nothing was built: under tsx and in tests. A built program has no such file.
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
await import(workerData.module);
