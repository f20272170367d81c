import { parseResourcePath } from "../../src/protocol/resource-path.ts";
import { FsSecretStore } from "../../src/secrets/fs/index.ts";

/**
 * A process that writes one secret over and over until it is killed: `node … secret-writer.ts FOLDER`.
 * Value n is n, printed, filled up to a length that needs several writes; each one written is reported.
 */
const [, , folder = ""] = process.argv;
const signal = new AbortController().signal;
const store = await FsSecretStore.open(folder, ({ file, reason }) => {
  throw new Error(`${file}: ${reason}`);
});
const path = parseResourcePath(["default", "key", "crash"]);
for (let at = Number(process.argv[3] ?? "0"); ; at++) {
  process.stdout.write(`begin ${at}\n`);
  await store.put(path, Buffer.from(String(at).padEnd(100_000, `/${at}`)), { overwrite: true }, signal);
  process.stdout.write(`done ${at}\n`);
}
