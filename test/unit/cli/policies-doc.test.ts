import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { compilePolicy, DEFAULT_LIMITS, formatModule } from "../../../src/policy/rego/index.ts";
import { commandLine } from "../../support/command-line.ts";

/** docs/policies.md promises that its examples are executed: here they are, from the top to the end. */
const TEXT = readFileSync(new URL("../../../docs/policies.md", import.meta.url), "utf8");

interface Block {
  readonly language: string;
  readonly name: string;
  readonly body: string;
  readonly row: number;
}

const BLOCKS: readonly Block[] = [...TEXT.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)].map((found) => ({
  language: found[1] ?? "",
  name: found[2] ?? "",
  body: found[3] ?? "",
  row: TEXT.slice(0, found.index).split("\n").length,
}));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "keywarden-doc-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A command as a reader types it, with files in the example's folder. */
async function run(command: string): Promise<string> {
  const words = command.split(" ").slice(1);
  const argv = words.map((word) => (/\.(rego|json|ndjson)$/.test(word) ? join(folder, word) : word));
  const { out, err } = await commandLine(argv);
  return `${out.toString()}${err}`.replaceAll(`${folder}/`, "").replaceAll(/\(\d+\.\d+ ms\)/g, "(… ms)");
}

describe("examples, one after the other", () => {
  test("there are examples", () => {
    expect(BLOCKS.filter(({ language }) => language === "console").length).toBeGreaterThanOrEqual(7);
    expect(BLOCKS.every(({ language }) => ["rego", "json", "console"].includes(language))).toBe(true);
  });

  test.each(BLOCKS.map((block) => [block.language, block.name, block.row, block] as const))(
    "%s %s at line %d",
    async (language, name, _row, { body }) => {
      if (language === "console") {
        for (const [, command = "", output = ""] of body.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm))
          expect(await run(command)).toBe(output);
        return;
      }
      expect(name).not.toBe("");
      writeFileSync(join(folder, name), body);
      if (language === "rego") expect(formatModule(name, body)).toEqual({ text: body });
    },
  );
});

/** Rows of the table whose header begins with this column. */
function table(first: string): readonly (readonly string[])[] {
  const lines = TEXT.split("\n");
  const header = lines.findIndex((line) => line.startsWith(`| ${first} `));
  const end = lines.findIndex((line, at) => at > header && !line.startsWith("|"));
  return lines.slice(header + 2, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function code(cell: string | undefined): string {
  return cell?.match(/^`(.*)`$/)?.[1] ?? "";
}

test.each(table("Expression").map(([expression, here]) => [code(expression), code(here)]))(
  "%s is %s here",
  async (expression, here) => {
    const { out } = await commandLine(["policy", "eval", "--json", expression]);
    const answer = JSON.parse(out.toString());
    if (here.startsWith("eval_")) expect(answer.errors[0].code).toBe(here);
    else expect((await commandLine(["policy", "eval", expression])).out.toString()).toBe(`${here}\n`);
  },
);

test("the warnings of the table are given for what stands beside them", () => {
  for (const [name, written] of table("Warning")) {
    const line = code(written).replaceAll("…", '"x"');
    const text = /^(default|allow)/.test(line)
      ? `package policy\n\n${line}\n`
      : `package policy\n\nallow if ${line}\n`;
    const host = [{ name: "query_reference_value", arity: 1, params: ["string"], result: "any" }] as const;
    expect(compilePolicy([{ file: "p.rego", text }], { host }).findings).toMatchObject([
      { code: code(name) },
    ]);
  }
});

test("every warning the engine can give is named", () => {
  const folder = fileURLToPath(new URL("../../../src/policy/rego/", import.meta.url));
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const codes = sources.flatMap((name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(/\bwarn\(\s*"([a-z_]+)"/gi)].map(
      (found) => found[1] ?? "",
    ),
  );
  expect(codes.length).toBeGreaterThan(15);
  expect(codes.filter((code) => !TEXT.includes(`\`${code}\``))).toEqual([]);
});

test("limits are those of the engine", () => {
  const limits = new Map(table("Limit").map(([name, value]) => [name, value?.replaceAll(" ", "")]));
  const mebi = 1024 * 1024;
  expect(limits.get("Steps")).toBe(String(DEFAULT_LIMITS.steps));
  expect(limits.get("Time")).toContain(`${DEFAULT_LIMITS.wallClockMilliseconds}ms`);
  expect(limits.get("Nested rules and functions")).toBe(String(DEFAULT_LIMITS.depth));
  expect(limits.get("Array elements, entries and members")).toBe(String(DEFAULT_LIMITS.cells));
  expect(limits.get("Bits of an integer")).toBe(String(DEFAULT_LIMITS.bigintBits));
  const { stringLength, stringBytes, regexPatternLength, regexSubjectLength } = DEFAULT_LIMITS;
  expect(limits.get("One string, all strings together")).toBe(
    `${stringLength / mebi}MiB,${stringBytes / mebi}MiB`,
  );
  expect(limits.get("Pattern of a regular expression, text")).toBe(
    `${regexPatternLength / 1024}KiB,${regexSubjectLength / mebi}MiB`,
  );
  expect(limits.get("Output of `print`")).toBe(
    `${DEFAULT_LIMITS.outputBytes / 1024}KiB,${DEFAULT_LIMITS.outputLines}lines`,
  );
  expect(limits.get("JSON of the answer")).toBe(`${DEFAULT_LIMITS.resultBytes / mebi}MiB`);
});

test.each([
  ["Failing built-ins", 'allow if not to_number("x") == 1', undefined],
  ["Types are advice", 'allow if 1 == "a"', "rego_type_error"],
  ["Wildcards in negations", "allow if not input.list[_] == 5", "wildcard_in_negation"],
  ["Constants in `:=` patterns", "allow if {\n\t[x, 1] := input.pair\n\tx == 2\n}", "constant_in_pattern"],
  ["Imports after rules", "allow if submods == 1\n\nimport input.submods", "late_import"],
])("difference %s: accepted, with advice", (title, rules, code) => {
  expect(TEXT).toContain(`- **${title}`);
  const { policy, findings } = compilePolicy([{ file: "p.rego", text: `package policy\n\n${rules}\n` }]);
  expect(policy).toBeDefined();
  if (code !== undefined) expect(findings.map((finding) => finding.code)).toContain(code);
});

test.each(["http.send", "net.lookup_ip_addr", "opa.runtime", "io.jwt.encode_sign", "uuid.rfc4122"])(
  "%s is refused by name and with a reason",
  (name) => {
    const call = `${name}(${["http.send", "net.lookup_ip_addr", "uuid.rfc4122"].includes(name) ? '"x"' : name === "opa.runtime" ? "" : '"", "", ""'})`;
    const { policy, findings } = compilePolicy([
      { file: "p.rego", text: `package policy\n\nallow if ${call}\n` },
    ]);
    expect(policy).toBeUndefined();
    expect(findings[0]?.message).toMatch(
      new RegExp(`undefined function ${name.replace(".", "\\.")}: not available, \\w`),
    );
  },
);
