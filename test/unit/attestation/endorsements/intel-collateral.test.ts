import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { httpsGet } from "../../../../src/attestation/endorsements/https-get.ts";
import {
  type IntelCollateral,
  openIntelCollateral,
} from "../../../../src/attestation/endorsements/intel-endorsements.ts";
import type { PieceName } from "../../../../src/attestation/endorsements/intel-pieces.ts";
import type {
  IntelCollateralExtras,
  IntelCollateralSettings,
} from "../../../../src/attestation/endorsements/intel-settings.ts";
import type { UpstreamEvent } from "../../../../src/attestation/endorsements/upstream.ts";
import type { DcapCollateral } from "../../../../src/attestation/formats/dcap/collateral.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import { TestClock } from "../../../support/clock.ts";
import { answer, cutOff, drip, endless, hang } from "../../../support/fake-amd/kds.ts";
import { FakePcs } from "../../../support/fake-intel/service.ts";
import {
  type FakeIntel,
  FMSPC,
  fakeIntel,
  OTHER_FMSPC,
  pastSigner,
  pem,
  QUERY,
  type Saying,
  state,
  stateAll,
} from "../../../support/fake-intel/statements.ts";
import { NOW } from "../../../support/tokens.ts";

const DAY = 86_400_000;
const TCB_INFO: PieceName = { kind: "tcb-info", tee: "tdx", fmspc: FMSPC };
const PCK_CRL: PieceName = { kind: "pck-crl", ca: "platform" };

let intel: FakeIntel;
let folder: string;
let pcs: FakePcs;
let pccs: FakePcs;
let urls: { readonly pcs: string; readonly pccs: string };
let clock: TestClock;
let events: UpstreamEvent[];

beforeAll(async () => {
  intel = await fakeIntel();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-intel-"));
  [pcs, pccs] = [new FakePcs(), new FakePcs()];
  urls = { pcs: await pcs.start(), pccs: await pccs.start() };
  clock = new TestClock(NOW);
  events = [];
});

afterEach(async () => {
  await Promise.all([pcs.stop(), pccs.stop()]);
  // Statements that nobody waited for may still be on their way to the disk.
  await rm(folder, { recursive: true, maxRetries: 10 });
});

function settingsOf(changes: Partial<IntelCollateralSettings>): IntelCollateralSettings {
  const { config } = loadConfig("");
  if (config === undefined) throw new Error("the defaults are a configuration");
  return {
    ...config.collateral.intel,
    cacheFolder: join(folder, "cache"),
    timeoutSeconds: 30,
    ...changes,
    pcs: { baseUrl: urls.pcs, rootCrlUrl: `${urls.pcs}/IntelSGXRootCA.der`, ...changes.pcs },
  };
}

function open(
  changes: Partial<IntelCollateralSettings> = {},
  extras: Partial<IntelCollateralExtras> = {},
): Promise<IntelCollateral> {
  const world = {
    httpGet: httpsGet,
    now: () => clock.now(),
    onEvent: (event: UpstreamEvent) => events.push(event),
  };
  return openIntelCollateral(settingsOf(changes), intel.anchors, { graceSeconds: 0, ...extras }, world);
}

const whatever = () => undefined;
const ask = (source: IntelCollateral, query = QUERY, signal = AbortSignal.timeout(20_000)) =>
  source.collateral(query, whatever, signal);

async function goodDay(service = pcs, saying: Saying = {}): Promise<void> {
  service.saysAll(await stateAll(intel, QUERY, saying));
}

async function say(name: PieceName, saying: Saying, service = pcs): Promise<void> {
  service.says(name, await state(intel, name, saying));
}

const tcbInfoOf = (set: DcapCollateral | undefined) => JSON.parse(set?.tcbInfo.toString() ?? "{}").tcbInfo;

const UNAVAILABLE = { code: "collateral-unavailable" };

/** Waits for work that nobody waits for, until a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

describe("Intel's service", () => {
  test("is asked for the four statements of one platform, at the fixed paths", async () => {
    await goodDay();
    const set = await ask(await open());
    expect(tcbInfoOf(set)).toMatchObject({ id: "TDX", fmspc: FMSPC.toUpperCase() });
    expect(set?.tcbInfoIssuerChain.toString()).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
    expect([...pcs.asked].sort()).toEqual([
      "/IntelSGXRootCA.der",
      "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
      "/tdx/certification/v4/qe/identity?update=early",
      `/tdx/certification/v4/tcb?fmspc=${FMSPC}&update=early`,
    ]);
  });

  test("64 guests at once make one request for each statement, and get the same object", async () => {
    await goodDay();
    const source = await open();
    const sets = await Promise.all(Array.from({ length: 64 }, () => ask(source)));
    expect(pcs.asked).toHaveLength(4);
    expect(new Set(sets).size).toBe(1);
    expect(await ask(source)).toBe(sets[0]);
    expect(pcs.asked).toHaveLength(4);
  });

  test("another platform shares what is not about the platform", async () => {
    await goodDay();
    await say({ kind: "tcb-info", tee: "tdx", fmspc: OTHER_FMSPC }, {});
    const source = await open();
    await ask(source);
    await ask(source, { ...QUERY, fmspc: OTHER_FMSPC });
    expect(pcs.asked).toHaveLength(5);
  });

  test("not to know a platform is an answer", async () => {
    await goodDay();
    pcs.does(TCB_INFO, answer(404));
    expect(await ask(await open())).toBeUndefined();
  });

  test("an evaluation that was withdrawn (status 410) is an answer too", async () => {
    await goodDay();
    pcs.does(TCB_INFO, answer(410));
    expect(await ask(await open())).toBeUndefined();
  });

  test("the older name of the issuer chain header will do", async () => {
    await goodDay();
    pcs.says(TCB_INFO, await state(intel, TCB_INFO), "SGX-TCB-Info-Issuer-Chain");
    expect(await ask(await open())).toBeDefined();
  });
});

describe("E5 a service that lies", () => {
  const LIES: readonly [string, PieceName, () => Promise<Saying>][] = [
    ["TCB info that another key signed", TCB_INFO, async () => ({ signer: intel.platform })],
    ["TCB info of another FMSPC", TCB_INFO, async () => ({ fmspc: OTHER_FMSPC })],
    ["TCB info that has ended", TCB_INFO, async () => ({ issued: -40, expires: -10 })],
    ["TCB info of tomorrow", TCB_INFO, async () => ({ issued: 1 })],
    [
      "an identity that another key signed",
      { kind: "qe-identity", tee: "tdx" },
      async () => ({ signer: intel.root }),
    ],
    ["a list that another authority signed", PCK_CRL, async () => ({ signer: intel.processor })],
    ["a list that has ended", PCK_CRL, async () => ({ issued: -40, expires: -1 })],
    ["a root list that another key signed", { kind: "root-ca-crl" }, async () => ({ signer: intel.signer })],
  ];

  test.each(LIES)("%s is refused as a fault of the service, and not kept", async (_, name, saying) => {
    await goodDay();
    await say(name, await saying());
    const source = await open();
    await expect(ask(source)).rejects.toMatchObject(UNAVAILABLE);
    // It is not asked again at once, and believed as soon as it tells the truth.
    await expect(ask(source)).rejects.toMatchObject(UNAVAILABLE);
    expect(pcs.count(name)).toBe(1);
    await goodDay();
    clock.advance(61_000);
    expect(await ask(source)).toBeDefined();
  });

  test.each<[string, Parameters<FakePcs["does"]>[1]]>([
    ["text that is no statement", answer(200, Buffer.from("<html>"), { "TCB-Info-Issuer-Chain": "x" })],
    ["no issuer chain", answer(200, Buffer.from("{}"))],
    ["an issuer chain that is no text", answer(200, Buffer.from("{}"), { "TCB-Info-Issuer-Chain": "%zz" })],
    ["a redirect", answer(302, Buffer.alloc(0), { location: "http://127.0.0.1:1/" })],
    ["status 500", answer(500)],
    ["more bytes than any statement has", endless],
    ["an answer that is cut off", cutOff],
  ])("%s", async (_, behaviour) => {
    await goodDay();
    pcs.does(TCB_INFO, behaviour);
    await expect(ask(await open())).rejects.toMatchObject(UNAVAILABLE);
  });

  test("an issuer chain that has ended, of the very key that signed", async () => {
    await goodDay();
    const { body } = await state(intel, TCB_INFO);
    const issuerChain = Buffer.from(pem(await pastSigner(intel), intel.root));
    pcs.says(TCB_INFO, { body, issuerChain });
    await expect(ask(await open())).rejects.toMatchObject(UNAVAILABLE);
  });

  test("the quoting enclave of SGX in the place of the one of TDX", async () => {
    await goodDay();
    const sgx: PieceName = { kind: "qe-identity", tee: "sgx" };
    pcs.says(
      { kind: "qe-identity", tee: "tdx" },
      await state(intel, sgx),
      "SGX-Enclave-Identity-Issuer-Chain",
    );
    await expect(ask(await open())).rejects.toMatchObject(UNAVAILABLE);
  });

  test.each<[string, Saying, Saying]>([
    ["an older statement", { issued: -1 }, { issued: -5 }],
    ["a fresh statement of an older evaluation", { evaluation: 18 }, { evaluation: 17, issued: 0 }],
  ])("%s never takes the place of a newer one, not even after a restart", async (_, first, second) => {
    await goodDay();
    await say(TCB_INFO, first);
    const before = await ask(await open());
    await say(TCB_INFO, { expires: 60, ...second });
    clock.advance(2 * DAY);
    const restarted = await open();
    for (let i = 0; i < 2; i++) expect(tcbInfoOf(await ask(restarted))).toEqual(tcbInfoOf(before));
    await until(() => events.some(({ outcome }) => outcome === "refused"));
    expect(tcbInfoOf(await ask(restarted))).toEqual(tcbInfoOf(before));
    // What is held has ended; the older one would count, and is refused all the same.
    clock.advance(29 * DAY);
    await expect(ask(restarted)).rejects.toMatchObject(UNAVAILABLE);
  });

  test("a list with a lower number is older, whatever its date", async () => {
    await goodDay();
    await say(PCK_CRL, { crlNumber: 9 });
    const source = await open();
    const before = await ask(source);
    await say(PCK_CRL, { crlNumber: 8, issued: 0 });
    clock.advance(2 * DAY);
    await ask(source);
    await until(() => events.some(({ outcome }) => outcome === "refused"));
    expect((await ask(source))?.pckCrl).toBe(before?.pckCrl);
  });
});

describe("E4 a service that is down or hangs", () => {
  test("fleets whose collateral is at hand go on, and nobody waits", async () => {
    await goodDay();
    const source = await open();
    const before = await ask(source);
    pcs.behave = hang;
    // Old enough to be renewed, not yet at its end.
    clock.advance(20 * DAY);
    for (let i = 0; i < 5; i++) expect(await ask(source)).toBe(before);
    await until(() => pcs.asked.length === 8);
  });

  test("the same after a restart, from the disk", async () => {
    await goodDay();
    const before = await ask(await open());
    await pcs.stop();
    const restarted = await open();
    expect(tcbInfoOf(await ask(restarted))).toEqual(tcbInfoOf(before));
  });

  test("nobody waits longer than their own deadline", async () => {
    pcs.behave = hang;
    const source = await open();
    await expect(ask(source, QUERY, AbortSignal.timeout(50))).rejects.toMatchObject(UNAVAILABLE);
  });

  test("E5 dripping bytes end at the deadline of the request", async () => {
    pcs.behave = drip;
    await expect(ask(await open({ timeoutSeconds: 1 }))).rejects.toMatchObject(UNAVAILABLE);
  });

  test("statements past their end count only as long as the grace says, and the log tells", async () => {
    await goodDay();
    const [strict, lenient] = [await open(), await open({}, { graceSeconds: 3 * 86_400 })];
    await ask(strict);
    const before = await ask(lenient);
    await pcs.stop();
    clock.advance(30 * DAY);
    await expect(ask(strict)).rejects.toMatchObject(UNAVAILABLE);
    expect(await ask(lenient)).toBe(before);
    expect(events.some(({ outcome }) => outcome === "stale")).toBe(true);
    clock.advance(3 * DAY);
    await expect(ask(lenient)).rejects.toMatchObject(UNAVAILABLE);
  });

  test("a lookup waits where it holds up nobody", async () => {
    await goodDay();
    const waiting: AbortSignal[] = [];
    const world = {
      httpGet: httpsGet,
      now: () => clock.now(),
      whileWaiting: <T>(signal: AbortSignal, wait: () => Promise<T>) => {
        waiting.push(signal);
        return wait();
      },
    };
    const source = await openIntelCollateral(settingsOf({}), intel.anchors, { graceSeconds: 0 }, world);
    const { signal } = new AbortController();
    await source.collateral(QUERY, whatever, signal);
    await source.collateral(QUERY, whatever, signal);
    expect(waiting.filter((each) => each === signal)).toEqual([signal]);
  });
});

describe("renewal", () => {
  test("what is older than refreshSeconds is asked for in the background; the newer statement then counts", async () => {
    await goodDay();
    const source = await open();
    const before = await ask(source);
    await goodDay(pcs, { issued: 1, expires: 31, evaluation: 19, crlNumber: 2 });
    clock.advance(DAY + 1);
    expect(await ask(source)).toBe(before);
    await until(() => tcbInfoOf(before) !== undefined && pcs.asked.length === 8);
    let after = await ask(source);
    while (tcbInfoOf(after).tcbEvaluationDataNumber !== 19) {
      await new Promise(setImmediate);
      after = await ask(source);
    }
    expect(pcs.asked).toHaveLength(8);
  });

  test("happens without anybody asking", async () => {
    await goodDay();
    const source = await open();
    await ask(source);
    source.renewDue();
    expect(pcs.asked).toHaveLength(4);
    clock.advance(DAY + 1);
    source.renewDue();
    await until(() => pcs.asked.length === 8);
  });

  test("that fails is tried again later, not with every guest", async () => {
    await goodDay();
    const source = await open();
    await ask(source);
    pcs.behave = answer(500);
    clock.advance(DAY + 1);
    await ask(source);
    await until(() => pcs.asked.length === 8);
    clock.advance(120_000);
    for (let i = 0; i < 5; i++) await ask(source);
    expect(pcs.asked).toHaveLength(8);
  });
});

describe("the cache on the disk", () => {
  test("E12 outlives a start with a clock that is far behind", async () => {
    await goodDay();
    const before = await ask(await open());
    await pcs.stop();
    clock.advance(-400 * DAY);
    await expect(ask(await open())).rejects.toMatchObject(UNAVAILABLE);
    clock.advance(400 * DAY);
    expect(tcbInfoOf(await ask(await open()))).toEqual(tcbInfoOf(before));
  });

  test("a statement that somebody changed there is removed, and the service asked", async () => {
    await goodDay();
    await ask(await open());
    const file = join(folder, "cache", "tcb-info", `tdx-${FMSPC}-early.json`);
    const { body, issuerChain } = JSON.parse(await readFile(file, "utf8"));
    const changed = Buffer.from(body, "base64").toString().replace("UpToDate", "OutOfDate");
    await writeFile(file, JSON.stringify({ body: Buffer.from(changed).toString("base64"), issuerChain }));
    const set = await ask(await open());
    expect(set?.tcbInfo.toString()).toContain("UpToDate");
    expect(pcs.count(TCB_INFO)).toBe(2);
  });

  test("brokers that share it do not overwrite each other's newer statements with older ones", async () => {
    await goodDay(pcs, { issued: -40, expires: 1 });
    const behind = await open();
    await ask(behind);
    clock.advance(2 * DAY);
    await goodDay(pcs, { issued: 1, evaluation: 19, crlNumber: 3 });
    const ahead = await ask(await open());
    await goodDay(pcs, { issued: 0, evaluation: 18, crlNumber: 2 });
    await ask(behind);
    await pcs.stop();
    expect(await ask(await open())).toMatchObject({ tcbInfo: ahead?.tcbInfo, pckCrl: ahead?.pckCrl });
  });

  test("nothing that did not verify is on it", async () => {
    await goodDay();
    await say(TCB_INFO, { signer: intel.root });
    await expect(ask(await open())).rejects.toMatchObject(UNAVAILABLE);
    await until(() => pcs.asked.length === 4);
    await expect(readdir(join(folder, "cache", "tcb-info"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("several sources", () => {
  const both = (): Partial<IntelCollateralSettings> => ({
    sources: ["pccs", "pcs"],
    pccs: { baseUrl: urls.pccs, apiVersion: "v4" },
  });

  test("the first good answer counts", async () => {
    await Promise.all([goodDay(pcs), goodDay(pccs)]);
    const set = await ask(await open(both()));
    expect(set?.origin).toContain("caching service");
    expect(pcs.asked).toEqual([]);
  });

  test.each<[string, () => Promise<void> | void]>([
    ["does not have it", () => undefined],
    [
      "is down",
      () => {
        pccs.behave = answer(502);
      },
    ],
    ["lies", async () => pccs.saysAll(await stateAll(intel, QUERY, { signer: intel.processor }))],
    ["is out of date", async () => pccs.saysAll(await stateAll(intel, QUERY, { issued: -60, expires: -30 }))],
  ])("the next one is asked when the first %s", async (_, arrange) => {
    await goodDay(pcs);
    await arrange();
    expect(await ask(await open(both()))).toBeDefined();
  });

  test("a PCCS has the root list at a path of its own, as text", async () => {
    await goodDay(pccs);
    const { body, issuerChain } = await state(intel, { kind: "root-ca-crl" });
    pccs.says({ kind: "root-ca-crl" }, { body: Buffer.from(body.toString("hex")), issuerChain });
    expect(await ask(await open({ pccs: { baseUrl: urls.pccs, apiVersion: "v4" } }))).toBeDefined();
    expect(pccs.asked).toContain("/sgx/certification/v4/rootcacrl");
    expect(pcs.asked).toEqual([]);
  });

  test("an old PCCS is asked in its own words", async () => {
    await goodDay(pccs);
    pccs.says(TCB_INFO, await state(intel, TCB_INFO), "SGX-TCB-Info-Issuer-Chain");
    await ask(await open({ pccs: { baseUrl: urls.pccs, apiVersion: "v3" } }));
    expect(pccs.asked).toContain(`/tdx/certification/v3/tcb?fmspc=${FMSPC}`);
    expect(pccs.asked).toContain("/tdx/certification/v3/qe/identity");
  });
});
