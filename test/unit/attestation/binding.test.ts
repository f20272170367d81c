import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { runtimeDataClaims, runtimeDataDigest } from "../../../src/attestation/binding.ts";
import { parseAttestation } from "../../../src/protocol/handshake.ts";
import { parseTeePublicKey } from "../../../src/protocol/jwk.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const teePublicKey = parseTeePublicKey({
  kty: "EC",
  crv: "P-256",
  alg: "ECDH-ES+A256KW",
  x: "ItbHMuQKF46BQfSmKVtXEqob52tfWOps3H2Rc7tFydQ",
  y: "44S4FX8jGG7ZGBmiYuNXE6vIqOmrr1Qur7uUV2ZkX1A",
});
const nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const device =
  '{"sampledevice":{"svn":"2","report_data":"9LObupM9bozL4EPTF1jgSXNHdnbquGzDlQVg515HSeMW//crkT5SbHKeIAwT1S1E"}}';

function digest(additionalEvidence: string | undefined, hash: "sha256" | "sha384" | "sha512" = "sha384") {
  return runtimeDataDigest(runtimeDataClaims({ nonce, teePublicKey, additionalEvidence }), hash).toString(
    "hex",
  );
}

describe("published vectors", () => {
  test("A.2: device runtime data", () => {
    expect(digest(undefined)).toBe(
      "f4b39bba933d6e8ccbe043d31758e04973477676eab86cc3950560e75e4749e316fff72b913e526c729e200c13d52d44",
    );
    expect(digest(undefined, "sha512")).toBe(
      "fb3f88a950024d1a55ae8afc13899240b621dcd76f4551af3c077d3e0b460a78906f9c0c6a6a9d5d7f4c4cf994dcc75e2b3a7bee19050adcacd8ea6fd21a5fe2",
    );
  });

  test("P24 A.3: primary runtime data without devices", () => {
    expect(digest("")).toBe(
      "72aa6d1ff1978bfd60a5c2772442dc25c2b322c2c26205abb6d3f6c7ae268461ae135a3ab829f51fe3f9f352c7565df7",
    );
    expect(digest("", "sha512")).toBe(
      "65435b330316d3a897ec1900ae4b4348cadaba7953b8628baba0b43f5c1bb2a8507708a8049fcfdff94a3585f89604fab67520992778026f600736e071914d6f",
    );
  });

  test("P26 A.4: primary runtime data with one device", () => {
    expect(digest(device)).toBe(
      "7cc8022a3d95b5ed44a73699a833a7c9d0f14c5ce8f4ef2d450d7cc48feb57d7334c72dc387250d30f6c049b460b5f98",
    );
  });
});

test("P25 leaving `additional-evidence` out gives another digest than the empty string", () => {
  expect(digest(undefined)).not.toBe(digest(""));
});

test("P26 B22 one space more in the device list gives another digest", () => {
  expect(digest(device.replace(":", ": "))).not.toBe(digest(device));
});

test("P28 members beside the typed ones do not change the digest", () => {
  const withExtra = parseTeePublicKey({ ...teePublicKey, kid: "1", use: "enc" });
  const claims = runtimeDataClaims({ nonce, teePublicKey: withExtra, additionalEvidence: "" });
  expect(runtimeDataDigest(claims, "sha384").toString("hex")).toBe(digest(""));
});

test("A13 another hash, another nonce and another key give another digest", () => {
  expect(new Set([digest(""), digest("", "sha256"), digest("", "sha512")]).size).toBe(3);
  const other = runtimeDataClaims({ nonce: `${nonce} `, teePublicKey, additionalEvidence: "" });
  expect(runtimeDataDigest(other, "sha384").toString("hex")).not.toBe(digest(""));
});

test("AS-005 canonical JSON of nested members, whatever their order", () => {
  const expected =
    "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c4597480a186427c813ca941da78870c3";
  expect(runtimeDataDigest({ b: 1, a: "test", c: { d: "e" } }, "sha384").toString("hex")).toBe(expected);
  expect(runtimeDataDigest({ c: { d: "e" }, a: "test", b: 1 }, "sha384").toString("hex")).toBe(expected);
});

test("a lone surrogate is refused, since it has no bytes to hash", () => {
  const claims = runtimeDataClaims({ nonce, teePublicKey, additionalEvidence: "\ud800" });
  expect(() => runtimeDataDigest(claims, "sha384")).toThrow(
    expect.objectContaining({ code: "malformed-request" }),
  );
});

describeShared("recorded handshakes", "fixtures/transcripts", () => {
  const recordings = [
    ["17-attest-with-sample-device.json", "0.4"],
    ["08-attest-p256.json", "0.4"],
    ["08-attest-p521.json", "0.4"],
    ["08-attest-rsa2048.json", "0.4"],
    ["11-attest-init-data.json", "0.4"],
    ["0.2.0/08-attest-p256.json", "0.2"],
    ["0.2.0/08-attest-rsa2048.json", "0.2"],
    ["0.1.1/08-attest-rsa2048.json", "0.1"],
  ] as const;

  test.each(recordings)("%s: evidence carries the digest computed here", (file, generation) => {
    const exchanges = JSON.parse(readFileSync(sharedPath("fixtures/transcripts", file), "utf8"));
    const [auth, attest] = exchanges.slice(-2);
    const challenge = JSON.parse(auth.response.body);
    const attestation = parseAttestation(JSON.parse(attest.request.body), generation);
    const key = attestation.teePublicKey;
    const bound = runtimeDataClaims({
      nonce: challenge.nonce,
      teePublicKey: key,
      additionalEvidence: generation === "0.4" ? attestation.additionalEvidence : undefined,
    });
    expect(attestation.primaryEvidence).toHaveProperty(
      "report_data",
      runtimeDataDigest(bound, "sha384").toString("base64"),
    );
    for (const { evidence } of attestation.additional) {
      const own = runtimeDataClaims({
        nonce: challenge.nonce,
        teePublicKey: key,
        additionalEvidence: undefined,
      });
      expect(evidence).toHaveProperty("report_data", runtimeDataDigest(own, "sha384").toString("base64"));
    }
  });
});
