import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import {
  checkReplay,
  type EventLog,
  EventLogError,
  eventClaims,
  type HashName,
  hashByName,
  parseEventLog,
  type RegisterKind,
  replay,
} from "../../../src/attestation/formats/eventlog/index.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

interface Expectation {
  readonly format: "crypto-agile" | "tcg1.2";
  readonly events: number;
  readonly no_action: number;
  readonly startup_locality: number | null;
  readonly consumed: number;
  readonly algs: readonly string[];
  readonly spec?: string;
  readonly replay: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly types: Readonly<Record<string, number>>;
  readonly digest_matches_event: number;
  readonly real_pcrs?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const FOLDER = "fixtures/eventlog";
const read = (name: string): Buffer => readFileSync(sharedPath(FOLDER, name));

/** Logs of confidential VMs; everything else counts PCRs. */
function kindOf(name: string): RegisterKind {
  return name.startsWith("ccel/") || /tdx|csv|aael/.test(name) ? "cc" : "pcr";
}

function hexOf(registers: ReadonlyMap<number, Buffer>): Record<string, string> {
  return Object.fromEntries(
    [...registers].map(([register, value]) => [String(register), value.toString("hex")]),
  );
}

function buffers(registers: Readonly<Record<string, string>>): Map<number, Buffer> {
  return new Map(
    Object.entries(registers).map(([register, hex]) => [Number(register), Buffer.from(hex, "hex")]),
  );
}

function algorithm(name: string): HashName {
  const found = hashByName(name);
  if (found === undefined) throw new Error(`no algorithm ${name}`);
  return found.name;
}

function typeCounts(log: EventLog): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { typeName } of log) counts[typeName] = (counts[typeName] ?? 0) + 1;
  return counts;
}

describeShared("firmware logs", FOLDER, () => {
  // The file's shape is what the interface above says; a test of ours would fail otherwise.
  const cases = Object.entries(
    JSON.parse(read("expected.json").toString("utf8")) as Record<string, Expectation>,
  );

  test("there are cases of every folder", () => {
    expect(new Set(cases.map(([name]) => name.split("/")[0]))).toEqual(new Set(["tpm", "ccel", "synthetic"]));
  });

  test.each(cases)("eventlog/%s: structure", (name, expected) => {
    const log = parseEventLog(read(name));
    expect(log.format).toBe(expected.format === "tcg1.2" ? "tcg1.2" : "tcg2");
    expect(log.count).toBe(expected.events);
    expect(log.consumed).toBe(expected.consumed);
    expect(log.algorithms).toEqual(expected.algs);
    expect(log.startupLocality ?? null).toBe(expected.startup_locality);
    if (expected.spec !== undefined) expect(log.specId?.version).toBe(expected.spec);
    const types = Object.entries(expected.types).map(([type, count]) => [
      type.startsWith("0x") ? `EV_UNKNOWN_${type}` : type,
      count,
    ]);
    expect(typeCounts(log)).toEqual(Object.fromEntries(types));
  });

  test.each(cases)("eventlog/%s: replay of every bank, and no register more", (name, expected) => {
    const log = parseEventLog(read(name));
    for (const [bank, registers] of Object.entries(expected.replay))
      expect(hexOf(replay(log, algorithm(bank), { kind: kindOf(name) }))).toEqual(registers);
  });

  const measured = cases.filter(([, { real_pcrs }]) => real_pcrs !== undefined);

  test.each(measured)("eventlog/%s: the machine's own registers match", (name, { real_pcrs }) => {
    const log = parseEventLog(read(name));
    for (const [bank, registers] of Object.entries(real_pcrs ?? {})) {
      const report = checkReplay(log, buffers(registers), algorithm(bank));
      expect(report.mismatches).toEqual([]);
      expect(report.faults).toEqual([]);
      expect(report.ok).toBe(true);
    }
  });

  test.each(cases)("eventlog/%s: the events whose digests are those of their data", (name, expected) => {
    const log = parseEventLog(read(name));
    for (const bank of log.algorithms) {
      const registers = replay(log, bank, { kind: kindOf(name) });
      if (registers.size === 0) continue;
      const claims = eventClaims(log, checkReplay(log, registers, bank, { kind: kindOf(name) }));
      const list = eventsOf(claims).filter((event) => event["type_name"] !== "EV_NO_ACTION");
      expect(list.filter((event) => event["digest_matches_event"] === true)).toHaveLength(
        expected.digest_matches_event,
      );
    }
  });

  const withClaims = readdirSync(sharedPath(FOLDER, "ccel")).filter((name) => name.endsWith(".claims.json"));

  test.each(withClaims)("AS-099 eventlog/ccel/%s: the claims that policies of the field know", (name) => {
    const wanted = JSON.parse(read(`ccel/${name}`).toString("utf8")) as { uefi_event_logs: JsonValue[] };
    const log = parseEventLog(read(`ccel/${name.replace(".claims.json", ".bin")}`));
    const [bank = "sha384"] = log.algorithms;
    const report = checkReplay(log, replay(log, bank, { kind: "cc" }), bank, { kind: "cc" });
    expect(eventsOf(eventClaims(log, report)).map(withoutOurs)).toEqual(wanted.uefi_event_logs);
  });

  test.each(readdirSync(sharedPath(FOLDER, "negative")))("eventlog/negative/%s is refused", (name) => {
    expect(() => parseEventLog(read(`negative/${name}`))).toThrow(EventLogError);
  });

  test.each(readdirSync(sharedPath(FOLDER, "blind")))(
    "eventlog/blind/%s reads, replays and explains itself",
    (name) => {
      const log = parseEventLog(read(`blind/${name}`));
      expect(log.count).toBeGreaterThan(20);
      for (const bank of log.algorithms) {
        const report = checkReplay(log, replay(log, bank), bank);
        expect([report.ok, report.faults]).toEqual([true, []]);
      }
    },
  );
});

function eventsOf(claims: JsonObject): JsonObject[] {
  // `eventClaims` makes a list of objects; its type says only that it is JSON.
  return claims["uefi_event_logs"] as unknown as JsonObject[];
}

/** Members that other implementations do not have. */
function withoutOurs(event: JsonObject): JsonObject {
  const { covered: _covered, bound: _bound, meaning: _meaning, details, ...rest } = event;
  const { variable_guid: _guid, ...known } = details as JsonObject;
  return { ...rest, details: known };
}
