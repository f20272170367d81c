import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { EvidenceRejected, type Expected, type Verifier } from "../../src/attestation/verifier.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";

/** A verifier with evidence it accepts. */
export interface VerifierCase {
  readonly verifier: Verifier;
  readonly evidence: JsonObject;
  readonly expected: Expected;
  /** Whether the evidence proves the init-data digest, or the driver only echoes it. */
  readonly bindsInitData: boolean;
  /** Bytes of the binding that the hardware has room for, where guests cut it; absent: all of it. */
  readonly boundBytes?: number;
}

/** What the check of the binding is called: a TPM's is a nonce. */
const BINDING_CHECKS = ["report-data", "nonce"];

const signal = new AbortController().signal;

/** What every verifier does, whatever hardware it judges. */
export function verifierContract(name: string, open: () => Promise<VerifierCase>): void {
  describe(`verifier contract: ${name}`, () => {
    let one: VerifierCase;
    beforeAll(async () => {
      one = await open();
    });

    async function refusalOf(evidence: JsonValue, expected = one.expected): Promise<EvidenceRejected> {
      const outcome: unknown = await one.verifier.verify(evidence, expected, signal).then(
        () => "accepted",
        (error: unknown) => error,
      );
      if (outcome instanceof EvidenceRejected) return outcome;
      throw outcome;
    }

    test("accepts evidence bound to what is expected, with at least one result", async () => {
      const { checks, results } = await one.verifier.verify(one.evidence, one.expected, signal);
      expect(results.length).toBeGreaterThan(0);
      expect(checks.length).toBeGreaterThan(0);
      expect(checks.every(({ outcome }) => outcome !== "failed")).toBe(true);
    });

    test("names each check once, with something expected, seen and cited", async () => {
      const { checks } = await one.verifier.verify(one.evidence, one.expected, signal);
      expect(new Set(checks.map(({ check }) => check)).size).toBe(checks.length);
      for (const { check, expected, seen, source } of checks) {
        expect(check).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
        expect([expected, seen, source].every((text) => text.length > 0 && text.length < 500)).toBe(true);
      }
    });

    test("claims are JSON, and the lifted ones are texts", async () => {
      const { results } = await one.verifier.verify(one.evidence, one.expected, signal);
      for (const { claims } of results) {
        expect(JSON.parse(writeJson(claims))).toEqual(claims);
        for (const lifted of ["report_data", "init_data"])
          if (lifted in claims) expect(typeof claims[lifted]).toBe("string");
      }
    });

    test("A13 refuses every other binding", async () => {
      const digest = Buffer.from(one.expected.runtimeDataDigest ?? []);
      const { boundBytes = Number.POSITIVE_INFINITY } = one;
      const other = Buffer.from(digest);
      const last = Math.min(digest.length, boundBytes) - 1;
      other.writeUInt8(other.readUInt8(last) ^ 1, last);
      const longer = Buffer.concat([digest, Buffer.from([1])]);
      const whole = boundBytes < digest.length ? [] : [longer, digest.subarray(0, 32)];
      for (const runtimeDataDigest of [other, ...whole, Buffer.alloc(0), Buffer.alloc(65, 1)]) {
        const { check } = await refusalOf(one.evidence, { ...one.expected, runtimeDataDigest });
        expect(BINDING_CHECKS).toContain(check);
      }
    });

    test("B26 refuses another init-data digest where the hardware vouches for it", async () => {
      const outcome = one.verifier.verify(
        one.evidence,
        { ...one.expected, initDataDigest: Buffer.alloc(32, 0xee) },
        signal,
      );
      if (one.bindsInitData)
        await expect(outcome).rejects.toMatchObject({ check: expect.stringMatching(/^(?:host|init)-data$/) });
      else await expect(outcome).resolves.toBeDefined();
    });

    test("a refusal carries the checks up to the failed one, which is the last", async () => {
      const refusal = await refusalOf(null);
      expect(refusal.code).toBe("evidence-rejected");
      expect(refusal.checks.at(-1)).toMatchObject({ check: refusal.check, outcome: "failed" });
      expect(refusal.extra).toMatchObject({ tee: one.verifier.tee, check: refusal.check });
      expect(refusal.detail.length).toBeGreaterThan(10);
    });

    test("B30 refuses anything that is not its evidence, and throws nothing else", async () => {
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), async (evidence) => {
          // fast-check calls the same plain JSON by another name.
          await refusalOf(evidence as JsonValue);
        }),
        { numRuns: 200 },
      );
    });

    test("leaves evidence as it was, and gives the same answer again", async () => {
      const before = writeJson(one.evidence);
      const first = await one.verifier.verify(one.evidence, one.expected, signal);
      expect(await one.verifier.verify(one.evidence, one.expected, signal)).toEqual(first);
      expect(writeJson(one.evidence)).toBe(before);
    });

    test("many at once do not disturb each other", async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 32 }, (_, i) =>
          one.verifier.verify(i % 2 === 0 ? one.evidence : {}, one.expected, signal).then(
            () => "accepted",
            () => "refused",
          ),
        ),
      );
      expect(outcomes).toEqual(Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? "accepted" : "refused")));
    });
  });
}
