import { describe, expect, test } from "@jest/globals";
import { EV } from "../../../../src/attestation/formats/eventlog/event-types.ts";
import {
  EventLogError,
  parseEventLog,
  parseTcgLog,
  replay,
} from "../../../../src/attestation/formats/eventlog/index.ts";
import {
  agentEvent,
  agileEvent,
  agileLog,
  digest,
  extended,
  legacyLog,
  separator,
  specId,
  u32,
} from "../../../support/event-logs.ts";

const action = {
  register: 4,
  type: EV.efiAction,
  data: Buffer.from("Calling EFI Application from Boot Option"),
};

function faultOf(bytes: Buffer): EventLogError {
  try {
    parseTcgLog(bytes);
  } catch (error) {
    if (error instanceof EventLogError) return error;
  }
  throw new Error("the log was read");
}

describe("the form of a firmware log", () => {
  test("a Spec ID event makes it crypto-agile, anything else is the older form", () => {
    expect(parseTcgLog(agileLog(["sha1", "sha256"], [action]))).toMatchObject({ format: "tcg2", count: 1 });
    expect(parseTcgLog(legacyLog([action]))).toMatchObject({
      format: "tcg1.2",
      algorithms: ["sha1"],
      count: 1,
    });
  });

  test.each(["Spec ID Event00\0", "Spec ID Event02\0"])("%j is of the older form", (signature) => {
    const data = Buffer.concat([Buffer.from(signature), Buffer.alloc(12)]);
    const first = { register: 0, type: EV.noAction, data, digests: { sha1: Buffer.alloc(20) } };
    expect(parseTcgLog(legacyLog([first, action]))).toMatchObject({ format: "tcg1.2", count: 2 });
  });

  test("a header without signature counts if the rest is exactly one", () => {
    const header = specId(["sha384", "sm3"]);
    header.fill(0, 32, 48);
    const log = parseTcgLog(Buffer.concat([header, agileEvent(["sha384"], agentEvent(4, "a b c"))]));
    expect(log).toMatchObject({ format: "tcg2", algorithms: ["sha384", "sm3"], count: 1 });
    const longer = Buffer.concat([header, Buffer.alloc(1)]);
    longer.writeUInt32LE(header.readUInt32LE(28) + 1, 28);
    expect(parseTcgLog(longer)).toMatchObject({ format: "tcg1.2", count: 1 });
  });

  test("the digest of a header is zero", () => {
    const header = specId(["sha256"]);
    header[8] = 1;
    expect(parseTcgLog(header).format).toBe("tcg1.2");
  });
});

test("an older log is not taken for a Canonical Event Log, whatever its first digest", () => {
  for (const byte of [1, 2, 108]) {
    const version = {
      register: 0,
      type: EV.crtmVersion,
      data: Buffer.from("1"),
      digests: { sha1: Buffer.alloc(20, byte) },
    };
    expect(parseEventLog(legacyLog([version, action]))).toMatchObject({ format: "tcg1.2", count: 2 });
  }
});

describe("the end of a firmware log", () => {
  const log = agileLog(["sha256"], [action]);

  test.each([
    ["nothing", Buffer.alloc(0), "end of data"],
    ["eight zeros and anything", Buffer.concat([Buffer.alloc(8), Buffer.from("rest")]), "zeros"],
    ["eight ones and anything", Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from("rest")]), "ones"],
    ["a shorter rest of zeros", Buffer.alloc(3), "zeros"],
    ["a shorter rest of ones", Buffer.alloc(7, 0xff), "ones"],
  ])("%s ends it", (_, rest, end) => {
    expect(parseTcgLog(Buffer.concat([log, rest]))).toMatchObject({ count: 1, end, consumed: log.length });
  });

  test("a rest of other bytes is a truncated event", () => {
    expect(faultOf(Buffer.concat([log, Buffer.from([0, 0, 1])])).position).toBe(log.length);
  });
});

describe("a malformed firmware log is refused where it is wrong", () => {
  test("cut anywhere", () => {
    const log = agileLog(["sha256"], [action, separator(4)]);
    const header = specId(["sha256"]).length;
    const starts = [header, header + agileEvent(["sha256"], action).length, log.length];
    for (let end = header + 1; end < log.length; end++) {
      if (starts.includes(end)) continue;
      const cut = log.subarray(0, end);
      // What is left of the last event may look like padding; then the log ends there.
      if (cut.subarray(starts.findLast((start) => start < end)).every((byte) => byte === 0)) continue;
      expect(() => parseTcgLog(cut)).toThrow(EventLogError);
    }
  });

  test("more digests than algorithms", () => {
    const log = agileLog(["sha256"], [action]);
    log.writeUInt32LE(2, specId(["sha256"]).length + 8);
    expect(faultOf(log).what).toContain("2 digests");
  });

  test("AS-100 an algorithm that was not declared", () => {
    const log = Buffer.concat([specId(["sha256"]), agileEvent(["sha384"], action)]);
    expect(faultOf(log).what).toContain("not declared");
  });

  test("two digests of one algorithm", () => {
    const one = digest("sha256", action.data);
    const two = Buffer.concat([
      u32(4),
      u32(action.type),
      u32(2),
      Buffer.from([0x0b, 0]),
      one,
      Buffer.from([0x0b, 0]),
      one,
      u32(0),
    ]);
    expect(faultOf(Buffer.concat([specId(["sha256", "sha384"]), two])).what).toContain("two digests");
  });

  test("a Spec ID event with a size that the algorithm does not have", () => {
    const header = specId(["sha256"]);
    header.writeUInt16LE(48, header.length - 3);
    expect(faultOf(header).what).toContain("sha256 digests of 48 bytes");
  });

  test("longer than it may be, or with more events", () => {
    const log = agileLog(["sha256"], [action, separator(4)]);
    expect(() => parseEventLog(log, { maxBytes: log.length - 1 })).toThrow(EventLogError);
    expect(() => parseEventLog(log, { maxEvents: 1 })).toThrow(EventLogError);
    expect(parseEventLog(log, { maxBytes: log.length, maxEvents: 2 }).count).toBe(2);
  });
});

describe("replay", () => {
  test("remarks are not extended, unknown types are", () => {
    const remark = { register: 4, type: EV.noAction, data: Buffer.from("remark") };
    const unknown = { register: 4, type: 0x7fff0001, data: Buffer.from("unknown") };
    const log = parseTcgLog(agileLog(["sha256"], [remark, unknown, action]));
    const value = extended("sha256", [digest("sha256", unknown.data), digest("sha256", action.data)]);
    expect(replay(log, "sha256")).toEqual(new Map([[4, value]]));
    expect(log.event(1).typeName).toBe("EV_UNKNOWN_0x7fff0001");
  });

  test.each([0, 3, 4])("PCR 0 starts with locality %d", (locality) => {
    const data = Buffer.concat([Buffer.from("StartupLocality\0"), Buffer.from([locality])]);
    const first = { register: 0, type: EV.noAction, data, digests: { sha256: Buffer.alloc(32) } };
    const log = parseTcgLog(agileLog(["sha256"], [first, separator(0)]));
    const start = Buffer.alloc(32);
    start[31] = locality;
    const value = digest("sha256", Buffer.concat([start, digest("sha256", Buffer.alloc(4))]));
    expect(replay(log, "sha256").get(0)).toEqual(value);
    expect(log.startupLocality).toBe(locality);
    // Registers of a confidential VM know no locality.
    expect(replay(log, "sha256", { kind: "cc" }).get(0)).toEqual(
      extended("sha256", [digest("sha256", Buffer.alloc(4))]),
    );
  });

  test("a locality that TPMs do not start at changes nothing", () => {
    const data = Buffer.concat([Buffer.from("StartupLocality\0"), Buffer.from([2])]);
    expect(
      parseTcgLog(agileLog(["sha256"], [{ register: 0, type: EV.noAction, data }])).startupLocality,
    ).toBeUndefined();
  });

  test("PCRs of a dynamic launch start with ones", () => {
    const log = parseTcgLog(agileLog(["sha256"], [separator(17)]));
    const value = digest(
      "sha256",
      Buffer.concat([Buffer.alloc(32, 0xff), digest("sha256", Buffer.alloc(4))]),
    );
    expect(replay(log, "sha256").get(17)).toEqual(value);
  });
});
