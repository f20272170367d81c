import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { Appraiser, type Submodule } from "../../src/attestation/appraise.ts";
import { judge } from "../../src/cli/evidence/judge.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { canonicalJson } from "../../src/json/write.ts";
import { describeShared } from "../support/shared.ts";
import { provisioned, shippedPolicy } from "../support/shipped-policies.ts";
import { GOLDEN_TEES, type GoldenCase, goldenCases } from "./cases.ts";
import { type ReferenceValues, tableVector, valuesSeen } from "./decision-tables.ts";

/** Write the files anew: `UPDATE_GOLDEN=1 npx jest test/golden`. Then read what `git diff` shows. */
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";
const FOLDER = fileURLToPath(new URL("./", import.meta.url));
const MAX_TOTAL_BYTES = 1_500_000;
const never = new AbortController().signal;

const POLICIES = new Map(
  ["cpu", "gpu", "switch", "ppcie", "dcu", "nvidia-dpu"].map((name) => [
    name,
    shippedPolicy(`attestation/default_${name}`),
  ]),
);

async function appraised(one: GoldenCase, values: ReferenceValues): Promise<readonly Submodule[]> {
  const { request } = one;
  const judgement = await judge(request, ".", Date.parse("2026-06-01T00:00:00Z"));
  if (judgement.verdict === "refused") throw new Error(judgement.detail);
  const { tee } = request;
  const appraiser = new Appraiser({
    verifiers: new Map([[tee, { tee, verify: async () => judgement }]]),
    policies: { attestationPolicy: (_id, teeClass) => ({ compiled: POLICIES.get(teeClass) }) },
    referenceValues: provisioned(values),
  });
  return (await appraiser.evaluate([{ tee, evidence: null }], ["default"], never)).submodules;
}

/** Long lists and texts, event logs above all, are held by their digest; the order of members says nothing. */
function shortened(value: JsonValue): JsonValue {
  const long = (what: JsonValue, length: number): JsonValue => ({
    "in short": { length, sha256: createHash("sha256").update(canonicalJson(what)).digest("hex") },
  });
  if (typeof value === "string") return value.length > 2_000 ? long(value, value.length) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.length > 24 ? long(value, value.length) : value.map(shortened);
  const sorted = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, item]) => [name, shortened(item)]));
}

function claimsOf({ tee, annotatedEvidence }: Submodule): JsonObject {
  return (annotatedEvidence[tee] ?? {}) as JsonObject; // the pipeline puts an object there
}

/** What one golden file holds. */
async function outcome(one: GoldenCase): Promise<JsonValue> {
  const bare = await appraised(one, {});
  const values = Object.assign({}, ...bare.map((each) => valuesSeen(each.tee, claimsOf(each))));
  const known = await appraised(one, values);
  for (const [list, registered] of [
    [bare, {}],
    [known, values],
  ] as const)
    for (const each of list)
      expect({ ...each.trustVector }).toEqual(tableVector(each.tee, claimsOf(each), registered));
  const verdict = ({ name, status, trustVector }: Submodule): [string, JsonValue] => [
    name,
    { status, ...trustVector },
  ];
  return {
    evidence: Object.fromEntries(bare.map((each) => [each.name, shortened(each.annotatedEvidence)])),
    "reference values that were seen": shortened(values),
    "without reference values": Object.fromEntries(bare.map(verdict)),
    "with the values that were seen": Object.fromEntries(known.map(verdict)),
  };
}

function held(tee: string, id: string, found: JsonValue): void {
  const file = `${FOLDER}${tee}/${id}.json`;
  const text = `${JSON.stringify(found, printable, 1)}\n`;
  if (UPDATE) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  if (!existsSync(file))
    throw new Error(`${file} is missing: look at the outcome and run with UPDATE_GOLDEN=1`);
  expect(text).toBe(readFileSync(file, "utf8"));
}

/** Integers beyond 2^53 would lose digits as numbers. */
function printable(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

for (const tee of GOLDEN_TEES) {
  describeShared(`golden outcomes of ${tee}`, "fixtures", () => {
    const cases = goldenCases(tee);
    test("there is evidence", () => expect(cases.length).toBeGreaterThan(0));

    test.each(cases.map((one) => [one.id, one] as const))("%s", async (id, one) => {
      const refusal = one.mayBeRefused ? await judge(one.request, ".", 0) : undefined;
      if (refusal?.verdict === "refused") return held(tee, id, { refused: refusal.check ?? refusal.code });
      held(tee, id, await outcome(one));
    });

    test("no file is left over", () => {
      const ids = new Set(cases.map(({ id }) => `${id}.json`));
      expect(readdirSync(`${FOLDER}${tee}`).filter((name) => !ids.has(name))).toEqual([]);
    });
  });
}

describe("the golden files", () => {
  test("are of a sane size all together", () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".json"),
    );
    const total = files.reduce((sum, name) => sum + statSync(`${FOLDER}${name}`).size, 0);
    expect(files.length).toBeGreaterThan(20);
    expect(total).toBeLessThan(MAX_TOTAL_BYTES);
  });
});
