import { beforeEach, describe, expect, test } from "@jest/globals";
import type { ClockInfo } from "../../../src/attestation/formats/tpm2/attest.ts";
import { Enrolments } from "../../../src/enrolment/enrolments.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";
import { FailingDocuments } from "../../support/failing-documents.ts";

const SIGNAL = new AbortController().signal;
const NOW = Date.parse("2026-06-01T00:00:00Z");
const CLOCK: ClockInfo = { clock: 2n ** 60n + 1n, resetCount: 3, restartCount: 1, safe: true };

const key = (which: string, over: object = {}) => ({
  status: "pending" as const,
  akFingerprint: which.repeat(64),
  akName: `000b${which.repeat(64)}`,
  akSpki: "AAAA",
  ekFingerprint: "e".repeat(64),
  ekTrust: "certificate" as const,
  host: "node-1",
  decidedBy: "nobody yet",
  ...over,
});

let store: FailingDocuments;
let clocks: FailingDocuments;
const open = (maxEnrolments = 100) =>
  Enrolments.open({ store, clocks, now: () => NOW, maxEnrolments }, SIGNAL);

beforeEach(() => {
  store = new FailingDocuments(new MemoryDocumentStore());
  clocks = new FailingDocuments(new MemoryDocumentStore());
});

describe("enrolments", () => {
  test("survive a restart with everything that is known, the clock exactly", async () => {
    const before = await open();
    await before.enrol(key("a", { manufacturer: "id:1", model: "m", firmwareVersion: "v" }), SIGNAL);
    await before.decide("a".repeat(64), "approved", "admin", SIGNAL);
    expect(await before.recordClock("a".repeat(64), undefined, CLOCK, SIGNAL)).toBe(true);
    const after = await open();
    expect(after.list()).toEqual(before.list());
    expect(after.get("a".repeat(64))).toMatchObject({
      status: "approved",
      decidedBy: "admin",
      lastClock: CLOCK,
      manufacturer: "id:1",
    });
  });

  test("B19 a binding does not change: not the key's host, TPM or name, not the host's TPM, not the TPM's host", async () => {
    const enrolments = await open();
    await enrolments.enrol(key("a"), SIGNAL);
    await enrolments.decide("a".repeat(64), "approved", "admin", SIGNAL);
    for (const other of [
      key("a", { host: "node-2" }),
      key("a", { ekFingerprint: "f".repeat(64) }),
      key("a", { akName: "000b00" }),
      key("b", { ekFingerprint: "f".repeat(64) }),
      key("b", { host: "node-2" }),
    ])
      await expect(enrolments.enrol(other, SIGNAL)).rejects.toMatchObject({ code: "conflict" });
    expect(await enrolments.enrol(key("a"), SIGNAL)).toMatchObject({ status: "approved" });
    expect(await enrolments.enrol(key("b"), SIGNAL)).toMatchObject({ status: "pending" });
  });

  test("B20 who waits binds nothing; approving one of two for a host keeps the other out", async () => {
    const enrolments = await open();
    await enrolments.enrol(key("a"), SIGNAL);
    await enrolments.enrol(key("b", { ekFingerprint: "f".repeat(64) }), SIGNAL);
    await enrolments.decide("b".repeat(64), "approved", "admin", SIGNAL);
    await expect(enrolments.decide("a".repeat(64), "approved", "admin", SIGNAL)).rejects.toMatchObject({
      code: "conflict",
    });
    expect(enrolments.get("a".repeat(64))).toMatchObject({ status: "pending" });
  });

  test("what was revoked stays so until it is deleted, for every key of the TPM", async () => {
    const enrolments = await open();
    await enrolments.enrol(key("a"), SIGNAL);
    await enrolments.decide("a".repeat(64), "revoked", "admin", SIGNAL);
    for (const again of [key("a"), key("b")])
      await expect(enrolments.enrol(again, SIGNAL)).rejects.toMatchObject({ code: "conflict" });
    await enrolments.delete("a".repeat(64), SIGNAL);
    expect(await enrolments.enrol(key("b"), SIGNAL)).toMatchObject({ status: "pending" });
  });

  test("a revocation that cannot be written holds all the same, and its caller learns that it will not last", async () => {
    const enrolments = await open();
    await enrolments.enrol(key("a", { status: "approved" }), SIGNAL);
    store.breakAt(1);
    await expect(enrolments.decide("a".repeat(64), "revoked", "admin", SIGNAL)).rejects.toBeDefined();
    expect(await enrolments.find("a".repeat(64))).toMatchObject({ status: "revoked" });
    store.mend();
    await enrolments.decide("a".repeat(64), "revoked", "admin", SIGNAL);
    expect((await open()).get("a".repeat(64))).toMatchObject({ status: "revoked" });
  });

  test("an approval that cannot be written does not hold", async () => {
    const enrolments = await open();
    await enrolments.enrol(key("a"), SIGNAL);
    store.breakAt(1);
    await expect(enrolments.decide("a".repeat(64), "approved", "admin", SIGNAL)).rejects.toBeDefined();
    expect(await enrolments.find("a".repeat(64))).toMatchObject({ status: "pending" });
  });

  test("are bounded, in all and for each TPM", async () => {
    const enrolments = await open(17);
    for (const which of "0123456789abcdef") await enrolments.enrol(key(which), SIGNAL);
    await expect(enrolments.enrol(key("g"), SIGNAL)).rejects.toMatchObject({ code: "conflict" });
    await enrolments.enrol(key("h", { ekFingerprint: "f".repeat(64), host: "node-2" }), SIGNAL);
    await expect(
      enrolments.enrol(key("i", { ekFingerprint: "1".repeat(64), host: "node-3" }), SIGNAL),
    ).rejects.toMatchObject({ code: "overloaded" });
  });

  test("B19 two at once for one host: one of them is kept out", async () => {
    const enrolments = await open();
    const both = await Promise.allSettled([
      enrolments.enrol(key("a", { status: "approved" }), SIGNAL),
      enrolments.enrol(key("b", { status: "approved", ekFingerprint: "f".repeat(64) }), SIGNAL),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });
});

describe("the clock", () => {
  test("moves only from what the quote was judged against, and only for a key that is approved", async () => {
    const enrolments = await open();
    const id = "a".repeat(64);
    await enrolments.enrol(key("a"), SIGNAL);
    expect(await enrolments.recordClock(id, undefined, CLOCK, SIGNAL)).toBe(false);
    await enrolments.decide(id, "approved", "admin", SIGNAL);
    expect(await enrolments.recordClock(id, undefined, CLOCK, SIGNAL)).toBe(true);
    expect(await enrolments.recordClock(id, undefined, CLOCK, SIGNAL)).toBe(false);
    expect(await enrolments.recordClock("b".repeat(64), undefined, CLOCK, SIGNAL)).toBe(false);
    const last = enrolments.get(id)?.lastClock;
    const race = [1n, 2n].map((step) =>
      enrolments.recordClock(id, last, { ...CLOCK, clock: CLOCK.clock + step }, SIGNAL),
    );
    expect(await Promise.all(race)).toEqual([true, false]);
  });

  test("that cannot be written is an error, and stays the stricter one", async () => {
    const enrolments = await open();
    const id = "a".repeat(64);
    await enrolments.enrol(key("a", { status: "approved" }), SIGNAL);
    clocks.breakAt(1);
    await expect(enrolments.recordClock(id, undefined, CLOCK, SIGNAL)).rejects.toBeDefined();
    expect(enrolments.get(id)?.lastClock).toEqual(CLOCK);
  });
});

describe("records that cannot be read", () => {
  test("keep the server from starting: one of them may be a revocation", async () => {
    const good = async () => {
      await (await open()).enrol(key("a"), SIGNAL);
      return (await store.get("a".repeat(64), SIGNAL))?.text ?? "";
    };
    const text = await good();
    const bad = [
      "",
      "[]",
      "{}",
      text.replace('"pending"', '"maybe"'),
      text.replace('"host":"node-1"', '"host":""'),
      text.replace('"certificate"', '"word of honour"'),
    ];
    for (const damaged of bad) {
      await store.put("a".repeat(64), damaged, { by: "x", at: "y" }, SIGNAL);
      await expect(open()).rejects.toMatchObject({ code: "storage-unavailable" });
    }
    await store.put(
      "a".repeat(64),
      text.replaceAll("a".repeat(64), "b".repeat(64)),
      { by: "x", at: "y" },
      SIGNAL,
    );
    await expect(open()).rejects.toMatchObject({ code: "storage-unavailable" });
    await store.put("a".repeat(64), text, { by: "x", at: "y" }, SIGNAL);
    await expect(open()).resolves.toBeDefined();
    for (const damaged of [
      "",
      "{}",
      '{"clock":1,"resetCount":1,"restartCount":1,"safe":1}',
      '{"clock":1,"resetCount":"1","restartCount":1,"safe":true}',
    ]) {
      await clocks.put("a".repeat(64), damaged, { by: "x", at: "y" }, SIGNAL);
      await expect(open()).rejects.toMatchObject({ code: "storage-unavailable" });
    }
  });
});
