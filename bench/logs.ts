import { createHash } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { MOST_EVENTS, MOST_LOG_BYTES } from "../src/attestation/formats/eventlog/event-log.ts";
import {
  EventLogError,
  type LogLimits,
  parseEventLog,
  replay,
} from "../src/attestation/formats/eventlog/index.ts";
import { appraiseIma, parseImaLog, parseImaPolicy, replayIma } from "../src/attestation/formats/ima/index.ts";
import { LogPool } from "../src/workers/log-pool.ts";
import type { Row } from "./table.ts";

const RECORDS = 20_000;
const MOST: LogLimits = { maxBytes: MOST_LOG_BYTES, maxEvents: MOST_EVENTS };

/** Event logs and IMA lists: CPU time on one thread, memory, and what the event loop feels of it. */
export async function benchLogs(quick: boolean): Promise<Row[]> {
  return [...imaRows(quick ? 3 : 12), await poolRow(), ...limitRows(quick)];
}

function imaRows(rounds: number): Row[] {
  const { list, binary, policy } = makeList();
  const document = Buffer.from(policy);
  const quoted = replayIma(parseImaLog(list), "sha256");
  const parsed = parseImaPolicy(document);
  const appraise = (bytes: Buffer) => () => {
    const report = appraiseIma(parseImaLog(bytes), { algorithm: "sha256", quoted, policy: parsed });
    if (!report.ok || report.attested !== RECORDS) throw new Error("the list was not accepted");
  };
  return [
    row(`IMA list, ${RECORDS} lines, ASCII: parsed, replayed, appraised`, rounds, appraise(list)),
    row(`IMA list, ${RECORDS} records, binary: the same`, rounds, appraise(binary)),
    row(`Policy of ${RECORDS} files: read`, rounds, () => parseImaPolicy(document)),
    row(`Three hashes for each of ${RECORDS} records, alone`, rounds, () => rawHashes()),
  ];
}

/** CPU time of the best round: the machine is shared, and what disturbs only adds. */
function row(what: string, rounds: number, run: () => unknown): Row {
  run();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return { what, "CPU ms": best };
}

function rawHashes(): void {
  const data = Buffer.alloc(90, 1);
  for (let i = 0; i < RECORDS; i++)
    for (const algorithm of ["sha1", "sha256", "sha256"]) createHash(algorithm).update(data).digest("hex");
}

/** The same list on a thread, while this one counts how late its timers are. */
async function poolRow(): Promise<Row> {
  const { list, policy } = makeList();
  const quoted = replayIma(parseImaLog(list), "sha256");
  const job = { bytes: list, quoted, algorithm: "sha256", policy: Buffer.from(policy) } as const;
  const pool = new LogPool();
  const { signal } = new AbortController();
  await pool.ima(job, signal);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  const report = await pool.ima(job, signal);
  const elapsed = performance.now() - started;
  delay.disable();
  await pool.close();
  if (!report.ok) throw new Error("the list was not accepted");
  return {
    what: "The ASCII list on a thread of the pool",
    "wall ms": elapsed,
    "loop late at most, ms": delay.max / 1e6,
  };
}

/** Logs as large as they may be: what is read of them stays within four times their bytes. */
function limitRows(quick: boolean): Row[] {
  const events = quick ? MOST_EVENTS / 10 : MOST_EVENTS;
  return [
    memoryRow(`${events} events of 16 bytes`, () => agile(events, 0)),
    memoryRow("events of 64 bytes", () => agile(quick ? 100_000 : MOST_EVENTS, 48)),
    memoryRow("one event of 63 MiB", () => agile(1, 63 * 1024 * 1024)),
    memoryRow("events that say they have 4 GiB", () => {
      const log = agile(1000, 16);
      log.writeUInt32LE(0xffffffff, log.length - 20);
      return log;
    }),
  ];
}

function memoryRow(what: string, make: () => Buffer): Row {
  const log = make();
  collect();
  const before = process.memoryUsage();
  const started = process.cpuUsage();
  const outcome = outcomeOf(log);
  const { user, system } = process.cpuUsage(started);
  const after = process.memoryUsage();
  const grown = after.heapTotal + after.external - before.heapTotal - before.external;
  return {
    what,
    "log MiB": log.length / 2 ** 20,
    outcome,
    "CPU ms": (user + system) / 1000,
    "memory / log": Math.max(0, grown) / log.length,
  };
}

function outcomeOf(log: Buffer): string {
  try {
    const parsed = parseEventLog(log, MOST);
    replay(parsed, "sha256");
    return `read, ${parsed.count} events replayed`;
  } catch (error) {
    if (error instanceof EventLogError) return `refused: ${error.what}`;
    throw error;
  }
}

/** Benchmarks run with the collector exposed. */
function collect(): void {
  globalThis.gc?.();
}

/** A crypto-agile log; events with data have a SHA-256 digest where there is room for one. */
function agile(count: number, dataBytes: number): Buffer {
  const header = Buffer.from(
    `0000000003000000${"00".repeat(20)}21000000${Buffer.from("Spec ID Event03\0").toString("hex")}` +
      "0000000000020002010000000b00200000",
    "hex",
  );
  const size = 16 + dataBytes;
  const log = Buffer.alloc(header.length + count * size);
  header.copy(log);
  for (let i = 0; i < count; i++) {
    const at = header.length + i * size;
    log.writeUInt32LE(4, at);
    log.writeUInt32LE(0x0d, at + 4);
    log.writeUInt32LE(dataBytes, at + 12);
  }
  return log;
}

interface MadeList {
  readonly list: Buffer;
  readonly binary: Buffer;
  /** Our own form of policy. */
  readonly policy: string;
}

function makeList(): MadeList {
  const lines: string[] = [];
  const records: Buffer[] = [];
  const files: Record<string, string[]> = {};
  for (let i = 0; i < RECORDS; i++) {
    const path = `/usr/lib/x86_64-linux-gnu/package-${i % 500}/library-${i}.so.${i % 7}`;
    const digest = createHash("sha256").update(path).digest();
    const data = Buffer.concat([
      field(Buffer.concat([Buffer.from("sha256:\0"), digest])),
      field(Buffer.from(`${path}\0`)),
    ]);
    const hash = createHash("sha1").update(data).digest();
    lines.push(`10 ${hash.toString("hex")} ima-ng sha256:${digest.toString("hex")} ${path}\n`);
    records.push(Buffer.concat([u32(10), hash, field(Buffer.from("ima-ng")), field(data)]));
    files[path] = [digest.toString("hex")];
  }
  const policy = JSON.stringify({ version: 1, files, exclude: ["/tmp/.*", "/var/log/.*"] });
  return { list: Buffer.from(lines.join("")), binary: Buffer.concat(records), policy };
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}
