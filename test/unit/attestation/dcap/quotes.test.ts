import { createPublicKey } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import type {
  DcapCollateralQuery,
  DcapCollateralSource,
  PckCertificateQuery,
} from "../../../../src/attestation/formats/dcap/collateral.ts";
import { isBareQuote } from "../../../../src/attestation/formats/dcap/quote.ts";
import { tdxSection } from "../../../../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../../../src/attestation/verifiers/tdx/verify.ts";
import { writePem } from "../../../../src/crypto/pem.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import {
  DAY,
  EXPECTED,
  KEYS,
  make,
  NOW,
  PCK,
  pem,
  REPORT_DATA,
  type Story,
  tell,
  verifierFor,
} from "../../../support/fake-intel/index.ts";

const signal = AbortSignal.timeout(60_000);

async function claimsOf(story: Story): Promise<JsonObject> {
  const { results } = await tell(story);
  return results[0]?.claims ?? {};
}

/** CPUSVN, PCESVN 13 and PCEID 0 behind a PPID. */
const named = (type: number, ppid: Buffer, pceId = Buffer.alloc(2)): Story => ({
  quote: {
    certification: { type, data: Buffer.concat([ppid, Buffer.alloc(16, 4), Buffer.from([13, 0]), pceId]) },
  },
});

test.each([
  ["{", false],
  [" {", false],
  ["\n{", false],
  ["[", false],
  ["\u0003", true],
  ["\u0005", true],
  ["\u00ff", true],
])("a file that begins with %j is a quote alone: %p", (text, bare) => {
  expect(isBareQuote(Buffer.from(text, "latin1"))).toBe(bare);
});

describe("certification data", () => {
  test("type 4: a leaf in PEM, completed by an authority at hand", async () => {
    const { leaf } = await make({});
    for (const data of [pem(leaf), Buffer.concat([pem(leaf), Buffer.alloc(1)]), leaf])
      expect(await claimsOf({ quote: { certification: { type: 4, data } } })).toMatchObject({
        tcb_status: "UpToDate",
      });
  });

  test("type 4: a leaf of an authority that is not at hand refuses", async () => {
    const { leaf } = await make({ ca: "processor" });
    const story = { quote: { certification: { type: 4, data: pem(leaf) } } };
    await expect(tell(story)).rejects.toMatchObject({ check: "pck-chain" });
  });

  test.each([
    [1, Buffer.from(PCK.ppid)],
    [2, Buffer.alloc(256, 7)],
    [3, Buffer.alloc(384, 7)],
  ])("type %i: the certificate that a source has", async (type, ppid) => {
    const asked: PckCertificateQuery[] = [];
    const source = (
      right: DcapCollateralSource,
      made: { leaf: Buffer; intermediate: Buffer; root: Buffer },
    ) => ({
      ...right,
      pckCertificateChain: async (query: PckCertificateQuery, accept: (chain: Buffer) => boolean) => {
        asked.push(query);
        const chain = pem(made.leaf, made.intermediate, made.root);
        return accept(chain) ? chain : undefined;
      },
    });
    expect(await claimsOf({ ...named(type, ppid), source })).toMatchObject({ tcb_status: "UpToDate" });
    expect(asked[0]).toMatchObject({ pceSvn: 13, pceId: "0000", cpuSvn: Buffer.alloc(16, 4) });
    expect(asked[0]?.qeId).toEqual(Buffer.alloc(16, 0x51));
    expect([asked[0]?.ppid, asked[0]?.encryptedPpid].filter((it) => it !== undefined)).toEqual([ppid]);
  });

  test.each<readonly [string, Story, Story]>([
    ["of another processor", named(1, Buffer.alloc(16, 1)), {}],
    ["of another PCE", named(1, Buffer.from(PCK.ppid), Buffer.from([1, 0])), {}],
    [
      "whose key did not sign the enclave's report",
      named(3, Buffer.alloc(384)),
      { leaf: { publicKey: createPublicKey(KEYS.other) } },
    ],
    ["that does not verify", named(3, Buffer.alloc(384)), { leaf: { signingKey: KEYS.other } }],
  ])("a certificate %s is not accepted", async (_name, story, offer) => {
    const { leaf, intermediate, root } = await make(offer);
    const verdicts: boolean[] = [];
    const source = (right: DcapCollateralSource): DcapCollateralSource => ({
      ...right,
      pckCertificateChain: async (_query, accept) => {
        verdicts.push(accept(pem(leaf, intermediate, root)));
        return undefined;
      },
    });
    await expect(tell({ ...story, source })).rejects.toMatchObject({ check: "unsupported" });
    expect(verdicts).toEqual([false]);
  });

  test("line ends of other systems are read", async () => {
    const { leaf, intermediate, root } = await make({});
    const text = [leaf, intermediate, root].map((der) => writePem("CERTIFICATE", der)).join("");
    const data = Buffer.from(text.replaceAll("\n", "\r\n"));
    expect(await claimsOf({ quote: { certification: { type: 5, data } } })).toMatchObject({
      tcb_status: "UpToDate",
    });
  });
});

describe("what is remembered", () => {
  test("the same statements are verified once, and judged by the clock each time", async () => {
    const story = { source: (right: DcapCollateralSource) => right };
    const made = await make(story);
    let now = NOW;
    const parsed = tdxSection.parse({}, "");
    if (!parsed.ok) throw new Error("defaults are settings");
    const verifier = new TdxVerifier(parsed.value, made.source, () => now);
    const first = await verifier.verify(made.evidence, EXPECTED, signal);
    expect(await verifier.verify(made.evidence, EXPECTED, signal)).toEqual(first);
    now = NOW + 31 * DAY;
    await expect(verifier.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "crl-expired",
    });
    now = NOW + 3000 * DAY;
    await expect(verifier.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "validity",
    });
  });

  test("a quote behind a good enclave is still verified", async () => {
    const story = {};
    const made = await make(story);
    const verifier = verifierFor(story, made);
    await verifier.verify(made.evidence, EXPECTED, signal);
    for (const at of [48 + 136, 28, 632 + 4 + 10]) {
      const changed = Buffer.from(made.quote);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      await expect(verifier.verifyBinary(changed, EXPECTED, signal)).rejects.toMatchObject({
        check: "quote-signature",
      });
    }
  });

  test("a quoting enclave is not known by its key alone", async () => {
    const made = await make({});
    const verifier = verifierFor({}, made);
    await verifier.verify(made.evidence, EXPECTED, signal);
    const stranger = await make({
      quote: { qeAuthData: Buffer.alloc(32, 0xab), beforeQeSigning: (report) => report.fill(9, 320) },
    });
    await expect(verifier.verify(stranger.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "qe-binding",
    });
  });
});

describe("collateral", () => {
  test("is asked for only when the quote is genuine and bound", async () => {
    const asked: DcapCollateralQuery[] = [];
    const collateral: DcapCollateralSource["collateral"] = async (query) => {
      asked.push(query);
      return undefined;
    };
    const source = (right: DcapCollateralSource) => ({ ...right, collateral });
    const stories: Story[] = [
      {
        afterSigning: (quote) =>
          Buffer.concat([quote.subarray(0, 60), Buffer.alloc(1, 9), quote.subarray(61)]),
      },
      { expected: { runtimeDataDigest: Buffer.alloc(48, 1) } },
      { leaf: { notAfter: new Date(NOW - DAY) } },
    ];
    for (const story of stories) await expect(tell({ ...story, source })).rejects.toThrow();
    expect(asked).toEqual([]);
    await expect(tell({ source })).rejects.toMatchObject({ check: "no-collateral" });
    expect(asked).toEqual([{ tee: "tdx", fmspc: "00806f050000", ca: "platform" }]);
  });

  test("a set is judged as a whole before it is kept", async () => {
    const verdicts: (string | undefined)[] = [];
    const source = (right: DcapCollateralSource): DcapCollateralSource => ({
      ...right,
      collateral: async (query, accept, it) => {
        const set = await right.collateral(query, accept, it);
        if (set === undefined) throw new Error("the story has collateral");
        verdicts.push(accept(set), accept({ ...set, pckCrl: set.rootCaCrl }));
        return set;
      },
    });
    await tell({ source });
    expect(verdicts).toEqual([undefined, expect.stringContaining("crl-issuer")]);
  });

  test("counts after its end by the grace of the settings, and the claims tell", async () => {
    const past = {
      now: NOW + 21 * DAY,
      settings: { collateralGraceSeconds: 2 * 86_400 },
    };
    expect(await claimsOf(past)).toMatchObject({ collateral_expiration_status: "1" });
    expect(await claimsOf({})).toMatchObject({ collateral_expiration_status: "0" });
    await expect(tell({ ...past, now: NOW + 23 * DAY })).rejects.toMatchObject({ check: "tcb-info-expired" });
  });

  test("printed prettily on the way it still verifies, edited it does not", async () => {
    const pretty = (body: Buffer) => Buffer.from(JSON.stringify(JSON.parse(body.toString("utf8")), null, 2));
    const collateral: Story["collateral"] = ({ tcbInfo }) => ({ tcbInfo: pretty(tcbInfo) });
    expect(await claimsOf({ collateral })).toMatchObject({ tcb_status: "UpToDate" });
    const edited: Story["collateral"] = ({ tcbInfo }) => ({
      tcbInfo: Buffer.from(pretty(tcbInfo).toString("utf8").replace("OutOfDate", "UpToDate")),
    });
    await expect(tell({ collateral: edited })).rejects.toMatchObject({ check: "tcb-info-signature" });
  });

  test("a second statement behind the signed one is not read", async () => {
    const collateral: Story["collateral"] = ({ tcbInfo }) => ({
      tcbInfo: Buffer.from(tcbInfo.toString("utf8").replace(/\}$/, ',"tcbInfo":{}}')),
    });
    await expect(tell({ collateral })).rejects.toMatchObject({ check: "tcb-info-signature" });
  });
});

describe("B25 claims", () => {
  test("come only after everything held", async () => {
    const refusal: unknown = await tell({ pck: { pceSvn: 1 } }).catch((error: unknown) => error);
    expect(refusal).not.toHaveProperty("results");
  });

  test("B6 say of every attribute whether it is set", async () => {
    const attributes = (await claimsOf({}))["td_attributes"];
    expect(attributes).toMatchObject({
      debug: false,
      septve_disable: true,
      migratable: false,
      perfmon: false,
    });
    const enclave = await claimsOf({ tee: "sgx" });
    expect(enclave).toMatchObject({ debug: false, kss: true, provision_key: false });
  });

  test("a TD under a debugger that the settings accept is told", async () => {
    const story = {
      td: { tdAttributes: Buffer.from([0x20]) },
      settings: { allowDebug: true },
    };
    expect(await claimsOf(story)).toMatchObject({ td_attributes: { debug: true, perf_prof: true } });
  });

  test("B9 a service TD that the settings accept is told", async () => {
    const service = { td15: true, td: { mrServiceTd: Buffer.alloc(48, 2) } };
    for (const settings of [{ allowServiceTd: true }, { allowedServiceTds: ["02".repeat(48)] }])
      expect(await claimsOf({ ...service, settings })).toMatchObject({
        quote: { body: { mr_servicetd: "02".repeat(48) } },
      });
  });

  test("of a platform of the Processor CA leave out what it has not", async () => {
    const claims = await claimsOf({ ca: "processor" });
    expect(claims).toMatchObject({ sgx_type: "Standard", pck_ca: "processor" });
    for (const name of ["platform_instance_id", "is_dynamic_platform"])
      expect(claims).not.toHaveProperty(name);
  });

  test("init-data is the configuration id, padded or cut", async () => {
    const short = Buffer.alloc(32, 3);
    const padded = Buffer.concat([short, Buffer.alloc(16)]);
    const story = { td: { mrConfigId: padded }, expected: { initDataDigest: short } };
    expect(await claimsOf(story)).toMatchObject({ init_data: padded.toString("hex") });
    const long = Buffer.alloc(64, 4);
    await claimsOf({ td: { mrConfigId: long }, expected: { initDataDigest: long } });
    expect(
      await claimsOf({ tee: "sgx", enclave: { configId: long }, expected: { initDataDigest: long } }),
    ).toMatchObject({ report_data: Buffer.concat([REPORT_DATA, Buffer.alloc(16)]).toString("hex") });
  });
});
