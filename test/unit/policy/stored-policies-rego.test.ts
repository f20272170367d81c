import { describe, expect, test } from "@jest/globals";
import { RegoEngine } from "../../../src/policy/rego-engine.ts";
import { StoredPolicies, type StoredPoliciesDependencies } from "../../../src/policy/stored-policies.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";

const SIGNAL = new AbortController().signal;
const NOW = Date.parse("2026-06-01T00:00:00Z");

function open(changes: Partial<StoredPoliciesDependencies> = {}) {
  const engine = new RegoEngine({ now: () => NOW });
  return StoredPolicies.open(
    { store: new MemoryDocumentStore(), engine, shipped: new Map(), now: () => NOW, ...changes },
    SIGNAL,
  );
}

describe("stored policies and the Rego engine", () => {
  test.each([
    ["text that is no Rego", "not rego at all", 1],
    ["a rule body without if", "package policy\nallow { true }", 2],
    ["an unsafe variable", "package policy\nallow if {\n\ty == 2\n}", 3],
    ["an unknown function", "package policy\nallow if frobnicate(1)", 2],
    [
      "D8 a way to the network",
      'package policy\nallow if http.send({"method": "GET", "url": "http://x"})',
      2,
    ],
  ])("P70 refuses %s with its row, and the old policy stays", async (_what, text, row) => {
    const policies = await open();
    await policies.put("resource-policy", "package policy\ndefault allow = true\n", "alice", SIGNAL);
    await expect(policies.put("resource-policy", text, "bob", SIGNAL)).rejects.toMatchObject({
      code: "policy-invalid",
      detail: expect.stringMatching(
        new RegExp(`resource-policy\\.rego:${row}:\\d+: [^\\n]+\\n[^\\n]+\\n\\s*\\^`),
      ),
      extra: { findings: expect.arrayContaining([expect.objectContaining({ severity: "error", row })]) },
    });
    const held = policies.resourcePolicy();
    expect(held).toMatchObject({ by: "alice", version: 1 });
    const outcome = await held?.compiled?.evaluate("data.policy.allow", { input: {} }, SIGNAL);
    expect(outcome).toMatchObject({ kind: "value", value: true });
  });

  test("a policy of another package is stored with a warning that it denies everything", async () => {
    const { findings } = await (await open()).put(
      "resource-policy",
      "package other\nallow := true",
      "a",
      SIGNAL,
    );
    expect(findings).toMatchObject([
      { severity: "warning", code: "broad_rule" },
      { severity: "warning", code: "rule-missing" },
    ]);
  });

  test("D11 a held snapshot decides by its own text after another was uploaded", async () => {
    const policies = await open();
    const held = await policies.put("resource-policy", "package policy\nallow := false", "a", SIGNAL);
    await policies.put("resource-policy", "package policy\nallow := true", "a", SIGNAL);
    const decide = async (compiled: typeof held.compiled) =>
      compiled?.evaluate("data.policy.allow", { input: {} }, SIGNAL);
    expect(await decide(held.compiled)).toMatchObject({ value: false });
    expect(await decide(policies.resourcePolicy()?.compiled)).toMatchObject({ value: true });
  });
});

describe("D13 an appraisal policy written for other claims", () => {
  const stale = (condition: string) =>
    `package policy\n\ndefault hardware := 97\n\nhardware := 2 if ${condition}\n\ntrust_claims := {"hardware": hardware}\n`;

  test.each([
    ["a claim that was renamed", stale("input.snp.mesurement == 1"), "unknown_field"],
    ["a claim that was renamed, negated", stale("not input.snp.policy_debug == true"), "unknown_field"],
    ["flat claims of an older release", stale('input["sgx.body.mr_enclave"] == "x"'), "unknown_field"],
    [
      "a claim of the vector in another spelling",
      'package policy\n\ntrust_claims := {"file_system": 2}\n',
      "unknown_trust_claim",
    ],
    [
      "a value that no token can carry",
      'package policy\n\ntrust_claims := {"hardware": 300}\n',
      "not_a_signed_byte",
    ],
  ])("%s is refused with its place, and the old policy stays", async (_what, text, code) => {
    const policies = await open();
    const good = stale("input.snp.policy_debug_allowed == false");
    await policies.put("default_cpu", good, "alice", SIGNAL);
    await expect(policies.put("default_cpu", text, "bob", SIGNAL)).rejects.toMatchObject({
      code: "policy-invalid",
      detail: expect.stringMatching(/default_cpu\.rego:\d+:\d+: /),
      extra: { findings: expect.arrayContaining([expect.objectContaining({ severity: "error", code })]) },
    });
    expect(policies.get("default_cpu")).toMatchObject({ text: good, by: "alice" });
    const moving = await open({ allowHopeless: true });
    await expect(moving.put("default_cpu", text, "bob", SIGNAL)).resolves.toMatchObject({ version: 1 });
  });

  test("a release policy may ask for claims of other issuers", async () => {
    const text = "package policy\n\nallow if input.tdx.tdx_mrtdx == 1\n";
    await expect((await open()).put("resource-policy", text, "a", SIGNAL)).resolves.toMatchObject({
      version: 1,
    });
  });
});
