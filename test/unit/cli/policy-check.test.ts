import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { commandLine } from "../../support/command-line.ts";
import { POLICY, PolicyFiles } from "../../support/policy-files.ts";

let files: PolicyFiles;
beforeEach(() => {
  files = new PolicyFiles();
});
afterEach(() => files.remove());

describe("policy check", () => {
  test("a good policy", async () => {
    const path = files.write("p.rego", POLICY);
    expect(await files.run(["check", path])).toEqual({
      code: 0,
      out: "1 file checked: 0 errors, 0 warnings\n",
      err: "",
    });
    expect(JSON.parse((await files.run(["check", "--json", path])).out)).toEqual({ ok: true, findings: [] });
  });

  test("an error with its place, its line and a caret, also behind tabs and characters of two units", async () => {
    const path = files.write("p.rego", 'package policy\n\nallow if {\n\t"💡" == frobnicate(1)\n}\n');
    const { code, out } = await files.run(["check", path]);
    expect(code).toBe(1);
    expect(out).toBe(
      'p.rego:4:9: error: rego_type_error: undefined function frobnicate\n     "💡" == frobnicate(1)\n            ^^^^^^^^^^\n1 file checked: 1 error, 0 warnings\n',
    );
  });

  test("a warning is advice: exit code 0", async () => {
    const path = files.write("p.rego", "package policy\n\ndefault allow := true\n");
    const { code, out } = await files.run(["check", path]);
    expect([code, out]).toEqual([0, expect.stringContaining("p.rego:3:9: warning: default_allow: ")]);
    expect(JSON.parse((await files.run(["check", "--json", path])).out)).toMatchObject({
      ok: true,
      findings: [{ severity: "warning", code: "default_allow", row: 3, col: 9 }],
    });
  });

  test("each file by itself, unless they belong together", async () => {
    const one = files.write("one.rego", POLICY);
    const two = files.write("two.rego", POLICY);
    expect(await files.run(["check", one, two])).toMatchObject({ code: 0 });
    expect(await files.run(["check", "--together", one, two])).toMatchObject({
      code: 1,
      out: expect.stringContaining("multiple default rules"),
    });
  });

  test("tests with what they test", async () => {
    files.write("p.rego", "package policy\n\nallow if f(1)\n\nf(1) := true\n");
    const tests = files.write("p_test.rego", "package policy_test\n\ntest_f if data.policy.f(1)\n");
    expect(await files.run(["check", tests])).toMatchObject({ code: 0 });
  });

  test("v0 on request, and a hint at it", async () => {
    const path = files.write("p.rego", "package policy\n\nallow { input.x == 1 }\n");
    expect(await files.run(["check", "--v0", path])).toMatchObject({ code: 0 });
    expect((await files.run(["check", path])).out).toContain("Choose the v0 dialect");
  });

  test("a line longer than a screen is shown around its fault", async () => {
    const path = files.write(
      "p.rego",
      `package policy\n\nallow if { ${'"x" == "x"; '.repeat(100)}frobnicate(1) }\n`,
    );
    const { out } = await files.run(["check", path]);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThan(200);
    expect(out).toMatch(/frobnicate\(1\) }\n {4} +\^{10}\n/);
  });

  test("misuse", async () => {
    expect(await files.run(["check"])).toMatchObject({ code: 2 });
    expect(await files.run(["check", files.path("none.rego")])).toMatchObject({ code: 2 });
  });
});

describe("policy fmt", () => {
  const LOOSE =
    "package policy\nimport   rego.v1\n# why\nallow   if{\n    input.a==1   # one\n\n\n    x:=[ 1,2 ]\n    x[0]>-1\n}\nother if input.b\n";
  const LAID_OUT =
    "package policy\n\nimport rego.v1\n# why\nallow if {\n\tinput.a == 1 # one\n\n\tx := [1, 2]\n\tx[0] > -1\n}\n\nother if input.b\n";

  test("prints, checks and writes", async () => {
    const path = files.write("p.rego", LOOSE);
    expect(await files.run(["fmt", path])).toEqual({ code: 0, out: LAID_OUT, err: "" });
    expect(await files.run(["fmt", "--check", path])).toMatchObject({ code: 1, out: "p.rego\n" });
    expect(await files.run(["fmt", "--write", path])).toMatchObject({ code: 0, out: "p.rego\n" });
    expect(await files.run(["fmt", "--check", path])).toEqual({ code: 0, out: "", err: "" });
    expect(await files.run(["fmt", "--write", path])).toEqual({ code: 0, out: "", err: "" });
  });

  test("a file that is no policy is named and left alone", async () => {
    const path = files.write("p.rego", "package policy\n\nallow if {\n");
    expect(await files.run(["fmt", "--write", path])).toMatchObject({
      code: 1,
      err: expect.stringContaining("p.rego:4:1: rego_parse_error"),
    });
  });
});

describe("policy explain", () => {
  test("the first literal that failed in every definition, and the values it saw", async () => {
    const path = files.write(
      "p.rego",
      `${POLICY}\nallow if {\n\tinput.b == 7\n\thelper\n}\n\nhelper if input.c.d\n`,
    );
    const input = files.write("input.json", { a: 1, v: 3, b: 7 });
    const values = files.write("values.json", { k: [4, 5] });
    const argv = ["explain", "--policy", path, "--input", input, "--reference-values", values];
    const { code, out } = await files.run([...argv, "allow"]);
    expect(code).toBe(0);
    expect(out).toContain("data.policy.allow is false");
    expect(out).toContain("fails at line 8: input.v in registered");
    expect(out).toContain("registered is [4, 5]");
    expect(out).toContain("input.v is 3");
    expect(out).toContain("fails at line 13: helper");
    expect(out).toContain("input.c.d is undefined");
    const json = JSON.parse((await files.run([...argv, "--json", "data.policy.allow"])).out);
    expect(json).toMatchObject({
      outcome: { kind: "value", value: false },
      whyNot: { rule: "data.policy.allow" },
    });
  });

  test("of every the element that failed, and of a definition without value that it has none", async () => {
    const path = files.write(
      "p.rego",
      'package policy\n\ndefault allow := false\n\nallow if {\n\tevery device in input.submods {\n\t\tdevice.status == "affirming"\n\t}\n}\n\nmeasurement := input.nothing\n',
    );
    const input = files.write("input.json", {
      submods: { a: { status: "affirming" }, b: { status: "none" } },
    });
    const { out } = await files.run(["explain", "--policy", path, "--input", input, "allow"]);
    expect(out).toContain('    device.status is "none"\n');
    expect(out).not.toContain("undefined");
    const none = await files.run(["explain", "--policy", path, "--input", input, "measurement"]);
    expect(none.out).toBe(
      "data.policy.measurement is undefined\n  p.rego:11: holds, but its value is undefined\n",
    );
  });

  test("every step with --trace", async () => {
    const path = files.write("p.rego", POLICY);
    const input = files.write("input.json", { a: 2 });
    const { out } = await files.run(["explain", "--policy", path, "--input", input, "--trace", "allow"]);
    expect(out).toMatch(/^Enter data\.policy\.allow\n\| Eval p\.rego:6 input\.a == 1 .*\n\| Fail /);
    expect(out).toMatch(/Exit data\.policy\.allow = false\n$/);
  });

  test("an evaluation that ends in an error says so", async () => {
    const path = files.write("p.rego", 'package policy\n\nallow if to_number("x") == 1\n');
    expect(await files.run(["explain", "--policy", path, "allow"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("p.rego:3:10: eval_builtin_error"),
    });
  });

  test("misuse: a rule that is not there", async () => {
    const path = files.write("p.rego", POLICY);
    expect(await files.run(["explain", "--policy", path, "alow"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("data.policy.allow"),
    });
  });
});

describe("conformance rego", () => {
  const CASES = {
    cases: [
      {
        note: "good",
        query: "data.test.p = x",
        modules: ["package test\n\np := 1"],
        want_result: [{ x: 1 }],
      },
      { note: "bad", query: "data.test.p = x", modules: ["package test\n\np := 1"], want_result: [{ x: 2 }] },
    ],
  };

  test("counts, and says what failed and why", async () => {
    files.write("c.json", CASES);
    const { code, out } = await commandLine(["conformance", "rego", files.folder, "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(out.toString())).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
      failures: [{ file: "c.json", note: "bad", why: expect.stringContaining("instead of") }],
    });
  });

  test("misuse: no folder, no cases, no JSON", async () => {
    expect((await commandLine(["conformance", "rego", files.path("none")])).code).toBe(2);
    expect((await commandLine(["conformance", "rego", files.folder])).code).toBe(2);
    files.write("broken.json", "{");
    expect((await commandLine(["conformance", "rego", files.folder])).code).toBe(2);
  });
});
