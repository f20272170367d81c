import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { APPRAISAL_PROFILE, LINT_PROFILES } from "../../../../src/policy/lint-profiles.ts";
import { readCases } from "../../../../src/policy/rego/conformance.ts";
import { compilePolicy, type LintProfile } from "../../../../src/policy/rego/index.ts";
import { QUERY_REFERENCE_VALUE } from "../../../../src/policy/rego-engine.ts";
import { describeShared, sharedPath } from "../../../support/shared.ts";

/** Codes of the warnings, each with its row. A policy with warnings is still a policy. */
function warnings(text: string, lint: readonly LintProfile[] = LINT_PROFILES): readonly string[] {
  const { policy, findings } = compilePolicy([{ file: "p.rego", text }], {
    host: [QUERY_REFERENCE_VALUE],
    lint,
  });
  expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  expect(policy).toBeDefined();
  return findings.map(({ code, row }) => `${row} ${code}`);
}

/** A release policy with these lines in the body that decides; the first of them is row 6. */
function body(...lines: readonly string[]): string {
  return `package policy\n\ndefault allow := false\n\nallow if {\n${lines.map((line) => `\t${line}\n`).join("")}}\n`;
}

function messages(text: string): readonly string[] {
  const options = { host: [QUERY_REFERENCE_VALUE], lint: LINT_PROFILES };
  return compilePolicy([{ file: "p.rego", text }], options).findings.map(({ message }) => message);
}

describe("an unknown reference value is null", () => {
  test.each([
    ['input.x >= query_reference_value("k")', "6 null_in_order"],
    ['input.x < query_reference_value("k")', "6 null_in_order"],
    ['query_reference_value("k") <= input.x', "6 null_in_order"],
    ['input.x != query_reference_value("k")', "6 null_differs"],
    ['not input.x in query_reference_value("k")', "6 null_in_negation"],
  ])("%s", (line, warning) => {
    expect(warnings(body(line))).toEqual([warning]);
  });

  test("also through a variable, a rule, and negation of an equality", () => {
    expect(warnings(body('m := query_reference_value("m")', "input.x >= m"))).toEqual(["7 null_in_order"]);
    const rule = `${body("input.x > minimum")}\nminimum := query_reference_value("m")\n`;
    expect(warnings(rule)).toEqual(["6 null_in_order"]);
    expect(
      warnings(body('x := input.submods.a["ear.status"]', 'not x == query_reference_value("m")')),
    ).toEqual(["7 null_in_negation"]);
  });

  test.each(["is_number(m)", "is_array(m)", "m != null"])("%s in front is enough", (guard) => {
    expect(warnings(body('m := query_reference_value("m")', guard, "input.x >= m"))).toEqual([]);
  });

  test("membership and equality match nothing then, and need no advice", () => {
    const lines = ['input.x in query_reference_value("k")', 'input.y == query_reference_value("k")'];
    expect(warnings(body(...lines))).toEqual([]);
  });
});

describe("what is missing is undefined, and not makes that true", () => {
  test("of a field, alone and compared", () => {
    expect(warnings(body("not input.debug"))).toEqual(["6 missing_in_negation"]);
    expect(warnings(body("not input.debug == true"))).toEqual(["6 missing_in_negation"]);
    expect(warnings(body("input.debug == false"))).toEqual([]);
  });

  test("of a rule that looks for a difference", () => {
    const bad = 'bad if {\n\tsome s in input.submods\n\ts["ear.status"] != "affirming"\n}\n';
    expect(warnings(`${body("not bad")}\n${bad}`)).toEqual(["6 missing_in_negation"]);
    const good = 'good if {\n\tevery s in input.submods {\n\t\ts["ear.status"] == "affirming"\n\t}\n}\n';
    expect(warnings(`${body("good")}\n${good}`)).toEqual([]);
  });

  test("some element differs", () => {
    expect(warnings(body('input.list[_] != "x"'))).toEqual(["6 some_element_differs"]);
    expect(warnings(body('input.list[0] != "x"'))).toEqual([]);
  });
});

describe("rules that let everybody in", () => {
  test.each([
    ["package policy\n\ndefault allow := true\n\nallow := false if input.x\n", "3 default_allow"],
    ["package policy\n\ndefault allow := false\n\nallow if true\n", "5 broad_rule"],
    ["package policy\n\nallow := true\n", "3 broad_rule"],
    ["package policy\n\nallow if {\n\tinput.x\n} else := true\n", "5 broad_rule"],
    ["package policy\n\nallow if 1 == 1\n", "3 broad_rule"],
    ["package policy\n\nallow if {\n\tprint(input)\n}\n", "3 broad_rule"],
  ])("%j", (text, warning) => {
    expect(warnings(text)).toEqual([warning]);
  });

  test("not a rule that can fail, nor one of another name", () => {
    expect(warnings(`${body("ready")}\nready := true\n`)).toEqual([]);
    expect(warnings(body("input.x == 1"))).toEqual([]);
  });
});

describe("what a host asks for and gives", () => {
  test("no entry point, with the nearest name", () => {
    const text = "package policy\n\nalow if input.x == 1\n";
    expect(warnings(text)).toEqual(["1 missing_entry_point"]);
    expect(messages(text)).toEqual([expect.stringContaining("did you mean data.policy.alow?")]);
    expect(warnings("package other\n\nallow if input.x == 1\n")).toEqual(["1 missing_entry_point"]);
    expect(warnings("package policy\n\nextensions := []\n", [APPRAISAL_PROFILE])).toEqual([
      "1 missing_entry_point",
    ]);
  });

  test("without a host there is none to miss", () => {
    expect(warnings("package other\n\nx := data.y\n", [])).toEqual([]);
  });

  test("a document nobody provides", () => {
    expect(warnings(body("data.reference.k == 1"))).toEqual(["6 unknown_document"]);
    expect(messages(body('data["resource-pth"][0] == "x"'))).toEqual([
      expect.stringContaining('did you mean data["resource-path"]?'),
    ]);
    const known = ['data.plugin == "resource"', 'data["resource-path"][0] == "x"', 'data.query.a[_] == "x"'];
    expect(warnings(body(...known))).toEqual([]);
    const appraisal = 'package policy\n\ntrust_claims := {"hardware": 2} if data.plugin == "resource"\n';
    expect(warnings(appraisal)).toEqual(["3 unknown_document"]);
  });

  test("a rule that nothing leads to; tests lead to themselves", () => {
    expect(warnings(`${body("input.x == helper")}\nhelper := 1\n\norphan := 2\n`)).toEqual([
      "11 unreachable_rule",
    ]);
    const withTest =
      "package policy_test\n\nimport data.policy\n\nfixture := 1\n\ntest_x if policy.allow with input as fixture\n";
    const modules = [
      { file: "p.rego", text: body("input.x == 1") },
      { file: "p_test.rego", text: withTest },
    ];
    expect(compilePolicy(modules, { lint: LINT_PROFILES }).findings).toEqual([]);
  });

  test("names of input that are nearly right", () => {
    expect(messages(body('input.submods.cpu0["ear.stauts"] == "affirming"'))).toEqual([
      expect.stringContaining("did you mean ear.status?"),
    ]);
    const evidence = 'input.submods.cpu0["ear.veraison.annotated-evidence"]';
    expect(messages(body(`${evidence}.snp.mesurement == "x"`))).toEqual([
      expect.stringContaining("did you mean measurement?"),
    ]);
    const right = [`${evidence}.snp.measurement == "x"`, "input.submods.gpu1.other == 1", 'input.iss == "x"'];
    expect(warnings(body(...right))).toEqual([]);
    const appraisal = 'package policy\n\ntrust_claims := {"hardware": 2} if input.snpp.vmpl == 0\n';
    expect(warnings(appraisal)).toEqual(["3 unknown_field"]);
  });

  test.each(["128", "-129", "2.5", '"2"', "[2]"])("a trust claim of %s", (value) => {
    expect(warnings(`package policy\n\ntrust_claims := {"hardware": ${value}}\n`)).toEqual([
      "3 not_a_signed_byte",
    ]);
    const indirect = `package policy\n\ndefault hardware := ${value}\n\nhardware := 2 if input.snp\n\ntrust_claims := {"hardware": hardware}\n`;
    expect(warnings(indirect)).toEqual(["3 not_a_signed_byte"]);
  });

  test.each(["127", "-128", "0"])("a trust claim of %s is fine", (value) => {
    expect(warnings(`package policy\n\ntrust_claims := {"hardware": ${value}}\n`)).toEqual([]);
  });
});

describe("B8 a TDX policy that pins the firmware alone", () => {
  const appraisal = (...conditions: string[]) =>
    `package policy\n\ntrust_claims := {"hardware": 2} if {\n\t${conditions.join("\n\t")}\n}\n`;
  const pinned = 'input.tdx.quote.body.mr_td in query_reference_value("mr_td")';
  const register = (name: string) => `input.tdx.quote.body.${name} in query_reference_value("${name}")`;
  const host = { name: "query_reference_value", arity: 1, params: ["string"], result: "any" } as const;
  const codes = (text: string) =>
    compilePolicy([{ file: "p.rego", text }], { lint: LINT_PROFILES, host: [host] }).findings.map(
      ({ code }) => code,
    );

  test("is flagged, in appraisal and in release policies", () => {
    expect(codes(appraisal(pinned))).toEqual(["lonely_measurement"]);
    expect(codes(appraisal(pinned, register("rtmr_1")))).toEqual(["lonely_measurement"]);
    const evidence = 'input.submods.cpu0["ear.veraison.annotated-evidence"]';
    expect(warnings(body(`${evidence}.tdx.quote.body.mr_td == "x"`))).toEqual(["6 lonely_measurement"]);
  });

  test("is not, when kernel and command line are pinned as well", () => {
    expect(codes(appraisal(pinned, register("rtmr_1"), register("rtmr_2")))).toEqual([]);
    const each =
      'every name in ["rtmr_1", "rtmr_2"] { input.tdx.quote.body[name] in query_reference_value(name) }';
    expect(codes(appraisal(pinned, each))).toEqual([]);
    const azure = 'input["az-tdx-vtpm"].tpm.pcr11 in query_reference_value("p")';
    expect(codes(appraisal(pinned.replace(".tdx.", '["az-tdx-vtpm"].'), azure))).toEqual([]);
  });
});

describe("D13 names of trustworthiness claims", () => {
  test.each([
    ["file_system", "did you mean file-system?"],
    ["hardwear", "did you mean hardware?"],
    ["trust", "is no trustworthiness claim"],
  ])("%s", (name, message) => {
    const text = `package policy\n\ntrust_claims := {"${name}": 2}\n`;
    expect(warnings(text)).toEqual(["3 unknown_trust_claim"]);
    expect(messages(text)).toEqual([expect.stringContaining(message)]);
    expect(warnings(`package policy\n\nv := 2 if input.snp\n\ntrust_claims := {"${name}": v}\n`)).toEqual([
      "5 unknown_trust_claim",
    ]);
  });
});

describe("slips", () => {
  test("a key that stands twice, a fraction, a variable and an import that nothing uses", () => {
    expect(warnings(body('input.x == {"a": 1, "b": 2, "a": 3}'))).toEqual(["6 duplicate_key"]);
    expect(warnings(body("input.x == 0.5"))).toEqual(["6 fraction_equality"]);
    expect(warnings(body("x := 0.5", "input.x > x"))).toEqual([]);
    expect(warnings(body("y := input.x"))).toEqual(["6 unused_variable"]);
    const imported = "package policy\n\nimport input.submods\nimport input.other as o\n\nallow if o == 1\n";
    expect(warnings(imported)).toEqual(["3 unused_import"]);
  });

  test("a decision by lot", () => {
    expect(warnings(body('rand.intn("x", 2) == 1'))).toEqual(["6 random_decision"]);
  });

  test("built-ins of v0 that v1 has no more", () => {
    const text = "package policy\n\nallow { any([true]) }\n";
    const { findings } = compilePolicy([{ file: "p.rego", text }], { dialect: "v0", lint: LINT_PROFILES });
    expect(findings.map(({ code, severity }) => [code, severity])).toEqual([
      ["deprecated_builtin", "warning"],
    ]);
  });
});

describeShared("every module of OPA's suite", "opa-conformance", () => {
  const cases = readdirSync(sharedPath("opa-conformance", "v1")).flatMap((file) =>
    readCases(sharedPath("opa-conformance", "v1", file)).flatMap(({ modules }) => (modules ? [modules] : [])),
  );

  test("gets advice about places it has, and is never refused for it", () => {
    expect(cases.length).toBeGreaterThan(1_000);
    for (const texts of cases) {
      const modules = texts.map((text, at) => ({ file: `${at}`, text }));
      const { policy, findings } = compilePolicy(modules, { lint: LINT_PROFILES, allowMockedBuiltins: true });
      const refused = findings.some(({ severity }) => severity === "error");
      expect(policy === undefined).toBe(refused);
      for (const { file, row, col } of findings) {
        const line = texts[Number(file)]?.split("\n")[row - 1];
        expect(line).toBeDefined();
        expect(col).toBeLessThanOrEqual([...(line ?? "")].length + 1);
      }
    }
  });
});
