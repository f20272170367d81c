import { appendFile, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { type AuditFile, openAuditFile } from "../../../src/observability/audit-file.ts";
import { AuditLog, type AuditLogOptions } from "../../../src/observability/audit-log.ts";
import { verifyAuditLog } from "../../../src/observability/audit-verify.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-audit-"));
  path = join(folder, "audit.log");
});
afterEach(() => rm(folder, { recursive: true }));

const now = () => Date.UTC(2026, 5, 1);
const open = (options: Partial<AuditLogOptions> = {}) => AuditLog.open({ path, now, ...options });
const release = (index: number) => ({ event: "release", path: `default/key/${index}`, outcome: "released" });

async function written(count: number): Promise<AuditLog> {
  const log = await open();
  for (let index = 0; index < count; index++) await log.record(release(index));
  return log;
}

const lines = async () => (await readFile(path, "utf8")).trimEnd().split("\n");
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => "recorded",
    (error: unknown) => (error instanceof KbsError ? error.code : String(error)),
  );

/** A real file whose next operations of one kind fail. */
function faulty() {
  const faults = { append: 0, sync: 0, open: 0, halfAppend: 0 };
  const syncs = { count: 0 };
  const opener = async (name: string): Promise<AuditFile> => {
    if (faults.open-- > 0) throw new Error("EACCES");
    const file = await openAuditFile(name);
    return {
      size: () => file.size(),
      tail: (length) => file.tail(length),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
      append: async (bytes) => {
        if (faults.halfAppend-- > 0) {
          await file.append(bytes.subarray(0, bytes.length / 2));
          throw new Error("ENOSPC");
        }
        if (faults.append-- > 0) throw new Error("ENOSPC");
        await file.append(bytes);
      },
      sync: async () => {
        syncs.count++;
        if (faults.sync-- > 0) throw new Error("EIO");
        await file.sync();
      },
    };
  };
  return { faults, syncs, opener };
}

describe("audit log", () => {
  test("is chained, private and verifiable", async () => {
    const log = await written(5);
    expect(await verifyAuditLog(path)).toEqual({ intact: true, records: 5, head: log.head });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await log.close();
  });

  test("continues the chain after a restart", async () => {
    await (await written(2)).close();
    const log = await open();
    await log.record(release(2));
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 3 });
  });

  test("continues the chain in a fresh file after rotation", async () => {
    const log = await written(2);
    const head = log.head;
    await rename(path, `${path}.1`);
    await log.reopen();
    await log.record(release(2));
    await log.close();
    expect(await verifyAuditLog(`${path}.1`)).toMatchObject({ intact: true, records: 2 });
    expect(await verifyAuditLog(path, { from: head })).toMatchObject({ intact: true, records: 1 });
    expect(await verifyAuditLog(path)).toMatchObject({ intact: false, line: 1 });
  });

  test("E13 opened anew without having been moved away, a file keeps no half record", async () => {
    const { opener, faults } = faulty();
    const log = await open({ open: opener });
    await log.record(release(0));
    await log.reopen();
    await log.record(release(1));
    faults.halfAppend = 1;
    expect(await refusal(log.record(release(9)))).toBe("audit-unavailable");
    await log.reopen();
    await log.record(release(2));
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 3 });
  });

  test("no record is refused or lost while the file is changed for another", async () => {
    let looking = (): void => undefined;
    let go = (): void => undefined;
    const atNewFile = new Promise<void>((resolve) => {
      looking = resolve;
    });
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let opens = 0;
    const opener = async (name: string): Promise<AuditFile> => {
      const file = await openAuditFile(name);
      let first = opens++ === 1;
      return {
        size: async () => {
          const held = first;
          first = false;
          if (held) looking();
          if (held) await gate;
          return file.size();
        },
        append: (bytes) => file.append(bytes),
        sync: () => file.sync(),
        truncate: (length) => file.truncate(length),
        tail: (length) => file.tail(length),
        close: () => file.close(),
      };
    };
    const log = await open({ open: opener });
    await log.record(release(0));
    await rename(path, `${path}.1`);
    const reopened = log.reopen();
    await atNewFile;
    expect(await refusal(log.record(release(1)))).toBe("recorded");
    go();
    await Promise.all([reopened, log.record(release(2))]);
    await log.record(release(3));
    await log.close();
    const old = await verifyAuditLog(`${path}.1`);
    if (!old.intact) throw new Error(old.reason);
    expect(await verifyAuditLog(path, { from: old.head })).toMatchObject({ intact: true });
    expect((await lines()).length + old.records).toBe(4);
  });

  test.each<[string, (all: string[]) => string[]]>([
    ["a changed record", (all) => all.with(1, (all[1] ?? "").replace("key/1", "key/9"))],
    ["a dropped record", (all) => all.toSpliced(1, 1)],
    ["a dropped first record", (all) => all.slice(1)],
    ["a repeated record", (all) => all.toSpliced(2, 0, all[1] ?? "")],
    ["two records swapped", (all) => [all[1] ?? "", all[0] ?? "", ...all.slice(2)]],
    ["a line that is no record", (all) => all.with(2, "{}")],
  ])("verification finds %s", async (_, change) => {
    await (await written(4)).close();
    await writeFile(path, `${change(await lines()).join("\n")}\n`);
    expect(await verifyAuditLog(path)).toMatchObject({ intact: false });
  });

  test("a cut end is found by whoever noted the head", async () => {
    const log = await written(3);
    await log.close();
    await writeFile(path, `${(await lines()).slice(0, 2).join("\n")}\n`);
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true });
    expect(await verifyAuditLog(path, { expectedHead: log.head.digest })).toMatchObject({ intact: false });
  });

  test("E14 control and direction characters in an event stay inside its line, escaped", async () => {
    const log = await open();
    await log.record({ event: "release", path: 'a\n{"sequence":1}\u202e\u0085\u2028\u007f' });
    await log.close();
    expect(await lines()).toHaveLength(1);
    expect(await readFile(path, "utf8")).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse((await lines())[0] ?? "").record.path).toBe(
      'a\n{"sequence":1}\u202e\u0085\u2028\u007f',
    );
  });

  test("records that wait together share one sync", async () => {
    const { opener, syncs } = faulty();
    const log = await open({ open: opener });
    await Promise.all(Array.from({ length: 200 }, (_, index) => log.record(release(index))));
    expect(syncs.count).toBe(1);
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 200 });
  });

  test.each(["append", "halfAppend", "sync"] as const)(
    "E13 when %s fails every record of the batch is refused, and the next ones are whole again",
    async (fault) => {
      const { opener, faults } = faulty();
      const log = await open({ open: opener });
      await log.record(release(0));
      faults[fault] = 1;
      const batch = await Promise.all([refusal(log.record(release(1))), refusal(log.record(release(2)))]);
      expect(batch).toEqual(["audit-unavailable", "audit-unavailable"]);
      expect(await refusal(log.record(release(3)))).toBe("recorded");
      await log.close();
      expect((await lines()).map((line) => JSON.parse(line).record.path)).toEqual([
        "default/key/0",
        "default/key/3",
      ]);
      expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 2 });
    },
  );

  test("E13 stays refusing while the file cannot be opened again; readiness finds it repaired", async () => {
    const { opener, faults } = faulty();
    const log = await open({ open: opener });
    faults.append = 1;
    expect(await refusal(log.record(release(0)))).toBe("audit-unavailable");
    faults.open = 2;
    expect(await refusal(log.record(release(1)))).toBe("audit-unavailable");
    expect(await refusal(log.ready())).toBe("audit-unavailable");
    expect(await refusal(log.ready())).toBe("recorded");
    expect(await refusal(log.record(release(2)))).toBe("recorded");
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true });
  });

  test("E13 a file that somebody else shortened is not written to again", async () => {
    const log = await written(3);
    await writeFile(path, `${(await lines())[0] ?? ""}\n`);
    expect(await refusal(log.record(release(3)))).toBe("audit-unavailable");
    expect(await refusal(log.record(release(4)))).toBe("audit-unavailable");
    expect(await lines()).toHaveLength(1);
    await log.close();
  });

  test("E13 records that a second server wrote are never cut off", async () => {
    const first = await written(1);
    const second = await open();
    await second.record(release(1));
    expect(await refusal(first.record(release(9)))).toBe("audit-unavailable");
    expect(await refusal(first.record(release(2)))).toBe("recorded");
    expect(await refusal(second.record(release(9)))).toBe("audit-unavailable");
    expect(await refusal(second.ready())).toBe("recorded");
    await Promise.all([first.close(), second.close()]);
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 4 });
    expect((await lines()).slice(0, 3).map((line) => JSON.parse(line).record.path)).toEqual(
      [0, 1, 2].map((index) => `default/key/${index}`),
    );
  });

  test.each<[string, (last: string) => string]>([
    ["what is no record", () => "hello\n"],
    ["a record of another chain", (last) => `${last}\n`],
    ["half a record", (last) => last.slice(0, 50)],
  ])("E13 after %s nothing is written, and nothing cut off", async (_, addition) => {
    const log = await written(2);
    await appendFile(path, addition((await lines())[1] ?? ""));
    const before = await readFile(path, "utf8");
    for (let attempt = 0; attempt < 3; attempt++)
      expect(await refusal(log.record(release(9)))).toBe("audit-unavailable");
    expect(await refusal(log.ready())).toBe("audit-unavailable");
    expect(await readFile(path, "utf8")).toBe(before);
    await log.close();
  });

  test("E13 a record that is too long is refused alone, and the log can be opened again", async () => {
    const log = await open();
    const long = { event: "admin", path: "\u0001".repeat(400_000) };
    const outcomes = await Promise.all([
      refusal(log.record(release(0))),
      refusal(log.record(long)),
      refusal(log.record(release(1))),
    ]);
    expect(outcomes).toEqual(["recorded", "audit-unavailable", "recorded"]);
    await log.close();
    await (await open()).close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 2 });
  });

  test("does not open a file whose end is longer than any record", async () => {
    await (await written(1)).close();
    await appendFile(path, "x".repeat(1 << 20));
    expect(await refusal(open())).toBe("audit-unavailable");
    expect((await lines())[0]).toContain("default/key/0");
  });

  test("a torn last line is cut off at start, and a record says so", async () => {
    await (await written(2)).close();
    await appendFile(path, '{"sequence":3,"at":"20');
    const log = await open();
    await log.close();
    expect(await verifyAuditLog(path)).toMatchObject({ intact: true, records: 3 });
    expect(JSON.parse((await lines())[2] ?? "").record).toMatchObject({
      event: "audit-log-recovered",
      discardedBytes: 22,
    });
  });

  test("does not open a file that is no audit log", async () => {
    await writeFile(path, "hello\n");
    expect(await refusal(open())).toBe("audit-unavailable");
  });

  test("refuses beyond its bound of waiting records, and after it was closed", async () => {
    const log = await open({ maxPending: 2 });
    const outcomes = await Promise.all([0, 1, 2].map((index) => refusal(log.record(release(index)))));
    expect(outcomes).toEqual(["recorded", "recorded", "audit-unavailable"]);
    await log.close();
    expect(await refusal(log.record(release(3)))).toBe("audit-unavailable");
  });
});
