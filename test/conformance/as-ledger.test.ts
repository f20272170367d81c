import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

/** The statements AS-001 to AS-115 about the attestation service: every one has a test that carries its number. */
const FOLDER = fileURLToPath(new URL("../", import.meta.url));
const COUNT = 115;
const STATEMENTS = Array.from({ length: COUNT }, (_, at) => `AS-${String(at + 1).padStart(3, "0")}`);

/** Statements that this program means not to meet to the letter; those without a test stand here with the reason. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  "AS-014": "a binding longer than the field is refused instead of cut: its end would be bound to nothing",
  "AS-027":
    "nothing is seeded into the store: the shipped policies hold as long as nobody stored others, so an update brings better ones",
  "AS-066": "a denial is 403, as attesting again does not help; guests answer 401 with another handshake",
  "AS-068":
    "release policies may ask for reference values, so that measurements can be registered per repository",
  "AS-100":
    "an event of an unknown type is kept, replayed and named by its number; an undeclared algorithm refuses",
};

/** Statements about what does not exist here, and why. */
const ABSENT: Readonly<Record<string, string>> = {
  "AS-094": "there is no adapter for Intel Trust Authority",
  "AS-095": "there is no adapter for Intel Trust Authority",
  "AS-096": "there is no adapter for Intel Trust Authority",
  "AS-114":
    "folders and files of the reference implementation's stores are not read; its secrets are set anew over the API",
};

const SOURCES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts") && !name.endsWith("as-ledger.test.ts"),
);

/** Numbers in the names of tests and suites: the first text of `test(`, `describe(` and their forms, and rows of `each`. */
function numbersIn(text: string): ReadonlySet<string> {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const texts = [...code.matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g)].map(([found]) => found);
  return new Set(texts.flatMap((each) => each.match(/\bAS-\d{3}\b/g) ?? []));
}

const CARRIED = new Set(SOURCES.flatMap((name) => [...numbersIn(readFileSync(FOLDER + name, "utf8"))]));

describe("the ledger of the attestation service's statements", () => {
  test("every statement has a test with its number, or a reason why it cannot", () => {
    const missing = STATEMENTS.filter((number) => !CARRIED.has(number) && !Object.hasOwn(ABSENT, number));
    expect(missing).toEqual([]);
  });

  test("no reason is given for what has a test", () => {
    expect(Object.keys(ABSENT).filter((number) => CARRIED.has(number))).toEqual([]);
  });

  test("what deviates has a test all the same, that says how", () => {
    expect(Object.keys(DEVIATIONS).filter((number) => !CARRIED.has(number))).toEqual([]);
  });

  test("no test carries a number that no statement has", () => {
    expect([...CARRIED].filter((number) => !STATEMENTS.includes(number))).toEqual([]);
  });

  test("a number in a comment does not count", () => {
    expect([...numbersIn('// "AS-001"\n/* `AS-002` */\ntest("AS-003 x", () => {});')]).toEqual(["AS-003"]);
  });
});
