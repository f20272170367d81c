/** Makes a log of the largest size, or reads one in a process of its own and says how much memory that took. */
import { readFileSync, writeFileSync } from "node:fs";
import { parseEventLog, replay } from "../../src/attestation/formats/eventlog/index.ts";
import { parseImaLog, replayIma } from "../../src/attestation/formats/ima/index.ts";
import { agileLog, legacyLog, u32 } from "./event-logs.ts";

const MOST_BYTES = 64 << 20;
const MOST_EVENTS = 1_000_000;
const LIMITS = { maxBytes: MOST_BYTES, maxEvents: MOST_EVENTS };

/** As many records as there may be, each with its number. */
function filled(head: Buffer, record: (number: number) => Buffer): Buffer {
  const { length } = record(0);
  const count = Math.min(MOST_EVENTS, Math.floor((MOST_BYTES - head.length) / length));
  const all = Buffer.alloc(head.length + count * length);
  head.copy(all);
  for (let i = 0; i < count; i++) record(i).copy(all, head.length + i * length);
  return all;
}

const NOTHING = Buffer.alloc(0);
const EVENT = { register: 4, type: 5, data: Buffer.alloc(10) };

function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(type);
  head.writeUInt32BE(value.length, 1);
  return Buffer.concat([head, value]);
}

function numbered(number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(number, 4);
  return bytes;
}

const CONTENT = tlv(5, Buffer.concat([tlv(0, Buffer.from([5])), tlv(1, EVENT.data)]));
const sized = (bytes: Buffer) => Buffer.concat([u32(bytes.length), bytes]);
const IMA_DATA = Buffer.concat([
  sized(Buffer.concat([Buffer.from("sha1:\0"), Buffer.alloc(20)])),
  sized(Buffer.from("/usr/bin/a\0")),
]);
const pad = (number: number) => String(number).padStart(7, " ");

const LOGS: Readonly<Record<string, () => Buffer>> = {
  legacy: () => {
    const event = legacyLog([EVENT]);
    return filled(NOTHING, () => event);
  },
  "crypto-agile": () => {
    const head = agileLog(["sha256"], []);
    const event = agileLog(["sha256"], [EVENT]).subarray(head.length);
    return filled(head, () => event);
  },
  "CEL-TLV": () =>
    filled(NOTHING, (number) =>
      Buffer.concat([
        tlv(0, numbered(number)),
        tlv(1, Buffer.from([4])),
        tlv(3, tlv(0x0b, Buffer.alloc(32))),
        CONTENT,
      ]),
    ),
  "CEL-JSON": () =>
    filled(NOTHING, (number) =>
      Buffer.from(
        `{"recnum":${pad(number)},"pcr":4,"digests":[{"hashAlg":"sha1","digest":"${"0".repeat(40)}"}],"content_type":"systemd","content":{}}\n`,
      ),
    ),
  "IMA, text": () =>
    filled(NOTHING, (number) =>
      Buffer.from(`10 ${"1".repeat(40)} ima-ng sha1:${"2".repeat(40)} /usr/bin/${pad(number)}\n`),
    ),
  "IMA, binary": () =>
    filled(NOTHING, () =>
      Buffer.concat([u32(10), Buffer.alloc(20, 1), sized(Buffer.from("ima-ng")), sized(IMA_DATA)]),
    ),
};

function read(name: string, bytes: Buffer): number {
  if (name.startsWith("IMA")) {
    const list = parseImaLog(bytes, LIMITS);
    replayIma(list, "sha256");
    return list.count;
  }
  const log = parseEventLog(bytes, LIMITS);
  for (const bank of log.algorithms) replay(log, bank);
  return log.count;
}

const [, , task, name = "", file = ""] = process.argv;
if (task === "make") writeFileSync(file, LOGS[name]?.() ?? NOTHING);
else {
  // Made by another process: what making it left behind is nothing that reading it takes.
  const bytes = readFileSync(file);
  const before = process.memoryUsage.rss() - bytes.length;
  const records = read(name, bytes);
  // resourceUsage counts in KiB, and never goes down again.
  const taken = process.resourceUsage().maxRSS * 1024 - before;
  process.stdout.write(JSON.stringify({ records, bytes: bytes.length, times: taken / bytes.length }));
}
