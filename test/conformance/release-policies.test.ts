import { describe, expect, test } from "@jest/globals";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import type { CompiledPolicy } from "../../src/policy/policy-engine.ts";
import { compileText, evaluate, shippedPolicy } from "../support/shipped-policies.ts";

const RESOURCE = { plugin: "resource", "resource-path": ["team-a", "luks", "disk1"], query: {} };

async function allows(
  policy: CompiledPolicy,
  input: JsonObject,
  values: Readonly<Record<string, JsonValue>> = {},
  data: JsonObject = RESOURCE,
): Promise<boolean> {
  const outcome = await evaluate(policy, "data.policy.allow", input, values, data);
  return outcome.kind === "value" && outcome.value === true;
}

/** A token as far as release policies look at it. */
function ear(
  status: string,
  evidence: JsonObject = { snp: { measurement: "m1" } },
  more: JsonObject = {},
): JsonObject {
  return {
    submods: { cpu0: { "ear.status": status, "ear.veraison.annotated-evidence": evidence }, ...more },
  };
}

const SAMPLE = { sample: { svn: "1" } };
const gpu = (status: string): JsonObject => ({
  gpu0: { "ear.status": status, "ear.veraison.annotated-evidence": { nvidia: {} } },
});

const [affirming, allowAll, anyTee, denyAll, byInitData, byMeasurement] = [
  "affirming",
  "allow-all-dangerous",
  "any-tee-dangerous",
  "deny-all",
  "by-init-data",
  "by-measurement",
].map((name) => shippedPolicy(`release/${name}`)) as [
  CompiledPolicy,
  CompiledPolicy,
  CompiledPolicy,
  CompiledPolicy,
  CompiledPolicy,
  CompiledPolicy,
];

describe("P46 the four policies over affirming, warning and contraindicated guests and sample evidence", () => {
  const tokens = {
    affirming: ear("affirming"),
    warning: ear("warning"),
    contraindicated: ear("contraindicated"),
    none: ear("none"),
    sample: ear("affirming", SAMPLE),
  };

  test.each([
    [
      "affirming",
      affirming,
      { affirming: true, warning: false, contraindicated: false, none: false, sample: false },
    ],
    ["any-tee", anyTee, { affirming: true, warning: true, contraindicated: true, none: true, sample: false }],
    [
      "allow-all",
      allowAll,
      { affirming: true, warning: true, contraindicated: true, none: true, sample: true },
    ],
    [
      "deny-all",
      denyAll,
      { affirming: false, warning: false, contraindicated: false, none: false, sample: false },
    ],
  ] as const)("%s", async (_, policy, expected) => {
    const got: Record<string, boolean> = {};
    for (const [name, input] of Object.entries(tokens)) got[name] = await allows(policy, input);
    expect(got).toEqual(expected);
  });
});

test("D6 a fresh install releases nothing to anybody", async () => {
  for (const input of [{}, ear("affirming"), ear("affirming", SAMPLE), { role: "admin" }])
    expect(await allows(denyAll, input)).toBe(false);
});

test("P46 AS-064 the permissive policies are for the resource plugin only", async () => {
  const other = { ...RESOURCE, plugin: "pkcs11" };
  expect(await allows(allowAll, ear("affirming"), {}, other)).toBe(false);
  expect(await allows(anyTee, ear("affirming"), {}, other)).toBe(false);
});

describe("AS-065 affirming", () => {
  test("B22 every device must be", async () => {
    expect(await allows(affirming, ear("affirming", {}, gpu("affirming")))).toBe(true);
    expect(await allows(affirming, ear("affirming", {}, gpu("warning")))).toBe(false);
    expect(await allows(affirming, ear("warning", {}, gpu("affirming")))).toBe(false);
  });

  test.each<JsonObject>([{}, { submods: {} }, { submods: null }, { submods: { cpu0: {} } }, { submods: [] }])(
    "A15 denies %j",
    async (input) => {
      expect(await allows(affirming, input)).toBe(false);
    },
  );

  test("B28 made-up devices count as little as made-up guests", async () => {
    const sampleDevice = {
      gpu0: { "ear.status": "affirming", "ear.veraison.annotated-evidence": { sampledevice: { svn: "2" } } },
    };
    expect(await allows(affirming, ear("affirming", { snp: {} }, sampleDevice))).toBe(false);
  });
});

test("B22 a policy can demand a device: a guest that left it out gets nothing", async () => {
  const demanding = compileText(
    'package policy\n\nallow if {\n\tinput.submods.cpu0["ear.status"] == "affirming"\n\tinput.submods.gpu0["ear.status"] == "affirming"\n}\n',
  );
  expect(await allows(demanding, ear("affirming", {}, gpu("affirming")))).toBe(true);
  expect(await allows(demanding, ear("affirming"))).toBe(false);
});

describe("B27 per repository", () => {
  test("by measurement: each repository has its own list", async () => {
    const values = {
      "release/team-a/measurements": ["m1", "r1", "r2"],
      "release/team-b/measurements": ["m2"],
    };
    const of = (repository: string) => ({ ...RESOURCE, "resource-path": [repository, "luks", "disk1"] });
    expect(await allows(byMeasurement, ear("affirming"), values, of("team-a"))).toBe(true);
    expect(await allows(byMeasurement, ear("affirming"), values, of("team-b"))).toBe(false);
    expect(await allows(byMeasurement, ear("affirming"), values, of("team-c"))).toBe(false);
    expect(await allows(byMeasurement, ear("warning"), values, of("team-a"))).toBe(false);
    expect(await allows(byMeasurement, ear("affirming"), { "release/team-a/measurements": "m1" })).toBe(
      false,
    );
    const tdx = (body: JsonObject) => ear("affirming", { tdx: { quote: { body } } });
    const whole = tdx({ mr_td: "m1", rtmr_1: "r1", rtmr_2: "r2" });
    expect(await allows(byMeasurement, whole, values, of("team-a"))).toBe(true);
    // B8: the firmware alone is not what was launched.
    expect(await allows(byMeasurement, tdx({ mr_td: "m1" }), values, of("team-a"))).toBe(false);
    expect(await allows(byMeasurement, ear("affirming", { snp: {} }), values, of("team-a"))).toBe(false);
  });

  test("by init-data: only guests that sent the registered document", async () => {
    const values = { "release/team-a/init-data": ["d1"] };
    const guest = (more: JsonObject) => ear("affirming", { snp: {}, ...more });
    expect(await allows(byInitData, guest({ init_data: "d1", init_data_claims: {} }), values)).toBe(true);
    expect(await allows(byInitData, guest({ init_data: "d2", init_data_claims: {} }), values)).toBe(false);
    // B24: a register that happens to hold the value proves no document.
    expect(await allows(byInitData, guest({ init_data: "d1", init_data_claims: null }), values)).toBe(false);
    expect(await allows(byInitData, guest({ init_data: "d1" }), values)).toBe(false);
    expect(await allows(byInitData, guest({}), values)).toBe(false);
    expect(await allows(byInitData, guest({ init_data: "d1", init_data_claims: {} }))).toBe(false);
    const sample = ear("affirming", { ...SAMPLE, init_data: "d1", init_data_claims: {} });
    expect(await allows(byInitData, sample, values)).toBe(false);
  });
});
