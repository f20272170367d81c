import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { offlineEndorsements, readMaterial } from "../../src/attestation/endorsements/amd-material.ts";
import { pinnedTrustAnchors } from "../../src/attestation/formats/sev-snp/trust-anchors.ts";
import { EvidenceRejected } from "../../src/attestation/verifier.ts";
import { SnpVerifier } from "../../src/attestation/verifiers/snp/verify.ts";
import { EXPECTED, type Made, make, NOW, settingsOf, verifierFor } from "../support/fake-amd/index.ts";
import { describeShared, sharedPath } from "../support/shared.ts";

const NOTHING = { runtimeDataDigest: undefined, initDataDigest: undefined };
const signal = new AbortController().signal;

/** Bit numbers whose flip was accepted; anything thrown that is no refusal fails the test. */
async function acceptedFlips(
  bytes: Buffer,
  verify: (flipped: Buffer) => Promise<unknown>,
): Promise<number[]> {
  const accepted: number[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const refusal = await verify(flipped).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) accepted.push(bit);
    else if (!(refusal instanceof EvidenceRejected)) throw refusal;
  }
  return accepted;
}

describe("B1 every flipped bit is refused", () => {
  let made: Made;
  beforeAll(async () => {
    made = await make({ report: { version: 5 } });
  });

  test("in a report", async () => {
    const story = {
      settings: {
        allowMaskedChipId: true,
        allowDebug: true,
        allowMigrationAgent: true,
        allowedVmpls: [0, 1, 2, 3],
        minimumReportVersion: 2,
      },
      endorsements: ({ anchors, vekDer }: Made) => offlineEndorsements(anchors, readMaterial(vekDer, "vek")),
    };
    const verifier = verifierFor(story, made);
    await verifier.verifyBinary(made.report, EXPECTED, signal);
    expect(
      await acceptedFlips(made.report, (report) => verifier.verifyBinary(report, NOTHING, signal)),
    ).toEqual([]);
  }, 120_000);

  test("in the certificate of its key, one bit of every byte", async () => {
    const verifier = verifierFor({}, made);
    const chain = (data: Buffer) => [{ cert_type: "VCEK", data: [...data] }];
    const accepted: number[] = [];
    for (let at = 0; at < made.vekDer.length; at++) {
      const flipped = Buffer.from(made.vekDer);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << ((at * 5) % 8)), at);
      const evidence = { ...made.evidence, cert_chain: chain(flipped) };
      await verifier.verify(evidence, EXPECTED, signal).then(
        () => accepted.push(at),
        (error: unknown) => expect(error).toBeInstanceOf(EvidenceRejected),
      );
    }
    expect(accepted).toEqual([]);
  }, 120_000);
});

describeShared("B1 every flipped bit of a real report is refused", "fixtures/snp/real", () => {
  test("Genoa, version 3", async () => {
    const file = (name: string) => readFileSync(sharedPath("fixtures/snp/real/genoa-v3-siena-range", name));
    const endorsements = offlineEndorsements(pinnedTrustAnchors(), readMaterial(file("vcek.der"), "vek"));
    const verifier = new SnpVerifier(settingsOf({ minimumReportVersion: 2 }), endorsements, () => NOW);
    const report = file("report.bin");
    await verifier.verifyBinary(report, NOTHING, signal);
    expect(await acceptedFlips(report, (flipped) => verifier.verifyBinary(flipped, NOTHING, signal))).toEqual(
      [],
    );
  }, 120_000);
});
