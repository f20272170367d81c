import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Command, CommanderError } from "commander";
import { registerEvidence } from "../../../src/cli/commands/evidence.ts";
import { CommandFailure } from "../../../src/cli/world.ts";
import { writePem } from "../../../src/crypto/pem.ts";
import { KbsError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { writeJson } from "../../../src/json/write.ts";
import {
  INIT_DATA,
  listDer,
  type Made,
  make,
  NOW,
  REPORT_DATA,
  vendorKeys,
} from "../../support/fake-amd/index.ts";

const work = mkdtempSync(join(tmpdir(), "keywarden-evidence-"));
const at = new Date(NOW).toISOString();
let good: Made;
let debug: Made;

const path = (name: string) => join(work, name);

beforeAll(async () => {
  good = await make({});
  debug = await make({ report: { policy: 0xb0000n } });
  const bare = await make({ certificates: () => null });
  writeFileSync(path("good.json"), writeJson(good.evidence));
  writeFileSync(path("debug.json"), writeJson(debug.evidence));
  writeFileSync(path("bare.json"), writeJson(bare.evidence));
  writeFileSync(path("bare.bin"), bare.report);
  writeFileSync(path("cut.json"), writeJson(good.evidence).slice(0, -5));
  writeFileSync(path("vcek.der"), bare.vekDer);
  writeFileSync(
    path("roots.pem"),
    [good.rootDer, good.intermediateDer].map((der) => writePem("CERTIFICATE", der)).join(""),
  );
  writeFileSync(path("root.pem"), writePem("CERTIFICATE", good.rootDer));
  writeFileSync(path("ask.der"), good.intermediateDer);
  writeFileSync(
    path("revoked.pem"),
    writePem("X509 CRL", await listDer("Genoa", { revokedSerials: ["0101"] })),
  );
  writeFileSync(path("forged.crl"), await listDer("Genoa", { signingKey: vendorKeys().other }));
  writeFileSync(path("settings.yaml"), "allowDebug: false\n");
  writeFileSync(path("broken.der"), Buffer.from([0x30, 0x03, 0x01]));
});
afterAll(() => rmSync(work, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
}

/** What the entry point makes of a command line, without a process. */
async function run(...args: readonly string[]): Promise<Outcome> {
  let out = "";
  const program = new Command("keywarden").exitOverride();
  const world = {
    env: {},
    now: () => NOW,
    out: (data: string | Uint8Array) => {
      out += String(data);
    },
    err: () => undefined,
    readInput: async () => Buffer.from(""),
  };
  registerEvidence(program, world);
  for (const command of program.commands.flatMap((group) => [group, ...group.commands]))
    command.exitOverride().configureOutput({ writeErr: () => undefined });
  try {
    await program.parseAsync(["evidence", "verify", ...args], { from: "user" });
    return { code: 0, out };
  } catch (error) {
    if (error instanceof CommandFailure) return { code: error.exitCode, out };
    if (error instanceof CommanderError || error instanceof KbsError) return { code: 2, out };
    throw error;
  }
}

const snp = (file: string, ...more: readonly string[]) =>
  run(path(file), "--tee", "snp", "--trust-anchors", path("roots.pem"), "--at", at, ...more);

async function json(outcome: Promise<Outcome>): Promise<JsonObject> {
  return JSON.parse((await outcome).out);
}

async function batch(...requests: readonly (JsonObject | string)[]): Promise<JsonObject[]> {
  const lines = requests.map((request) => (typeof request === "string" ? request : writeJson(request)));
  writeFileSync(path("batch.ndjson"), lines.join("\n"));
  const { out, code } = await run("--batch", path("batch.ndjson"));
  expect(code).toBe(0);
  return out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const request = (members: JsonObject): JsonObject => ({
  id: "a",
  tee: "snp",
  at,
  trustAnchors: ["roots.pem"],
  ...members,
});

describe("evidence verify", () => {
  test("accepts genuine evidence with exit code 0", async () => {
    expect((await snp("good.json")).code).toBe(0);
  });

  test("refuses with exit code 1 and names the check", async () => {
    const outcome = snp("good.json", "--report-data", "00", "--json");
    expect((await outcome).code).toBe(1);
    expect(await json(outcome)).toMatchObject({
      verdict: "refused",
      code: "evidence-rejected",
      check: "report-data",
    });
  });

  test("A13 compares report data padded with zeros, and init-data", async () => {
    const good = [
      "--report-data",
      REPORT_DATA.toString("hex"),
      "--init-data",
      INIT_DATA.toString("hex"),
      "--json",
    ];
    expect(await json(snp("good.json", ...good))).toMatchObject({ verdict: "accepted" });
    expect((await snp("good.json", "--init-data", "00")).code).toBe(1);
  });

  test("a binding that nobody asked for is reported as not checked", async () => {
    const { checks } = (await json(snp("good.json", "--json"))) as { checks: readonly JsonObject[] };
    expect(checks).toContainEqual(expect.objectContaining({ check: "report-data", outcome: "not-checked" }));
  });

  test("B12 uses AMD's roots unless others are named", async () => {
    const outcome = run(path("good.json"), "--tee", "snp", "--at", at, "--json");
    expect(await json(outcome)).toMatchObject({ verdict: "refused", check: "chain-signature" });
  });

  test("finds certificates and lists in collateral, a file or a folder", async () => {
    expect((await snp("bare.json")).code).toBe(1);
    expect((await snp("bare.json", "--collateral", path("vcek.der"))).code).toBe(0);
    expect((await snp("bare.bin", "--collateral", path("vcek.der"))).code).toBe(0);
    const revoked = snp("good.json", "--collateral", path("revoked.pem"), "--json");
    expect(await json(revoked)).toMatchObject({ check: "revocation" });
    const forged = snp("good.json", "--collateral", path("forged.crl"), "--json");
    expect(await json(forged)).toMatchObject({ check: "crl-signature" });
    const intermediate = run(
      path("good.json"),
      "--tee",
      "snp",
      "--at",
      at,
      "--trust-anchors",
      path("root.pem"),
      "--collateral",
      path("ask.der"),
    );
    expect((await intermediate).code).toBe(0);
    expect(await json(snp("good.json", "--collateral", work, "--json"))).toMatchObject({
      check: "collateral-format",
    });
  });

  test("asks whether evidence is genuine: what a guest may look like is for the settings", async () => {
    expect((await snp("debug.json")).code).toBe(0);
    expect(await json(snp("debug.json", "--settings", "{allowDebug: false}", "--json"))).toMatchObject({
      check: "debug",
    });
    expect((await snp("debug.json", "--settings", path("settings.yaml"))).code).toBe(1);
  });

  test("text that is not JSON is refused evidence, not a crash", async () => {
    expect(await json(snp("cut.json", "--json"))).toMatchObject({ check: "evidence-format" });
  });

  test.each([
    ["no file", []],
    ["no TEE", ["x.json"]],
    ["an unknown TEE", ["x.json", "--tee", "nope"]],
    ["a file that is not there", [path("none.json"), "--tee", "snp"]],
    ["an unknown option", [path("good.json"), "--tee", "snp", "--what"]],
    ["a time that is none", [path("good.json"), "--tee", "snp", "--at", "yesterday"]],
    ["report data that is not hexadecimal", [path("good.json"), "--tee", "snp", "--report-data", "xyz"]],
    ["report data of 65 bytes", [path("good.json"), "--tee", "snp", "--report-data", "00".repeat(65)]],
    ["settings nobody knows", [path("good.json"), "--tee", "snp", "--settings", "{allowVmpl: 3}"]],
    ["settings that are no YAML", [path("good.json"), "--tee", "snp", "--settings", "{a"]],
    [
      "trust anchors without a certificate",
      [path("good.json"), "--tee", "snp", "--trust-anchors", path("good.json")],
    ],
    [
      "a trust anchor that is no root",
      [path("good.json"), "--tee", "snp", "--trust-anchors", path("ask.der")],
    ],
    ["a file and a batch", [path("good.json"), "--batch", path("good.json")]],
    ["a batch that is not there", ["--batch", path("none.ndjson")]],
  ])("exit code 2 for %s", async (_name, args) => {
    expect((await run(...args)).code).toBe(2);
  });
});

describe("evidence verify --batch", () => {
  test("files of a request that cannot be read refuse that request alone", async () => {
    mkdirSync(path("anchors/folder.pem"), { recursive: true });
    const request = { id: "a", tee: "snp", evidence: good.evidence, at, trustAnchors: ["roots.pem"] };
    const results = await batch(
      { ...request, trustAnchors: ["anchors"] },
      { ...request, trustAnchors: ["nowhere"] },
      { ...request, collateral: ["nowhere"] },
      { ...request, evidence: "anchors" },
      request,
    );
    expect(results.map(({ verdict, code }) => [verdict, code])).toEqual([
      ...Array.from({ length: 4 }, () => ["refused", "malformed-request"]),
      ["accepted", undefined],
    ]);
  });

  test("answers every line in order, whatever is wrong with one", async () => {
    const results = await batch(
      request({ id: "1", evidence: "good.json" }),
      "not json",
      "",
      request({ id: 2, evidence: good.evidence }),
      { id: "3", tee: "snp" },
      { id: "4", tee: "cca", evidence: {} },
      request({ id: "5", evidence: "good.json", reportData: "00" }),
      request({ id: "6", evidence: "none.json" }),
      request({ id: "7", evidence: "good.json", settings: { allowedVmpls: [1] } }),
      request({ id: "8", evidence: "good.json", settings: { nope: 1 } }),
      request({ id: "9", evidence: "good.json", extra: 1 }),
      request({ id: "10", evidence: "good.json", collateral: ["broken.der"] }),
    );
    expect(results.map(({ id, verdict, code, check }) => [id, verdict, code, check])).toEqual([
      ["1", "accepted", undefined, undefined],
      ["", "refused", "malformed-request", undefined],
      [2, "accepted", undefined, undefined],
      ["3", "refused", "malformed-request", undefined],
      ["4", "refused", "malformed-request", undefined],
      ["5", "refused", "evidence-rejected", "report-data"],
      ["6", "refused", "malformed-request", undefined],
      ["7", "refused", "evidence-rejected", "vmpl"],
      ["8", "refused", "malformed-request", undefined],
      ["9", "refused", "malformed-request", undefined],
      ["10", "refused", "evidence-rejected", "collateral-format"],
    ]);
  });

  test("results have the promised shape", async () => {
    const [accepted, refusal] = await batch(
      request({ evidence: "good.json" }),
      request({ evidence: "good.json", reportData: "00" }),
    );
    expect(accepted).toEqual({
      id: "a",
      verdict: "accepted",
      checks: expect.any(Array),
      results: [{ teeClass: "cpu", claims: expect.any(Object) }],
    });
    expect(refusal).toEqual({
      id: "a",
      verdict: "refused",
      code: "evidence-rejected",
      check: "report-data",
      detail: expect.any(String),
      checks: expect.any(Array),
    });
  });

  test("B28 sample evidence is refused until the settings allow it", async () => {
    const sample = {
      id: "s",
      tee: "sample",
      evidence: { svn: "1", report_data: "AAEC" },
      reportData: "000102",
    };
    const [off, on, wrong] = await batch(
      sample,
      { ...sample, settings: { allowSampleEvidence: true } },
      { ...sample, reportData: "0001", settings: { allowSampleEvidence: true } },
    );
    expect([off?.["check"], on?.["verdict"], wrong?.["check"]]).toEqual([
      "sample-allowed",
      "accepted",
      "report-data",
    ]);
  });
});
