import { stringify } from "yaml";
import { CONFIG_SECTIONS } from "./load.ts";
import type { ConfigSection } from "./section.ts";
import { VERIFIER_SECTIONS } from "./verifier-sections.ts";
import { memberOf } from "./walk.ts";

/**
 * Prints `kbs.config.yaml`: every option with its default and its sentence, from the very schemas that
 * check a configuration. Options without a default are printed as comments, with an example.
 */
export function renderReferenceConfig(): string {
  const lines = [
    "# Every option of Keywarden with its default. What you leave out has the value shown here, so a",
    "# configuration of your own needs only what differs. Lines such as `# name: …` show options that",
    "# have no default. Relative paths start from the folder of this file; a secret is never written",
    "# here, but referred to: { file: /path } or { env: NAME }.",
    "#",
    "# `keywarden config check FILE` reports every fault at once.",
  ];
  for (const [name, section] of Object.entries(CONFIG_SECTIONS)) {
    if (name === "dev") lines.push("", ...renderVerifiers());
    lines.push("", ...renderOption(name, section.jsonSchema, "", false));
  }
  return `${lines.join("\n")}\n`;
}

function renderVerifiers(): string[] {
  const sections: readonly (readonly [string, ConfigSection<unknown>])[] = Object.entries(VERIFIER_SECTIONS);
  const lines = ["# Verifiers of evidence, one section per kind of TEE.", "verifiers:"];
  for (const [name, section] of sections) lines.push(...renderOption(name, section.jsonSchema, "  ", false));
  return lines;
}

/** @param commented - inside an option that has no default: every line is a comment */
function renderOption(name: string, schema: unknown, indent: string, commented: boolean): string[] {
  const properties = memberOf(schema, "properties");
  const optional = memberOf(schema, "default") === undefined;
  const off = commented || (optional && indent !== "");
  const mark = off ? "# " : "";
  const sentence = comment(
    `${textOf(schema, "description")}${choices(schema)}`,
    `${indent}${commented ? "# " : ""}`,
  );
  if (typeof properties === "object" && properties !== null && !isReference(properties)) {
    const members = Object.entries(properties).flatMap(([each, below]) =>
      renderMember(each, below, schema, indent, off),
    );
    return [...sentence, `${indent}${mark}${name}:`, ...members];
  }
  return [...sentence, ...renderValue(name, schema, indent, mark), ...renderEntries(schema, indent)];
}

/** `{ file: … }` or `{ env: … }` is explained once, at the top. */
function isReference(properties: object): boolean {
  return Object.keys(properties).join() === "file,env";
}

/** Members of an option that is off stay below its mark: `# tls:` and `#   certificate: …`. */
function renderMember(
  name: string,
  schema: unknown,
  parent: unknown,
  indent: string,
  off: boolean,
): string[] {
  if (!off) return renderOption(name, schema, `${indent}  `, false);
  const example = memberOf(firstExample(parent), name);
  const sentence = comment(`${textOf(schema, "description")}${choices(schema)}`, `${indent}#   `);
  const value = example ?? memberOf(schema, "default") ?? firstExample(schema);
  return [...sentence, `${indent}#   ${name}: ${flow(value)}`];
}

function renderValue(name: string, schema: unknown, indent: string, mark: string): string[] {
  const fallback = memberOf(schema, "default");
  const example = firstExample(schema);
  const lines = fallback === undefined ? [] : [`${indent}${mark}${name}: ${flow(fallback)}`];
  if (example !== undefined) lines.push(`${indent}# ${name}: ${flow(example)}`);
  return lines;
}

/** What an entry of a list of groups may hold. */
function renderEntries(schema: unknown, indent: string): string[] {
  const properties = memberOf(memberOf(schema, "items"), "properties");
  if (typeof properties !== "object" || properties === null) return [];
  const lines = [`${indent}# Options of an entry:`];
  for (const [name, below] of Object.entries(properties)) {
    const fallback = memberOf(below, "default");
    const value = fallback === undefined ? "" : ` Default: ${flow(fallback)}`;
    lines.push(...comment(`  ${name}: ${textOf(below, "description")}${choices(below)}${value}`, indent));
    lines.push(
      ...renderEntries(below, `${indent}#   `.replace(/# {3}$/, "")).map((line) =>
        line.replace("# ", "#     "),
      ),
    );
  }
  return lines;
}

function choices(schema: unknown): string {
  const values = memberOf(schema, "enum") ?? memberOf(memberOf(schema, "items"), "enum");
  return Array.isArray(values) ? ` [${values.join(" | ")}]` : "";
}

function firstExample(schema: unknown): unknown {
  const examples = memberOf(schema, "examples");
  return Array.isArray(examples) ? examples[0] : undefined;
}

function textOf(schema: unknown, name: string): string {
  const value = memberOf(schema, name);
  return typeof value === "string" ? value : "";
}

const FLOW = { collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: true } as const;

function flow(value: unknown): string {
  return stringify(value ?? null, FLOW).trimEnd();
}

const WIDTH = 110;

function comment(text: string, indent: string): string[] {
  const lead = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(" ")) {
    if (line !== "" && indent.length + 2 + lead.length + line.length + word.length >= WIDTH) {
      lines.push(line);
      line = "  ";
    }
    line += line.trim() === "" ? word : ` ${word}`;
  }
  return [...lines, line].map((each) => `${indent}# ${lead}${each}`);
}
