import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { boundPart } from "../../src/attestation/formats/eventlog/bound-data.ts";
import {
  checkReplay,
  EventLogError,
  type HashName,
  isBound,
  parseEventLog,
  type RegisterKind,
  replay,
} from "../../src/attestation/formats/eventlog/index.ts";
import { digestFor } from "../../src/attestation/formats/eventlog/replay.ts";
import { appraiseIma, parseImaLog, replayIma } from "../../src/attestation/formats/ima/index.ts";
import { agentEvent, agileLog, grub, secureBoot, separator } from "../support/event-logs.ts";
import { describeShared, sharedPath } from "../support/shared.ts";

/**
 * Every bit of every range that the registers cover, flipped one by one: no altered log may pass. Covered are the digests
 * of the compared bank, and the data of events whose type says that the digest is of the data.
 *
 * Nothing covers, in any firmware log: event types, digests of other banks, data of images, firmware volumes and files
 * (their digest is of the thing itself), names of boot variables where old firmware measured the value only, remarks
 * (EV_NO_ACTION), the header, and what stands behind the end mark. Facts
 * are made so that altering these takes nothing away from them (unit tests).
 */
function coveredRanges(
  bytes: Buffer,
  bank: HashName,
  kind: RegisterKind,
): (readonly [from: number, to: number])[] {
  const log = parseEventLog(bytes);
  const report = checkReplay(log, replay(log, bank, { kind }), bank, { kind });
  const place = (part: Buffer) => part.byteOffset - bytes.byteOffset;
  const ranges: (readonly [number, number])[] = [];
  for (const event of log) {
    const digest = digestFor(event, bank);
    if (digest === undefined || !report.covers(event)) continue;
    ranges.push([place(digest), place(digest) + digest.length]);
    const part = boundPart(event, bank);
    // Text is bound as a whole: what does not stand in the digest decides what the rest is taken for.
    const covered = part === undefined || inside(bytes, part) ? part : event.data;
    if (covered !== undefined) ranges.push([place(covered), place(covered) + covered.length]);
  }
  return ranges;
}

function inside(bytes: Buffer, part: Buffer): boolean {
  const from = part.byteOffset - bytes.byteOffset;
  return part.buffer === bytes.buffer && from >= 0 && from + part.length <= bytes.length;
}

interface Verdict {
  readonly ok: boolean;
  /** Events whose data the registers vouch for. */
  readonly bound: number;
}

function judge(
  bytes: Buffer,
  quoted: ReadonlyMap<number, Buffer>,
  bank: HashName,
  kind: RegisterKind,
): Verdict {
  const log = parseEventLog(bytes);
  const report = checkReplay(log, quoted, bank, { kind, explain: false });
  const bound = Array.from(log).filter((event) => report.covers(event) && isBound(event, bank)).length;
  return { ok: report.ok, bound };
}

/** Places of bits that can be flipped without the log being refused, or an event losing what vouched for its data. */
function acceptedFlips(bytes: Buffer, bank: HashName, kind: RegisterKind, step = 1) {
  const quoted = replay(parseEventLog(bytes), bank, { kind });
  const before = judge(bytes, quoted, bank, kind);
  expect(before.ok).toBe(true);
  const accepted: number[] = [];
  let flips = 0;
  for (const [from, to] of coveredRanges(bytes, bank, kind))
    for (let bit = 8 * from; bit < 8 * to; bit += step) {
      flips++;
      const after = tryJudge(flipped(bytes, bit), quoted, bank, kind);
      if (after?.ok === true && after.bound === before.bound) accepted.push(bit);
    }
  return { flips, accepted };
}

function tryJudge(...[bytes, ...others]: Parameters<typeof judge>): Verdict | undefined {
  try {
    return judge(bytes, ...others);
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const out = Buffer.from(bytes);
  out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return out;
}

describe("flipped bits of a log that was made here", () => {
  const events = [
    secureBoot(true),
    separator(7),
    grub(8, "kernel_cmdline: ", "/vmlinuz ro"),
    agentEvent(17, "github.com/confidential-containers PullImage {}"),
  ];

  test.each<HashName>(["sha1", "sha256", "sha384"])("%s: none passes", (bank) => {
    const { flips, accepted } = acceptedFlips(agileLog(["sha1", "sha256", "sha384"], events), bank, "pcr");
    expect(flips).toBeGreaterThan(1500);
    expect(accepted).toEqual([]);
  });
});

describeShared("flipped bits of real logs", "fixtures/eventlog", () => {
  const read = (name: string) => readFileSync(sharedPath("fixtures/eventlog", name));

  test("every bit of a CCEL of a TD that QEMU booted", () => {
    const { flips, accepted } = acceptedFlips(read("ccel/CCEL_data_ovmf.bin"), "sha384", "cc");
    expect(flips).toBeGreaterThan(8000);
    expect(accepted).toEqual([]);
  });

  test.each<readonly [string, HashName, RegisterKind, number]>([
    ["ccel/evidence-api-tdx.bin", "sha384", "cc", 211],
    ["synthetic/tdx-ccel-aael.bin", "sha384", "cc", 13],
    ["tpm/ubuntu-2404-amd-sevsnp.bin", "sha256", "pcr", 509],
    ["tpm/windows-gcp.bin", "sha1", "pcr", 127],
  ])("every so many bits of %s", (name, bank, kind, step) => {
    const { flips, accepted } = acceptedFlips(read(name), bank, kind, step);
    expect(flips).toBeGreaterThan(150);
    expect(accepted).toEqual([]);
  });
});

describeShared("flipped bits of an IMA list", "fixtures/ima", () => {
  /** A violation has no data that anything vouches for; all else is covered, numbers and lengths included. */
  test("every bit outside of the violation's data", () => {
    const bytes = readFileSync(sharedPath("fixtures/ima/mixed.bin"));
    const log = parseImaLog(bytes);
    const quoted = replayIma(log, "sha256");
    const violation = log.record(15);
    expect(violation.violation).toBe(true);
    const [from, to] = [violation.position + 24, log.record(16).position];
    const accepted: number[] = [];
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      if (bit >= 8 * from && bit < 8 * to) continue;
      if (isAccepted(flipped(bytes, bit), quoted)) accepted.push(bit);
    }
    expect(accepted).toEqual([]);
  });

  /** The list's one violation is not what this test is about. */
  function isAccepted(bytes: Buffer, quoted: Buffer): boolean {
    try {
      const report = appraiseIma(parseImaLog(bytes), { algorithm: "sha256", quoted });
      return report.match?.matched === true && report.attested === 17 && report.failed === 1;
    } catch (error) {
      if (error instanceof EventLogError) return false;
      throw error;
    }
  }
});
