import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { httpsGet } from "../../../../src/attestation/endorsements/https-get.ts";
import { openIntelCollateral } from "../../../../src/attestation/endorsements/intel-endorsements.ts";
import { piecesFor } from "../../../../src/attestation/endorsements/intel-pieces.ts";
import type { IntelCollateralSettings } from "../../../../src/attestation/endorsements/intel-settings.ts";
import { tdxSection } from "../../../../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../../../src/attestation/verifiers/tdx/verify.ts";
import { loadConfig } from "../../../../src/config/load.ts";
import { verifyTdx } from "../../../../src/verifiers/dcap.ts";
import { answer, hang } from "../../../support/fake-amd/kds.ts";
import { EXPECTED, FMSPC, type Made, make, NOW, PCK, pem } from "../../../support/fake-intel/index.ts";
import { FakePcs } from "../../../support/fake-intel/service.ts";
import { testAuthority } from "../../../support/tls-certificates.ts";

/** Quotes that name their PCK certificate by an encrypted PPID (certification data of type 3), and by one in the clear. */
const TCB = Buffer.concat([Buffer.from(PCK.components), Buffer.from([13, 0, 0, 0])]);
const ENCRYPTED = Buffer.alloc(384, 0xe5);

let encrypted: Made;
let clear: Made;
let folder: string;
let pcs: FakePcs;
let baseUrl: string;

beforeAll(async () => {
  const naming = (type: number, ppid: Uint8Array) =>
    make({ quote: { certification: { type, data: Buffer.concat([ppid, TCB]) } } });
  encrypted = await naming(3, ENCRYPTED);
  clear = await naming(1, PCK.ppid);
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-pck-"));
  pcs = new FakePcs();
  baseUrl = await pcs.start();
  serve(pcs, encrypted);
});

afterEach(async () => {
  await pcs.stop();
  await rm(folder, { recursive: true, maxRetries: 10 });
});

function serve(service: FakePcs, { collateral, leaf, intermediate, root }: Made): void {
  const { tcbInfo, tcbInfoIssuerChain, qeIdentity, pckCrl, rootCaCrl } = collateral;
  const statements = [tcbInfo, qeIdentity, pckCrl, rootCaCrl];
  const issuers = pem(intermediate, root);
  for (const [at, name] of piecesFor({ tee: "tdx", fmspc: FMSPC, ca: "platform" }).entries())
    service.says(name, {
      body: statements[at] ?? Buffer.alloc(0),
      issuerChain: name.kind === "pck-crl" ? issuers : tcbInfoIssuerChain,
    });
  service.certifies(pem(leaf).toString(), issuers.toString());
}

type Changes = Partial<Omit<IntelCollateralSettings, "pccs">> & {
  readonly pccs?: Partial<IntelCollateralSettings["pccs"]>;
};

async function open(changes: Changes = {}, key = "a-subscription-key") {
  const { config } = loadConfig("");
  if (config === undefined) throw new Error("the defaults are a configuration");
  const { intel } = config.collateral;
  const settings: IntelCollateralSettings = {
    ...intel,
    cacheFolder: join(folder, "cache"),
    timeoutSeconds: 30,
    ...changes,
    pccs: { ...intel.pccs, ...changes.pccs },
    pcs: { baseUrl, rootCrlUrl: `${baseUrl}/root.der` },
  };
  const world = { httpGet: httpsGet, now: () => NOW };
  return await openIntelCollateral(
    settings,
    encrypted.source.anchors,
    {
      graceSeconds: 0,
      pcsApiKey: key === "none" ? undefined : key,
    },
    world,
  );
}

async function verify(source: Awaited<ReturnType<typeof open>>, { evidence }: Made = encrypted) {
  const settings = tdxSection.parse({}, "settings");
  if (!settings.ok) throw new Error("settings");
  const verifier = new TdxVerifier(settings.value, source, () => NOW);
  return await verifier.verify(evidence, EXPECTED, AbortSignal.timeout(20_000));
}

const certificateRequests = () => pcs.asked.filter((url) => url.includes("/pckcert?"));

describe("a quote that names its PCK certificate", () => {
  test("is verified with the one that Intel's service has for the encrypted PPID", async () => {
    const { checks } = await verify(await open());
    expect(checks.at(-1)?.outcome).not.toBe("failed");
    expect(certificateRequests()).toEqual([
      `/sgx/certification/v4/pckcert?encrypted_ppid=${ENCRYPTED.toString("hex")}` +
        `&cpusvn=${Buffer.from(PCK.components).toString("hex")}&pcesvn=0d00&pceid=0000`,
    ]);
  });

  test("the subscription key goes to the service alone, not to the host of the root's list", async () => {
    const keys = new Map<string, unknown>();
    const { behave } = pcs;
    pcs.behave = (request, response) => {
      keys.set(request.url?.split("?")[0] ?? "", request.headers["ocp-apim-subscription-key"]);
      behave(request, response);
    };
    await verify(await open());
    expect(keys.get("/sgx/certification/v4/pckcert")).toBe("a-subscription-key");
    expect(keys.get("/root.der")).toBeUndefined();
  });

  test("without a subscription key Intel's service is not asked, and the quote refused", async () => {
    await expect(verify(await open({}, "none"))).rejects.toMatchObject({ check: "unsupported" });
    expect(certificateRequests()).toEqual([]);
  });

  test("a PCCS is asked by the id of the quoting enclave, for a PPID in the clear as well", async () => {
    const source = await open({ pccs: { baseUrl } }, "none");
    await verify(source, clear);
    expect(certificateRequests()[0]).toMatch(/pckcert\?qeid=[0-9a-f]{32}&cpusvn=/);
    await verify(source, encrypted);
    expect(certificateRequests()[1]).toMatch(/pckcert\?qeid=[0-9a-f]{32}&encrypted_ppid=e5/);
  });

  test("the certificate is kept, across restarts", async () => {
    const source = await open();
    await verify(source);
    await verify(source);
    expect(certificateRequests()).toHaveLength(1);
    pcs.certificates = answer(500);
    await verify(await open());
    expect(certificateRequests()).toHaveLength(1);
  });

  test("B29 one platform takes one place on the disk, however often its PPID is encrypted anew", async () => {
    const source = await open();
    for (let i = 1; i <= 4; i++)
      await verify(
        source,
        await make({
          quote: { certification: { type: 3, data: Buffer.concat([Buffer.alloc(384, i), TCB]) } },
        }),
      );
    expect(certificateRequests()).toHaveLength(4);
    expect(await readdir(join(folder, "cache", "pck"))).toHaveLength(1);
    await verify(
      await open(),
      await make({
        quote: { certification: { type: 3, data: Buffer.concat([Buffer.alloc(384, 4), TCB]) } },
      }),
    );
    expect(certificateRequests()).toHaveLength(4);
  });

  test.each<[string, (made: Made) => void]>([
    ["of another platform", (made) => pcs.certifies(pem(made.signer).toString(), pem(made.root).toString())],
    [
      "below another root",
      (made) => pcs.certifies(pem(made.leaf).toString(), pem(made.intermediate).toString().replace("A", "B")),
    ],
    ["that is none", () => pcs.certifies("none", "none")],
  ])("E5 a certificate %s is refused and not kept", async (_, lie) => {
    lie(encrypted);
    const source = await open();
    await expect(verify(source)).rejects.toMatchObject({ code: "collateral-unavailable" });
    serve(pcs, encrypted);
    expect(await verify(source)).toBeDefined();
  });

  test("E4 lookups of made-up platforms that hang do not stand between genuine ones and their collateral", async () => {
    pcs.certificates = hang;
    const source = await open({ maxConcurrent: 1, maxWaiting: 3 });
    const made = await Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        make({ quote: { certification: { type: 3, data: Buffer.concat([Buffer.alloc(384, i), TCB]) } } }),
      ),
    );
    const impatient = new AbortController();
    const stuck = made.map(({ evidence }) => {
      const settings = tdxSection.parse({}, "settings");
      if (!settings.ok) throw new Error("settings");
      return new TdxVerifier(settings.value, source, () => NOW)
        .verify(evidence, EXPECTED, impatient.signal)
        .catch((error: unknown) => error);
    });
    const query = { tee: "tdx", fmspc: FMSPC, ca: "platform" } as const;
    expect(await source.collateral(query, () => undefined, AbortSignal.timeout(20_000))).toBeDefined();
    impatient.abort();
    for (const outcome of await Promise.all(stuck))
      expect(outcome).toMatchObject({ code: "collateral-unavailable" });
  });
});

describe("a site without a network", () => {
  const chain = (...ders: Buffer[]) => encodeURIComponent(pem(...ders).toString());

  /** The file that Intel's PcsClientTool writes. */
  async function clientTool(made: Made, platform: object): Promise<string> {
    const { collateral, intermediate, root, signer } = made;
    const collaterals = {
      version: "4.0",
      pck_certs: [{ qe_id: "00".repeat(16), enc_ppid: "", certs: [{ cert: "%zz" }, {}] }, platform],
      tcbinfos: [{ fmspc: FMSPC, tdx_tcbinfo: collateral.tcbInfo.toString() }],
      tdqeidentity: collateral.qeIdentity.toString(),
      pckcacrl: { platformCrl: collateral.pckCrl.toString("hex"), processorCrl: "" },
      rootcacrl: collateral.rootCaCrl.toString("hex"),
      certificates: {
        "TCB-Info-Issuer-Chain": chain(signer, root),
        "SGX-Enclave-Identity-Issuer-Chain": chain(signer, root),
        "SGX-PCK-Certificate-Issuer-Chain": { PLATFORM: chain(intermediate, root), PROCESSOR: "" },
      },
    };
    const path = join(folder, "platform_collaterals.json");
    await writeFile(path, JSON.stringify({ platforms: [], collaterals }));
    return path;
  }

  const QE_ID = () => encrypted.quote.subarray(28, 44).toString("hex").toUpperCase();
  const certs = () => [{ cert: chain(encrypted.signer) }, { cert: chain(encrypted.leaf) }];

  test.each<[string, () => object, () => Made]>([
    ["an encrypted PPID", () => ({ qe_id: "", enc_ppid: ENCRYPTED.toString("hex") }), () => encrypted],
    ["the id of the quoting enclave", () => ({ qe_id: QE_ID(), enc_ppid: "" }), () => clear],
  ])("resolves %s by the certificates of its own machines", async (_, names, quote) => {
    const offlinePath = await clientTool(encrypted, { ...names(), certs: certs() });
    const { checks } = await verify(await open({ sources: ["offline"], offlinePath }), quote());
    expect(checks.some(({ outcome }) => outcome === "failed")).toBe(false);
    const settings = { allowedTcbStatuses: ["UpToDate"] };
    const judged = await verifyTdx(quote().evidence, {
      at: new Date(NOW),
      collateral: [await readFile(offlinePath)],
      trustAnchorsPem: [pem(encrypted.root).toString()],
      settings,
    });
    expect(judged.results).toHaveLength(1);
    expect(pcs.asked).toEqual([]);
  });

  test.each<[string, () => object]>([
    ["another machine's", () => ({ qe_id: "ff".repeat(16), enc_ppid: "ee", certs: certs() })],
    [
      "one that does not fit",
      () => ({ qe_id: QE_ID(), enc_ppid: "", certs: [{ cert: chain(encrypted.signer) }] }),
    ],
    ["no list of certificates", () => ({ qe_id: QE_ID(), enc_ppid: "", certs: "none" })],
  ])("refuses a quote where the file has %s", async (_, platform) => {
    const offlinePath = await clientTool(encrypted, platform());
    const source = await open({ sources: ["offline"], offlinePath });
    await expect(verify(source)).rejects.toMatchObject({ check: "unsupported" });
  });
});

describe("E7 connections to a PCCS", () => {
  async function secure(commonName: string) {
    const authority = await testAuthority();
    const server = createServer(await authority.issue(commonName), (request, response) =>
      pcs.behave(request, response),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // A TCP listener has an AddressInfo.
    const { port } = server.address() as AddressInfo;
    return { authority, server, url: `https://127.0.0.1:${port}` };
  }

  const query = { tee: "tdx", fmspc: FMSPC, ca: "platform" } as const;

  test("are verified: by the system's roots, or by those of the settings, never by none", async () => {
    const [right, other] = await Promise.all([secure("pccs"), secure("other")]);
    try {
      const [rightRoots, otherRoots] = [join(folder, "right.pem"), join(folder, "other.pem")];
      await writeFile(rightRoots, right.authority.pem);
      await writeFile(otherRoots, other.authority.pem);
      const ask = async (certificates: string | undefined) => {
        const pccs = { baseUrl: right.url, ...(certificates === undefined ? {} : { certificates }) };
        const source = await open({ pccs, cacheFolder: undefined });
        return await source.collateral(query, () => undefined, AbortSignal.timeout(20_000));
      };
      expect(await ask(rightRoots)).toBeDefined();
      await expect(ask(otherRoots)).rejects.toMatchObject({ code: "collateral-unavailable" });
      await expect(ask(undefined)).rejects.toMatchObject({ code: "collateral-unavailable" });
      await expect(ask(join(folder, "absent.pem"))).rejects.toMatchObject({ code: "collateral-unavailable" });
    } finally {
      for (const { server } of [right, other]) {
        server.closeAllConnections();
        server.close();
      }
    }
  });
});
