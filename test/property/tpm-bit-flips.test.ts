import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { NO_MATERIAL, offlineEndorsements } from "../../src/attestation/endorsements/amd-material.ts";
import { inlineAppraiser } from "../../src/attestation/formats/eventlog/index.ts";
import { pinnedTrustAnchors } from "../../src/attestation/formats/sev-snp/trust-anchors.ts";
import { NO_ENROLMENTS } from "../../src/attestation/formats/tpm2/ak-registry.ts";
import type { Expected, Verifier } from "../../src/attestation/verifier.ts";
import { azSnpSection } from "../../src/attestation/verifiers/az-snp-vtpm/settings.ts";
import { AzSnpVerifier } from "../../src/attestation/verifiers/az-snp-vtpm/verify.ts";
import { TpmVerifier } from "../../src/attestation/verifiers/tpm/verify.ts";
import { readJson } from "../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import {
  EXPECTED as AZURE_EXPECTED,
  type MadeAzure,
  makeAzure,
  printAzureEvidence,
} from "../support/fake-azure/index.ts";
import { acceptedBits, FLIP_STRIDE } from "../support/flips.ts";
import { describeShared, sharedPath } from "../support/shared.ts";
import {
  EXPECTED,
  type MadeQuote,
  makeQuote,
  NOW,
  type TpmStory,
  tpmSettings,
  tpmVerifier,
} from "../support/software-tpm/index.ts";

const NOTHING: Expected = { runtimeDataDigest: undefined, initDataDigest: undefined };
const signal = new AbortController().signal;
/** Quotes are short: at least every eleventh bit, or all where that is asked for. */
const STRIDE = Math.min(FLIP_STRIDE, 11);

const withQuote = (evidence: JsonObject, change: JsonObject): JsonObject => ({
  ...evidence,
  tpm_quote: { ...(evidence["tpm_quote"] as JsonObject), ...change }, // made as an object above
});

async function sweep(
  what: Buffer,
  verifier: Verifier,
  evidenceWith: (flipped: Buffer) => JsonValue,
  unsigned: readonly (readonly [number, number])[] = [],
  stride = STRIDE,
): Promise<void> {
  await expect(verifier.verify(evidenceWith(what), NOTHING, signal)).resolves.toBeDefined();
  const swept = await acceptedBits(what, { stride, unsigned }, (flipped) =>
    verifier.verify(evidenceWith(flipped), NOTHING, signal),
  );
  expect(swept.accepted).toEqual([]);
  expect(swept.tried).toBeGreaterThan(10);
}

describe.each([
  ["RSA", { kind: "RSA-2048, RSASSA, SHA-256" }],
  ["PSS", { kind: "RSA-2048, PSS, SHA-256" }],
  ["ECDSA", { kind: "P-384, SHA-384", form: "banks" }],
] as const)("B1 every flipped bit of a TPM's evidence is refused: %s", (_, story: TpmStory) => {
  let made: MadeQuote;
  let verifier: Verifier;
  beforeAll(async () => {
    // Nobody enrolled the key, so that the clock of one copy does not refuse the next.
    const unenrolled = { ...story, enrolled: null, settings: { acceptedAkTrust: ["none"] } };
    made = await makeQuote(unenrolled);
    verifier = await tpmVerifier(unenrolled, made);
    await verifier.verify(made.evidence, EXPECTED, signal);
  });

  test("the quote", async () =>
    sweep(made.message, verifier, (bytes) =>
      withQuote(made.evidence, { message: bytes.toString("base64") }),
    ));

  test("the signature", async () =>
    sweep(made.signature, verifier, (bytes) =>
      withQuote(made.evidence, { signature: bytes.toString("base64") }),
    ));

  test("the registers", async () => {
    const values = [...(made.values.get("sha256")?.values() ?? [])];
    const print = (bytes: Buffer) => values.map((_value, i) => bytes.toString("hex", i * 32, i * 32 + 32));
    await sweep(Buffer.concat(values), verifier, (bytes) =>
      withQuote(made.evidence, {
        pcrs: story.form === "banks" ? { sha256: { ...print(bytes) } } : print(bytes),
      }),
    );
  });

  test("the public area beside the key", async () => {
    // The policy is no secret and binds nothing here: what is left is signed for by its name, and that the enrolment has.
    const { akName, fingerprint } = made;
    const enrolled = {
      akName,
      akFingerprint: fingerprint,
      ekFingerprint: "",
      host: "h",
      lastClock: undefined,
    };
    const registry = {
      find: async () => ({ ...enrolled, status: "approved", ekTrust: "listed" }) as const,
      recordClock: async () => true,
    };
    const none = { pinned: [] };
    const world = { logs: inlineAppraiser(), imaPolicy: undefined };
    const trust = { ekAuthorities: none, akAuthorities: none, enrolled: registry, ...world };
    const strict = new TpmVerifier(tpmSettings(), trust, () => NOW);
    await sweep(made.publicArea, strict, (bytes) => ({
      ...made.evidence,
      ak_tpm2b_public: bytes.toString("base64"),
    }));
  });

  test("the key", async () =>
    sweep(made.akPublic, verifier, (bytes) => ({ ...made.evidence, ak_public: bytes.toString("base64") })));
});

describe.each(["snp", "tdx"] as const)(
  "B1 every flipped bit of an Azure VM's evidence is refused: %s",
  (kind) => {
    let made: MadeAzure;
    const print = (parts: Partial<MadeAzure["parts"]>) =>
      printAzureEvidence({ kind }, { ...made.parts, ...parts });
    beforeAll(async () => {
      // The signer of the paravisor and debugging are settings, which would refuse some bits before the signature does.
      const lax = kind === "snp" ? { dangerouslyAcceptAnyParavisor: true, allowMigrationAgent: true } : {};
      made = await makeAzure({ kind, settings: { ...lax, allowDebug: true } });
      await made.verifier.verify(made.evidence, AZURE_EXPECTED, signal);
    });

    test("the quote of the vTPM", async () =>
      sweep(made.parts.message, made.verifier, (message) => print({ message })));
    test("its signature", async () =>
      sweep(made.parts.signature, made.verifier, (signature) => print({ signature })));
    test("the registers", async () =>
      sweep(Buffer.concat(made.parts.pcrs), made.verifier, (bytes) =>
        print({ pcrs: made.parts.pcrs.map((_, i) => bytes.subarray(i * 32, i * 32 + 32)) }),
      ));
    test("the paravisor's report", async () => {
      // Request type, status, reserved bytes and the version of the runtime header: nothing signs them, nothing reads them.
      const unread: [number, number][] = [
        [12, 32],
        [1220, 1224],
      ];
      await sweep(
        made.parts.hcl,
        made.verifier,
        (hcl) => print({ hcl }),
        [...unread, ...(kind === "snp" ? HCL_HEADER_VERSION : [...HCL_HEADER_VERSION, ...TD_REPORT_UNREAD])],
        FLIP_STRIDE,
      );
    }, 300_000);
    if (kind === "tdx")
      test("the TD quote, up to its certificates", async () => {
        const quote = made.parts.hardware;
        // Words of the header that are signed like the rest; what follows the signed parts is swept with bare quotes.
        await sweep(quote.subarray(0, 632 + 64), made.verifier, (head) =>
          print({ hardware: Buffer.concat([head, quote.subarray(632 + 64)]) }),
        );
      }, 300_000);
  },
);

/** Versions 1 and 2 of the header mean the same. */
const HCL_HEADER_VERSION: readonly (readonly [number, number])[] = [[4, 5]];
/** Parts of the TDREPORT that the quote does not repeat: type details, CPUSVN, hashes, MAC, and what is reserved. */
const TD_REPORT_UNREAD: readonly (readonly [number, number])[] = [
  [33, 32 + 128],
  [32 + 192, 32 + 264],
  [32 + 328, 32 + 512],
  [32 + 912, 1216],
];

describeShared(
  "B1 every flipped bit of a real Azure VM's evidence is refused",
  "fixtures/az-snp-vtpm/real",
  () => {
    test("Milan, version 1", async () => {
      const evidence = readJson(
        readFileSync(sharedPath("fixtures/az-snp-vtpm/real/milan-v1/evidence.json")),
      ) as JsonObject;
      const parsed = azSnpSection.parse({}, "settings");
      if (!parsed.ok) throw new Error("settings");
      const endorsements = offlineEndorsements(pinnedTrustAnchors(), NO_MATERIAL);
      const verifier = new AzSnpVerifier(parsed.value, endorsements, () => NOW);
      const quote = evidence["tpm_quote"] as JsonObject;
      const hex = (name: string) => Buffer.from(String(quote[name]), "hex");
      await sweep(hex("message"), verifier, (bytes) =>
        withQuote(evidence, { message: bytes.toString("hex") }),
      );
      await sweep(hex("signature"), verifier, (bytes) =>
        withQuote(evidence, { signature: bytes.toString("hex") }),
      );
      const hcl = Buffer.from(String(evidence["hcl_report"]), "base64url");
      await sweep(
        hcl,
        verifier,
        (bytes) => ({ ...evidence, hcl_report: bytes.toString("base64url") }),
        [
          [4, 5],
          [12, 32],
          [1220, 1224],
        ],
        FLIP_STRIDE,
      );
    }, 300_000);
  },
);

test("NO_ENROLMENTS knows nobody", async () => expect(await NO_ENROLMENTS.find("", signal)).toBeUndefined());
