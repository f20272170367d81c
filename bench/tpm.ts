/**
 * Quotes of TPMs: what a whole verification costs beside the one signature check that it cannot do without. Every quote is
 * another one with a signature of its own; the keys are those of one machine that attests again and again.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { inlineAppraiser } from "../src/attestation/formats/eventlog/index.ts";
import { NO_ENROLMENTS } from "../src/attestation/formats/tpm2/ak-registry.ts";
import { TpmVerifier } from "../src/attestation/verifiers/tpm/verify.ts";
import type { JsonObject } from "../src/json/value.ts";
import {
  KINDS,
  type KindName,
  keyOf,
  makeQuote,
  REPORT_DATA,
  tpmSettings,
} from "../test/support/software-tpm/index.ts";
import type { Row } from "./table.ts";

const GOAL_RATIO = 1.3;
const QUOTES = 64;
const NEVER = new AbortController().signal;
const MEASURED = [
  "RSA-2048, RSASSA, SHA-256",
  "P-256, SHA-256",
  "P-384, SHA-384",
] as const satisfies readonly KindName[];

interface Prepared {
  readonly evidence: JsonObject;
  readonly message: Buffer;
}

export async function benchTpm(quick: boolean): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const kind of MEASURED) rows.push(await measure(kind, quick ? 500 : 5_000));
  return rows;
}

/** Raw checks before and after, so that a machine that slows down does so for both. */
async function measure(kind: KindName, count: number): Promise<Row> {
  const quotes = await prepare(kind);
  const trust = {
    ekAuthorities: { pinned: [] },
    akAuthorities: { pinned: [] },
    enrolled: NO_ENROLMENTS,
    logs: inlineAppraiser(),
    imaPolicy: undefined,
  };
  const verifier = new TpmVerifier(tpmSettings({ acceptedAkTrust: ["none"] }), trust, Date.now);
  const expected = { runtimeDataDigest: REPORT_DATA, initDataDigest: undefined };
  const raw = rawCheck(kind, quotes);
  const before = cost(count, raw);
  await whole(count / 4);
  const start = process.cpuUsage();
  await whole(count);
  const milliseconds = since(start, count);
  const signature = (before + cost(count, raw)) / 2;
  const ratio = milliseconds / signature;
  return {
    what: kind,
    "signature alone, CPU ms": signature,
    "whole verification, CPU ms": milliseconds,
    "quotes per CPU second": 1000 / milliseconds,
    "× the signature": `${ratio.toFixed(2)} (goal ${GOAL_RATIO}) ${ratio <= GOAL_RATIO ? "✓" : "above the goal"}`,
  };

  async function whole(times: number): Promise<void> {
    for (let at = 0; at < times; at++) {
      const one = quotes[at % QUOTES];
      if (one === undefined) throw new Error("no quotes");
      await verifier.verify(one.evidence, expected, NEVER);
    }
  }
}

async function prepare(kind: KindName): Promise<readonly Prepared[]> {
  const made: Prepared[] = [];
  for (let i = 0; i < QUOTES; i++) {
    const { evidence, message } = await makeQuote({ kind, attest: { clock: BigInt(5000 + i) } });
    // A guest sends the public key alone.
    const { ak_tpm2b_public: _, ...sent } = evidence;
    made.push({ evidence: sent, message });
  }
  return made;
}

/** The same signature check of OpenSSL with nothing around it. */
function rawCheck(kind: KindName, quotes: readonly Prepared[]): (at: number) => void {
  const { hash, scheme } = KINDS[kind];
  const privateKey = keyOf(kind);
  const key = optionsOf(createPublicKey(privateKey), scheme);
  const signed = quotes.map(({ message }) => ({
    message,
    signature: sign(hash, message, optionsOf(privateKey, scheme)),
  }));
  return (at) => {
    const one = signed[at % QUOTES];
    if (one === undefined || !verify(hash, one.message, key, one.signature)) throw new Error("not verified");
  };
}

function optionsOf(key: KeyObject, scheme: string) {
  return scheme === "ecdsa" ? { key, dsaEncoding: "ieee-p1363" as const } : { key };
}

function cost(count: number, run: (at: number) => void): number {
  for (let at = 0; at < count / 4; at++) run(at);
  const start = process.cpuUsage();
  for (let at = 0; at < count; at++) run(at);
  return since(start, count);
}

/** CPU time of this process with all its threads, per run. */
function since(start: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / count;
}
