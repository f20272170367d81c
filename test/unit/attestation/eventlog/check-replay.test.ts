import { describe, expect, test } from "@jest/globals";
import { EV } from "../../../../src/attestation/formats/eventlog/event-types.ts";
import {
  ccelRegisters,
  checkReplay,
  parseEventLog,
  type ReplayReport,
  replay,
} from "../../../../src/attestation/formats/eventlog/index.ts";
import {
  agentEvent,
  agileLog,
  digest,
  grub,
  secureBoot,
  separator,
  type WrittenEvent,
} from "../../../support/event-logs.ts";

const read = (events: readonly WrittenEvent[]) => parseEventLog(agileLog(["sha256"], events));
const image = (text: string): WrittenEvent => ({
  register: 4,
  type: EV.efiBootServicesApplication,
  data: Buffer.from("no path"),
  measured: Buffer.from(text),
});

/** Compares a log with the registers of the machine that measured `truth`. */
function against(
  truth: readonly WrittenEvent[],
  told: readonly WrittenEvent[],
  prefix: readonly number[] = [],
): ReplayReport {
  return checkReplay(read(told), replay(read(truth), "sha256"), "sha256", {
    prefixAllowed: (register) => prefix.includes(register),
  });
}

const BOOT = [secureBoot(true), separator(7), image("shim"), separator(4), image("grub"), image("kernel")];

describe("a log against signed registers", () => {
  test("a true log matches, and its events are covered", () => {
    const report = against(BOOT, BOOT);
    expect([report.ok, report.mismatches, report.faults]).toEqual([true, [], []]);
    expect([...report.states]).toEqual([
      [4, "match"],
      [7, "match"],
    ]);
    expect([...read(BOOT)].every((event) => report.covers(event))).toBe(true);
  });

  test("a register that is not signed covers nothing", () => {
    const log = read(BOOT);
    const four = replay(log, "sha256").get(4) ?? Buffer.alloc(0);
    const report = checkReplay(log, new Map([[4, four]]), "sha256");
    expect(report.states.get(7)).toBe("not_covered");
    expect(report.covers(log.event(0))).toBe(false);
    expect(report.ok).toBe(true);
  });

  test("a signed register without events must be as it was at startup", () => {
    const log = read([secureBoot(true)]);
    const seven = replay(log, "sha256").get(7) ?? Buffer.alloc(0);
    const initial = checkReplay(
      log,
      new Map([
        [7, seven],
        [9, Buffer.alloc(32)],
      ]),
      "sha256",
    );
    expect([initial.ok, initial.states.get(9)]).toEqual([true, "initial"]);
    const extended = checkReplay(
      log,
      new Map([
        [7, seven],
        [9, Buffer.alloc(32, 1)],
      ]),
      "sha256",
    );
    expect(extended.mismatches).toMatchObject([{ register: 9, firstSuspectEvent: undefined }]);
  });

  test("nothing signed is nothing compared", () => {
    expect(() => checkReplay(read(BOOT), new Map(), "sha256")).toThrow(RangeError);
  });

  test("a bank that the log does not have cannot match", () => {
    const report = checkReplay(read(BOOT), new Map([[4, Buffer.alloc(48, 1)]]), "sha384");
    expect(report.mismatches[0]?.reason).toContain("has no sha384 digest");
    const zero = checkReplay(read(BOOT), new Map([[4, Buffer.alloc(48)]]), "sha384");
    expect(zero.ok).toBe(false);
  });

  test("an event without digest of the bank is not smuggled in", () => {
    const hidden = { ...image("forged"), digests: {} };
    const report = against(BOOT, [...BOOT, hidden]);
    expect(report.mismatches).toMatchObject([{ register: 4, firstSuspectEvent: 6 }]);
  });

  test("a register of a TD is the index less one", () => {
    const events = [secureBoot(true, 1), agentEvent(4, "example.org load text")];
    const log = read(events);
    const values = replay(log, "sha256", { kind: "cc" });
    const rtmrs = [1, 2, 3, 4].map((index) => values.get(index) ?? Buffer.alloc(32));
    expect(checkReplay(log, ccelRegisters(rtmrs), "sha256", { kind: "cc" }).ok).toBe(true);
    const [first, ...others] = rtmrs;
    const shifted = [...others, first ?? Buffer.alloc(32)];
    expect(checkReplay(log, ccelRegisters(shifted), "sha256", { kind: "cc" }).ok).toBe(false);
  });
});

describe("where log and register part", () => {
  test("an event too many at the end", () => {
    const report = against(BOOT, [...BOOT, image("late")]);
    expect(report.mismatches).toMatchObject([{ register: 4, firstSuspectEvent: 6 }]);
    expect(report.mismatches[0]?.reason).toContain("after event 5");
  });

  test("a register that was never extended", () => {
    const report = checkReplay(read(BOOT), new Map([[4, Buffer.alloc(32)]]), "sha256");
    expect(report.mismatches).toMatchObject([{ firstSuspectEvent: 2 }]);
    expect(report.mismatches[0]?.reason).toContain("never extended");
  });

  test("an event put in", () => {
    const [first, second, third, ...rest] = BOOT;
    const told = [first, second, third, image("put in"), ...rest].filter((event) => event !== undefined);
    expect(against(BOOT, told).mismatches).toMatchObject([{ register: 4, firstSuspectEvent: 3 }]);
  });

  test("two events that changed places", () => {
    const told = [...BOOT.slice(0, 4), image("kernel"), image("grub")];
    const report = against(BOOT, told);
    expect(report.mismatches).toMatchObject([{ register: 4, firstSuspectEvent: 4 }]);
    expect(report.mismatches[0]?.reason).toContain("changed places");
  });

  test("a digest that was altered beside data that was not", () => {
    const told = BOOT.map((event, i) =>
      i === 3 ? { ...event, digests: { sha256: Buffer.alloc(32, 7) } } : event,
    );
    const report = against(BOOT, told);
    expect(report.mismatches).toMatchObject([{ register: 4, firstSuspectEvent: 3 }]);
    expect(report.mismatches[0]?.reason).toContain("altered");
  });

  test("a separator left out", () => {
    const report = against(BOOT, [...BOOT.slice(0, 3), ...BOOT.slice(4)]);
    expect(report.mismatches[0]?.reason).toContain("leaves out the separator");
    expect(report.mismatches[0]?.firstSuspectEvent).toBe(3);
  });

  test("the end of boot services left out", () => {
    const end = {
      register: 4,
      type: EV.efiAction,
      data: Buffer.from("Exit Boot Services Returned with Success"),
    };
    const report = against([...BOOT, end], BOOT);
    expect(report.mismatches[0]?.reason).toContain("at the end");
  });

  test("what no single event explains is said to be so", () => {
    const told = BOOT.map((event, i) =>
      i === 2 || i === 4 ? { ...event, measured: Buffer.from("other") } : event,
    );
    expect(against(BOOT, told).mismatches).toMatchObject([
      { firstSuspectEvent: undefined, reason: "no single event explains the difference" },
    ]);
  });

  test("a register with very many events is compared without search", () => {
    const many = Array.from({ length: 5000 }, (_, i) => image(`image ${i}`));
    const report = against([...many, image("x")], [...many, image("y")]);
    expect(report.mismatches).toMatchObject([{ register: 4, firstSuspectEvent: undefined }]);
  });
});

describe("a log that goes on after the quote", () => {
  test("matches in part where that is allowed, and only that part is covered", () => {
    const told = [...BOOT, image("run time")];
    const report = against(BOOT, told, [4]);
    expect([report.ok, report.states.get(4)]).toEqual([true, "prefix"]);
    const log = read(told);
    expect([report.covers(log.event(5)), report.covers(log.event(6))]).toEqual([true, false]);
  });

  test("a register that was never extended attests no part", () => {
    const report = checkReplay(read(BOOT), new Map([[4, Buffer.alloc(32)]]), "sha256", {
      prefixAllowed: () => true,
    });
    expect([report.ok, report.states.get(4)]).toEqual([false, "mismatch"]);
  });
});

describe("a digest that is not that of its data", () => {
  const lie = (event: WrittenEvent): WrittenEvent => ({ ...event, measured: Buffer.from("something else") });

  test.each([
    ["a UEFI variable", lie(secureBoot(true))],
    ["a separator", lie(separator(7))],
    ["an action", lie({ register: 7, type: EV.efiAction, data: Buffer.from("UEFI Debug Mode") })],
    ["an event of the agent", lie(agentEvent(7, "github.com/confidential-containers PullImage {}"))],
  ])("%s is named, though the register matches", (_, event) => {
    const report = against([event], [event]);
    expect(report.mismatches).toEqual([]);
    expect(report.faults).toMatchObject([{ event: 0, register: 7 }]);
    expect(report.ok).toBe(false);
  });

  test("where the digest is of something else by nature, there is no fault", () => {
    const events = [
      image("image"),
      grub(8, "grub_cmd: ", "linux /vmlinuz"),
      lie({ ...grub(8, "", "file name"), register: 9 }),
    ];
    expect(against(events, events).ok).toBe(true);
  });

  test("old firmware measures a boot variable without its name", () => {
    const whole = secureBoot(true);
    const old = { ...whole, type: EV.efiVariableBoot, measured: whole.data.subarray(-1) };
    expect(against([old], [old]).faults).toEqual([]);
    expect(digest("sha256", whole.data)).not.toEqual(digest("sha256", whole.data.subarray(-1)));
  });
});
