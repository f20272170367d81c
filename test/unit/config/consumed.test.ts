import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { CONFIG_SECTIONS } from "../../../src/config/load.ts";
import { VERIFIER_SECTIONS } from "../../../src/config/verifier-sections.ts";
import { memberOf } from "../../../src/config/walk.ts";

const SOURCES = fileURLToPath(new URL("../../../src/", import.meta.url));

/** Text of everything that may use the configuration: all but the folder that describes it. */
function sources(): string {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" });
  const used = files.filter((file) => file.endsWith(".ts") && !/^config\/|\/settings\.ts$/.test(file));
  return used.map((file) => readFileSync(join(SOURCES, file), "utf8")).join("\n");
}

function names(schema: unknown): string[] {
  const below = memberOf(schema, "properties") ?? memberOf(memberOf(schema, "items"), "properties") ?? {};
  return Object.entries(below).flatMap(([name, each]) => [name, ...names(each)]);
}

/** What stands for itself: `dangerouslyAllowPlainHttp` permits what the loader would otherwise refuse. */
const USED_BY_THE_LOADER = new Set(["dangerouslyAllowPlainHttp"]);

test("no option is without effect: every name is used outside the schema", () => {
  const text = sources();
  const sections = [...Object.values(CONFIG_SECTIONS), ...Object.values(VERIFIER_SECTIONS)];
  const all = new Set(sections.flatMap(({ jsonSchema }) => names(jsonSchema)));
  const unused = [...all].filter(
    (name) => !USED_BY_THE_LOADER.has(name) && !new RegExp(`\\b${name}\\b`).test(text),
  );
  expect(unused).toEqual([]);
});
