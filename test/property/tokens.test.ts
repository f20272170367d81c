import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type CborKey, type CborValue, encodeCbor } from "../../src/crypto/cbor.ts";
import { draftCoseSign1 } from "../../src/crypto/cose-sign1.ts";
import { KbsError } from "../../src/errors.ts";
import type { JsonObject } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";
import { statusOf, TRUST_CLAIMS } from "../../src/protocol/trust-tiers.ts";
import { readClaims } from "../../src/tokens/ear-reader.ts";
import { TOKEN_ENCODINGS, TOKEN_PROFILES } from "../../src/tokens/forms.ts";
import { parseToken } from "../../src/tokens/signed-token.ts";
import { ownIssuer } from "../../src/tokens/trusted-issuers.ts";
import { TokenVerifier } from "../../src/tokens/verify.ts";
import { cpuSubmodule, fixedKeys, freshSigner, testIssuer } from "../support/ear.ts";
import { NOW, TEE_KEY } from "../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const signer = freshSigner();
const keys = fixedKeys(signer);
const verifier = () => new TokenVerifier({ issuers: [ownIssuer(keys, "keywarden")], now: () => NOW });

const vector = fc.record(
  Object.fromEntries(TRUST_CLAIMS.map((name) => [name, fc.integer({ min: -128, max: 127 })])),
  { requiredKeys: ["hardware"] },
);
/** JSON as evidence holds it: no member that the pipeline itself sets. */
const evidence = fc.jsonValue({ maxDepth: 4, noUnicodeString: false }).map((value) => ({ extra: value }));

test("AS-049 whatever is appraised reads the same from every form", async () => {
  await fc.assert(
    fc.asyncProperty(
      vector,
      evidence,
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      async (trustVector, extra, wide) => {
        const status = statusOf(trustVector);
        const submodules = [
          cpuSubmodule({ ...JSON.parse(JSON.stringify(extra)), wide }, { trustVector, status }),
        ];
        for (const encoding of TOKEN_ENCODINGS)
          for (const profile of TOKEN_PROFILES) {
            const form = { encoding, profile };
            const issued = await testIssuer(keys).issue({ submodules, protocol: undefined }, SIGNAL, form);
            const { claims, teePublicKey } = await verifier().verify(issued.token, SIGNAL);
            expect(writeJson(sorted(claims))).toBe(writeJson(sorted(issued.claims)));
            expect(teePublicKey).toEqual(TEE_KEY.jwk);
          }
      },
    ),
    { numRuns: 60 },
  );
});

test("B30 C1 no text is a token, and none fails in another way than it says", async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.base64String({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
    fc.array(fc.base64String({ maxLength: 60 }), { maxLength: 4 }).map((parts) => parts.join(".")),
  );
  await fc.assert(
    fc.asyncProperty(text, async (token) => {
      await expect(verifier().verify(token, SIGNAL)).rejects.toMatchObject({ code: "token-rejected" });
    }),
    { numRuns: 500 },
  );
});

test("B30 no claims that a trusted key signed make the reader fail in another way than it says", () => {
  const key: fc.Arbitrary<CborKey> = fc.oneof(
    fc.constantFrom(
      1,
      4,
      6,
      265,
      266,
      1000,
      1001,
      1003,
      1004,
      -18,
      -70_000,
      "submods",
      "ear.status",
      "cpu0",
      0,
    ),
    fc.integer(),
  );
  const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<CborValue>(0, 2, 32, 96, "affirming", null, "x", 1.5, Buffer.from("ab")),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map((entries) => new Map(entries)),
    ),
  }));
  fc.assert(
    fc.property(value, (claims) => {
      const draft = draftCoseSign1("ES256", encodeCbor(claims));
      const token = draft.finish(Buffer.alloc(64)).toString("base64url");
      try {
        readClaims(parseToken(token).claims(), undefined);
      } catch (error) {
        expect(error).toBeInstanceOf(KbsError);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** Members in one order: a CWT sorts them by their labels. */
function sorted(value: JsonObject): JsonObject {
  const order = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(order);
    if (typeof item !== "object" || item === null) return item;
    return Object.fromEntries(
      Object.entries(item)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, member]) => [name, order(member)]),
    );
  };
  return order(value) as JsonObject;
}
