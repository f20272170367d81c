/** OPA's evaluation suite: a gate for what must work, and for the rest a list of failures that may only shrink. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import type { Dialect } from "../../src/policy/rego/ast.ts";
import { type ConformanceCase, readCases, runCase } from "../../src/policy/rego/conformance.ts";
import { describeShared, sharedPath } from "../support/shared.ts";
import { COMMON_BUILTINS, LANGUAGE_CORE, LATER, PURE_BUILTINS } from "./rego-tiers.ts";

const FOLDER = "opa-conformance";
const LIST = fileURLToPath(new URL("./rego-expected-failures.json", import.meta.url));
const GATED: Readonly<Record<Dialect, readonly string[]>> = {
  v1: [...LANGUAGE_CORE, ...COMMON_BUILTINS, ...PURE_BUILTINS],
  v0: [...LANGUAGE_CORE, ...COMMON_BUILTINS],
};

interface SuiteCase extends ConformanceCase {
  readonly builtins?: readonly string[];
}

function categories(dialect: Dialect): string[] {
  return readdirSync(sharedPath(FOLDER, dialect))
    .map((file) => file.replace(".json", ""))
    .sort();
}

function casesOf(dialect: Dialect, category: string): readonly SuiteCase[] {
  return readCases(sharedPath(FOLDER, dialect, `${category}.json`));
}

function isGated(dialect: Dialect, category: string, testCase: SuiteCase): boolean {
  return (
    GATED[dialect].includes(category) && testCase.recent !== true && !LATER(category, testCase.builtins ?? [])
  );
}

describeShared("OPA evaluation suite", FOLDER, () => {
  for (const dialect of ["v1", "v0"] as const) {
    describe(dialect, () => {
      for (const category of categories(dialect).filter((name) => GATED[dialect].includes(name))) {
        test(`${category}: every case that the gate covers passes`, () => {
          const failures = casesOf(dialect, category)
            .filter((testCase) => isGated(dialect, category, testCase))
            .map((testCase) => ({ note: testCase.note, why: runCase(testCase, dialect) }))
            .filter(({ why }) => why !== undefined && why !== "skipped");
          expect(failures).toEqual([]);
        });
      }
    });
  }

  test("outside of the gate exactly the listed cases fail: a case that starts to pass leaves the list", () => {
    const listed: unknown = JSON.parse(readFileSync(LIST, "utf8"));
    expect(failuresOutsideGate()).toEqual(listed);
  });
});

/** `dialect/category/note`, sorted; of cases with the same name one failing is enough. */
function failuresOutsideGate(): string[] {
  const names = new Set<string>();
  for (const dialect of ["v1", "v0"] as const) {
    for (const category of categories(dialect)) {
      for (const testCase of casesOf(dialect, category)) {
        if (isGated(dialect, category, testCase)) continue;
        const why = runCase(testCase, dialect);
        if (why !== undefined && why !== "skipped") names.add(`${dialect}/${category}/${testCase.note}`);
      }
    }
  }
  return [...names].sort();
}
