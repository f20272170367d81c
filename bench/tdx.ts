/**
 * One TDX verification in this process, evidence as JSON to claims, with more and more of it known already. Quotes are
 * made for the run: each has report data and a signature of its own.
 */
import { createPublicKey, randomBytes, verify } from "node:crypto";
import type { DcapCollateral } from "../src/attestation/formats/dcap/collateral.ts";
import { fixedCollateral } from "../src/attestation/formats/dcap/fixed-collateral.ts";
import { tdxSection } from "../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../src/attestation/verifiers/tdx/verify.ts";
import { p1363 } from "../src/dev/intel-quote.ts";
import type { JsonValue } from "../src/json/value.ts";
import { KEYS, type Made, make, NOW } from "../test/support/fake-intel/index.ts";
import {
  quoteAfterRestart,
  quoteFor,
  quoteOfAnother,
  SIGNED_BYTES,
} from "../test/support/fake-intel/machine.ts";
import type { Row } from "./table.ts";

const QUOTES = 64;
const PLATFORMS = 2_000;
const NEVER = new AbortController().signal;
/** Over the two signatures that a quote has: 1,200 a second where raw signatures allow 1,350. */
const GOAL_CACHED = 1350 / 1200;
/** Verifications a second. */
const GOAL_NEW_CHAIN = 350;

interface Guest {
  readonly evidence: JsonValue;
  readonly reportData: Buffer;
}

export async function benchTdx(quick: boolean): Promise<readonly Row[]> {
  const made = await make({});
  const fleet = Array.from({ length: QUOTES }, () => guestOf(made.quote));
  const strangers: Guest[] = [];
  for (let at = 0; at < (quick ? PLATFORMS / 10 : PLATFORMS); at++)
    strangers.push(guestOf(await quoteOfAnother(made, (0x10_0000 + at).toString(16))));
  const restarts = Array.from({ length: quick ? 200 : 3_000 }, () => restartedGuest(made.quote));
  const rawBefore = rawMilliseconds();
  const cold = await cpuMilliseconds(quick ? 50 : 500, (at) => verifierOf(made)(fleet[at % QUOTES]));
  const warm = verifierOf(made);
  for (const guest of fleet) await warm(guest);
  const newChains = await cpuMilliseconds(strangers.length, (at) => warm(strangers[at]));
  const restarted = await cpuMilliseconds(restarts.length, (at) => warm(restarts[at]));
  for (let at = 0; at < 2_000; at++) await warm(fleet[at % QUOTES]);
  const known = await cpuMilliseconds(quick ? 1_000 : 20_000, (at) => warm(fleet[at % QUOTES]));
  const raw = (rawBefore + rawMilliseconds()) / 2;
  return [
    { what: "P-256 verification alone", "CPU ms": raw, "per second": 1000 / raw },
    row("nothing known", cold, raw, 9),
    { ...row("collateral known, a new PCK chain each time", newChains, raw, 3), goal: `${GOAL_NEW_CHAIN}/s` },
    row("collateral and PCK chain known, a quoting enclave that started anew", restarted, raw, 2),
    {
      ...row("collateral, PCK chain and quoting enclave known", known, raw, 1),
      goal: `${GOAL_CACHED} of two signatures; is ${(known / (2 * raw)).toFixed(2)}`,
    },
  ];
}

function row(what: string, milliseconds: number, raw: number, signatures: number): Row {
  return {
    what,
    "CPU ms": milliseconds,
    "per second": 1000 / milliseconds,
    signatures,
    "over them": milliseconds / (signatures * raw),
  };
}

/** Another guest of the machine: report data and signature are its own. */
function guestOf(quote: Buffer): Guest {
  const reportData = Buffer.concat([randomBytes(48), Buffer.alloc(16)]);
  const evidence = { quote: quoteFor({ quote }, reportData).toString("base64"), cc_eventlog: null };
  return { evidence, reportData };
}

function restartedGuest(quote: Buffer): Guest {
  const reportData = Buffer.concat([randomBytes(48), Buffer.alloc(16)]);
  const evidence = {
    quote: quoteAfterRestart({ quote }, reportData).toString("base64"),
    cc_eventlog: null,
  };
  return { evidence, reportData };
}

/** A verifier that knows nothing yet, with its own copy of the collateral, for results are remembered per buffer. */
function verifierOf({ collateral, source }: Made): (guest: Guest | undefined) => Promise<unknown> {
  const settings = tdxSection.parse({}, "verifiers.tdx");
  if (!settings.ok) throw new Error("the defaults are settings");
  const copy: DcapCollateral = {
    tcbInfo: Buffer.from(collateral.tcbInfo),
    tcbInfoIssuerChain: Buffer.from(collateral.tcbInfoIssuerChain),
    qeIdentity: Buffer.from(collateral.qeIdentity),
    qeIdentityIssuerChain: Buffer.from(collateral.qeIdentityIssuerChain),
    pckCrl: Buffer.from(collateral.pckCrl),
    pckCrlIssuerChain: undefined,
    rootCaCrl: Buffer.from(collateral.rootCaCrl),
    origin: collateral.origin,
  };
  const verifier = new TdxVerifier(settings.value, fixedCollateral(source.anchors, [copy]), () => NOW);
  return async (guest) => {
    if (guest === undefined) throw new RangeError("no such guest");
    const expected = { runtimeDataDigest: guest.reportData, initDataDigest: undefined };
    return await verifier.verify(guest.evidence, expected, NEVER);
  };
}

function rawMilliseconds(): number {
  const data = randomBytes(SIGNED_BYTES);
  const signature = p1363(KEYS.attestation, data);
  const key = createPublicKey(KEYS.attestation);
  const check = () => verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
  for (let i = 0; i < 500; i++) check();
  const before = process.cpuUsage();
  for (let i = 0; i < 3_000; i++) check();
  return since(before) / 3_000;
}

async function cpuMilliseconds(count: number, run: (at: number) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let at = 0; at < count; at++) await run(at);
  return since(before) / count;
}

/** All threads of this process, garbage collection and all. */
function since(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
