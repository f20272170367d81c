import { mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { POLICY, PolicyFiles } from "../../support/policy-files.ts";

let files: PolicyFiles;
beforeEach(() => {
  files = new PolicyFiles();
});
afterEach(() => files.remove());

const TESTS = `package policy_test

import data.policy

lookup("k") := [3]

test_registered if policy.allow with input as {"a": 1, "v": 3} with query_reference_value as lookup

test_constant_answer if policy.allow with input as {"a": 1, "v": 4} with query_reference_value as [4]

test_unregistered if not policy.allow with input as {"a": 1, "v": 3}
`;

describe("policy test", () => {
  test("passes, with answers of query_reference_value replaced", async () => {
    files.write("p.rego", POLICY);
    files.write("p_test.rego", TESTS);
    const { code, out } = await files.run(["test", files.folder]);
    expect(code).toBe(0);
    expect(out).toMatch(/^p_test\.rego:\n {2}data\.policy_test\.test_registered: PASS \(\d+\.\d+ ms\)\n/);
    expect(out).toMatch(/PASS: 3\/3\n$/);
  });

  test("tells fail, error and todo apart, with what was printed and what did not hold", async () => {
    files.write(
      "q_test.rego",
      `package q_test

test_false if {
	print("about to fail")
	1 == 2
}

test_error if to_number("x") == 1

test_not_true := 1

todo_test_later if false

test_fine if true
`,
    );
    const { code, out } = await files.run(["test", files.folder]);
    expect(code).toBe(1);
    expect(out).toContain("test_false: FAIL");
    expect(out).toContain("undefined: line 5: 1 == 2\n      q_test.rego:4: about to fail\n");
    expect(out).toMatch(/test_error: ERROR \(\d+\.\d+ ms\): q_test\.rego:8:15: eval_builtin_error: /);
    expect(out).toMatch(/test_not_true: FAIL .*its value is not true/);
    expect(out).toContain("todo_test_later: TODO\n");
    expect(out).toMatch(/PASS: 1\/5 {2}FAIL: 2\/5 {2}ERROR: 1\/5 {2}TODO: 1\/5\n$/);
  });

  test("coverage is of the policy, with the rows that no test reached", async () => {
    files.write("p.rego", `${POLICY}\nallow if {\n\tinput.b == 1\n\tinput.c == 2\n}\n`);
    files.write("p_test.rego", TESTS);
    const { out } = await files.run(["test", files.folder, "--coverage"]);
    expect(out).toMatch(/ % {2}p\.rego {2}not reached: 11, 13\n/);
    expect(out).not.toMatch(/ % {2}p_test\.rego/);
    const json = JSON.parse((await files.run(["test", files.folder, "--coverage", "--format", "json"])).out);
    expect(json).toMatchObject({ passed: 3, failed: 0, errors: 0, todo: 0 });
    const [coverage] = Object.values(json.coverage.files);
    expect(coverage).toMatchObject({
      not_covered_lines: 2,
      not_covered: [{ start: { row: 11 } }, { start: { row: 13 } }],
    });
  });

  test("JUnit escapes what XML cannot hold", async () => {
    files.write(
      "x_test.rego",
      'package x_test\n\ntest_x if {\n\tprint("<&\\u0001\\"")\n\t"<" == "&"\n}\n\ntodo_test_y if true\n',
    );
    const { out } = await files.run(["test", files.folder, "--format", "junit"]);
    expect(out).toContain('<testsuite name="data.x_test" tests="2" failures="1" errors="0" skipped="1"');
    expect(out).toContain("x_test.rego:4: &lt;&amp;\uFFFD&quot;");
    expect(out).toContain("&quot;&lt;&quot; == &quot;&amp;&quot;");
    expect(out).toContain("<skipped/>");
    expect(out).not.toContain("\u0001");
  });

  test("policies of one package each have tests of their own, and share libraries", async () => {
    files.write("a.rego", "package policy\n\nimport data.lib\n\ndefault allow := false\n\nallow if lib.ok\n");
    files.write("a_test.rego", "package policy_test\n\nimport data.policy\n\ntest_a if policy.allow\n");
    files.write("b.rego", "package policy\n\ndefault allow := false\n");
    files.write("b_test.rego", "package policy_test\n\nimport data.policy\n\ntest_b if not policy.allow\n");
    files.write("lib.rego", "package lib\n\nok := true\n");
    files.write("lib_test.rego", "package lib_test\n\nimport data.lib\n\ntest_lib if lib.ok\n");
    const { code, out } = await files.run(["test", files.folder]);
    expect([code, out]).toEqual([0, expect.stringMatching(/PASS: 3\/3\n$/)]);
  });

  test("without pairs everything is one, in folders too", async () => {
    mkdirSync(files.path("below"));
    files.write("below/policy.rego", POLICY);
    files.write("checks.rego", TESTS);
    expect(await files.run(["test", files.folder])).toMatchObject({ code: 0 });
  });

  test("a rule that could hide a failure is an error", async () => {
    files.write(
      "x_test.rego",
      "package x_test\n\ntest_twice if true\n\ntest_twice if false\n\ntest_cases[x] if some x in [1]\n\ntest_set contains 1\n",
    );
    const { code, out } = await files.run(["test", files.folder]);
    expect(code).toBe(1);
    expect(out).toContain("test_twice: ERROR (0.000 ms): there are 2 tests of this name");
    expect(out).toContain("test_cases: ERROR (0.000 ms): a partial rule is no test");
    expect(out).toContain("ERROR: 3/3");
  });

  test("v0 on request", async () => {
    files.write("old.rego", "package old\n\ntest_old { true }\n");
    expect(await files.run(["test", files.folder, "--v0"])).toMatchObject({ code: 0 });
    expect(await files.run(["test", files.folder])).toMatchObject({
      code: 1,
      err: expect.stringContaining("old.rego:3:1: error: rego_parse_error"),
    });
  });

  test("misuse: a path that is not there, a folder without tests", async () => {
    expect(await files.run(["test", files.path("none")])).toMatchObject({ code: 2 });
    files.write("p.rego", POLICY);
    expect(await files.run(["test", files.folder])).toMatchObject({ code: 2, out: "" });
  });
});
