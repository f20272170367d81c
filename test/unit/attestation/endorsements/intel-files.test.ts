import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { printBundle } from "../../../../src/attestation/endorsements/bundle.ts";
import { httpsGet } from "../../../../src/attestation/endorsements/https-get.ts";
import { openIntelCollateral } from "../../../../src/attestation/endorsements/intel-endorsements.ts";
import {
  offlineIntelCollateral,
  readIntelPath,
} from "../../../../src/attestation/endorsements/intel-files.ts";
import { readIntelMaterial } from "../../../../src/attestation/endorsements/intel-material.ts";
import type { UpstreamEvent } from "../../../../src/attestation/endorsements/upstream.ts";
import type { DcapCollateral } from "../../../../src/attestation/formats/dcap/collateral.ts";
import { readList } from "../../../../src/attestation/formats/dcap/revocation-lists.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import { writeJson } from "../../../../src/json/write.ts";
import { TestClock } from "../../../support/clock.ts";
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
  stateAll,
} from "../../../support/fake-intel/statements.ts";
import { NOW } from "../../../support/tokens.ts";

const DAY = 86_400_000;

let intel: FakeIntel;
let folder: string;
let clock: TestClock;
let events: UpstreamEvent[];

beforeAll(async () => {
  intel = await fakeIntel();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-files-"));
  clock = new TestClock(NOW);
  events = [];
});

afterEach(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

async function bundle(saying: Saying = {}, query = QUERY): Promise<string> {
  const entries = (await stateAll(intel, query, saying)).map(({ name, raw }) => ({ name, ...raw }));
  return writeJson(printBundle({ createdAt: "2026-06-01T00:00:00Z", intel: entries, amd: [] }));
}

/** Collateral of one platform as one JSON object. */
async function set(saying: Saying = {}, query = QUERY): Promise<Record<string, string>> {
  const [info, identity, list, root] = (await stateAll(intel, query, saying)).map(({ raw }) => raw);
  const signed = (body: Buffer | undefined, name: string) => {
    const text = body?.toString() ?? "";
    const cut = text.lastIndexOf(',"signature":"');
    return [text.slice(name.length + 4, cut), text.slice(cut + 14, -2)] as const;
  };
  const [tcbInfo, tcbInfoSignature] = signed(info?.body, "tcbInfo");
  const [qeIdentity, qeIdentitySignature] = signed(identity?.body, "enclaveIdentity");
  return {
    tcb_info: tcbInfo,
    tcb_info_signature: tcbInfoSignature,
    tcb_info_issuer_chain: pem(intel.signer, intel.root),
    qe_identity: qeIdentity,
    qe_identity_signature: qeIdentitySignature,
    qe_identity_issuer_chain: pem(intel.signer, intel.root),
    pck_crl: list?.body.toString("hex") ?? "",
    pck_crl_issuer_chain: pem(intel.platform, intel.root),
    root_ca_crl: root?.body.toString("hex") ?? "",
  };
}

const good = () => undefined;
const bad = () => "no";
const evaluationOf = (found: DcapCollateral | undefined) =>
  JSON.parse(found?.tcbInfo.toString() ?? "{}").tcbInfo?.tcbEvaluationDataNumber;

async function read(accept: (set: DcapCollateral) => string | undefined = good, query = QUERY) {
  const material = await readIntelPath(folder, "the folder");
  const source = offlineIntelCollateral(intel.anchors, material, clock.now);
  const { signal } = new AbortController();
  return { faults: source.faults, found: await source.collateral(query, accept, signal) };
}

describe("forms of files", () => {
  test("the file of Intel's PcsClientTool", async () => {
    const [info, identity, list, root] = (await stateAll(intel)).map(({ raw }) => raw);
    const chain = encodeURIComponent(pem(intel.signer, intel.root));
    const collaterals = {
      version: "4.0",
      tcbinfos: [{ fmspc: FMSPC, tdx_tcbinfo: JSON.parse(info?.body.toString() ?? "") }],
      tdqeidentity: identity?.body.toString(),
      pckcacrl: { platformCrl: list?.body.toString("hex"), processorCrl: "" },
      rootcacrl: root?.body.toString("hex"),
      certificates: {
        "TCB-Info-Issuer-Chain": chain,
        "SGX-Enclave-Identity-Issuer-Chain": chain,
        "SGX-PCK-Certificate-Issuer-Chain": {
          PLATFORM: encodeURIComponent(pem(intel.platform, intel.root)),
          PROCESSOR: encodeURIComponent(pem(intel.processor, intel.root)),
        },
      },
    };
    await writeFile(at("platform_collaterals.json"), JSON.stringify({ platforms: [], collaterals }));
    expect((await read()).found).toBeDefined();
  });

  test("one JSON object with everything, and a bundle", async () => {
    await writeFile(at("set.json"), JSON.stringify(await set()));
    expect((await read()).found?.origin).toBe("the given collateral");
    await writeFile(at("set.json"), await bundle());
    expect((await read()).found).toBeDefined();
  });

  test.each([
    ["JSON that is none", "a.json", "{"],
    ["JSON of something else", "b.json", '{"hello":1}'],
    ["a bundle of another version", "c.json", '{"format":"keywarden-collateral","version":9}'],
    ["a list that is none", "d.crl", "3082"],
  ])("%s is a fault, which names the file and not the folder", async (_, name, content) => {
    await writeFile(at("good.json"), await bundle());
    await writeFile(at(name), content);
    const { faults } = await read();
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(name);
    expect(faults[0]).not.toContain(folder);
  });

  test("B29 no file crashes the reader", () => {
    const text = fc.oneof(fc.json(), fc.string(), fc.constant(`{"tcbInfo":{"fmspc":"${FMSPC}"}}`));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      text.map((value) => Buffer.from(value)),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        expect(readIntelMaterial(Buffer.from(content), "a file").faults.length).toBeLessThan(2);
      }),
    );
  });
});

describe("which of several files", () => {
  test("the one for the platform that is asked about", async () => {
    await writeFile(at("a.json"), JSON.stringify(await set({}, { ...QUERY, fmspc: OTHER_FMSPC })));
    await writeFile(at("b.json"), JSON.stringify(await set()));
    const isOurs = ({ tcbInfo }: DcapCollateral) =>
      tcbInfo.includes(FMSPC.toUpperCase()) ? undefined : "another platform";
    expect((await read(isOurs)).found?.tcbInfo.toString()).toContain(FMSPC.toUpperCase());
  });

  test("the one that counts, not the newer one that does not yet", async () => {
    await writeFile(at("a.json"), await bundle({ evaluation: 19, issued: 2, expires: 40 }));
    await writeFile(at("b.json"), await bundle({ evaluation: 18 }));
    await writeFile(at("c.json"), await bundle({ evaluation: 17, issued: -3 }));
    expect(evaluationOf((await read()).found)).toBe(18);
    clock.advance(3 * DAY);
    expect(evaluationOf((await read()).found)).toBe(19);
  });

  test("the newest of those that came as a whole, whatever the names of the files", async () => {
    await writeFile(at("a.json"), JSON.stringify(await set({ evaluation: 17, issued: -3, crlNumber: 1 })));
    await writeFile(at("b.json"), JSON.stringify(await set({ evaluation: 18, crlNumber: 2 })));
    await writeFile(at("c.json"), JSON.stringify(await set({ evaluation: 17, issued: -2, crlNumber: 1 })));
    const { found } = await read();
    expect(evaluationOf(found)).toBe(18);
    expect(readList(found?.pckCrl ?? Buffer.alloc(0)).number).toBe(2n);
  });

  test("the one whose signer's certificate counts: an old one may have the same key", async () => {
    const past = await pastSigner(intel);
    for (const first of [true, false]) {
      const answers = await stateAll(intel);
      for (const [i, { raw }] of answers.entries()) {
        const text = raw.body.toString("latin1");
        await writeFile(at(`${i}.${text.startsWith("{") ? "json" : "crl"}`), raw.body);
      }
      await writeFile(at("issuer-a.pem"), pem(first ? past : intel.signer));
      await writeFile(at("issuer-b.pem"), pem(first ? intel.signer : past));
      await writeFile(at("issuer-c.pem"), pem(intel.platform, intel.processor));
      const { found } = await read();
      expect(found?.tcbInfoIssuerChain.toString()).toBe(pem(intel.signer, intel.root));
    }
  });

  test("the genuine one, not the forged one that is newer", async () => {
    await writeFile(at("a.json"), await bundle({ evaluation: 18 }));
    await writeFile(at("b.json"), (await bundle({ evaluation: 17 })).replaceAll('":17', '":99'));
    expect(evaluationOf((await read()).found)).toBe(18);
  });

  test("none will do: the nearest one, so that the refusal can say what is wrong", async () => {
    await writeFile(at("only.json"), JSON.stringify(await set({}, { ...QUERY, fmspc: OTHER_FMSPC })));
    expect((await read(bad)).found?.tcbInfo.toString()).toContain(OTHER_FMSPC.toUpperCase());
  });

  test("a statement is missing: there is no collateral", async () => {
    const { pck_crl: _, ...rest } = JSON.parse(JSON.stringify(await set()));
    await writeFile(at("cut.json"), JSON.stringify(rest));
    expect(await read()).toMatchObject({ faults: [expect.stringContaining("pck_crl")], found: undefined });
  });
});

describe("the source offline", () => {
  async function open(
    sources: readonly ("offline" | "pcs")[] = ["offline"],
    baseUrl = "https://pcs.invalid",
  ) {
    const { config } = loadConfig("");
    if (config === undefined) throw new Error("the defaults are a configuration");
    const { intel: defaults } = config.collateral;
    const settings = {
      ...defaults,
      sources,
      offlinePath: at("bundle.json"),
      cacheFolder: undefined,
      pcs: { baseUrl, rootCrlUrl: `${baseUrl}/root.der` },
    };
    const onEvent = (event: UpstreamEvent) => events.push(event);
    const world = { httpGet: httpsGet, now: clock.now, onEvent };
    return await openIntelCollateral(settings, intel.anchors, { graceSeconds: 0 }, world);
  }

  const ask = async (source: Awaited<ReturnType<typeof open>>) =>
    evaluationOf(await source.collateral(QUERY, good, AbortSignal.timeout(10_000)));

  /** A file of another time, as a copy of it would be. */
  async function replace(content: string, seconds: number): Promise<void> {
    await writeFile(at("bundle.json"), content);
    await utimes(at("bundle.json"), seconds, seconds);
  }

  test("a file that is not there stops the start", async () => {
    await expect(open()).rejects.toMatchObject({ code: "collateral-unavailable" });
  });

  test("a new bundle is read without a restart; a broken one leaves the old, and the log tells", async () => {
    await replace(await bundle({ evaluation: 17 }), 1);
    const source = await open();
    expect(await ask(source)).toBe(17);
    await replace('{"format":"keywarden-colla', 2);
    clock.advance(61_000);
    expect(await ask(source)).toBe(17);
    expect(events).toContainEqual(expect.objectContaining({ outcome: "failed" }));
    await replace(await bundle({ evaluation: 18 }), 3);
    clock.advance(61_000);
    let now = await ask(source);
    for (let i = 0; now !== 18 && i < 100; i++) {
      await new Promise(setImmediate);
      now = await ask(source);
    }
    expect(now).toBe(18);
  });

  test("what has ended is handed on as it is: no service could have better", async () => {
    await replace(await bundle(), 1);
    const source = await open();
    clock.advance(40 * DAY);
    expect(await ask(source)).toBe(18);
  });

  test("Intel's service is asked only for what the file does not have", async () => {
    const pcs = new FakePcs();
    const url = await pcs.start();
    try {
      await replace(await bundle(), 1);
      pcs.saysAll(await stateAll(intel, { ...QUERY, fmspc: OTHER_FMSPC }));
      const source = await open(["offline", "pcs"], url);
      expect(await ask(source)).toBe(18);
      expect(pcs.asked).toEqual([]);
      const other = { ...QUERY, fmspc: OTHER_FMSPC };
      expect(await source.collateral(other, good, AbortSignal.timeout(10_000))).toBeDefined();
      expect(pcs.asked).toEqual([`/tdx/certification/v4/tcb?fmspc=${OTHER_FMSPC}&update=early`]);
    } finally {
      await pcs.stop();
    }
  });
});
