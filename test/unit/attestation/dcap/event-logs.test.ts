import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { EV } from "../../../../src/attestation/formats/eventlog/event-types.ts";
import { parseEventLog, replay } from "../../../../src/attestation/formats/eventlog/index.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import {
  agentEvent,
  agileLog,
  secureBoot,
  separator,
  type WrittenEvent,
} from "../../../support/event-logs.ts";
import { type Story, tell } from "../../../support/fake-intel/index.ts";

const image = (text: string): WrittenEvent => ({
  register: 2,
  type: EV.efiBootServicesApplication,
  data: Buffer.from("no path"),
  measured: Buffer.from(text),
});

const BOOT = [
  secureBoot(true, 1),
  separator(1),
  image("grub"),
  image("kernel"),
  separator(3),
  agentEvent(4, "example.org pull image"),
];
const ZERO = Buffer.alloc(48);

/** A TD that measured `truth`, whose evidence carries `log`. */
function booted(truth: readonly WrittenEvent[], log: readonly WrittenEvent[], more: JsonObject = {}): Story {
  const registers = replay(parseEventLog(agileLog(["sha384"], truth)), "sha384");
  const rtmr = (index: number) => registers.get(index) ?? ZERO;
  return {
    td: { rtmr0: rtmr(1), rtmr1: rtmr(2), rtmr2: rtmr(3), rtmr3: rtmr(4) },
    evidence: (evidence) => ({
      ...evidence,
      cc_eventlog: agileLog(["sha384"], log).toString("base64"),
      ...more,
    }),
  };
}

const refused = (story: Story) => expect(tell(story)).rejects.toMatchObject({ check: "event-log" });

describe("B23 event logs against the registers of the quote", () => {
  test("a true log gives its events, covered and bound", async () => {
    const { results, checks } = await tell(booted(BOOT, BOOT));
    expect(checks.find(({ check }) => check === "event-log")).toMatchObject({ outcome: "passed" });
    const claims = results[0]?.claims ?? {};
    const events = claims["uefi_event_logs"] as readonly JsonObject[];
    expect(events).toHaveLength(BOOT.length);
    expect(events[0]).toMatchObject({ index: 1, covered: true, bound: true });
    expect(claims["eventlog"]).toMatchObject({ algorithm: "sha384" });
  });

  test.each<readonly [string, readonly WrittenEvent[]]>([
    ["an event left out", BOOT.filter((_, i) => i !== 2)],
    ["the last event left out", BOOT.slice(0, -1)],
    ["two events exchanged", [BOOT[0], BOOT[1], BOOT[3], BOOT[2], ...BOOT.slice(4)] as WrittenEvent[]],
    ["an event added", [...BOOT, image("rootkit")]],
    ["an event altered", BOOT.map((event, i) => (i === 3 ? image("other") : event))],
    ["all events of a register left out", BOOT.filter(({ register }) => register !== 2)],
    ["no event at all", []],
    [
      "events in another register",
      BOOT.map((event) => ({ ...event, register: event.register === 2 ? 3 : event.register })),
    ],
  ])("AS-102 %s is refused", (_name, log) => refused(booted(BOOT, log)));

  // Policies of the field look at types and digests of events, not at who vouches for them.
  test.each([0, 5, 17])("an event of register %i, which no quote has, is refused", async (register) => {
    await refused(booted(BOOT, [...BOOT, { ...image("kernel"), register }]));
    await refused({
      evidence: (evidence) => ({
        ...evidence,
        cc_eventlog: agileLog(["sha384"], [{ ...image("kernel"), register }]).toString("base64"),
      }),
    });
  });

  test("AS-103 a register without events has to be zero", async () => {
    const without = BOOT.filter(({ register }) => register !== 4);
    await tell(booted(without, without));
    const story = booted(without, without);
    await refused({ ...story, td: { ...story.td, rtmr3: Buffer.alloc(48, 1) } });
  });

  test("a log cut inside an event is refused", async () => {
    const log = agileLog(["sha384"], BOOT);
    for (const length of [1, 31, 40, log.length - 1]) {
      const cut = log.subarray(0, length).toString("base64");
      await refused({ ...booted(BOOT, BOOT), evidence: (it) => ({ ...it, cc_eventlog: cut }) });
    }
  });

  test("B29 a log above 4 MiB is refused", () =>
    refused({
      ...booted(BOOT, BOOT),
      evidence: (it) => ({ ...it, cc_eventlog: Buffer.alloc(4 * 1024 * 1024 + 1).toString("base64") }),
    }));

  test("a log of another bank only is refused", () =>
    refused({
      ...booted(BOOT, BOOT),
      evidence: (it) => ({ ...it, cc_eventlog: agileLog(["sha256"], BOOT).toString("base64") }),
    }));

  test("claims can leave the events out", async () => {
    for (const eventLogClaims of ["facts", "none"]) {
      const { results } = await tell({ ...booted(BOOT, BOOT), settings: { eventLogClaims } });
      expect(results[0]?.claims).not.toHaveProperty("uefi_event_logs");
      expect(results[0]?.claims).toHaveProperty("eventlog");
    }
  });

  test.each([null, "", undefined])("no log (%p) gives no claims of one", async (cc_eventlog) => {
    const evidence = ({ quote = "" }: JsonObject) =>
      cc_eventlog === undefined ? { quote } : { quote, cc_eventlog };
    const { results } = await tell({ evidence });
    for (const name of ["uefi_event_logs", "eventlog", "aa_eventlog"])
      expect(results[0]?.claims).not.toHaveProperty(name);
  });
});

const LINES = [`INIT sha384/${"00".repeat(48)}`, "example.org pull image:1", "example.org run"];

function agentRegister(lines: readonly string[]): Buffer {
  const sha384 = (...parts: readonly (Buffer | string)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash("sha384")).digest();
  return lines.reduce<Buffer>((value, line) => sha384(value, sha384(line)), ZERO);
}

describe("B23 logs of older agents", () => {
  const firmware = BOOT.filter(({ register }) => register !== 4);
  const told = (text: string, register = agentRegister(LINES)): Story => {
    const story = booted(firmware, firmware, { aa_eventlog: text });
    return { ...story, td: { ...story.td, rtmr3: register } };
  };

  test("explain RTMR3 beside the firmware's log", async () => {
    const { results } = await tell(told(`${LINES.join("\n")}\n`));
    expect(results[0]?.claims).toMatchObject({
      aa_eventlog: [
        { domain: "example.org", operation: "pull", content: "image:1" },
        { domain: "example.org", operation: "run", content: "" },
      ],
    });
  });

  test("are the only ones about RTMR3: the firmware's log cannot say other things of it", () => {
    const story = booted(firmware, [...firmware, agentEvent(4, "example.org pull other")], {
      aa_eventlog: LINES.join("\n"),
    });
    return refused({ ...story, td: { ...story.td, rtmr3: agentRegister(LINES) } });
  });

  test("alone, the other registers have to be zero", async () => {
    const evidence = (it: JsonObject) => ({ ...it, aa_eventlog: LINES.join("\n") });
    await tell({ td: { rtmr3: agentRegister(LINES) }, evidence });
    await refused({ td: { rtmr3: agentRegister(LINES), rtmr1: Buffer.alloc(48, 1) }, evidence });
  });

  test.each([
    ["a line left out", LINES.slice(0, -1).join("\n")],
    ["a line altered", LINES.join("\n").replace("image:1", "image:2")],
    ["no INIT line", LINES.slice(1).join("\n")],
    ["a line that is no event", [...LINES, "word"].join("\n")],
    ["an unknown algorithm", LINES.join("\n").replace("sha384", "md5")],
    ["an initial value of another size", LINES.join("\n").replace("sha384", "sha256")],
  ])("%s is refused", (_name, text) => refused(told(text)));

  test("an initial value that is not zero is refused, even where it replays", () => {
    const start = agentRegister(LINES.slice(0, 2));
    const rest = [`INIT sha384/${start.toString("hex")}`, "example.org run"];
    const sha384 = (...parts: readonly (Buffer | string)[]) =>
      parts.reduce((hash, part) => hash.update(part), createHash("sha384")).digest();
    const register = rest.reduce<Buffer>((value, line) => sha384(value, sha384(line)), start);
    return refused(told(rest.join("\n"), register));
  });
});
