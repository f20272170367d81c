import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { readKeylimeCollection } from "../../../src/attestation/formats/cel/keylime.ts";
import {
  checkReplay,
  EventLogError,
  eventClaims,
  type HashName,
  isBound,
  parseEventLog,
  replay,
} from "../../../src/attestation/formats/eventlog/index.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const FOLDER = "fixtures/cel";
const read = (name: string): Buffer => readFileSync(sharedPath(FOLDER, name));

interface Expectation {
  readonly records: number;
  readonly replay: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const ENCODINGS = ["cel-tlv", "cel.json", "cel-cbor"];

describeShared("Canonical Event Logs", FOLDER, () => {
  const expected = JSON.parse(read("expected.json").toString("utf8")) as Record<string, Expectation>;
  const cases = [
    ["boot-and-ima", "boot_and_ima"],
    ["management", "management"],
  ].flatMap(([file = "", key = ""]) => ENCODINGS.map((encoding) => [`${file}.${encoding}`, key] as const));

  test.each(cases)("cel/%s: records and replay", (name, key) => {
    const log = parseEventLog(read(name));
    const want = expected[key];
    expect(log.count).toBe(want?.records);
    for (const [bank, registers] of Object.entries(want?.replay ?? {})) {
      const values = replay(log, bank as HashName);
      const hex = Object.fromEntries(
        [...values].map(([register, value]) => [register, value.toString("hex")]),
      );
      expect(hex).toEqual(registers);
      expect(checkReplay(log, values, bank as HashName).ok).toBe(true);
    }
  });

  test.each(["boot-and-ima", "management"])("cel/%s: the three encodings hold the same records", (name) => {
    const [first, ...others] = ENCODINGS.map((encoding) =>
      Array.from(parseEventLog(read(`${name}.${encoding}`)), ({ position: _position, ...event }) => ({
        ...event,
        // Management content has bytes only in the binary encoding.
        data: event.kind === "management" ? "" : event.data.toString("hex"),
        digests: event.digests.map(({ algorithm, value }) => [algorithm, value.toString("hex")]),
      })),
    );
    for (const other of others) expect(other).toEqual(first);
  });

  test("cel/management: what the log says of itself", () => {
    const texts = Array.from(parseEventLog(read("management.cel-tlv")), ({ text }) => text);
    expect(texts).toEqual([
      "cel_version 1.0",
      "firmware_end",
      "cel_timestamp 1790000000",
      "state_trans kexec",
    ]);
  });

  test("cel/cos-gce.cel-tlv: registers of a confidential VM, digests over whole content", () => {
    const log = parseEventLog(read("cos-gce.cel-tlv"));
    expect([log.count, log.registerKind]).toEqual([18, "cc"]);
    expect(replay(log, "sha384").get(4)?.toString("hex")).toBe(
      "2261f93374ed538b35e7e93c540a1562ccb25d14f6c40a1efea03d329e29a97172d84e152344af4a7188d0c8b9fcabeb",
    );
    for (const event of log) expect(isBound(event, "sha384")).toBe(true);
    const claims = eventClaims(log, checkReplay(log, replay(log, "sha384"), "sha384"), { detail: "facts" });
    expect(claims["eventlog"]).toMatchObject({
      confidential_space: expect.arrayContaining([{ name: "restart_policy", value: "Never" }]),
    });
  });

  test("cel/systemd-tpm2-measure.jsonl: phases of the system", () => {
    const log = parseEventLog(read("systemd-tpm2-measure.jsonl"));
    const values = replay(log, "sha256");
    expect(values.get(11)?.toString("hex")).toBe(
      "38d2047d0545f701a253005037bd1d1662e5f59388885f9e9443f38e2f23531e",
    );
    expect(replay(log, "sha1").get(11)?.toString("hex")).toBe("6a5043c73a30327110d492592d8a59132046960a");
    const claims = eventClaims(log, checkReplay(log, values, "sha256"), { detail: "facts" });
    expect(claims["eventlog"]).toMatchObject({
      uki: { phases: ["enter-initrd", "leave-initrd", "sysinit", "ready"] },
    });
  });

  test("cel/keylime-cmw-collection.json: the items, and the log among them", () => {
    const items = readKeylimeCollection(read("keylime-cmw-collection.json"));
    expect([...items.keys()]).toEqual([
      "tpms_attest",
      "tpmt_signature",
      "pcr_values",
      "event_log",
      "keylime_metadata",
    ]);
    // TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE.
    expect(items.get("tpms_attest")?.bytes.subarray(0, 6).toString("hex")).toBe("ff5443478018");
    const log = parseEventLog(read("keylime-cmw-collection.json"));
    expect([log.format, log.count]).toEqual(["cel-json", 3]);
  });

  describe("negative", () => {
    test.each(["truncated", "huge-length", "recnum-gap"])("cel/negative/%s.cel-tlv is refused", (name) => {
      expect(() => parseEventLog(read(`negative/${name}.cel-tlv`))).toThrow(EventLogError);
    });

    test("cel/negative/unknown-content.cel-tlv is kept, and says nothing", () => {
      const [event] = parseEventLog(read("negative/unknown-content.cel-tlv"));
      expect(event).toMatchObject({ kind: "opaque", type: 6, extends: true });
    });
  });
});
