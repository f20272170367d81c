import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseCelCbor } from "../../src/attestation/formats/cel/cbor.ts";
import { parseCelJson } from "../../src/attestation/formats/cel/json.ts";
import { readKeylimeCollection } from "../../src/attestation/formats/cel/keylime.ts";
import { parseCelTlv } from "../../src/attestation/formats/cel/tlv.ts";
import { HASH_ALGORITHMS, type HashName } from "../../src/attestation/formats/eventlog/algorithms.ts";
import { devicePathTexts } from "../../src/attestation/formats/eventlog/decode/device-path.ts";
import { readSignatureLists } from "../../src/attestation/formats/eventlog/decode/signature-list.ts";
import { eventDetails } from "../../src/attestation/formats/eventlog/details.ts";
import { EV, eventTypeName } from "../../src/attestation/formats/eventlog/event-types.ts";
import {
  checkReplay,
  type EventLog,
  EventLogError,
  eventClaims,
  parseEventLog,
  parseTcgLog,
  replay,
} from "../../src/attestation/formats/eventlog/index.ts";
import { eventMeaning } from "../../src/attestation/formats/eventlog/meaning.ts";
import {
  appraiseIma,
  ImaPolicyError,
  parseImaLog,
  parseImaPolicy,
  replayIma,
} from "../../src/attestation/formats/ima/index.ts";
import { encodeCbor } from "../../src/crypto/cbor.ts";
import { writeJson } from "../../src/json/write.ts";
import {
  agentEvent,
  agileLog,
  digest,
  extended,
  grub,
  legacyLog,
  secureBoot,
  separator,
  u32,
  type WrittenEvent,
} from "../support/event-logs.ts";

const bytes = (maxLength = 300) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** A good document with a piece cut out and another put in. */
const spliced = (good: Buffer) =>
  fc
    .tuple(fc.nat(good.length), fc.nat(40), bytes(40))
    .map(([at, cut, put]) => Buffer.concat([good.subarray(0, at), put, good.subarray(at + cut)]));

const GOOD_EVENTS = [
  secureBoot(true),
  separator(7),
  grub(8, "kernel_cmdline: ", "/vmlinuz ro"),
  agentEvent(17, "example.org load {}"),
  { register: 4, type: EV.efiBootServicesApplication, data: Buffer.alloc(40, 1) },
];
const GOOD_AGILE = agileLog(["sha1", "sha256"], GOOD_EVENTS);
const GOOD_LEGACY = legacyLog(GOOD_EVENTS);

const tlv = (type: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(type);
  head.writeUInt32BE(value.length, 1);
  return Buffer.concat([head, value]);
};
const DATA = Buffer.from("data");
const GOOD_TLV = Buffer.concat(
  [0, 1].map((number) =>
    Buffer.concat([
      tlv(0, Buffer.from([0, 0, 0, number])),
      tlv(1, Buffer.from([4])),
      tlv(3, tlv(0x0b, digest("sha256", DATA))),
      tlv(5, Buffer.concat([tlv(0, Buffer.from([5])), tlv(1, DATA)])),
    ]),
  ),
);
const GOOD_JSON = Buffer.from(
  JSON.stringify(
    [0, 1].map((recnum) => ({
      recnum,
      pcr: 4,
      digests: [{ hashAlg: "sha256", digest: digest("sha256", DATA).toString("hex") }],
      content_type: "pcclient_std",
      content: { event_type: "EV_ACTION", event_data: DATA.toString("base64") },
    })),
  ),
);
const GOOD_CBOR = encodeCbor(
  [0, 1].map(
    (number) =>
      new Map<number, number | Map<number, number | Buffer>[] | Map<number, number | Buffer>>([
        [0, number],
        [1, 4],
        [
          3,
          [
            new Map<number, number | Buffer>([
              [0, 0x0b],
              [1, digest("sha256", DATA)],
            ]),
          ],
        ],
        [
          5,
          new Map<number, number | Buffer>([
            [0, 5],
            [1, DATA],
          ]),
        ],
      ]),
  ),
);
const GOOD_IMA = Buffer.from(
  `10 ${"1".repeat(40)} ima-ng sha256:${"2".repeat(64)} /a b\n10 ${"0".repeat(40)} ima-sig sha256:${"2".repeat(64)} /c \n`,
);

/** Reads, and if it was read uses everything of it. Only `EventLogError` may come out. */
function survives(parse: (input: Buffer) => EventLog, input: Buffer): void {
  let log: EventLog;
  try {
    log = parse(input);
  } catch (error) {
    expect(error).toBeInstanceOf(EventLogError);
    return;
  }
  for (const bank of log.algorithms) {
    const registers = replay(log, bank);
    if (registers.size === 0) continue;
    const report = checkReplay(log, registers, bank);
    expect(typeof writeJson(eventClaims(log, report))).toBe("string");
  }
}

const PARSERS: readonly (readonly [name: string, parse: (input: Buffer) => EventLog, good: Buffer])[] = [
  ["any log", parseEventLog, GOOD_AGILE],
  ["crypto-agile", parseTcgLog, GOOD_AGILE],
  ["legacy", parseTcgLog, GOOD_LEGACY],
  ["CEL-TLV", parseCelTlv, GOOD_TLV],
  ["CEL-JSON", parseCelJson, GOOD_JSON],
  ["CEL-CBOR", parseCelCbor, GOOD_CBOR],
];

describe("parsers of event logs", () => {
  test.each(PARSERS)("%s: the example is good", (_, parse, good) => {
    expect(parse(good).count).toBeGreaterThanOrEqual(2);
  });

  test.each(PARSERS)("%s: no input crashes it", (_, parse, good) => {
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(good)), (input) => survives(parse, input)),
      { numRuns: 400 },
    );
  });

  test("no input crashes the reader of Keylime's collections", () => {
    const good = Buffer.from(
      JSON.stringify({
        __cmwc_t: "tag:keylime.org,2025:tpm2-agent",
        evidence: { a: ["application/x", "AAAA"] },
      }),
    );
    expect(readKeylimeCollection(good).size).toBe(1);
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(good)), (input) => {
        try {
          readKeylimeCollection(input);
        } catch (error) {
          expect(error).toBeInstanceOf(EventLogError);
        }
      }),
    );
  });

  test("no event data crashes a decoder", () => {
    const types = fc.oneof(fc.constantFrom(...Object.values(EV)), fc.integer({ min: 0, max: 0xffffffff }));
    fc.assert(
      fc.property(types, bytes(200), (type, data) => {
        const event = {
          index: 0,
          position: 0,
          register: 7,
          registerKind: "pcr",
          kind: "pcclient",
          digests: [],
        } as const;
        const whole = { ...event, type, typeName: eventTypeName(type), data, extends: true };
        expect(typeof eventMeaning(whole)).toBe("string");
        expect(typeof writeJson(eventDetails(whole))).toBe("string");
        devicePathTexts(data);
        readSignatureLists(data);
      }),
      { numRuns: 1000 },
    );
  });

  test("what was written is read: events, their digests and their registers", () => {
    const banks = fc.uniqueArray(fc.constantFrom<HashName>("sha1", "sha256", "sha384", "sha512"), {
      minLength: 1,
    });
    const event = fc.record({
      register: fc.nat(16),
      type: fc.integer({ min: 4, max: 0xffffffff }),
      data: bytes(80),
    });
    fc.assert(
      fc.property(banks, fc.array(event, { maxLength: 12 }), (algorithms, events: WrittenEvent[]) => {
        const log = parseTcgLog(agileLog(algorithms, events));
        expect(Array.from(log, ({ register, type, data }) => ({ register, type, data }))).toEqual(events);
        for (const bank of algorithms)
          for (const [register, value] of replay(log, bank)) {
            const digests = events
              .filter((one) => one.register === register)
              .map(({ data }) => digest(bank, data));
            expect(value).toEqual(extended(bank, digests));
          }
      }),
    );
  });
});

describe("parsers of IMA lists", () => {
  test("no input crashes them", () => {
    expect(parseImaLog(GOOD_IMA).count).toBe(2);
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(GOOD_IMA)), (input) => {
        try {
          const log = parseImaLog(input);
          appraiseIma(log, { algorithm: "sha256", quoted: replayIma(log, "sha256") });
        } catch (error) {
          expect(error).toBeInstanceOf(EventLogError);
        }
      }),
      { numRuns: 600 },
    );
  });

  test("no input crashes the reader of policies", () => {
    const good = Buffer.from('{"meta":{"version":1},"digests":{"/a":["aa"]},"excludes":["/tmp/.*"]}');
    fc.assert(
      fc.property(fc.oneof(bytes(), spliced(good)), (input) => {
        try {
          parseImaPolicy(input);
        } catch (error) {
          expect(error).toBeInstanceOf(ImaPolicyError);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe("lying lengths", () => {
  const lies = [0xffffffff, 0x7fffffff, 0x80000000, 0x10000];

  test.each([
    ["crypto-agile", GOOD_AGILE, "writeUInt32LE"],
    ["legacy", GOOD_LEGACY, "writeUInt32LE"],
    ["CEL-TLV", GOOD_TLV, "writeUInt32BE"],
  ] as const)("%s: a length anywhere may say anything", (_, good, write) => {
    for (let at = 0; at + 4 <= good.length; at++)
      for (const lie of lies) {
        const told = Buffer.from(good);
        told[write](lie, at);
        survives(parseEventLog, told);
      }
  });

  test("every algorithm has the size that it has", () => {
    for (const { name, size } of HASH_ALGORITHMS) expect(digest(name, u32(0))).toHaveLength(size);
  });
});
