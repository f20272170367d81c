import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { checkBinding } from "../../src/attestation/adapters/token-binding.ts";
import { evaluationOfJson, evaluationOfMessage } from "../../src/attestation-service/requests.ts";
import { KbsError } from "../../src/errors.ts";
import { loadServices, methodOf } from "../../src/grpc/services.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { handshake } from "../support/attestation-service.ts";

const NAMES = fc.constantFrom(
  "verification_requests",
  "policy_ids",
  "tee",
  "evidence",
  "runtime_data",
  "init_data",
  "raw",
  "structured",
  "init_data_toml",
  "__proto__",
  "constructor",
);
const TEXTS = fc.oneof(
  fc.string(),
  fc.constantFrom("snp", "sample", "e30", "e30=", "sha384", "default", "\ud800", "{}"),
);
const DOCUMENTS: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    TEXTS,
    fc.constantFrom(null, true, 0, -1, 2n ** 70n),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(NAMES, tie("value")), { maxLength: 5 })
      .map((members) => Object.fromEntries(members) as JsonObject),
  ),
})).value;

/** A request that is good but for what `over` puts into it. */
const NEARLY_GOOD = fc.record({
  verification_requests: fc.array(
    fc.tuple(NAMES, DOCUMENTS).map(([name, value]) => ({ tee: "sample", evidence: "e30", [name]: value })),
    { maxLength: 3 },
  ),
  policy_ids: fc.array(TEXTS, { maxLength: 3 }),
});

function refusal(action: () => unknown): string {
  try {
    action();
    return "accepted";
  } catch (error) {
    if (!(error instanceof KbsError)) throw error;
    expect(error.detail).toMatch(/\.$/);
    return error.code;
  }
}

describe("no request breaks the parsers of the attestation service", () => {
  test("REST: whatever JSON comes, it is understood or malformed", () => {
    fc.assert(
      fc.property(fc.oneof(DOCUMENTS, NEARLY_GOOD), (document) => {
        // The arbitrary makes plain JSON.
        expect(["accepted", "malformed-request"]).toContain(
          refusal(() => evaluationOfJson(document as JsonValue)),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("gRPC: whatever bytes decode as the message, they are understood or malformed", async () => {
    const { attestation } = await loadServices();
    const { requestDeserialize } = methodOf(attestation, "AttestationEvaluate");
    const decoded = (bytes: Uint8Array): object | undefined => {
      try {
        return requestDeserialize(Buffer.from(bytes));
      } catch {
        // The library refuses them before we see them.
        return undefined;
      }
    };
    let understood = 0;
    fc.assert(
      fc.property(fc.array(field(), { maxLength: 6 }), (fields) => {
        const message = decoded(Buffer.concat(fields));
        if (message === undefined) return;
        understood++;
        expect(["accepted", "malformed-request"]).toContain(
          refusal(() => evaluationOfMessage({ ...message })),
        );
      }),
      { numRuns: 2_000 },
    );
    expect(understood).toBeGreaterThan(100);
  });

  /** One field of the message, or of the message in it, with content that fits or does not. */
  function field(): fc.Arbitrary<Buffer> {
    const content = fc.oneof(
      TEXTS.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    const inner = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 9 }), content), { maxLength: 4 })
      .map((members) => Buffer.concat(members.map(([number, bytes]) => delimited(number, bytes))));
    return fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.oneof(content, inner))
      .map(([number, bytes]) => delimited(number, bytes));
  }

  function delimited(number: number, bytes: Buffer): Buffer {
    const length = bytes.length & 0x7f;
    return Buffer.concat([Buffer.from([(number << 3) | 2, length]), bytes.subarray(0, length)]);
  }
});

describe("no token of another service breaks the check of its binding", () => {
  test("whatever a signed token says, it is refused in good order", async () => {
    const request = await handshake();
    fc.assert(
      fc.property(DOCUMENTS, DOCUMENTS, DOCUMENTS, (submods, evidence, runtimeData) => {
        const claims = [
          { submods },
          { submods: { cpu0: { "ear.veraison.annotated-evidence": evidence } } },
          {
            submods: {
              cpu0: {
                "ear.veraison.annotated-evidence": { sample: {}, runtime_data_claims: runtimeData },
              },
            },
          },
        ];
        for (const each of claims)
          expect(refusal(() => checkBinding(each, request))).toBe("attestation-service-distrusted");
      }),
      { numRuns: 500 },
    );
  });
});
