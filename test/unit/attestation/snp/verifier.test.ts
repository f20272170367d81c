import { beforeAll, describe, expect, test } from "@jest/globals";
import { openVerifiers, type VerifierWorld } from "../../../../src/attestation/drivers.ts";
import { NO_MATERIAL, offlineEndorsements } from "../../../../src/attestation/endorsements/amd-material.ts";
import { httpsGet } from "../../../../src/attestation/endorsements/https-get.ts";
import type { AmdEndorsements } from "../../../../src/attestation/formats/sev-snp/endorsements.ts";
import { snpSection } from "../../../../src/attestation/verifiers/snp/settings.ts";
import { SnpVerifier } from "../../../../src/attestation/verifiers/snp/verify.ts";
import { VERIFIER_SECTIONS, type VerifierConfigs } from "../../../../src/config/verifier-sections.ts";
import { writePem } from "../../../../src/crypto/pem.ts";
import { authorityExtensions, DEVELOPMENT_MARK } from "../../../../src/dev/amd-certificates.ts";
import { writeJson } from "../../../../src/json/write.ts";
import {
  DerError,
  EvidenceRejected,
  KbsError,
  readJson,
  SNP_CHECKS,
  verifySnp,
} from "../../../../src/verifiers.ts";
import { TestClock } from "../../../support/clock.ts";
import {
  EXPECTED,
  INIT_DATA,
  listOf,
  type Made,
  make,
  NOW,
  REPORT_DATA,
  settingsOf,
  tell,
  verifierFor,
} from "../../../support/fake-amd/index.ts";

const signal = new AbortController().signal;
let made: Made;
beforeAll(async () => {
  made = await make({});
});

describe("a chain that is known", () => {
  test("tells the same checks and claims as one that is new", async () => {
    const verifier = verifierFor({}, made);
    const first = await verifier.verify(made.evidence, EXPECTED, signal);
    expect(await verifier.verify(made.evidence, EXPECTED, signal)).toEqual(first);
  });

  test("E12 is judged by the time of each evidence", async () => {
    const clock = new TestClock(NOW);
    const verifier = new SnpVerifier(settingsOf(), offlineEndorsements(made.anchors, NO_MATERIAL), clock.now);
    await verifier.verify(made.evidence, EXPECTED, signal);
    clock.advance(400 * 24 * 3_600_000);
    await expect(verifier.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "certificate-validity",
    });
    clock.advance(-500 * 24 * 3_600_000);
    await expect(verifier.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "certificate-validity",
    });
  });

  test("B10 is judged by the revocation lists of each evidence", async () => {
    const right = offlineEndorsements(made.anchors, NO_MATERIAL);
    let lists = [await listOf("Genoa", {})];
    const verifier = new SnpVerifier(
      settingsOf(),
      { ...right, revocationLists: async () => lists },
      () => NOW,
    );
    await verifier.verify(made.evidence, EXPECTED, signal);
    lists = [await listOf("Genoa", { revokedSerials: ["0101"] })];
    await expect(verifier.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "revocation",
    });
  });

  test("does not vouch for another label, another report or other certificates beside it", async () => {
    const verifier = verifierFor({}, made);
    await verifier.verify(made.evidence, EXPECTED, signal);
    const labelled = { ...made.evidence, cert_chain: [{ cert_type: "VLEK", data: [...made.vekDer] }] };
    await expect(verifier.verify(labelled, EXPECTED, signal)).rejects.toMatchObject({ check: "key-kind" });
    const foreign = [
      { cert_type: "VCEK", data: [...made.vekDer] },
      { cert_type: "ARK", data: [...made.vekDer] },
    ];
    await expect(
      verifier.verify({ ...made.evidence, cert_chain: foreign }, EXPECTED, signal),
    ).rejects.toMatchObject({ check: "chain-root" });
    const other = await make({ report: { measurement: Buffer.alloc(48, 1) } });
    const mixed = { ...other.evidence, cert_chain: made.evidence["cert_chain"] ?? null };
    await expect(verifier.verify(mixed, EXPECTED, signal)).rejects.toMatchObject({
      check: "report-signature",
    });
  });
});

describe("a development root", () => {
  const root = { extensions: [...authorityExtensions(true, undefined), DEVELOPMENT_MARK] };
  const asked = (_made: Made, right: AmdEndorsements): AmdEndorsements => ({
    ...right,
    revocationLists: async () => {
      throw new Error("asked");
    },
  });

  test("is named as one in the checks, and AMD is not asked about it", async () => {
    const { checks } = await tell({ root, endorsements: asked });
    expect(checks.find(({ check }) => check === "chain-root")?.seen).toContain("development root");
    await expect(tell({ endorsements: asked })).rejects.toThrow("asked");
  });

  test("has no revocation list: where one is required it is refused", async () => {
    await expect(tell({ root, settings: { revocation: "required" } })).rejects.toMatchObject({
      check: "crl-available",
    });
  });
});

describe("the list of drivers", () => {
  const world: VerifierWorld = {
    httpGet: async () => {
      throw new Error("nothing is asked at start");
    },
    now: () => NOW,
  };
  const configs = (snp: object) => {
    const parsed = Object.entries(VERIFIER_SECTIONS).map(([name, section]) => {
      const result = section.parse(name === "snp" ? snp : undefined, `verifiers.${name}`);
      if (!result.ok) throw new Error("settings");
      return [name, result.value];
    });
    // Every section's own value under its own name, which the list of sections says and entries forget.
    return Object.fromEntries(parsed) as VerifierConfigs;
  };

  test("opens what the configuration enables, without asking anybody", async () => {
    const tees = async (snp: object) =>
      (await openVerifiers(configs(snp), world)).map(({ tee }) => tee).sort();
    expect(await tees({})).toEqual(expect.arrayContaining(["sample", "sampledevice", "snp"]));
    expect(await tees({ enabled: false })).not.toContain("snp");
  });

  test("B12 development roots count only when they are handed in", async () => {
    const pem = [made.rootDer, made.intermediateDer].map((der) => writePem("CERTIFICATE", der));
    const offline = configs({ kds: { enabled: false } });
    const [production, development] = await Promise.all([
      openVerifiers(offline, world),
      openVerifiers(offline, { ...world, devTrustAnchorsPem: { snp: pem } }),
    ]);
    const snp = (verifiers: typeof production) => verifiers.find(({ tee }) => tee === "snp");
    await expect(snp(production)?.verify(made.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "chain-signature",
    });
    await expect(snp(development)?.verify(made.evidence, EXPECTED, signal)).resolves.toBeDefined();
  });

  test("the real transport is one that verifies", () => {
    expect(httpsGet).toBeInstanceOf(Function);
  });
});

describe("settings of snp", () => {
  test("are safe when nothing is written", () => {
    expect(settingsOf()).toMatchObject({
      minimumReportVersion: 3,
      allowedVmpls: [0],
      allowDebug: false,
      allowMigrationAgent: false,
      allowMaskedChipId: false,
      dangerouslyIgnoreCertificateValidity: false,
      revocation: "if-available",
      kds: { baseUrl: "https://kdsintf.amd.com", timeoutSeconds: 10 },
    });
  });

  test("report every fault at once, with its path", () => {
    const parsed = snpSection.parse(
      {
        allowedVmpl: [1],
        minimumReportVersion: 1,
        allowedVmpls: [],
        minimumTcb: { Genua: {} },
        kds: { baseUrl: "http://kds.example" },
      },
      "verifiers.snp",
    );
    const paths = parsed.ok ? [] : parsed.faults.map(({ path }) => path).sort();
    expect(paths).toEqual([
      "verifiers.snp.allowedVmpl",
      "verifiers.snp.allowedVmpls",
      "verifiers.snp.kds.baseUrl",
      "verifiers.snp.minimumReportVersion",
      "verifiers.snp.minimumTcb.Genua",
    ]);
  });

  test.each([
    "https://user:x@kds.example",
    "https://kds.example/path",
    "file:///etc",
    "http://kds.example",
    "kds.example",
    "",
  ])("E6 %s is no service", (baseUrl) => expect(snpSection.parse({ kds: { baseUrl } }, "x").ok).toBe(false));

  test("E7 has no switch for the verification of servers", () => {
    expect(JSON.stringify(snpSection.jsonSchema)).not.toMatch(
      /tls|insecure|verifyServer|rejectUnauthorized/i,
    );
  });
});

describe("the library", () => {
  const options = () => ({
    at: new Date(NOW),
    trustAnchorsPem: [made.rootDer, made.intermediateDer].map((der) => writePem("CERTIFICATE", der)),
  });

  test("verifies text, values and binary reports with the broker's own verifier", async () => {
    const text = writeJson(made.evidence);
    const wanted = { ...options(), reportData: REPORT_DATA, initDataDigest: INIT_DATA };
    const fromText = await verifySnp(text, wanted);
    expect(await verifySnp(Buffer.from(text), wanted)).toEqual(fromText);
    expect((await verifySnp(made.evidence, wanted)).results).toEqual(fromText.results);
    expect((await verifySnp(readJson(text), wanted)).results).toEqual(fromText.results);
    expect((await verifySnp(made.report, { ...wanted, collateral: [made.vekDer] })).results).toEqual(
      fromText.results,
    );
  });

  test("refuses as the broker does", async () => {
    await expect(verifySnp(made.evidence, { at: new Date(NOW) })).rejects.toBeInstanceOf(EvidenceRejected);
    await expect(verifySnp("{", options())).rejects.toMatchObject({ check: "evidence-format" });
    const debug = await make({ report: { policy: 0xb0000n } });
    await expect(verifySnp(debug.evidence, options())).rejects.toMatchObject({ check: "debug" });
    await expect(verifySnp(made.evidence, { ...options(), settings: { nope: 1 } })).rejects.toBeInstanceOf(
      KbsError,
    );
    await expect(
      verifySnp(made.evidence, { ...options(), trustAnchorsPem: ["nothing"] }),
    ).rejects.toBeInstanceOf(DerError);
  });

  test("names its checks in the order in which they are done", async () => {
    const { checks } = await verifySnp(made.evidence, options());
    const order = Object.keys(SNP_CHECKS);
    const places = checks.map(({ check }) => order.indexOf(check));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });
});
