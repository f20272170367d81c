import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import {
  type AmdEndorsementSettings,
  openAmdEndorsements,
} from "../../../../src/attestation/endorsements/amd-endorsements.ts";
import { kdsVcekPath, storeFileName } from "../../../../src/attestation/endorsements/amd-kds.ts";
import { httpsGet } from "../../../../src/attestation/endorsements/https-get.ts";
import type { UpstreamEvent } from "../../../../src/attestation/endorsements/upstream.ts";
import { SnpVerifier } from "../../../../src/attestation/verifiers/snp/verify.ts";
import type { KbsError } from "../../../../src/errors.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { TestClock } from "../../../support/clock.ts";
import {
  EXPECTED,
  listDer,
  type Made,
  make,
  NOW,
  settingsOf,
  vendorKeys,
} from "../../../support/fake-amd/index.ts";
import { answer, cutOff, drip, endless, FakeKds, hang } from "../../../support/fake-amd/kds.ts";
import { testAuthority } from "../../../support/tls-certificates.ts";

let bare: Made;
let whole: Made;
let folder: string;
let kds: FakeKds;
let baseUrl: string;
let clock: TestClock;
let events: UpstreamEvent[];

beforeAll(async () => {
  bare = await make({ certificates: () => null });
  whole = await make({});
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-kds-"));
  kds = new FakeKds();
  baseUrl = await kds.start();
  clock = new TestClock(NOW);
  events = [];
});

afterEach(async () => {
  await kds.stop();
  await rm(folder, { recursive: true });
});

type Changes = Partial<AmdEndorsementSettings["kds"]> & {
  readonly offlineFolder?: string;
  readonly revocation?: string;
};

async function open({ offlineFolder, revocation, ...changes }: Changes = {}): Promise<SnpVerifier> {
  const settings = {
    kds: { ...settingsOf().kds, baseUrl, timeoutSeconds: 30, ...changes },
    ...(offlineFolder === undefined ? {} : { offlineFolder }),
  };
  const world = {
    httpGet: httpsGet,
    now: () => clock.now(),
    onEvent: (event: UpstreamEvent) => events.push(event),
  };
  const endorsements = await openAmdEndorsements(settings, bare.anchors, world);
  return new SnpVerifier(settingsOf(revocation === undefined ? {} : { revocation }), endorsements, () =>
    clock.now(),
  );
}

const verify = (verifier: SnpVerifier, made = bare, signal = AbortSignal.timeout(20_000)) =>
  verifier.verify(made.evidence, EXPECTED, signal);

const vcekRequests = () => kds.asked.filter((path) => path.startsWith("/vcek/v1/Genoa/0"));

/** The service of a good day: the certificate and a list. */
async function goodDay(): Promise<void> {
  const list = await listDer("Genoa", {});
  kds.behave = (request, response) =>
    (request.url?.endsWith("/crl") ? answer(200, list) : answer(200, bare.vekDer))(request, response);
}

describe("certificates from AMD's key distribution service", () => {
  test("asks for chip and TCB of the report, and accepts what verifies", async () => {
    await goodDay();
    const { checks } = await verify(await open());
    expect(vcekRequests()).toEqual([
      `/vcek/v1/Genoa/${bare.chipId.toString("hex")}?blSPL=10&teeSPL=01&snpSPL=23&ucodeSPL=84`,
    ]);
    expect(checks.find(({ check }) => check === "vek-available")?.seen).toContain("key distribution service");
  });

  test("names Turin's parts in Turin's way", () => {
    const tcb = { fmc: 1, bootloader: 3, tee: 2, snp: 5, microcode: 97 };
    expect(kdsVcekPath("Turin", "1e550a8ee5cf9f4d", { tcb })).toBe(
      "/vcek/v1/Turin/1e550a8ee5cf9f4d?fmcSPL=01&blSPL=03&teeSPL=02&snpSPL=05&ucodeSPL=97",
    );
    expect(storeFileName({ tcb })).toBe("bl03_tee02_snp05_ucode97_fmc01_vcek.der");
  });

  test("64 guests of one chip make one request", async () => {
    await goodDay();
    const verifier = await open();
    await Promise.all(Array.from({ length: 64 }, () => verify(verifier)));
    expect(vcekRequests()).toHaveLength(1);
  });

  test("never asks again for what it knows", async () => {
    await goodDay();
    const verifier = await open();
    await verify(verifier);
    await verify(verifier);
    expect(vcekRequests()).toHaveLength(1);
  });

  test("E6 no URL of the evidence is followed: a masked chip id and a VLEK ask nobody", async () => {
    await goodDay();
    const verifier = await open();
    const masked = await make({ report: { chipId: Buffer.alloc(64) }, certificates: () => null });
    const vlek = await make({ kind: "VLEK", certificates: () => null });
    await expect(verify(verifier, masked)).rejects.toMatchObject({ check: "vek-available" });
    await expect(verify(verifier, vlek)).rejects.toMatchObject({ check: "vek-available" });
    expect(kds.asked).toEqual([]);
  });

  test("a chip that AMD does not know is refused, and asked for once a minute", async () => {
    const verifier = await open();
    await expect(verify(verifier)).rejects.toMatchObject({
      code: "evidence-rejected",
      check: "vek-available",
    });
    await expect(verify(verifier)).rejects.toMatchObject({ check: "vek-available" });
    expect(vcekRequests()).toHaveLength(1);
    clock.advance(61_000);
    await expect(verify(verifier)).rejects.toMatchObject({ check: "vek-available" });
    expect(vcekRequests()).toHaveLength(2);
  });

  test("a service that throttles is left alone for as long as it asks", async () => {
    kds.behave = answer(429, undefined, { "retry-after": "120" });
    const verifier = await open();
    const other = await make({ report: { chipId: Buffer.alloc(64, 7) }, certificates: () => null });
    await expect(verify(verifier)).rejects.toMatchObject({
      code: "collateral-unavailable",
      retryAfterSeconds: 120,
    });
    await expect(verify(verifier, other)).rejects.toMatchObject({ code: "collateral-unavailable" });
    expect(kds.asked).toHaveLength(1);
    await goodDay();
    clock.advance(121_000);
    await expect(verify(verifier)).resolves.toMatchObject({ results: [{ teeClass: "cpu" }] });
  });

  test.each([
    ["E4 hangs", hang],
    ["E5 drips", drip],
    ["E5 sends without end", endless],
    ["is cut off", cutOff],
    ["fails", answer(500)],
    ["E6 redirects", answer(302, undefined, { location: "http://127.0.0.1:1/" })],
    ["E5 lies", answer(200, Buffer.from("not a certificate"))],
    ["E5 sends nothing", answer(200)],
  ])("%s: no trust, one request, and the next guest is told at once", async (_name, behaviour) => {
    kds.behave = behaviour;
    const verifier = await open({ timeoutSeconds: 1 });
    await expect(verify(verifier)).rejects.toMatchObject({ code: "collateral-unavailable" });
    await expect(verify(verifier)).rejects.toMatchObject({ code: "collateral-unavailable" });
    expect(vcekRequests()).toHaveLength(1);
  });

  test.each([
    [
      "another chip's",
      () =>
        make({
          vekExtensions: (e) =>
            e.map((x) =>
              x.oid.endsWith(".4") && !x.oid.endsWith(".3.4") ? { ...x, value: Buffer.alloc(64, 3) } : x,
            ),
        }),
    ],
    ["a stranger's", () => make({ vek: { signingKey: vendorKeys().other } })],
  ])("E5 %s certificate is not kept, and the right one is accepted later", async (_name, forge) => {
    const forged = await forge();
    kds.behave = answer(200, forged.vekDer);
    const verifier = await open({ cacheFolder: folder });
    await expect(verify(verifier)).rejects.toMatchObject({ code: "collateral-unavailable" });
    expect(await readdir(folder)).toEqual([]);
    await goodDay();
    clock.advance(61_000);
    await expect(verify(verifier)).resolves.toBeDefined();
  });

  test("E4 guests that bring their certificate do not wait for a service that hangs", async () => {
    kds.behave = hang;
    const verifier = await open();
    const patience = new AbortController();
    const stuck = verify(verifier, bare, patience.signal).catch((error: unknown) => error);
    await Promise.all(Array.from({ length: 64 }, () => verify(verifier, whole)));
    patience.abort();
    expect(await stuck).toMatchObject({ code: "collateral-unavailable" });
  });

  test("E4 after five failures in a row the service is left alone", async () => {
    kds.behave = answer(500);
    const verifier = await open({ maxConcurrent: 1 });
    for (let i = 1; i <= 6; i++) {
      const made = await make({ report: { chipId: Buffer.alloc(64, i) }, certificates: () => null });
      await expect(verify(verifier, made)).rejects.toMatchObject({ code: "collateral-unavailable" });
    }
    expect(kds.asked).toHaveLength(5);
  });

  test("the queue is bounded, and whoever finds it full is told", async () => {
    kds.behave = hang;
    const verifier = await open({ maxConcurrent: 1, maxWaiting: 1 });
    const chips = await Promise.all(
      [1, 2, 3].map((i) => make({ report: { chipId: Buffer.alloc(64, i) }, certificates: () => null })),
    );
    const patience = new AbortController();
    const guests = chips.map((made) =>
      verify(verifier, made, patience.signal).catch((error: KbsError) => error.detail),
    );
    expect(await Promise.race(guests)).toContain("too many");
    patience.abort();
    expect((await Promise.all(guests)).filter((detail) => String(detail).includes("deadline"))).toHaveLength(
      2,
    );
  });

  test("E12 a clock that jumps back does not stretch the memory of a failure", async () => {
    const verifier = await open();
    await expect(verify(verifier)).rejects.toMatchObject({ check: "vek-available" });
    clock.advance(-3_600_000);
    await expect(verify(verifier)).rejects.toMatchObject({ check: "vek-available" });
    expect(vcekRequests()).toHaveLength(2);
  });

  test("E7 a server whose certificate nobody vouches for is not believed, whatever the environment says", async () => {
    const { key, cert } = await (await testAuthority()).issue("kds");
    const server = createServer({ key, cert }, (_request, response) => response.end("x"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      const limits = { maxBytes: 100, timeoutMilliseconds: 5000 };
      await expect(httpsGet(new URL(`https://127.0.0.1:${port}/`), limits)).rejects.toMatchObject({
        name: "TransferError",
      });
    } finally {
      if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("the cache on disk", () => {
  test("serves a certificate after a restart without a request", async () => {
    await goodDay();
    await verify(await open({ cacheFolder: folder }));
    await verify(await open({ cacheFolder: folder }));
    expect(vcekRequests()).toHaveLength(1);
  });

  test("is not filled by reports nobody signed, whatever certificates AMD gives for them", async () => {
    await goodDay();
    const unsigned = { ...bare, evidence: withoutSignature(bare.evidence) };
    await expect(verify(await open({ cacheFolder: folder }), unsigned)).rejects.toMatchObject({
      check: "report-signature",
    });
    expect((await readdir(folder)).filter((name) => name !== "crl")).toEqual([]);
  });

  test("a file that somebody changed is of no use: it is removed, and the service asked", async () => {
    await goodDay();
    await verify(await open({ cacheFolder: folder }));
    const files = join(folder, "vcek", "Genoa", bare.chipId.toString("hex"));
    const [name = ""] = await readdir(files);
    await writeFile(join(files, name), "forged");
    await verify(await open({ cacheFolder: folder }));
    expect(vcekRequests()).toHaveLength(2);
  });

  test("a folder that cannot be written costs a request, not an answer", async () => {
    await goodDay();
    await writeFile(join(folder, "file"), "");
    await expect(verify(await open({ cacheFolder: join(folder, "file") }))).resolves.toBeDefined();
  });
});

describe("the offline folder", () => {
  const chip = () => join(folder, "vcek", bare.chipId.toString("hex"));

  test.each([
    ["by TCB", "bl10_tee01_snp23_ucode84_vcek.der"],
    ["of the chip", "vcek.der"],
  ])("finds the file %s, without a request", async (_name, file) => {
    await mkdir(chip(), { recursive: true });
    await writeFile(join(chip(), file), bare.vekDer);
    await expect(verify(await open({ enabled: false, offlineFolder: folder }))).resolves.toBeDefined();
    expect(kds.asked).toEqual([]);
  });

  test("with the network off and no file there is no certificate", async () => {
    const verifier = await open({ enabled: false, offlineFolder: folder });
    await expect(verify(verifier)).rejects.toMatchObject({ check: "vek-available" });
  });

  test("a store that cannot be read is not an empty one", async () => {
    await mkdir(join(chip(), "vcek.der"), { recursive: true });
    const verifier = await open({ enabled: false, offlineFolder: folder });
    await expect(verify(verifier)).rejects.toMatchObject({ code: "collateral-unavailable" });
    await expect(open({ offlineFolder: join(folder, "none") })).rejects.toMatchObject({
      code: "collateral-unavailable",
    });
  });

  test("B10 a revocation list in it counts, and a newer one is found without a restart", async () => {
    await writeFile(join(folder, "a.crl"), await listDer("Genoa", {}));
    const verifier = await open({ enabled: false, offlineFolder: folder, revocation: "required" });
    await expect(verify(verifier, whole)).resolves.toBeDefined();
    await writeFile(join(folder, "b.crl"), await listDer("Genoa", { revokedSerials: ["0101"] }));
    clock.advance(61_000);
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" });
  });

  test("a file that cannot be read refuses evidence by name", async () => {
    await writeFile(join(folder, "x.crl"), "0123456789");
    await expect(verify(await open({ enabled: false, offlineFolder: folder }), whole)).rejects.toMatchObject({
      check: "collateral-format",
      detail: expect.stringContaining("x.crl"),
    });
  });

  test("what guests are told names no folder of this machine", async () => {
    await writeFile(join(folder, "x.crl"), "0123456789");
    const verifier = await open({ enabled: false, offlineFolder: folder });
    await expect(verify(verifier, whole)).rejects.toMatchObject({
      detail: expect.not.stringContaining(folder),
    });
  });
});

describe("revocation lists from AMD's service", () => {
  const withList = async (list: Parameters<typeof listDer>[1]) => {
    kds.behave = answer(200, await listDer("Genoa", list));
  };

  test("B10 required: waits for a list, and refuses what is on it", async () => {
    await withList({ revokedSerials: ["0101"] });
    const verifier = await open({ revocation: "required" });
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" });
    expect(kds.asked).toEqual(["/vcek/v1/Genoa/crl"]);
  });

  test("B10 required: no list, no trust", async () => {
    kds.behave = hang;
    const verifier = await open({ revocation: "required", timeoutSeconds: 1 });
    await expect(verify(verifier, whole)).rejects.toMatchObject({ code: "collateral-unavailable" });
    kds.behave = answer(404);
    clock.advance(120_000);
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "crl-available" });
  });

  test("if-available: the first guest does not wait, later ones are held to the list", async () => {
    await withList({ revokedSerials: ["0101"] });
    const verifier = await open();
    await verify(verifier, whole);
    await eventually(() => expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" }));
  });

  test("E5 a forged list replaces nothing", async () => {
    await withList({});
    const verifier = await open({ revocation: "required" });
    await verify(verifier, whole);
    kds.behave = answer(
      200,
      await listDer("Genoa", { signingKey: vendorKeys().other, revokedSerials: ["0101"] }),
    );
    clock.advance(7 * 3_600_000);
    await verify(verifier, whole);
    await eventually(async () => expect(events.some(({ outcome }) => outcome === "refused")).toBe(true));
    await expect(verify(verifier, whole)).resolves.toBeDefined();
  });

  test("E12 an older list does not replace a newer one", async () => {
    await withList({ revokedSerials: ["0101"] });
    const verifier = await open({ revocation: "required" });
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" });
    await withList({ thisUpdate: new Date(NOW - 20 * 24 * 3_600_000) });
    clock.advance(7 * 3_600_000);
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" });
    await eventually(async () => expect(kds.asked).toHaveLength(2));
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "revocation" });
  });

  test("B10 a list that ran out and cannot be renewed is no list", async () => {
    await withList({ nextUpdate: new Date(NOW + 3_600_000) });
    const verifier = await open();
    await verify(verifier, whole);
    await eventually(async () =>
      expect((await verify(verifier, whole)).checks.some(({ check }) => check === "crl-freshness")).toBe(
        true,
      ),
    );
    kds.behave = answer(500);
    clock.advance(2 * 3_600_000);
    await expect(verify(verifier, whole)).rejects.toMatchObject({ check: "crl-freshness" });
  });

  test("lists survive a restart", async () => {
    await withList({});
    await verify(await open({ revocation: "required", cacheFolder: folder }), whole);
    kds.behave = hang;
    await eventually(async () => expect(await readdir(join(folder, "crl"))).toHaveLength(1));
    await expect(verify(await open({ cacheFolder: folder }), whole)).resolves.toBeDefined();
  });
});

function withoutSignature(evidence: JsonObject): JsonObject {
  const zeros = Array(72).fill(0);
  const report = evidence["attestation_report"];
  return {
    ...evidence,
    attestation_report: { ...(report as JsonObject), signature: { r: zeros, s: zeros } },
  };
}

/** Tries again until it holds: background work has no moment of its own to wait for. */
async function eventually(claim: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await claim();
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
