import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { RegoEngine } from "../../src/policy/rego-engine.ts";

/** The policies' own tests, in the language and by the convention that their authors would use. */
const FOLDER = fileURLToPath(new URL("../../policies/", import.meta.url));
const ENGINE = new RegoEngine({ now: Date.now });
const TEST_RULE = /^data\.policy_test\.test_/;

const files = ["attestation", "release"].flatMap((folder) =>
  readdirSync(FOLDER + folder)
    .filter((file) => file.endsWith("_test.rego"))
    .map((file) => `${folder}/${file}`),
);

test("every shipped policy has tests", () => {
  const untested = ["attestation", "release"].flatMap((folder) =>
    readdirSync(FOLDER + folder)
      .filter((file) => !file.endsWith("_test.rego"))
      .map((file) => `${folder}/${file.replace(".rego", "_test.rego")}`)
      .filter((file) => !files.includes(file)),
  );
  expect(untested).toEqual([]);
});

test("every reference value that a shipped policy asks for is in the table of policies/README.md", () => {
  const table = readFileSync(`${FOLDER}README.md`, "utf8");
  const asked = files.flatMap((file) => [
    ...readFileSync(FOLDER + file.replace("_test.rego", ".rego"), "utf8").matchAll(
      /query_reference_value\("([^"]+)"\)/g,
    ),
  ]);
  expect(asked.length).toBeGreaterThan(30);
  for (const [, name] of asked) expect(table).toContain(`\`${name}\``);
});

describe.each(files)("%s", (file) => {
  const tested = file.replace(/_test\.rego$/, ".rego");
  const modules = [tested, file].map((name) => ({ file: name, text: readFileSync(FOLDER + name, "utf8") }));
  const { policy, findings } = ENGINE.compile(modules);
  const rules = policy?.entryPoints.filter((rule) => TEST_RULE.test(rule)) ?? [];

  test("compiles, without a warning, beside a policy that exists", () => {
    expect(findings).toEqual([]);
    expect(existsSync(FOLDER + tested)).toBe(true);
    expect(rules.length).toBeGreaterThan(0);
  });

  test("every test in it holds", async () => {
    const failed: unknown[] = [];
    for (const rule of rules) {
      const outcome = await policy?.evaluate(
        rule,
        { input: {}, referenceValues: async () => new Map() },
        AbortSignal.timeout(10_000),
      );
      if (outcome?.kind !== "value" || outcome.value !== true) failed.push([rule, outcome]);
    }
    expect(failed).toEqual([]);
  });
});
