import { createHash } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { attestationPolicyFault, policyKind } from "../../../src/policy/policy-names.ts";
import { StoredPolicies, type StoredPoliciesDependencies } from "../../../src/policy/stored-policies.ts";
import type { DocumentStore } from "../../../src/storage/document-store.ts";
import { FsDocumentStore } from "../../../src/storage/fs-documents.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";
import { fakePolicyEngine } from "../../support/fake-policy-engine.ts";
import { temporaryFolder } from "../../support/folder.ts";

const SIGNAL = new AbortController().signal;
const NOW = Date.parse("2026-06-01T00:00:00Z");
const DENY = "package policy\nallow := false";
const ALLOW = "package policy\nallow := true";
const CLAIMS = "package policy\ntrust_claims := {}";

function open(
  store: DocumentStore,
  shipped: Record<string, string> = { "resource-policy": DENY },
  changes: Partial<StoredPoliciesDependencies> = {},
) {
  const engine = fakePolicyEngine;
  return StoredPolicies.open(
    { store, engine, shipped: new Map(Object.entries(shipped)), now: () => NOW, ...changes },
    SIGNAL,
  );
}

describe("stored policies", () => {
  test("the shipped text holds until an administrator sets another, and again after that is deleted", async () => {
    const store = new MemoryDocumentStore();
    const policies = await open(store);
    expect(policies.resourcePolicy()).toMatchObject({ text: DENY, version: 0, by: "keywarden" });
    await policies.put("resource-policy", ALLOW, "alice", SIGNAL);
    expect(policies.resourcePolicy()).toMatchObject({
      text: ALLOW,
      version: 1,
      by: "alice",
      at: "2026-06-01T00:00:00.000Z",
    });
    expect((await open(store)).resourcePolicy()).toMatchObject({ text: ALLOW, version: 1, by: "alice" });
    expect(await policies.delete("resource-policy", SIGNAL)).toBe(true);
    expect(await policies.delete("resource-policy", SIGNAL)).toBe(false);
    expect(policies.resourcePolicy()).toMatchObject({ text: DENY, version: 0 });
  });

  test("P70 a text with errors is refused with line and caret, and the old policy stays", async () => {
    const store = new MemoryDocumentStore();
    const policies = await open(store);
    await policies.put("resource-policy", ALLOW, "alice", SIGNAL);
    const bad = policies.put("resource-policy", "package policy\n\tallow = SYNTAX_ERROR", "bob", SIGNAL);
    await expect(bad).rejects.toMatchObject({
      code: "policy-invalid",
      kbsType: "PolicyEngineError",
      detail: expect.stringContaining(
        "resource-policy.rego:2:10: unexpected token\n\tallow = SYNTAX_ERROR\n\t        ^",
      ),
      extra: { findings: [expect.objectContaining({ row: 2, col: 10 })] },
    });
    expect(policies.resourcePolicy()).toMatchObject({ text: ALLOW, version: 1, by: "alice" });
    expect(await store.get("resource-policy", SIGNAL)).toMatchObject({ text: ALLOW });
  });

  test("D11 a snapshot that a request holds does not change under a later upload", async () => {
    const policies = await open(new MemoryDocumentStore());
    const held = policies.resourcePolicy();
    const hash = held?.compiled?.hash;
    await policies.put("resource-policy", ALLOW, "alice", SIGNAL);
    expect(held).toMatchObject({ text: DENY, version: 0 });
    expect(held?.compiled?.hash).toBe(hash);
    expect(policies.resourcePolicy()?.compiled?.hash).not.toBe(hash);
    expect(Object.isFrozen(held)).toBe(true);
  });

  test("D10 a stored text that no longer compiles has no compiled form, and shipped text does not replace it", async () => {
    const store = new MemoryDocumentStore();
    await store.put("resource-policy", "SYNTAX_ERROR", { by: "alice", at: "" }, SIGNAL);
    const policies = await open(store, { "resource-policy": ALLOW });
    expect(policies.resourcePolicy()).toMatchObject({ text: "SYNTAX_ERROR", by: "alice" });
    expect(policies.resourcePolicy()?.compiled).toBeUndefined();
  });

  test("a damaged file is no policy, and shipped text does not replace it", async () => {
    const { path, dispose } = await temporaryFolder();
    const faults: string[] = [];
    const store = await FsDocumentStore.open(path, ({ file }) => faults.push(file));
    await store.put("resource-policy", DENY, { by: "alice", at: "" }, SIGNAL);
    await store.put("default_gpu", DENY, { by: "alice", at: "" }, SIGNAL);
    for (const name of readdirSync(path)) writeFileSync(join(path, name), "garbage");
    const policies = await open(store, { "resource-policy": ALLOW });
    expect(policies.resourcePolicy()?.compiled).toBeUndefined();
    expect(policies.resourcePolicy()?.findings).toMatchObject([
      { severity: "error", code: "policy-unreadable" },
    ]);
    expect(policies.attestationPolicy("default", "gpu")).toBeUndefined();
    expect(faults.length).toBeGreaterThan(0);
    await policies.put("resource-policy", DENY, "bob", SIGNAL);
    expect((await open(store)).resourcePolicy()).toMatchObject({ text: DENY, by: "bob" });
    await dispose();
  });

  test("a text that is too long is refused before it is compiled", async () => {
    const policies = await open(new MemoryDocumentStore());
    const long = `package policy # ${"x".repeat(1 << 20)}`;
    await expect(policies.put("resource-policy", long, "a", SIGNAL)).rejects.toMatchObject({
      code: "policy-invalid",
      extra: { findings: [expect.objectContaining({ code: "policy-too-large" })] },
    });
  });

  test("a release policy that does not define its rule is accepted with a warning: it denies everything", async () => {
    const policies = await open(new MemoryDocumentStore());
    const stored = await policies.put("resource-policy", "package policy\nx := 1", "a", SIGNAL);
    expect(stored.findings).toMatchObject([{ severity: "warning", code: "rule-missing" }]);
    expect((await policies.put("resource-policy", DENY, "a", SIGNAL)).findings).toEqual([]);
  });

  test("AS-034 an appraisal policy that does not define its rule is refused, and the old one stays", async () => {
    const store = new MemoryDocumentStore();
    const policies = await open(store);
    await policies.put("default_cpu", CLAIMS, "a", SIGNAL);
    await expect(policies.put("default_cpu", "package policy\nx := 1", "b", SIGNAL)).rejects.toMatchObject({
      code: "policy-invalid",
      extra: { findings: [expect.objectContaining({ code: "rule-missing", severity: "error" })] },
    });
    expect(policies.get("default_cpu")).toMatchObject({ text: CLAIMS, version: 1, by: "a" });
    expect(await store.get("default_cpu", SIGNAL)).toMatchObject({ text: CLAIMS });
  });

  test("AS-034 unless the operator moves in policies that rely on it", async () => {
    const policies = await open(new MemoryDocumentStore(), {}, { allowMissingTrustClaims: true });
    const stored = await policies.put("default_cpu", "package policy\nx := 1", "a", SIGNAL);
    expect(stored.findings).toMatchObject([{ severity: "warning", code: "rule-missing" }]);
  });

  test("a policy of one repository that could not be written leaves nothing behind, after a restart too", async () => {
    const store = new MemoryDocumentStore();
    const put = store.put.bind(store);
    store.put = async (name, ...rest) => {
      if (name === "resource-policy/team-a") throw new KbsError("storage-unavailable", "One file fails.");
      return put(name, ...rest);
    };
    const policies = await open(store, { "resource-policy": ALLOW });
    await expect(policies.put("resource-policy/team-a", DENY, "a", SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    for (const each of [policies, await open(store, { "resource-policy": ALLOW })])
      expect(each.resourcePolicy(["team-a", "x", "y"])).toMatchObject({
        text: ALLOW,
        name: "resource-policy",
      });
  });

  test("when the store fails, what holds stays as it was", async () => {
    const store = new MemoryDocumentStore(0);
    const policies = await open(store);
    await expect(policies.put("resource-policy", ALLOW, "a", SIGNAL)).rejects.toMatchObject({
      code: "storage-unavailable",
    });
    expect(policies.resourcePolicy()?.text).toBe(DENY);
  });

  test("concurrent uploads end with store and memory in the same state", async () => {
    const store = new MemoryDocumentStore();
    const policies = await open(store);
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => policies.put("resource-policy", `allow := ${at}`, "a", SIGNAL)),
    );
    expect(policies.resourcePolicy()).toMatchObject({
      version: 20,
      text: (await store.get("resource-policy", SIGNAL))?.text,
    });
  });
});

describe("policy names", () => {
  test("an attestation policy ends in a TEE class; the sentence suggests one that would do", () => {
    for (const name of [
      "default_cpu",
      "default_nvidia-dpu",
      "team/a.b-c_gpu",
      "a_ppcie",
      "a_switch",
      "a_dcu",
    ])
      expect(attestationPolicyFault(name)).toBeUndefined();
    expect(attestationPolicyFault("default")).toMatch(/did you mean default_cpu\?$/);
    expect(attestationPolicyFault("default-gpu")).toMatch(/did you mean default_gpu\?$/);
    for (const name of [
      "",
      "_cpu",
      "../x_cpu",
      "a b_cpu",
      "a:b_cpu",
      "é_cpu",
      `${"a".repeat(300)}_cpu`,
      "/a_cpu",
    ])
      expect(attestationPolicyFault(name)).toBeDefined();
  });

  test("the resource policy has one name", () => {
    expect(policyKind("resource-policy")).toBe("resource");
    expect(policyKind("resource-policy_cpu")).toBe("attestation");
    expect(policyKind("other")).toBeUndefined();
  });
});

describe("policies of single repositories", () => {
  const name = "resource-policy/team-a";

  test("the closest name decides, and alone", async () => {
    const policies = await open(new MemoryDocumentStore());
    await policies.put(name, ALLOW, "a", SIGNAL);
    await policies.put(`${name}/keys/root`, "package policy\nallow := 1", "a", SIGNAL);
    const decides = (...path: string[]) => policies.resourcePolicy(path)?.name;
    expect(decides("team-a", "keys", "1")).toBe(name);
    expect(decides("team-a", "keys", "root")).toBe(`${name}/keys/root`);
    expect(decides("team-b", "keys", "root")).toBe("resource-policy");
    expect(decides("team-a.b", "keys", "root")).toBe("resource-policy");
    expect(decides("team-a")).toBe(name);
    expect(decides()).toBe("resource-policy");
    await policies.delete(name, SIGNAL);
    expect(decides("team-a", "keys", "1")).toBe("resource-policy");
  });

  test("names outside of a resource path are none", () => {
    for (const bad of [
      "resource-policy/",
      "resource-policy/a/b/c/d",
      "resource-policy/..",
      "resource-policy/a//b",
    ])
      expect(policyKind(bad)).toBeUndefined();
    expect(policyKind("resource-policy/a_cpu")).toBe("resource");
    expect(attestationPolicyFault("resource-policy/a_cpu")).toContain("release policies");
    expect(policyKind("resource-policy/a/b/c")).toBe("resource");
  });

  test("they survive a restart, and deletion does", async () => {
    const store = new MemoryDocumentStore();
    const first = await open(store);
    await first.put(name, ALLOW, "a", SIGNAL);
    await first.put("resource-policy/team-b", ALLOW, "a", SIGNAL);
    expect(await first.delete("resource-policy/team-b", SIGNAL)).toBe(true);
    const again = await open(store);
    expect(again.list().map((each) => each.name)).toEqual(["resource-policy", name]);
    expect(again.resourcePolicy(["team-a", "b", "c"])).toMatchObject({ name, version: 1 });
  });

  test("one that is damaged on disk denies instead of letting the general policy decide", async () => {
    const { path, dispose } = await temporaryFolder();
    try {
      const files = await FsDocumentStore.open(path, () => undefined);
      const policies = await open(files, { "resource-policy": ALLOW });
      await policies.put(name, DENY, "a", SIGNAL);
      const file = readdirSync(path).find((each) => each.includes("team-a"));
      writeFileSync(join(path, file ?? ""), "damaged");
      const again = await open(files, { "resource-policy": ALLOW });
      expect(again.resourcePolicy(["team-a", "b", "c"])?.compiled).toBeUndefined();
      expect(again.resourcePolicy(["team-b", "b", "c"])).toMatchObject({ text: ALLOW });
      expect(await again.delete(name, SIGNAL)).toBe(true);
      expect(again.resourcePolicy(["team-a", "b", "c"])).toMatchObject({ text: ALLOW });
    } finally {
      await dispose();
    }
  });

  test("when nobody can say which repositories have one, nothing is released from any", async () => {
    const { path, dispose } = await temporaryFolder();
    try {
      const files = await FsDocumentStore.open(path, () => undefined);
      await (await open(files)).put(name, DENY, "a", SIGNAL);
      const index = readdirSync(path).find((each) => each.includes("resource-policies"));
      writeFileSync(join(path, index ?? ""), "damaged");
      const again = await open(files, { "resource-policy": ALLOW });
      expect(again.resourcePolicy(["team-b", "b", "c"])?.compiled).toBeUndefined();
      expect(again.resourcePolicy()).toMatchObject({ text: ALLOW });
    } finally {
      await dispose();
    }
  });
});

describe("AS-028 stored defaults beside the shipped ones", () => {
  const SHIPPED = { "resource-policy": DENY, default_cpu: CLAIMS };
  const OWN = `${CLAIMS}\n# ours`;

  test("AS-027 the shipped text holds while nothing is stored, and a stored one is left as it is", async () => {
    const store = new MemoryDocumentStore();
    const policies = await open(store, SHIPPED);
    expect(policies.get("default_cpu")).toMatchObject({ text: CLAIMS, version: 0 });
    expect(policies.differences()).toEqual([]);
    await policies.put("default_cpu", OWN, "alice", SIGNAL);
    expect(
      (await open(store, { ...SHIPPED, default_cpu: `${CLAIMS}\n# new` })).get("default_cpu"),
    ).toMatchObject({
      text: OWN,
    });
  });

  test("a stored text that differs is reported with who, when and the lines", async () => {
    const policies = await open(new MemoryDocumentStore(), SHIPPED);
    await policies.put("default_cpu", OWN, "alice", SIGNAL);
    expect(policies.differences()).toEqual([
      {
        name: "default_cpu",
        version: 1,
        by: "alice",
        at: "2026-06-01T00:00:00.000Z",
        shippedHash: createHash("sha384").update(CLAIMS).digest("hex"),
        storedHash: createHash("sha384").update(OWN).digest("hex"),
        shippedChanged: false,
        diff: expect.stringContaining("+# ours"),
      },
    ]);
    await policies.put("default_cpu", CLAIMS, "alice", SIGNAL);
    expect(policies.differences()).toEqual([]);
  });

  test("after a release with another shipped text, the report says that it changed", async () => {
    const store = new MemoryDocumentStore();
    await (await open(store, SHIPPED)).put("default_cpu", OWN, "alice", SIGNAL);
    const later = await open(store, { ...SHIPPED, default_cpu: `${CLAIMS}\n# new rule` });
    expect(later.difference("default_cpu")).toMatchObject({
      shippedChanged: true,
      diff: expect.stringContaining("-# new rule"),
    });
  });

  test("a text stored before origins were noted has an unknown one", async () => {
    const store = new MemoryDocumentStore();
    await store.put("default_cpu", OWN, { by: "old", at: "" }, SIGNAL);
    expect((await open(store, SHIPPED)).difference("default_cpu")).toMatchObject({
      shippedChanged: undefined,
    });
    await store.put(".shipped-origin/default_cpu", "{", { by: "old", at: "" }, SIGNAL);
    expect((await open(store, SHIPPED)).difference("default_cpu")).toMatchObject({
      shippedChanged: undefined,
    });
  });

  test("a text that has nothing in common is reported without lines", async () => {
    const policies = await open(new MemoryDocumentStore(), SHIPPED);
    const other = `${CLAIMS}\n${Array.from({ length: 3000 }, (_, at) => `# ${at}`).join("\n")}`;
    await policies.put("default_cpu", other, "alice", SIGNAL);
    expect(policies.difference("default_cpu")).toMatchObject({ diff: undefined, version: 1 });
  });
});
