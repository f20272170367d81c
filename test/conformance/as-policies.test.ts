import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { Appraiser } from "../../src/attestation/appraise.ts";
import { EV } from "../../src/attestation/formats/eventlog/event-types.ts";
import {
  checkReplay,
  eventClaims,
  parseEventLog,
  replay,
} from "../../src/attestation/formats/eventlog/index.ts";
import type { Tee, Verifier } from "../../src/attestation/verifier.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { RegoEngine } from "../../src/policy/rego-engine.ts";
import { FsDocumentStore } from "../../src/storage/fs-documents.ts";
import { earClaims } from "../../src/tokens/ear.ts";
import { parsePointer, resolvePointer } from "../../src/tokens/tee-key.ts";
import { agileLog, u32 } from "../support/event-logs.ts";
import { temporaryFolder } from "../support/folder.ts";
import { compileText, evaluate, provisioned, shippedPolicy } from "../support/shipped-policies.ts";
import { TEE_KEY } from "../support/tokens.ts";

const never = new AbortController().signal;

const CPU_TEES: readonly Tee[] = [
  ...(["sample", "sgx", "snp", "tdx", "csv", "cca", "se", "tpm", "az-snp-vtpm", "az-tdx-vtpm"] as const),
];

test.each(CPU_TEES)("AS-052 %s: the TEE key is where relying parties look for it", async (tee) => {
  const verifier: Verifier = {
    tee,
    verify: async () => ({ checks: [], results: [{ teeClass: "cpu", claims: { report_data: "00" } }] }),
  };
  const appraiser = new Appraiser({
    verifiers: new Map([[tee, verifier]]),
    policies: { attestationPolicy: () => ({ compiled: shippedPolicy("attestation/default_cpu") }) },
    referenceValues: provisioned({}),
  });
  const runtimeData = {
    kind: "structured",
    claims: { nonce: "n", "tee-pubkey": TEE_KEY.jwk },
    hash: "sha384",
  } as const;
  const { submodules } = await appraiser.evaluate([{ tee, evidence: {}, runtimeData }], ["default"], never);
  const envelope = {
    issuer: "i",
    developer: "d",
    build: "b",
    issuedAt: 1,
    expiresAt: 2,
    protocol: undefined,
  };
  const claims = earClaims(submodules, envelope);
  const pointer = parsePointer(
    "/submods/cpu0/ear.veraison.annotated-evidence/runtime_data_claims/tee-pubkey",
  );
  expect(resolvePointer(claims, pointer)).toEqual(TEE_KEY.jwk);
});

describe("AS-101 events of the attestation agent", () => {
  const details = (line: string): JsonValue => {
    const text = Buffer.from(line);
    const data = Buffer.concat([u32(0x4141454c), u32(text.length), text]);
    const log = parseEventLog(agileLog(["sha384"], [{ register: 4, type: EV.eventTag, data }]));
    const report = checkReplay(log, replay(log, "sha384", { kind: "cc" }), "sha384", { kind: "cc" });
    const [event] = eventClaims(log, report)["uefi_event_logs"] as readonly JsonObject[];
    const own = (event?.["details"] ?? {}) as JsonObject; // details are an object, whatever the event
    return own["data"] ?? null;
  };

  test("content that is JSON is an object for policies", () => {
    expect(
      details('github.com/confidential-containers PullImage {"image":"registry.example/app:1"}'),
    ).toEqual({
      domain: "github.com/confidential-containers",
      operation: "PullImage",
      content: { image: "registry.example/app:1" },
    });
  });

  test("other content is text, with its blanks", () => {
    expect(details("example.org note it is {not json")).toEqual({
      domain: "example.org",
      operation: "note",
      content: "it is {not json",
    });
  });
});

describe("AS-115 names never lead out of their folder", () => {
  test.each(["../escape", "/etc/passwd", "a/../../b", "..", "a\\..\\b", "%2e%2e/x"])("%j", async (name) => {
    const { path, dispose } = await temporaryFolder();
    try {
      const folder = join(path, "documents");
      const store = await FsDocumentStore.open(folder, () => undefined);
      await store.put(name, "text", { by: "a", at: "" }, never);
      expect(await store.get(name, never)).toMatchObject({ name, text: "text" });
      expect(readdirSync(path)).toEqual(["documents"]);
      expect(readdirSync(folder)).toHaveLength(1);
      expect(existsSync(join(dirname(path), "escape"))).toBe(false);
    } finally {
      await dispose();
    }
  });
});

/** The value of `data.policy.p`, or what kind of answer there is instead. */
async function answer(
  rules: string,
  input: JsonObject = {},
  values: Readonly<Record<string, JsonValue>> = {},
) {
  const outcome = await evaluate(compileText(`package policy\n\n${rules}`), "data.policy.p", input, values);
  return outcome.kind === "error" ? outcome.code : outcome.kind === "undefined" ? "undefined" : outcome.value;
}

function upload(text: string) {
  return new RegoEngine({ now: () => 0 }).compile([{ file: "p.rego", text }]);
}

describe("AS-106 semantics that are easy to get wrong", () => {
  test("1 a failing built-in ends the evaluation; an undefined argument does not", async () => {
    expect(await answer("p if not count(input.n) > 1", { n: 5 })).toMatch(/^eval_/);
    expect(await answer("p := count(input.missing)")).toBe("undefined");
  });

  test("2 types are ordered", async () => {
    expect(await answer('p if { 5 >= null; false > null; 2 <= "1"; "z" < []; [] < {}; {} < {1} }')).toBe(
      true,
    );
  });

  test("3 membership is of elements and of values of objects; scalars have no members, without error", async () => {
    expect(await answer('p := [1 in [1], 1 in {1}, 2 in {"a": 2}, "a" in {"a": 2}]')).toEqual([
      true,
      true,
      true,
      false,
    ]);
    for (const value of [null, "abc", 1]) expect(await answer("p := 1 in input.v", { v: value })).toBe(false);
  });

  test("4 an undefined reference makes a body false, and skips an element of a comprehension", async () => {
    expect(await answer("p if input.a.b.c")).toBe("undefined");
    expect(await answer("p := [x.a | some x in input.l]", { l: [{ a: 1 }, {}, { a: 2 }] })).toEqual([1, 2]);
    expect(await answer("p := [x | some x in input.l]", { l: null })).toEqual([]);
  });

  test("5 definitions with one value agree, with two values conflict", async () => {
    expect(await answer("p := 1\n\np := 1 if input.a", { a: true })).toBe(1);
    expect(await answer("p := 1\n\np := 2 if input.a", { a: true })).toBe("eval_conflict_error");
  });

  test("6 else is tried in order, also behind comments and blank lines, and may have no body", async () => {
    const rules = "p := 1 if {\n\tinput.a\n}\n# why\n\nelse := 2 if {\n\tinput.b\n} else := 3";
    expect(await answer(rules, { a: true, b: true })).toBe(1);
    expect(await answer(rules, { b: true })).toBe(2);
    expect(await answer(rules)).toBe(3);
  });

  test("7 a reference as a condition holds for everything that is there but false", async () => {
    for (const value of [{}, 0, "", null, []]) expect(await answer("p if input.v", { v: value })).toBe(true);
    expect(await answer("p if input.v", { v: false })).toBe("undefined");
  });

  test("8 sets are lists in JSON, and keys are texts", async () => {
    expect(await answer("p := {3, 1, 2}")).toEqual([1, 2, 3]);
    expect(await answer('p := {1: "a"}')).toEqual({ "1": "a" });
  });

  test("9 numbers: 1 is 1.0, and integers of any size are exact", async () => {
    expect(await answer("p if { 1 == 1.0; 1e3 == 1000 }")).toBe(true);
    expect(await answer("p := input.n + 1", { n: 2n ** 53n })).toBe(2n ** 53n + 1n);
    expect(await answer("p := input.n", { n: 2n ** 64n - 1n })).toBe(2n ** 64n - 1n);
  });

  test("10 documents never replace rules", async () => {
    const policy = compileText("package policy\n\np := 1");
    const outcome = await evaluate(policy, "data.policy.p", {}, {}, { policy: { p: 2 } });
    expect(outcome).toMatchObject({ kind: "value", value: 1 });
  });

  test("11 print does not fail an evaluation", async () => {
    expect(await answer('p if { print("x", input.missing); true }')).toBe(true);
  });

  test("12 what exceeds a limit is an error", async () => {
    expect(upload(`package policy\n\np := "${"x".repeat(2 << 20)}"`).policy).toBeUndefined();
    expect(await answer("p := count(numbers.range(1, 100000000))")).toBe("eval_budget_error");
  });

  test("14 the right side of `in` is evaluated though the left one is undefined", async () => {
    const asked: string[] = [];
    const policy = compileText(
      'package policy\n\np if input.missing in query_reference_value(concat("", ["a", "b"]))',
    );
    const referenceValues = async (ids: readonly string[]) => {
      asked.push(...ids);
      return new Map();
    };
    expect(await policy.evaluate("data.policy.p", { input: {}, referenceValues }, never)).toMatchObject({
      kind: "undefined",
    });
    // The reference implementation asks here; this engine need not, and an answer is never asked for twice.
    expect(asked.length).toBeLessThanOrEqual(1);
  });

  test("15 a variable may have the name of a rule", async () => {
    expect(await answer("x := 1\n\np := [x | some x in [2, 3]]")).toEqual([2, 3]);
  });

  test("16 another package has no entry point; byte-order marks and line ends are free", async () => {
    const other = upload("package policy.sub\n\ntrust_claims := {}").policy;
    expect(other?.entryPoints).not.toContain("data.policy.trust_claims");
    // The reference implementation refuses a byte-order mark; OPA and this engine skip it.
    expect(upload("\ufeffpackage policy\n\np := 1").policy).toBeDefined();
    expect(upload("package policy\r\n\r\np := 1\r\n").policy).toBeDefined();
  });

  test("17 an unsafe variable is found at upload", () => {
    const { policy, findings } = upload("package policy\n\np if x == 1");
    expect(policy).toBeUndefined();
    expect(findings[0]?.code).toBe("rego_unsafe_var_error");
  });
});

describe("AS-104 what policies of the field are written with", () => {
  test.each<[string, string, JsonValue]>([
    ["a default with = and a rule without body", "default p = false\n\np = true", true],
    ["an import of input", "import input\n\np := 1", 1],
    [
      "future keywords",
      "import future.keywords.in\nimport future.keywords.every\n\np if every x in [1, 2] { x > 0 }",
      true,
    ],
    [
      "a head with an object, references and a comma at its end",
      'a := 1\n\np := {"x": a, "y-z": [1, 2,],}',
      { x: 1, "y-z": [1, 2] },
    ],
    ["unification as comparison", "p if 1 = 1", true],
    ["iteration by wildcard", "p if { x := input.list[_]; x == 2 }", true],
    ["keys and values", 'p if { some k, v in input.object; k == "a"; v == 1 }', true],
    ["a key alone", 'p if { some k, _ in input.object; k == "a" }', true],
    ["not a rule, not a reference", "q if false\n\np if { not q; not input.missing[_] }", true],
    ["brackets with hyphens, dots and slashes", 'p := input["a-b"]["c.d"]["e/f"]', 7],
    ["a reference indexed by another", "p := input.object[input.key]", 1],
    ["a comprehension over lines", "p := [x |\n\tsome e in input.list\n\tx := e + 1\n]", [2, 3]],
    ["a comprehension with semicolons", "p := [x | some e in input.list; x := e + 1]", [2, 3]],
    ["a set comprehension and an intersection", "p := {x | x := input.list[_]} & {2, 5}", [2]],
    [
      "object.union_n and sprintf",
      'p := object.union_n([{"a": sprintf("%v", [1])}, {"b": 2}])',
      { a: "1", b: 2 },
    ],
    ["times", 'p := time.parse_rfc3339_ns("2026-01-01T00:00:00Z") > 0', true],
    ["object.subset", 'p := object.subset({"a": 1, "b": 2}, {"a": 1})', true],
    ["a function with several definitions", 'f("a") := 1\n\nf("b") := 2\n\np := f("a") + f("b")', 3],
    ["a reference value anywhere", 'p := count(query_reference_value("list"))', 2],
    ["escapes and raw texts", 'p := ["\\n\\"\\u00e9", `\\d`]', ['\n"é', "\\d"]],
  ])("%s", async (_, rules, expected) => {
    const input = { list: [1, 2], object: { a: 1 }, key: "a", "a-b": { "c.d": { "e/f": 7 } } };
    expect(await answer(rules, input, { list: [1, 2] })).toEqual(expected);
  });
});
