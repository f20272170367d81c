import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { writePem } from "../../../src/crypto/pem.ts";
import { writeJson } from "../../../src/json/write.ts";
import { commandLine } from "../../support/command-line.ts";
import { make, NOW } from "../../support/fake-amd/index.ts";

const work = mkdtempSync(join(tmpdir(), "keywarden-appraise-"));
const path = (name: string) => join(work, name);
const write = (name: string, content: string) => {
  writeFileSync(path(name), content);
  return path(name);
};
let measurement = "";
let snp: readonly string[] = [];

beforeAll(async () => {
  const good = await make({});
  write("snp.json", writeJson(good.evidence));
  const roots = [good.rootDer, good.intermediateDer].map((der) => writePem("CERTIFICATE", der)).join("");
  snp = [
    path("snp.json"),
    "--tee",
    "snp",
    "--at",
    new Date(NOW).toISOString(),
    "--trust-anchors",
    write("roots.pem", roots),
  ];
  const { out, err } = await appraise([...snp, "--json"]);
  if (out === "") throw new Error(err);
  measurement = JSON.parse(out).ear.submods.cpu0["ear.veraison.annotated-evidence"].snp.measurement;
});
afterAll(() => rmSync(work, { recursive: true }));

async function appraise(argv: readonly string[]) {
  const { code, out, err } = await commandLine(["evidence", "appraise", ...argv]);
  return { code, out: String(out), err };
}

const sample = (reportData = "") =>
  write("sample.json", JSON.stringify({ svn: "1", report_data: reportData }));
const sampleArguments = () => [sample(), "--tee", "sample", "--settings", "{allowSampleEvidence: true}"];

/** The part of a report that is about one claim. */
function section(text: string, claim: string): string {
  const [found = ""] = text.split("\n\n").filter((part) => part.trimStart().startsWith(`${claim} `));
  return found;
}

describe("AS-110 why a claim has its value", () => {
  test("a default says so, and which condition kept each definition from applying, with what was seen", async () => {
    const { code, out } = await appraise([
      ...snp,
      "--reference-values",
      write("v.json", '{"snp_bootloader": [99]}'),
    ]);
    expect(code).toBe(0);
    expect(section(out, "hardware")).toMatch(/hardware +97 +contraindicated/);
    expect(section(out, "hardware")).toMatch(/default_cpu\.rego:15: the default of data\.policy\.hardware/);
    expect(section(out, "hardware")).toMatch(
      /NO {2}line \d+: input\.snp\.reported_tcb_\w+ in query_reference_value\("snp_\w+"\)/,
    );
    expect(section(out, "hardware")).toContain("about other kinds of evidence");
    expect(section(out, "hardware")).not.toMatch(/tdx|azure|sample/);
  });

  test("each reference value is unknown, expired or different, and which", async () => {
    const listed = [
      { name: "snp_launch_measurement", value: [measurement], expiresAt: "2001-01-01T00:00:00Z" },
      { name: "snp_smt_enabled", value: "neither" },
    ];
    const { out } = await appraise([
      ...snp,
      "--reference-values",
      write("list.json", JSON.stringify(listed)),
    ]);
    expect(section(out, "executables")).toContain(
      "no reference value snp_launch_measurement: expired at 2001-01-01T00:00:00Z",
    );
    expect(section(out, "executables")).toContain('query_reference_value("snp_launch_measurement") is null');
    expect(section(out, "executables")).toContain(`input.snp.measurement is "${measurement}"`);
    expect(section(out, "configuration")).toContain('query_reference_value("snp_smt_enabled") is "neither"');
    expect(section(out, "configuration")).not.toContain("no reference value snp_smt_enabled");
    expect(section(out, "hardware")).toMatch(/no reference value snp_\w+: nobody registered it/);
  });

  test("a definition that applied shows every condition it rests on", async () => {
    const values = write("good.json", JSON.stringify({ snp_launch_measurement: [measurement] }));
    const { out } = await appraise([...snp, "--reference-values", values]);
    expect(section(out, "executables")).toMatch(/executables +3 +affirming/);
    expect(section(out, "executables")).toContain("gave the value");
    expect(section(out, "executables")).toContain(
      `query_reference_value("snp_launch_measurement") is ["${measurement}"]`,
    );
    expect(section(out, "configuration")).toMatch(/configuration +3 +affirming/);
    expect(section(out, "configuration")).toContain("ok  line");
    expect(section(out, "configuration")).toContain("input.snp.policy_debug_allowed is false");
  });

  test("a constant of the policy says so", async () => {
    const { out } = await appraise(snp);
    expect(section(out, "file-system")).toMatch(/default_cpu\.rego:\d+: the policy always says so/);
  });

  test("JSON has the EAR and the same reasons", async () => {
    const { out } = await appraise([...snp, "--json"]);
    const { verdict, ear, explanation, checks } = JSON.parse(out);
    expect([verdict, checks.length > 20]).toEqual(["accepted", true]);
    expect(ear.submods.cpu0).toMatchObject({
      "ear.status": "contraindicated",
      "ear.appraisal-policy-id": "default",
      "ear.trustworthiness-vector": { hardware: 97 },
    });
    const hardware = explanation.cpu0.claims.find((each: { claim: string }) => each.claim === "hardware");
    expect(hardware).toMatchObject({
      value: 97,
      tier: "contraindicated",
      source: "default",
      rule: "data.policy.hardware",
      definitions: [
        { result: "did not apply", conditions: [{ holds: false, referenceValues: [{ state: "unknown" }] }] },
      ],
    });
  });
});

describe("the policy that is applied", () => {
  const OWN =
    'package policy\n\ntrust_claims := {"hardware": h}\n\nh := 2 if input.sample.svn == "1"\n\nh := 96 if input.sample.svn != "1"\n';

  test("may be a file", async () => {
    const { code, out } = await appraise([...sampleArguments(), "--policy", write("own.rego", OWN)]);
    expect([code, out]).toEqual([0, expect.stringContaining("cpu0 (sample): affirming, judged by")]);
    expect(section(out, "hardware")).toContain(`own.rego:5: gave the value`);
    expect(section(out, "hardware")).toContain(`own.rego:7: did not apply`);
    expect(out).not.toContain("executables");
  });

  test("may be a shipped one by its id, with or without the class", async () => {
    for (const id of ["default", "default_cpu"]) {
      const { out } = await appraise([...sampleArguments(), "--policy", id, "--json"]);
      expect(JSON.parse(out).ear.submods.cpu0["ear.appraisal-policy-id"]).toBe("default");
    }
  });

  test("is chosen by its class where there are several", async () => {
    const policies = [
      "--policy",
      write("mine_gpu.rego", 'package policy\n\ntrust_claims := {"hardware": 96}\n'),
      "--policy",
      write("mine_cpu.rego", OWN),
    ];
    const { out } = await appraise([...sampleArguments(), ...policies, "--json"]);
    expect(JSON.parse(out).ear.submods.cpu0).toMatchObject({
      "ear.appraisal-policy-id": "mine",
      "ear.status": "affirming",
    });
  });

  test.each([
    ["no such shipped policy", "nothing", 2],
    ["no such file", "/does/not/exist.rego", 2],
  ])("%s is misuse", async (_, policy, expected) => {
    const { code, err } = await appraise([...sampleArguments(), "--policy", policy]);
    expect([code, err]).toEqual([expected, expect.stringContaining(policy)]);
  });

  test("one that does not compile, or gives no judgement, refuses and says where", async () => {
    const broken = await appraise([
      ...sampleArguments(),
      "--policy",
      write("broken.rego", "package policy\n\nx :="),
    ]);
    expect([broken.code, broken.err]).toEqual([1, expect.stringContaining("broken.rego:3")]);
    const silent = await appraise([
      ...sampleArguments(),
      "--policy",
      write("silent.rego", "package policy\n\nx := 1\n"),
    ]);
    expect([silent.code, silent.err]).toEqual([
      1,
      expect.stringContaining("no rule data.policy.trust_claims"),
    ]);
    const failing = await appraise([
      ...sampleArguments(),
      "--policy",
      write("failing.rego", 'package policy\n\ntrust_claims := {"hardware": to_number("x")}\n'),
    ]);
    expect([failing.code, failing.err]).toEqual([1, expect.stringContaining("failing.rego:3")]);
  });

  test("two policies for no class are misuse", async () => {
    const two = ["--policy", write("a.rego", OWN), "--policy", write("b.rego", OWN)];
    expect((await appraise([...sampleArguments(), ...two])).code).toBe(2);
  });
});

describe("what the evidence is bound to", () => {
  const RUNTIME_DATA = '{"nonce":"n","tee-pubkey":{"kty":"EC"}}';
  const bound = (hash: "sha256" | "sha384") => createHash(hash).update(RUNTIME_DATA).digest("base64");

  test("runtime data from a file is compared by its digest and shown to the policy", async () => {
    const options = [
      "--tee",
      "sample",
      "--settings",
      "{allowSampleEvidence: true}",
      "--runtime-data",
      write("rt.json", RUNTIME_DATA),
      "--json",
    ];
    const { out } = await appraise([sample(bound("sha384")), ...options]);
    expect(JSON.parse(out).ear.submods.cpu0["ear.veraison.annotated-evidence"].runtime_data_claims).toEqual({
      nonce: "n",
      "tee-pubkey": { kty: "EC" },
    });
    expect((await appraise([sample(bound("sha256")), ...options])).code).toBe(1);
    expect(
      (await appraise([sample(bound("sha256")), ...options, "--runtime-data-hash", "sha256"])).code,
    ).toBe(0);
  });

  test("so is an init-data document", async () => {
    const toml = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n"aa.toml" = "a = 1"\n';
    const { out } = await appraise([
      ...sampleArguments(),
      "--init-data-file",
      write("init.toml", toml),
      "--json",
    ]);
    expect(JSON.parse(out).ear.submods.cpu0["ear.veraison.annotated-evidence"]).toMatchObject({
      init_data: createHash("sha256").update(toml).digest("base64"),
      init_data_claims: { "aa.toml": { a: 1 } },
    });
  });

  test("evidence that is not genuine gets no appraisal", async () => {
    const { code, out, err } = await appraise([...sampleArguments(), "--report-data", "00"]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain("report-data");
    const json = await appraise([...sampleArguments(), "--report-data", "00", "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({ verdict: "refused", check: "report-data" });
    expect(json.out).not.toContain("ear");
  });

  test.each([
    [["--runtime-data", "x", "--report-data", "00"]],
    [["--init-data-file", "x", "--init-data", "00"]],
    [["--reference-values", "/does/not/exist"]],
  ])("%j is misuse", async (options) => {
    expect((await appraise([...sampleArguments(), ...options])).code).toBe(2);
  });

  test("reference values in another form are misuse", async () => {
    for (const text of ["1", '[{"value": 1}]', '[{"name": "a", "value": 1, "expiresAt": "soon"}]', "{"])
      expect(
        (await appraise([...sampleArguments(), "--reference-values", write("bad.json", text)])).code,
      ).toBe(2);
  });
});
