import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { formatModule, meaningOf } from "../../../../src/policy/rego/format.ts";
import { parseModule } from "../../../../src/policy/rego/parser/index.ts";
import { describeShared, sharedPath } from "../../../support/shared.ts";

function formatted(text: string): string {
  const result = formatModule("p.rego", text);
  if (!("text" in result)) throw new Error(String(result.errors[0]?.message));
  return result.text;
}

function inBody(line: string): string {
  return formatted(`package p\n\nq if {\n${line}\n}\n`).split("\n").slice(3, -2).join("\n");
}

describe("spaces", () => {
  test.each([
    ["x:=1", "\tx := 1"],
    ["1+2*3==7", "\t1 + 2 * 3 == 7"],
    ["x := - 1", "\tx := -1"],
    ["x := 1 -1", "\tx := 1 - 1"],
    ["y := [x|some x in input.xs]", "\ty := [x | some x in input.xs]"],
    ["f( 1 ,2 )", "\tf(1, 2)"],
    ["input . a", "\tinput . a"],
    ['input.a[ "b" ][ i ].c', '\tinput.a["b"][i].c'],
    ["x := {  }", "\tx := {}"],
    ['x := { "a" :1 }', '\tx := { "a": 1 }'],
    ['x := {"a" :1 }', '\tx := {"a": 1}'],
    ["a ;b", "\ta; b"],
    ["x in [1,2]", "\tx in [1, 2]"],
    ["not   input.a   with input.b as  2", "\tnot input.a with input.b as 2"],
    ["x := `a  \tb`", "\tx := `a  \tb`"],
    ['x := "a  b" # why', '\tx := "a  b" # why'],
    ["count(x)>0", "\tcount(x) > 0"],
    ["x&y|z", "\tx & y | z"],
  ])("%j", (line, expected) => {
    // Text that is no Rego ("input . a") is refused before anything is laid out.
    if (line === "input . a") expect(() => inBody(line)).toThrow();
    else expect(inBody(line)).toBe(expected);
  });
});

describe("lines", () => {
  test("levels follow the brackets, whatever opens several at once", () => {
    const text = 'package p\n\nq := f({\n"a": [\n1,\n2,\n],\n"b": g(\n3,\n),\n}, {\n"c": 4,\n})\n';
    expect(formatted(text)).toBe(
      'package p\n\nq := f({\n\t"a": [\n\t\t1,\n\t\t2,\n\t],\n\t"b": g(\n\t\t3,\n\t),\n}, {\n\t"c": 4,\n})\n',
    );
  });

  test("what goes on in the next line stands one level further in", () => {
    expect(inBody("x := 1 +\n2\ninput.a\nwith input.a as 1")).toBe(
      "\tx := 1 +\n\t\t2\n\tinput.a\n\t\twith input.a as 1",
    );
  });

  test("one empty line at most, none at the edges of brackets, one around rules of several lines", () => {
    const text =
      "\n\npackage p\nimport data.a\nimport data.b\nq if {\n\n\ta.x\n\n\n\tb.x\n\n}\nr if {\n\ttrue\n} else := 2 if {\n\tfalse\n}\ns := 1\nt := 2\n\n\n";
    expect(formatted(text)).toBe(
      "package p\n\nimport data.a\nimport data.b\n\nq if {\n\ta.x\n\n\tb.x\n}\n\nr if {\n\ttrue\n} else := 2 if {\n\tfalse\n}\n\ns := 1\nt := 2\n",
    );
  });

  test("comments stay where they are", () => {
    const text =
      "# first\npackage p\n\n   # about q\nq if { # opens\n# inside\n  true #   trailing  \n  # last\n}\n# end";
    expect(formatted(text)).toBe(
      "# first\npackage p\n\n# about q\nq if { # opens\n\t# inside\n\ttrue #   trailing\n\t# last\n}\n\n# end\n",
    );
  });

  test("text in back quotes keeps its lines", () => {
    const text = "package p\n\nq := [\n`a\n   b`,\n1]\n";
    expect(formatted(text)).toBe("package p\n\nq := [\n\t`a\n   b`,\n\t1]\n");
  });

  test("Windows lines and a byte order mark are gone", () => {
    expect(formatted("\uFEFFpackage p\r\n\r\nq := 1\r\n")).toBe("package p\n\nq := 1\n");
  });
});

test("text that is no policy has its errors", () => {
  expect(formatModule("p.rego", "package p\n\nq if {")).toMatchObject({
    errors: [{ code: "rego_parse_error", location: { file: "p.rego" } }],
  });
});

describeShared("every module of OPA's suite", "opa-conformance", () => {
  const modules = (["v1", "v0"] as const).flatMap((dialect) =>
    readdirSync(sharedPath("opa-conformance", dialect)).flatMap((file) => {
      const { cases }: { cases: readonly { modules?: readonly string[] }[] } = JSON.parse(
        readFileSync(sharedPath("opa-conformance", dialect, file), "utf8"),
      );
      return cases.flatMap((each) => (each.modules ?? []).map((text) => ({ dialect, text })));
    }),
  );

  test("means the same when it is laid out, and is laid out once and for all", () => {
    expect(modules.length).toBeGreaterThan(3_000);
    for (const { dialect, text } of modules) {
      const result = formatModule("p.rego", text, dialect);
      if (!("text" in result)) continue;
      const [before, after] = [text, result.text].map(
        (each) => parseModule(each, { file: "p.rego", dialect }).module,
      );
      if (before === undefined || after === undefined) throw new Error(text);
      expect(meaningOf(after)).toBe(meaningOf(before));
      expect(formatModule("p.rego", result.text, dialect)).toEqual({ text: result.text });
      // Its own text would come back were a layout ever to change a meaning: then blanks would still lead lines.
      if (!/`|\\\n/.test(text)) expect(result.text).not.toMatch(/^ |[ \t]$|\n\n\n/m);
    }
  });
});

test("text that is anything at all is formatted or refused, and never crashes", () => {
  const words = [
    "package p",
    "\n",
    "allow",
    " if ",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":=",
    "|",
    "not ",
    "#",
    "`",
    '"',
  ];
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom(...words, "\n\t", "x", "1", ".", ","))
      .map((parts) => `package p\n${parts.join("")}`),
  );
  fc.assert(
    fc.property(text, (source) => {
      const result = formatModule("p.rego", source);
      if (!("text" in result)) return result.errors.length > 0;
      const again = formatModule("p.rego", result.text);
      return "text" in again && again.text === result.text;
    }),
    { numRuns: 2_000 },
  );
});
