import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MAX_LINE_BYTES, splitLines, TOO_LONG } from "../../../src/cli/policy/lines.ts";
import { POLICY, PolicyFiles } from "../../support/policy-files.ts";

let files: PolicyFiles;
let policy: string;

beforeAll(() => {
  files = new PolicyFiles();
  policy = files.write("p.rego", POLICY);
});
afterAll(() => files.remove());

describe("one query", () => {
  test("with policy, input and reference values", async () => {
    const input = files.write("input.json", '{"a": 1, "v": 98765432109876543210}');
    const values = files.write("values.json", '{"k": [98765432109876543210]}');
    const argv = ["eval", "--policy", policy, "--input", input, "--reference-values", values];
    expect(await files.run([...argv, "data.policy.allow"])).toEqual({ code: 0, out: "true\n", err: "" });
    const { out } = await files.run([...argv, "--json", "x := input.v + 1"]);
    expect(out).toBe(
      '{"result":[{"expressions":[{"value":true,"text":"x := input.v + 1","location":{"row":1,"col":1}}],"bindings":{"x":98765432109876543211}}]}\n',
    );
  });

  test("as opa eval prints it: false is a value, undefined has no result", async () => {
    const argv = ["eval", "--json", "--policy", policy];
    const expression = { value: false, text: "data.policy.allow", location: { row: 1, col: 1 } };
    expect(JSON.parse((await files.run([...argv, "data.policy.allow"])).out)).toEqual({
      result: [{ expressions: [expression], bindings: {} }],
    });
    expect(await files.run([...argv, "data.policy.nothing"])).toEqual({ code: 0, out: "{}\n", err: "" });
    expect((await files.run(["eval", "--policy", policy, "data.policy.nothing"])).out).toBe("undefined\n");
  });

  test("every solution", async () => {
    expect((await files.run(["eval", "x := [1, 2][_]"])).out).toBe("1\n2\n");
  });

  test("a reference value that is not in the file is null", async () => {
    expect((await files.run(["eval", 'query_reference_value("other")'])).out).toBe("null\n");
  });

  test("documents are merged, and refused where they meet", async () => {
    const one = files.write("one.json", { plugin: "resource", query: { a: ["1"] } });
    const two = files.write("two.json", { query: { b: ["2"] } });
    const merged = await files.run(["eval", "--data", one, "--data", two, "data"]);
    expect(JSON.parse(merged.out)).toEqual({ plugin: "resource", query: { a: ["1"], b: ["2"] } });
    const clash = await files.run(["eval", "--data", one, "--data", one, "data"]);
    expect([clash.code, clash.err]).toEqual([2, expect.stringContaining("data.plugin")]);
  });

  test("what a policy prints goes to stderr", async () => {
    const printing = files.write("print.rego", 'package policy\n\nallow if print("seen", input.a)\n');
    const { out, err } = await files.run(["eval", "--policy", printing, "data.policy.allow"]);
    expect([out, err]).toEqual(["true\n", "print.rego:3: seen <undefined>\n"]);
  });

  test("strict unless lenient", async () => {
    const strict = await files.run(["eval", "--json", '"x" in {to_number("y")}']);
    expect(strict.code).toBe(1);
    expect(JSON.parse(strict.out)).toMatchObject({
      errors: [{ code: "eval_builtin_error", location: { file: "", row: 1, col: 9 } }],
    });
    expect(await files.run(["eval", "--lenient", 'to_number("y")'])).toMatchObject({
      code: 0,
      out: "undefined\n",
    });
  });

  test("v0 on request only", async () => {
    const old = files.write("v0.rego", "package policy\n\nallow { input.a == 1 }\n");
    const input = files.write("a.json", { a: 1 });
    const argv = ["eval", "--policy", old, "--input", input, "data.policy.allow"];
    expect((await files.run([...argv, "--v0"])).out).toBe("true\n");
    const refused = await files.run([...argv, "--json"]);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({
      errors: [{ code: "rego_parse_error", location: { file: "v0.rego", row: 3, col: 1 } }],
    });
  });

  test.each([
    [["eval"]],
    [["eval", "--policy", "/nowhere.rego", "true"]],
    [["eval", "--batch", "/nowhere.ndjson"]],
    [["eval", "--batch", "x.ndjson", "true"]],
    [["eval", "--input", "/nowhere.json", "true"]],
  ])("misuse: %j", async (argv) => {
    expect(await files.run(argv)).toMatchObject({ code: 2, out: "" });
  });

  test("input that is no JSON is misuse, with the reason", async () => {
    const input = files.write("bad.json", "{");
    expect(await files.run(["eval", "--input", input, "true"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("bad.json is not JSON"),
    });
  });
});

describe("a batch", () => {
  async function batch(...lines: readonly (string | object)[]): Promise<readonly unknown[]> {
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
    const { code, out } = await files.run(["eval", "--batch", files.write("batch.ndjson", text)]);
    expect(code).toBe(0);
    return out
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
  }

  test("one answer each, in order, with paths beside the batch", async () => {
    files.write("in.json", { a: 1, v: 3 });
    const request = { policies: ["p.rego"], query: "data.policy.allow" };
    const answers = await batch(
      { id: "yes", ...request, input: "in.json", referenceValues: { k: [3] } },
      { id: "no", ...request, input: { a: 1, v: 3 } },
      { id: "undefined", ...request, query: "data.policy.other" },
      { id: 4, ...request, query: "data.plugin", data: { plugin: "resource" } },
    );
    expect(answers).toEqual([
      { id: "yes", defined: true, value: true },
      { id: "no", defined: true, value: false },
      { id: "undefined", defined: false },
      { id: 4, defined: true, value: "resource" },
    ]);
  });

  test("integers stay exact, in and out", async () => {
    const line = '{"id":9007199254740993,"policies":[],"input":18446744073709551615,"query":"input + 1"}';
    const path = files.write("exact.ndjson", line);
    expect((await files.run(["eval", "--batch", path])).out).toBe(
      '{"id":9007199254740993,"defined":true,"value":18446744073709551616}\n',
    );
  });

  test("a bad line is only its own misfortune", async () => {
    const answers = await batch(
      "not JSON",
      "[1]",
      "",
      { id: 1 },
      { id: 2, query: "1 +" },
      { id: 3, policies: ["missing.rego"], query: "true" },
      { id: 4, policies: [7], query: "true" },
      { id: 5, query: "x" },
      { id: 6, query: "1 / 0" },
      { id: 7, query: "true", v0: "yes" },
      { id: 8, query: "true", referenceValues: [1] },
      `{"id": 9, "query": "true", "input": ${"[".repeat(10_000)}`,
      { id: 10, query: "bits.lsh(1, 1000000000)" },
      { id: 11, query: "x := numbers.range(1, 400000)" },
      { id: 12, query: "x := numbers.range(1, 9000); y := x[_]" },
      { id: "last", query: "1 + 1" },
    );
    const code = (code: string) => [expect.objectContaining({ code })];
    expect(answers).toEqual([
      { id: null, errors: code("malformed_request") },
      { id: null, errors: code("malformed_request") },
      { id: 1, errors: code("malformed_request") },
      { id: 2, errors: code("rego_parse_error") },
      { id: 3, errors: code("unreadable_file") },
      { id: 4, errors: code("malformed_request") },
      { id: 5, errors: code("rego_unsafe_var_error") },
      { id: 6, errors: code("eval_builtin_error") },
      { id: 7, errors: code("malformed_request") },
      { id: 8, errors: code("malformed_request") },
      { id: null, errors: code("malformed_request") },
      { id: 10, errors: code("eval_budget_error") },
      { id: 11, errors: code("eval_budget_error") },
      { id: 12, errors: code("eval_budget_error") },
      { id: "last", defined: true, value: 2 },
    ]);
  });

  test("v0 and lenient hold for their line alone", async () => {
    files.write("old.rego", "package policy\n\nallow { input.a == 1 }\n");
    const old = { policies: ["old.rego"], input: { a: 1 }, query: "data.policy.allow" };
    expect(
      await batch(
        { id: 1, ...old, v0: true },
        { id: 2, ...old },
        { id: 3, query: 'to_number("x")', lenient: true },
        { id: 4, query: 'to_number("x")' },
      ),
    ).toMatchObject([
      { id: 1, defined: true, value: true },
      { id: 2, errors: [{ code: "rego_parse_error", location: { file: "old.rego", row: 3 } }] },
      { id: 3, defined: false },
      { id: 4, errors: [{ code: "eval_builtin_error" }] },
    ]);
  });

  test("from standard input", async () => {
    expect((await files.run(["eval", "--batch", "-"], '{"id":1,"query":"1"}\n')).out).toBe(
      '{"id":1,"defined":true,"value":1}\n',
    );
  });

  test("a policy that changes between lines is read anew", async () => {
    files.write("one.rego", "package policy\n\nallow := 1\n");
    files.write("other.rego", "package policy\n\nallow := 2\n");
    const answers = await batch(
      { id: 1, policies: ["one.rego"], query: "data.policy.allow" },
      { id: 2, policies: ["other.rego"], query: "data.policy.allow" },
      { id: 3, policies: ["one.rego"], query: "data.policy.allow" },
    );
    expect(answers).toMatchObject([{ value: 1 }, { value: 2 }, { value: 1 }]);
  });
});

describe("lines", () => {
  async function split(chunks: readonly string[], max?: number): Promise<readonly unknown[]> {
    async function* bytes(): AsyncGenerator<Buffer> {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const lines: unknown[] = [];
    for await (const line of splitLines(bytes(), max)) lines.push(line);
    return lines;
  }

  test("cut anywhere, the last one without an end", async () => {
    expect(await split(["a\nb", "c\n\nd", "", "e"])).toEqual(["a", "bc", "", "de"]);
    expect(await split([])).toEqual([]);
    expect(await split(["a\n"])).toEqual(["a"]);
  });

  test("one that is too long is told, and the next one is read", async () => {
    expect(await split(["aaaa", "aaaa\nb\n"], 7)).toEqual([TOO_LONG, "b"]);
    expect(MAX_LINE_BYTES).toBeGreaterThan(1024 * 1024);
  });
});
