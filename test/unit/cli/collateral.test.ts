import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { readMaterial } from "../../../src/attestation/endorsements/amd-material.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import { commandLine } from "../../support/command-line.ts";
import { listDer, make } from "../../support/fake-amd/index.ts";
import { answer, FakeKds } from "../../support/fake-amd/kds.ts";
import {
  FMSPC as EVIDENCE_FMSPC,
  pem as evidencePem,
  make as makeEvidence,
} from "../../support/fake-intel/index.ts";
import { FakePcs } from "../../support/fake-intel/service.ts";
import {
  type FakeIntel,
  FMSPC,
  fakeIntel,
  pastSigner,
  pem,
  QUERY,
  type Saying,
  state,
  stateAll,
} from "../../support/fake-intel/statements.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { NOW } from "../../support/tokens.ts";

const DAY = 86_400_000;

let intel: FakeIntel;
let folder: string;
let pcs: FakePcs;
let url: string;
let root: string;
/** Days from `NOW` to today: the command that fetches judges by its own clock. */
let today: number;

beforeAll(async () => {
  intel = await fakeIntel();
  folder = await mkdtemp(join(tmpdir(), "keywarden-collateral-"));
  root = join(folder, "root.pem.txt");
  await writeFile(root, pem(intel.root));
  pcs = new FakePcs();
  url = await pcs.start();
  today = Math.floor((Date.now() - NOW) / DAY);
});

afterAll(async () => {
  await pcs.stop();
  await rm(folder, { recursive: true });
});

const file = (name: string) => join(folder, name);
const current = (saying: Saying = {}): Saying => ({ issued: today - 1, expires: today + 29, ...saying });

/** Everything of TDX for one platform and both authorities, as of today. */
async function goodDay(saying: Saying = {}): Promise<void> {
  pcs.saysAll(await stateAll(intel, QUERY, current(saying)));
  const processor = { kind: "pck-crl", ca: "processor" } as const;
  pcs.says(processor, await state(intel, processor, current(saying)));
}

const fetchArguments = (out: string, ...more: string[]) => [
  ...["collateral", "fetch", "--fmspc", FMSPC, "--tee", "tdx", "--pcs", url],
  ...["--root-crl", `${url}/IntelSGXRootCA.der`, "--trust-anchors", root, "--out", out, ...more],
];

async function collateral(...argv: string[]) {
  const { code, out, err } = await commandLine(["collateral", ...argv, "--trust-anchors", root]);
  return { code, out: out.toString(), err };
}

async function fetched(name: string, saying: Saying = {}): Promise<string> {
  await goodDay(saying);
  const { code, err } = await commandLine(fetchArguments(file(name)));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return file(name);
}

describe("collateral fetch", () => {
  test("writes one file that verifies and says what it holds", async () => {
    const bundle = await fetched("fetched.json");
    const written = JSON.parse(await readFile(bundle, "utf8"));
    expect(written).toMatchObject({ format: "keywarden-collateral", version: 1, amd: [] });
    expect(written.intel).toHaveLength(5);
    expect(await collateral("verify", bundle)).toMatchObject({ code: 0 });
  });

  test("asks for the update type it was told", async () => {
    await goodDay();
    await commandLine(fetchArguments(file("standard.json"), "--update", "standard"));
    expect(pcs.asked).toContain(`/tdx/certification/v4/tcb?fmspc=${FMSPC}&update=standard`);
  });

  test.each<[string, () => Saying]>([
    ["forged", () => ({ signer: intel.platform })],
    ["of last month", () => ({ issued: today - 60, expires: today - 30 })],
  ])("writes nothing when what the service answers is %s", async (_, saying) => {
    await goodDay();
    const name = { kind: "tcb-info", tee: "tdx", fmspc: FMSPC } as const;
    pcs.says(name, await state(intel, name, current(saying())));
    const out = file("never.json");
    expect(await commandLine(fetchArguments(out))).toMatchObject({ code: 1 });
    await expect(readFile(out)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("E4 writes nothing when the service does not answer", async () => {
    await goodDay();
    pcs.does({ kind: "root-ca-crl" }, answer(503));
    const { code, err } = await commandLine(fetchArguments(file("never.json")));
    expect(code).toBe(1);
    expect(err).toContain("cannot be used");
  });

  test("writes nothing when the service does not know one of the platforms", async () => {
    await goodDay();
    const { code, err } = await commandLine(fetchArguments(file("never.json"), "--fmspc", "0123456789AB"));
    expect(code).toBe(1);
    expect(err).toContain("Nothing is stated about FMSPC 0123456789ab");
  });

  test("takes the FMSPC from evidence whose PCK chain verifies, and from no other", async () => {
    const { evidence, root: evidenceRoot } = await makeEvidence({});
    await writeFile(file("evidence.json.txt"), JSON.stringify(evidence));
    await writeFile(file("evidence-root.txt"), evidencePem(evidenceRoot));
    const fetch = ["collateral", "fetch", "--evidence", file("evidence.json.txt"), "--pcs", url];
    const rest = ["--root-crl", `${url}/IntelSGXRootCA.der`, "--out", file("never.json")];
    const before = pcs.asked.length;
    expect(await commandLine([...fetch, ...rest])).toMatchObject({ code: 2 });
    expect(pcs.asked).toHaveLength(before);
    await commandLine([...fetch, ...rest, "--trust-anchors", file("evidence-root.txt")]);
    expect(pcs.asked).toContain(`/tdx/certification/v4/tcb?fmspc=${EVIDENCE_FMSPC}&update=early`);
  });

  test("a bundle without the root's list is not complete", async () => {
    await goodDay();
    pcs.does({ kind: "root-ca-crl" }, answer(404));
    const { code, err } = await commandLine(fetchArguments(file("never.json")));
    expect(code).toBe(1);
    expect(err).toContain("no revocation list of Intel's root CA");
  });

  test.each([
    ["no platform", ["collateral", "fetch", "--out", "x.json"]],
    ["no FMSPC", ["collateral", "fetch", "--fmspc", "00", "--out", "x.json"]],
    [
      "plain http",
      ["collateral", "fetch", "--fmspc", FMSPC, "--pcs", "http://example.org", "--out", "x.json"],
    ],
    ["a path", ["collateral", "fetch", "--fmspc", FMSPC, "--pccs", "https://a.example/b", "--out", "x.json"]],
  ])("%s is misuse", async (_, argv) => {
    expect(await commandLine(argv)).toMatchObject({ code: 2 });
  });
});

describe("collateral show", () => {
  test("ends with 1 when something ends within the days that were asked about", async () => {
    const bundle = await fetched("show.json");
    expect(await collateral("show", bundle)).toMatchObject({ code: 0 });
    expect(await collateral("show", bundle, "--within", "27")).toMatchObject({ code: 0 });
    const soon = await collateral("show", bundle, "--within", "30");
    expect(soon.code).toBe(1);
    expect(soon.err).toContain("end within 30 days");
  });

  test("judges at the time it is told", async () => {
    const bundle = await fetched("later.json");
    const later = new Date(NOW + (today + 40) * DAY).toISOString();
    const { code, out } = await collateral("show", bundle, "--at", later);
    expect(code).toBe(1);
    expect(out).toMatch(/^NO {2}.*ended \d+ days ago/m);
  });

  test("has a form for programs", async () => {
    const { out } = await collateral("show", await fetched("json.json"), "--json");
    const { statements } = JSON.parse(out);
    expect(statements).toHaveLength(5);
    expect(statements).toContainEqual(
      expect.objectContaining({ kind: "tcb-info", fmspc: FMSPC, state: "good", vendor: "intel" }),
    );
  });
});

describe("collateral verify", () => {
  test("says what does not hold", async () => {
    const bundle = await fetched("edited.json");
    const text = await readFile(bundle, "utf8");
    await writeFile(bundle, text.replace("UpToDate", "OutOfDate"));
    const { code, out } = await collateral("verify", bundle);
    expect(code).toBe(1);
    expect(out).toContain("qe-identity-signature");
  });

  test("without our roots nothing of the fake vendor holds", async () => {
    const bundle = await fetched("roots.json");
    expect(await commandLine(["collateral", "verify", bundle])).toMatchObject({ code: 1 });
  });

  test.each([
    ["no file", "absent.json", undefined],
    ["no JSON", "broken.json", "{"],
    ["JSON of something else", "other.json", '{"a":1}'],
    ["a bundle of the future", "future.json", '{"format":"keywarden-collateral","version":2}'],
    [
      "a bundle with an entry that names nothing",
      "entry.json",
      '{"format":"keywarden-collateral","version":1,"createdAt":"","intel":[{"kind":"x","body":""}]}',
    ],
    ["no certificate", "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
  ])("%s is misuse", async (_, name, content) => {
    if (content !== undefined) await writeFile(file(name), content);
    expect(await collateral("verify", file(name))).toMatchObject({ code: 2 });
  });
});

describe("collateral bundle", () => {
  test("keeps the newest of each kind, and of the same day the higher evaluation", async () => {
    const [old, same, fresh] = [
      await fetched("old.json", { issued: today - 5, expires: today + 20, evaluation: 17 }),
      await fetched("same.json", { evaluation: 17 }),
      await fetched("fresh.json", { evaluation: 18 }),
    ];
    const out = file("merged.json");
    expect(await collateral("bundle", fresh, old, same, "--out", out)).toMatchObject({ code: 0 });
    const { intel: entries } = JSON.parse(await readFile(out, "utf8"));
    expect(entries).toHaveLength(5);
    const info = entries.find((entry: { kind: string }) => entry.kind === "tcb-info");
    expect(JSON.parse(info.body).tcbInfo.tcbEvaluationDataNumber).toBe(18);
  });

  test("takes the service's answers as they were saved, with certificates beside them", async () => {
    const saved = await mkdtemp(join(folder, "saved-"));
    const all = await stateAll(intel, QUERY, current());
    for (const { name, raw } of all) {
      const list = name.kind.endsWith("crl");
      await writeFile(join(saved, `${name.kind}.${list ? "der" : "json"}`), raw.body);
    }
    await writeFile(join(saved, "issuers.pem"), pem(intel.signer, intel.platform, intel.root));
    const out = file("from-answers.json");
    expect(await collateral("bundle", saved, "--out", out)).toMatchObject({ code: 0, err: "" });
    expect(await collateral("verify", out)).toMatchObject({ code: 0 });
  });

  test("of two certificates of the signer the one that counts longer travels, and TDX wants the Platform CA's list", async () => {
    const saved = await mkdtemp(join(folder, "signers-"));
    for (const { name, raw } of await stateAll(intel, { ...QUERY, ca: "processor" }, current()))
      await writeFile(join(saved, `${name.kind}.${name.kind.endsWith("crl") ? "der" : "json"}`), raw.body);
    const past = await pastSigner(intel);
    await writeFile(join(saved, "issuers.pem"), pem(past, intel.signer, past, intel.processor));
    const out = file("signers.json");
    const { code, err } = await collateral("bundle", saved, "--out", out);
    expect(code).toBe(0);
    expect(err).toContain("no revocation list of the PCK platform CA");
    const { intel: entries } = JSON.parse(await readFile(out, "utf8"));
    const info = entries.find((entry: { kind: string }) => entry.kind === "tcb-info");
    expect(info.issuerChain).toBe(pem(intel.signer, intel.root));
  });

  test("leaves out what is not genuine, and says so", async () => {
    const bundle = await fetched("half.json");
    await writeFile(bundle, (await readFile(bundle, "utf8")).replace("UpToDate", "OutOfDate"));
    const { code, err } = await collateral("bundle", bundle, "--out", file("half-out.json"));
    expect(code).toBe(0);
    expect(err).toContain("left out: identity of the TDX");
  });
});

describeShared("collateral of real machines", "fixtures/tdx", () => {
  const at = "2026-02-25T12:00:00Z";
  const set = sharedPath("fixtures/tdx/collateral/90c06f-2026-02.json");

  test("verifies up to Intel's own root", async () => {
    expect(await commandLine(["collateral", "verify", set, "--at", at])).toMatchObject({ code: 0 });
  });

  test("travels in a bundle, and judges a quote at the other end", async () => {
    const out = file("real.json");
    await commandLine(["collateral", "bundle", set, "--out", out, "--at", at]);
    const evidence = sharedPath("fixtures/tdx/real/v5-td15-uptodate/evidence.json");
    const judged = await commandLine([
      "evidence",
      "verify",
      evidence,
      "--tee",
      "tdx",
      "--collateral",
      out,
      "--at",
      at,
    ]);
    expect(judged).toMatchObject({ code: 0 });
  });

  test.each([
    ["m26-tcb-info-edited", "tcb-info-signature"],
    ["m27-qe-identity-edited", "qe-identity-signature"],
    ["m30-pck-crl-bitflip", "crl-signature"],
  ])("%s is told", async (name, check) => {
    const path = sharedPath(`fixtures/tdx/collateral/${name}.json`);
    const { code, out } = await commandLine(["collateral", "verify", path, "--at", "2025-06-25T12:00:00Z"]);
    expect(code).toBe(1);
    expect(out.toString()).toContain(check);
  });
});

describe("AMD's part of a bundle", () => {
  test("is fetched for a product, verified up to the roots, and read back where SEV-SNP evidence is verified", async () => {
    const made = await make({});
    const arks = file("arks.txt");
    await writeFile(arks, writePem("CERTIFICATE", made.rootDer));
    const kds = new FakeKds();
    const origin = await kds.start();
    const dates = { thisUpdate: new Date(Date.now() - DAY), nextUpdate: new Date(Date.now() + 40 * DAY) };
    const list = await listDer("Genoa", dates);
    kds.behave = (request, response) =>
      (request.url === "/vcek/v1/Genoa/crl" ? answer(200, list) : answer(404))(request, response);
    try {
      const out = file("genoa.json");
      const common = ["--trust-anchors", arks];
      const fetch = ["collateral", "fetch", "--amd-product", "Genoa", "--kds", origin, "--out", out];
      expect(await commandLine([...fetch, ...common])).toMatchObject({ code: 0 });
      expect(await commandLine(["collateral", "verify", out, ...common])).toMatchObject({ code: 0 });
      expect(await commandLine(["collateral", "verify", out])).toMatchObject({ code: 1 });
      const { revocationLists, faults } = readMaterial(await readFile(out), "the bundle");
      expect({ lists: revocationLists.length, faults }).toEqual({ lists: 1, faults: [] });
    } finally {
      await kds.stop();
    }
  });
});

describeShared("AMD collateral of real machines", "fixtures/snp/certs", () => {
  test("AMD's certificates and lists travel in the same bundle", async () => {
    const out = file("amd.json");
    const paths = ["certs", "crl"].map((name) => sharedPath(`fixtures/snp/${name}`));
    const made = await commandLine(["collateral", "bundle", ...paths, "--out", out]);
    expect(made.code).toBe(0);
    const { amd } = JSON.parse(await readFile(out, "utf8"));
    expect(amd.map(({ kind }: { kind: string }) => kind)).toEqual(
      expect.arrayContaining(["certificate", "revocation-list"]),
    );
    const shown = await commandLine(["collateral", "show", out, "--json"]);
    expect(shown.out.toString()).not.toContain('"forged"');
  });
});
