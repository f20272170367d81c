import { execFileSync } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { parseResourcePath } from "../../../src/protocol/resource-path.ts";
import { FsSecretStore } from "../../../src/secrets/fs/index.ts";
import { MemorySecretStore } from "../../../src/secrets/memory/index.ts";
import type { StorageFault } from "../../../src/storage/faults.ts";
import { temporaryFolder } from "../../support/folder.ts";

const SIGNAL = new AbortController().signal;
const PATH = parseResourcePath(["default", "key", "one"]);
const OTHER = parseResourcePath(["default", "key", "two"]);
const VALUE = Buffer.from("a secret of thirty-two bytes....");

describe("the file store", () => {
  let root: string;
  let dispose: () => Promise<void>;
  let faults: StorageFault[];
  let store: FsSecretStore;
  const open = () => FsSecretStore.open(join(root, "secrets"), (fault) => faults.push(fault));
  const file = () => join(root, "secrets", "default", "key", "one.secret");

  beforeEach(async () => {
    ({ path: root, dispose } = await temporaryFolder());
    faults = [];
    store = await open();
    await store.put(PATH, VALUE, { overwrite: true }, SIGNAL);
    await store.put(OTHER, VALUE, { overwrite: true }, SIGNAL);
  });
  afterEach(() => dispose());

  async function names(): Promise<string[]> {
    const found: string[] = [];
    for await (const path of store.list(SIGNAL)) found.push(path);
    return found.sort();
  }

  test("keeps files 0600 and folders 0700, whatever the umask and whoever made the folder", async () => {
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    for (const folder of ["secrets", "secrets/default", "secrets/default/key"])
      expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700);
    const loose = join(root, "volume");
    await mkdir(loose, { mode: 0o755 });
    await FsSecretStore.open(loose, () => undefined);
    expect((await stat(loose)).mode & 0o777).toBe(0o700);
  });

  test("never serves a file with any one byte flipped", async () => {
    const intact = await readFile(file());
    for (let at = 0; at < intact.length; at++) {
      const flipped = Buffer.from(intact);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      await writeFile(file(), flipped);
      await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    }
    expect(faults.every((fault) => fault.file === file())).toBe(true);
  });

  test("never serves a file cut at any length, or with a byte appended", async () => {
    const intact = await readFile(file());
    for (let length = 0; length < intact.length; length++) {
      await writeFile(file(), intact.subarray(0, length));
      await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    }
    await writeFile(file(), Buffer.concat([intact, Buffer.from("x")]));
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
  });

  test("never serves one secret under the name of another", async () => {
    await rename(join(root, "secrets", "default", "key", "two.secret"), file());
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
  });

  test("a damaged secret leaves the rest readable and can be replaced or deleted", async () => {
    await writeFile(file(), "garbage");
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    expect(Buffer.from((await store.get(OTHER, SIGNAL)) ?? [])).toEqual(VALUE);
    await store.put(PATH, VALUE, { overwrite: true }, SIGNAL);
    expect(Buffer.from((await store.get(PATH, SIGNAL)) ?? [])).toEqual(VALUE);
  });

  test("names foreign files and goes on", async () => {
    const folder = join(root, "secrets");
    await writeFile(join(folder, "notes.txt"), "mine");
    await writeFile(join(folder, "default", "key", "UPPER.secret"), "not an encoded name");
    await writeFile(join(folder, "default", "key", "one.secret~"), "an editor's backup");
    await mkdir(join(folder, "default", "key", "folder.secret"));
    await mkdir(join(folder, "Lost Folder"));
    expect(await names()).toEqual([PATH, OTHER]);
    expect(faults.map((fault) => fault.file.slice(folder.length + 1)).sort()).toEqual([
      "Lost Folder",
      "default/key/UPPER.secret",
      "default/key/folder.secret",
      "default/key/one.secret~",
      "notes.txt",
    ]);
  });

  test("D1 does not follow a planted symbolic link, and does not wait on a planted pipe", async () => {
    const outside = join(root, "outside");
    await writeFile(outside, await readFile(file()));
    await store.delete(PATH, SIGNAL);
    await symlink(outside, file());
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    await store.delete(PATH, SIGNAL);
    expect(await readFile(outside)).not.toHaveLength(0);
    execFileSync("mkfifo", [file()]);
    await expect(store.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
  });

  test("clears the leftovers of a dead writer on opening, and leaves those of a living one", async () => {
    const folder = join(root, "secrets", "default", "key");
    const dead = ".tmp-2147483646-00112233445566aa";
    const earlierLife = `.tmp-${process.pid}-00112233445566bb`;
    const living = ".tmp-1-00112233445566cc";
    for (const name of [dead, earlierLife, living]) await writeFile(join(folder, name), "half");
    await open();
    expect((await readdir(folder)).sort()).toEqual([living, "one.secret", "two.secret"]);
    expect(await names()).toEqual([PATH, OTHER]);
    expect(faults).toEqual([]);
  });

  test("a failed write leaves the old value and no temporary file", async () => {
    const folder = join(root, "secrets", "default", "blocked");
    await writeFile(folder, "a file where a folder has to be");
    const blocked = parseResourcePath(["default", "blocked", "x"]);
    await expect(store.put(blocked, VALUE, { overwrite: true }, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    expect(await store.get(blocked, SIGNAL)).toBeUndefined();
    await mkdir(join(root, "secrets", "default", "key", "dir.secret"));
    const taken = parseResourcePath(["default", "key", "dir"]);
    await expect(store.put(taken, VALUE, { overwrite: true }, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    const left = await readdir(join(root, "secrets", "default", "key"));
    expect(left.filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  });

  test("is not ready when its folder is gone", async () => {
    await rename(join(root, "secrets"), join(root, "moved"));
    await expect(store.ready(SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    await mkdtemp(join(root, "x"));
  });

  describe("with recently read secrets kept in memory", () => {
    // An hour ahead: every file is old enough to be kept.
    const cached = (now = () => Date.now() + 3_600_000) =>
      FsSecretStore.open(join(root, "secrets"), (fault) => faults.push(fault), { cacheBytes: 1 << 20, now });
    const AN_HOUR_AHEAD = Date.now() + 3_600_000;
    const read = async (from: FsSecretStore) => Buffer.from((await from.get(PATH, SIGNAL)) ?? []).toString();

    test("a write, a deletion and a change by somebody else are seen at once", async () => {
      const kept = await cached();
      expect(await read(kept)).toBe(VALUE.toString());
      await kept.put(PATH, Buffer.from("mine"), { overwrite: true }, SIGNAL);
      expect(await read(kept)).toBe("mine");
      expect(await read(kept)).toBe("mine");
      await store.put(PATH, Buffer.from("else"), { overwrite: true }, SIGNAL);
      expect(await read(kept)).toBe("else");
      await store.delete(PATH, SIGNAL);
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
      await store.put(PATH, Buffer.from("back"), { overwrite: true }, SIGNAL);
      expect(await read(kept)).toBe("back");
      await kept.delete(PATH, SIGNAL);
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
    });

    test("the file is looked at again after ten milliseconds", async () => {
      let now = AN_HOUR_AHEAD;
      const kept = await cached(() => now);
      expect(await read(kept)).toBe(VALUE.toString());
      // By hand, as no writer of ours does: it reports nothing before everybody looks again.
      await unlink(file());
      now += 10;
      expect(await read(kept)).toBe(VALUE.toString());
      now += 1;
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
    });

    test("every look counts for ten milliseconds of its own", async () => {
      let now = AN_HOUR_AHEAD;
      const kept = await cached(() => now);
      await read(kept);
      now += 11;
      await read(kept);
      await unlink(file());
      now += 10;
      expect(await read(kept)).toBe(VALUE.toString());
      now += 1;
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
    });

    test("whoever waits for a look of a moment ago learns what it saw, and no later moment counts", async () => {
      let now = AN_HOUR_AHEAD;
      const kept = await cached(() => now);
      await read(kept);
      now += 11;
      const first = kept.get(PATH, SIGNAL);
      now += 10;
      const second = kept.get(PATH, SIGNAL);
      expect((await Promise.all([first, second])).map(String)).toEqual(
        [String(VALUE), String(VALUE)].map((text) => String(new Uint8Array(Buffer.from(text)))),
      );
      await unlink(file());
      now += 1;
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
    });

    test("a write or deletion is reported when no other server serves the old value any more", async () => {
      const kept = await cached();
      for (const value of ["one", "two", "three"]) {
        await store.put(PATH, Buffer.from(value), { overwrite: true }, SIGNAL);
        expect([await read(kept), await read(kept)]).toEqual([value, value]);
      }
      await store.delete(PATH, SIGNAL);
      expect(await kept.get(PATH, SIGNAL)).toBeUndefined();
    });

    test("a file damaged after it was read is not served from memory", async () => {
      let now = AN_HOUR_AHEAD;
      const kept = await cached(() => now);
      expect(await read(kept)).toBe(VALUE.toString());
      await writeFile(file(), "garbage");
      now += 11;
      await expect(kept.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
      await store.delete(PATH, SIGNAL);
      await symlink(join(root, "secrets", "default", "key", "two.secret"), file());
      await expect(kept.get(PATH, SIGNAL)).rejects.toMatchObject({ code: "storage-unavailable" });
    });

    test("gives out copies", async () => {
      const kept = await cached();
      (await kept.get(PATH, SIGNAL))?.fill(0);
      (await kept.get(PATH, SIGNAL))?.fill(0);
      expect(await read(kept)).toBe(VALUE.toString());
    });

    test("a file that is younger than the clock of the file system can tell apart is not kept", async () => {
      const young = await FsSecretStore.open(join(root, "secrets"), () => undefined, {
        cacheBytes: 1 << 20,
        now: () => Date.now(),
      });
      await young.put(PATH, Buffer.from("young"), { overwrite: true }, SIGNAL);
      expect(await read(young)).toBe("young");
      await store.put(PATH, Buffer.from("newer"), { overwrite: true }, SIGNAL);
      expect(await read(young)).toBe("newer");
    });
  });

  test("another process's view and this one's agree", async () => {
    const second = await open();
    await second.put(PATH, Buffer.from("changed elsewhere"), { overwrite: true }, SIGNAL);
    expect(Buffer.from((await store.get(PATH, SIGNAL)) ?? []).toString()).toBe("changed elsewhere");
  });
});

describe("the memory store", () => {
  test("refuses more than it may hold, and keeps what it has", async () => {
    const store = new MemorySecretStore({ maxTotalBytes: 40, maxSecrets: 2 });
    await store.put(PATH, VALUE, { overwrite: true }, SIGNAL);
    await expect(store.put(OTHER, VALUE, { overwrite: true }, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    await store.put(PATH, Buffer.from("small"), { overwrite: true }, SIGNAL);
    expect(await store.put(OTHER, VALUE, { overwrite: true }, SIGNAL)).toBe("stored");
    const third = parseResourcePath(["default", "key", "three"]);
    await expect(store.put(third, new Uint8Array(), { overwrite: true }, SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
  });
});
