import { describe, expect, jest, test } from "@jest/globals";
import { challengeFor } from "../../../src/attestation/challenge.ts";
import type { Verifier } from "../../../src/attestation/verifier.ts";

const signal = new AbortController().signal;
const SELECTORS = new Map([
  ["team-a", "strict"],
  ["gpu", "gpu-farm"],
]);

const ask = (extraParams: Parameters<typeof challengeFor>[1], selectors = SELECTORS) =>
  challengeFor("snp", extraParams, undefined, signal, selectors);

describe("AS-097 the policy a guest asks for", () => {
  test.each([[""], [null], [{}], [{ "attestation-policy-selector": null }], [{ other: 1 }], [[]]])(
    "%j leaves the choice to the server",
    async (extraParams) => {
      expect(await ask(extraParams)).toEqual({ extraParams: "", hashAlgorithm: "sha384" });
    },
  );

  test("a mapped one is the policy that the operator mapped it to", async () => {
    expect(await ask({ "attestation-policy-selector": "team-a" })).toEqual({
      extraParams: "",
      hashAlgorithm: "sha384",
      policyId: "strict",
    });
  });

  test("default is the server's own choice unless the operator maps it", async () => {
    expect(await ask({ "attestation-policy-selector": "default" })).not.toHaveProperty("policyId");
    const mapped = await ask({ "attestation-policy-selector": "default" }, new Map([["default", "strict"]]));
    expect(mapped.policyId).toBe("strict");
  });

  test.each(["strict", "team-b", "", "TEAM-A", "__proto__", "constructor", "x".repeat(10_000)])(
    "%.20j is refused: a guest cannot name a policy, only choose a selector",
    async (selector) => {
      const refused = ask({ "attestation-policy-selector": selector });
      await expect(refused).rejects.toMatchObject({ code: "handshake-refused" });
      await expect(refused).rejects.toThrow(/^.{0,250}$/);
    },
  );

  test.each([1, true, ["team-a"], { a: 1 }])("%j is refused", async (selector) => {
    await expect(ask({ "attestation-policy-selector": selector })).rejects.toMatchObject({
      code: "handshake-refused",
    });
  });

  test("is decided before the verifier is asked for a challenge", async () => {
    const challenge = jest.fn<NonNullable<Verifier["challenge"]>>();
    const verifier: Verifier = { tee: "se", verify: () => Promise.reject(new Error("never")), challenge };
    const extra = { "attestation-policy-selector": "none", "supported-hash-algorithms": ["sha512"] };
    await expect(challengeFor("se", extra, verifier, signal, SELECTORS)).rejects.toMatchObject({
      code: "handshake-refused",
    });
    expect(challenge).not.toHaveBeenCalled();
  });
});

describe("AS-093 hash algorithms of Secure Execution", () => {
  const se = (offered: readonly string[] | undefined) =>
    challengeFor(
      "se",
      offered === undefined ? "" : { "supported-hash-algorithms": offered },
      undefined,
      signal,
    );

  test("a guest that offers SHA-512 is told to use it", async () => {
    expect(await se(["sha256", "sha512"])).toEqual({
      extraParams: { "selected-hash-algorithm": "sha512" },
      hashAlgorithm: "sha512",
    });
  });

  test("a guest that does not is refused", async () => {
    for (const offered of [[], ["sha256", "sha384"]])
      await expect(se(offered)).rejects.toMatchObject({ code: "handshake-refused" });
  });

  test("a guest that does not negotiate is bound with SHA-512 all the same", async () => {
    expect(await se(undefined)).toEqual({ extraParams: "", hashAlgorithm: "sha512" });
  });
});

test("AS-092 other TEEs get no parameters and SHA-384", async () => {
  expect(await ask({ "supported-hash-algorithms": ["sha256"] })).toEqual({
    extraParams: "",
    hashAlgorithm: "sha384",
  });
});
