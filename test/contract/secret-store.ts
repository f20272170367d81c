import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { parseResourcePath, type ResourcePath } from "../../src/protocol/resource-path.ts";
import type { SecretStore } from "../../src/secrets/secret-store.ts";

const SIGNAL = new AbortController().signal;
const A = parseResourcePath(["default", "key", "a"]);
const OVERWRITE = { overwrite: true };
const KEEP = { overwrite: false };

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function listed(store: SecretStore): Promise<ResourcePath[]> {
  const paths: ResourcePath[] = [];
  for await (const path of store.list(SIGNAL)) paths.push(path);
  return paths.sort();
}

/** What every secret store does, whatever it is made of. */
export function secretStoreContract(
  name: string,
  open: () => Promise<{ store: SecretStore; dispose: () => Promise<void> }>,
): void {
  describe(`secret store contract: ${name}`, () => {
    let store: SecretStore;
    let dispose: () => Promise<void>;
    beforeEach(async () => {
      ({ store, dispose } = await open());
    });
    afterEach(async () => {
      await store.close();
      await dispose();
    });

    test("answers undefined for what is absent, and false when asked to delete it", async () => {
      expect(await store.get(A, SIGNAL)).toBeUndefined();
      expect(await store.delete(A, SIGNAL)).toBe(false);
      expect(await listed(store)).toEqual([]);
    });

    test("gives back the very bytes: every byte value, no byte, and a mebibyte", async () => {
      const every = Uint8Array.from({ length: 256 }, (_, value) => value);
      for (const value of [every, new Uint8Array(), new Uint8Array(1 << 20).fill(0xa5), bytes("line\n")]) {
        expect(await store.put(A, value, OVERWRITE, SIGNAL)).toBe("stored");
        // Comparing a mebibyte member by member takes the test library seconds.
        expect(Buffer.from((await store.get(A, SIGNAL)) ?? bytes("absent")).equals(value)).toBe(true);
      }
    });

    test("D4 AS-111 overwrite=false never overwrites, true always does", async () => {
      expect(await store.put(A, bytes("first"), KEEP, SIGNAL)).toBe("stored");
      expect(await store.put(A, bytes("second"), KEEP, SIGNAL)).toBe("exists");
      expect(await store.get(A, SIGNAL)).toEqual(expect.objectContaining(bytes("first")));
      expect(await store.put(A, bytes("third"), OVERWRITE, SIGNAL)).toBe("stored");
      expect(Buffer.from((await store.get(A, SIGNAL)) ?? []).toString()).toBe("third");
    });

    test("D4 of many concurrent puts with overwrite=false exactly one stores", async () => {
      const puts = Array.from({ length: 20 }, (_, at) => store.put(A, bytes(`writer ${at}`), KEEP, SIGNAL));
      const outcomes = await Promise.all(puts);
      expect(outcomes.filter((outcome) => outcome === "stored")).toHaveLength(1);
      const winner = outcomes.indexOf("stored");
      expect(Buffer.from((await store.get(A, SIGNAL)) ?? []).toString()).toBe(`writer ${winner}`);
    });

    test("concurrent puts to one path never leave a mixture", async () => {
      const values = Array.from({ length: 16 }, (_, at) => new Uint8Array(70_000).fill(at));
      const reads: Promise<Uint8Array | undefined>[] = [];
      const puts = values.map((value) => {
        reads.push(store.get(A, SIGNAL));
        return store.put(A, value, OVERWRITE, SIGNAL);
      });
      await Promise.all(puts);
      for (const value of [...(await Promise.all(reads)), await store.get(A, SIGNAL)]) {
        if (value === undefined) continue;
        expect(value).toHaveLength(70_000);
        expect(new Set(value).size).toBe(1);
      }
    });

    test("D2 names that meet when case is folded hold secrets of their own", async () => {
      const names = [
        "a",
        "A",
        "a-",
        "a_",
        "a.",
        "+a",
        "=41",
        "a.secret",
        "A.SECRET",
        "con",
        "-",
        "_",
        "a..b",
      ];
      const paths = names.flatMap((tag) =>
        /^[\w.-]+$/.test(tag) ? [parseResourcePath(["default", "Key", tag])] : [],
      );
      paths.push(parseResourcePath(["Default", "key", "a"]), parseResourcePath(["default", "key", "a"]));
      for (const path of paths) await store.put(path, bytes(path), KEEP, SIGNAL);
      for (const path of paths)
        expect(Buffer.from((await store.get(path, SIGNAL)) ?? []).toString()).toBe(path);
      expect(await listed(store)).toEqual([...paths].sort());
    });

    test("takes the longest name a resource path allows, in capitals", async () => {
      const path = parseResourcePath(["R".repeat(120), "T".repeat(120), `${"G".repeat(119)}.`]);
      await store.put(path, bytes("long"), KEEP, SIGNAL);
      expect(await listed(store)).toEqual([path]);
      expect(await store.delete(path, SIGNAL)).toBe(true);
      expect(await listed(store)).toEqual([]);
    });

    test("a deleted secret is gone, and its place is free again", async () => {
      await store.put(A, bytes("old"), KEEP, SIGNAL);
      expect(await store.delete(A, SIGNAL)).toBe(true);
      expect(await store.get(A, SIGNAL)).toBeUndefined();
      expect(await store.put(A, bytes("new"), KEEP, SIGNAL)).toBe("stored");
    });

    test("D11 a value once read does not change under a later write, and the store keeps its own copy", async () => {
      const mine = bytes("original");
      await store.put(A, mine, KEEP, SIGNAL);
      mine.fill(0);
      const read = await store.get(A, SIGNAL);
      await store.put(A, bytes("replaced"), OVERWRITE, SIGNAL);
      expect(Buffer.from(read ?? []).toString()).toBe("original");
      read?.fill(0);
      expect(Buffer.from((await store.get(A, SIGNAL)) ?? []).toString()).toBe("replaced");
    });

    test("does nothing for a caller that has already gone", async () => {
      const gone = AbortSignal.abort();
      await expect(store.put(A, bytes("x"), OVERWRITE, gone)).rejects.toThrow();
      await expect(store.get(A, gone)).rejects.toThrow();
      await expect(store.delete(A, gone)).rejects.toThrow();
      expect(await store.get(A, SIGNAL)).toBeUndefined();
    });

    test("reports that it is ready", async () => {
      await expect(store.ready(SIGNAL)).resolves.toBeUndefined();
    });
  });
}
