import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { printBundle } from "../../src/attestation/endorsements/bundle.ts";
import { piecesFor } from "../../src/attestation/endorsements/intel-pieces.ts";
import type { Attester } from "../../src/cli/guest/attester.ts";
import { Refused } from "../../src/cli/guest/refusal.ts";
import { writeJson } from "../../src/json/write.ts";
import { answer, hang } from "../support/fake-amd/kds.ts";
import { FMSPC, type Made, pem } from "../support/fake-intel/index.ts";
import { attesterOf, machineAt, quoteFor, quoteOfAnother } from "../support/fake-intel/machine.ts";
import { FakePcs } from "../support/fake-intel/service.ts";
import { attestOutcome, outcomeOf, type Product, product } from "../support/product.ts";

/**
 * The whole server with one place for appraisals, in front of a provisioning service that does what a test tells it:
 * nobody's guests may suffer from the service of others.
 */
let machine: Made;
let pcs: FakePcs;
let server: Product;
let url: string;

const PATH = "default/key/one";
/** Let in whoever verified: which TCB level is good enough is not what these tests are about. */
const RELEASE = 'package policy\ndefault allow := false\nallow if input["submods"]\n';

beforeAll(async () => {
  machine = await machineAt(Date.now());
  pcs = new FakePcs();
  url = await pcs.start();
  server = await product({
    vendor: false,
    attestation: "maxConcurrent: 1, maxWaiting: 64",
    files: { "intel-root.pem": pem(machine.root).toString() },
    sections: `dev: { dangerouslyUseDevTrustAnchors: { intel: [ intel-root.pem ] } }
collateral:
  intel:
    timeoutSeconds: 30
    negativeCacheSeconds: 1
    pcs: { baseUrl: "${url}", rootCrlUrl: "${url}/root.der" }
`,
  });
  await server.provision(PATH, "the secret", RELEASE);
});

afterAll(async () => {
  await server.close();
  await pcs.stop();
});

function goodDay(fmspc = FMSPC): void {
  for (const { name, ...raw } of entriesOf(machine, fmspc)) pcs.says(name, raw);
}

/** A guest on a machine of another kind, that Intel's service was never asked about. */
async function stranger(at: number): Promise<Attester> {
  const quote = await quoteOfAnother(machine, (0x7000 + at).toString(16), Buffer.from([at, 1, 2, 3, 4, 5]));
  return {
    tee: "tdx",
    collect: async ({ reportData }) => ({
      quote: quoteFor({ quote }, reportData).toString("base64"),
      cc_eventlog: null,
    }),
  };
}

const attested = (attester: Attester) => attestOutcome(server.guest({ attester }));

/** The machine's statements one by one. */
function entriesOf({ collateral, intermediate, root }: Made, fmspc = FMSPC) {
  const { tcbInfo, tcbInfoIssuerChain, qeIdentity, pckCrl, rootCaCrl } = collateral;
  const bodies = [tcbInfo, qeIdentity, pckCrl, rootCaCrl];
  return piecesFor({ tee: "tdx", fmspc, ca: "platform" }).map((name, at) => ({
    name,
    body: bodies[at] ?? Buffer.alloc(0),
    issuerChain: name.kind === "pck-crl" ? pem(intermediate, root) : tcbInfoIssuerChain,
  }));
}

function bundleOf(made: Made): string {
  return writeJson(printBundle({ createdAt: new Date().toISOString(), intel: entriesOf(made), amd: [] }));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

describe("TDX guests", () => {
  test("are believed with what Intel's service states, and get their secret", async () => {
    goodDay();
    const outcome = await outcomeOf(server.guest({ attester: attesterOf(machine) }), PATH);
    expect(outcome.toString()).toBe("the secret");
  });

  test("E4 go on while the service hangs for others, although there is one place for appraisals only", async () => {
    const before = pcs.asked.length;
    pcs.does({ kind: "tcb-info", tee: "tdx", fmspc: "010102030405" }, hang);
    pcs.does({ kind: "tcb-info", tee: "tdx", fmspc: "020102030405" }, hang);
    const impatient = new AbortController();
    const stuck = Promise.all(
      [await stranger(1), await stranger(2)].map(async (attester) => {
        const outcome = await attested(attester);
        impatient.abort();
        return outcome;
      }),
    );
    await until(() => pcs.asked.length === before + 2);
    for (let i = 0; i < 3; i++) expect(await attested(attesterOf(machine))).not.toBeInstanceOf(Refused);
    expect(impatient.signal.aborted).toBe(false);
    pcs.closeConnections();
    for (const outcome of await stuck)
      expect(outcome).toMatchObject({ status: 503, answer: { code: "collateral-unavailable" } });
  });

  test("E5 of a machine that the service lies about are refused as unavailable, not as forged", async () => {
    pcs.says(
      { kind: "tcb-info", tee: "tdx", fmspc: "030102030405" },
      {
        body: machine.collateral.tcbInfo,
        issuerChain: machine.collateral.tcbInfoIssuerChain,
      },
    );
    expect(await attested(await stranger(3))).toMatchObject({
      status: 503,
      answer: { code: "collateral-unavailable" },
    });
  });

  test("of a machine that Intel does not know are refused for good", async () => {
    pcs.does({ kind: "tcb-info", tee: "tdx", fmspc: "040102030405" }, answer(404));
    expect(await attested(await stranger(4))).toMatchObject({
      status: 401,
      answer: { code: "evidence-rejected" },
    });
  });

  test("E6 nothing but the configured service was asked, and only its fixed paths", () => {
    expect(pcs.asked.length).toBeGreaterThan(0);
    for (const url of pcs.asked)
      expect(url).toMatch(
        /^\/(?:root\.der|(?:tdx|sgx)\/certification\/v4\/(?:tcb\?fmspc=[0-9a-f]{12}&update=early|qe\/identity\?update=early|pckcrl\?ca=platform&encoding=der))$/,
      );
  });
});

test("E4 a service that hangs for more guests than may wait, and then fails, does not end the broker", async () => {
  const small = await product({
    vendor: false,
    attestation: "maxConcurrent: 1, maxWaiting: 1",
    files: { "intel-root.pem": pem(machine.root).toString() },
    sections: `dev: { dangerouslyUseDevTrustAnchors: { intel: [ intel-root.pem ] } }
collateral: { intel: { timeoutSeconds: 30, pcs: { baseUrl: "${url}", rootCrlUrl: "${url}/root.der" } } }
`,
  });
  try {
    goodDay();
    const asked = () => pcs.asked.filter((path) => path.includes("/tcb?")).length;
    const before = asked();
    const numbers = [21, 22, 23, 24];
    for (const at of numbers)
      pcs.does(
        { kind: "tcb-info", tee: "tdx", fmspc: Buffer.from([at, 1, 2, 3, 4, 5]).toString("hex") },
        hang,
      );
    const strangers = await Promise.all(numbers.map(stranger));
    const outcomes = Promise.all(strangers.map((attester) => attestOutcome(small.guest({ attester }))));
    await until(() => asked() >= before + 3);
    pcs.closeConnections();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 503 });
    expect(await attestOutcome(small.guest({ attester: attesterOf(machine) }))).not.toBeInstanceOf(Refused);
  } finally {
    await small.close();
  }
});

describe("a site without a network", () => {
  test("lets TDX guests in with one file that was carried there, and refuses machines it is not for", async () => {
    const offline = await product({
      vendor: false,
      files: { "intel-root.pem": pem(machine.root).toString(), "bundle.json": bundleOf(machine) },
      sections: `dev: { dangerouslyUseDevTrustAnchors: { intel: [ intel-root.pem ] } }
collateral: { intel: { sources: [ offline ], offlinePath: bundle.json } }
`,
    });
    try {
      await offline.provision(PATH, "the secret", RELEASE);
      const outcome = await outcomeOf(offline.guest({ attester: attesterOf(machine) }), PATH);
      expect(outcome.toString()).toBe("the secret");
      const other = await attestOutcome(offline.guest({ attester: await stranger(9) }));
      expect(other).toMatchObject({ status: 401, answer: { code: "evidence-rejected" } });
    } finally {
      await offline.close();
    }
  });
});
