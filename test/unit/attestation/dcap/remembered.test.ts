import { beforeAll, describe, expect, test } from "@jest/globals";
import { fixedCollateral } from "../../../../src/attestation/formats/dcap/fixed-collateral.ts";
import { tdxSection } from "../../../../src/attestation/verifiers/tdx/settings.ts";
import { TdxVerifier } from "../../../../src/attestation/verifiers/tdx/verify.ts";
import { DAY, EXPECTED, type Made, make, NOW, REPORT_DATA } from "../../../support/fake-intel/index.ts";
import { quoteFor } from "../../../support/fake-intel/machine.ts";

/** Chains, quoting enclaves and statements are remembered; these tests are about what that must not cover. */
let made: Made;

beforeAll(async () => {
  made = await make({});
});

const END = NOW + 20 * DAY;
const signal = new AbortController().signal;

function verifierAt(
  clock: { now: number },
  settings: object = {},
  collateral = made.collateral,
): TdxVerifier {
  const parsed = tdxSection.parse(settings, "settings");
  if (!parsed.ok) throw new Error("settings");
  const source = fixedCollateral(made.source.anchors, [collateral]);
  return new TdxVerifier(parsed.value, source, () => clock.now);
}

/** The machine's quote with bytes of the TD report set before it is signed. */
function evidence(at = 0, value: Uint8Array = Buffer.alloc(0)) {
  const quote = Buffer.from(made.quote);
  quote.set(value, 48 + at);
  const signed = quoteFor({ quote }, REPORT_DATA);
  return { quote: signed.toString("base64"), cc_eventlog: null };
}

const verify = (verifier: TdxVerifier, json = evidence()) =>
  verifier.verify(json, { ...EXPECTED, initDataDigest: undefined }, signal);

describe("what a verifier remembers of a machine", () => {
  test("changes nothing about what it says, check by check", async () => {
    const verifier = verifierAt({ now: NOW });
    const [first, second] = [await verify(verifier), await verify(verifier)];
    expect(second).toEqual(first);
    expect(second.checks.filter(({ outcome }) => outcome === "passed").length).toBeGreaterThan(25);
  });

  test("ends with the statements, within the second as well", async () => {
    const clock = { now: END };
    const verifier = verifierAt(clock);
    await verify(verifier);
    clock.now = END + 1;
    await expect(verify(verifier)).rejects.toMatchObject({ check: "tcb-info-expired" });
  });

  test("does not hide that statements count by the grace only", async () => {
    const clock = { now: END };
    const verifier = verifierAt(clock, { collateralGraceSeconds: 60 });
    const status = async () => (await verify(verifier)).results[0]?.claims["collateral_expiration_status"];
    expect(await status()).toBe("0");
    clock.now = END + 1;
    expect(await status()).toBe("1");
    clock.now = END + 60_001;
    await expect(verify(verifier)).rejects.toMatchObject({ check: "tcb-info-expired" });
  });

  test("is of no use for a clock that gives no number, or runs backwards", async () => {
    const clock = { now: NOW };
    const verifier = verifierAt(clock);
    await verify(verifier);
    clock.now = Number.NaN;
    await expect(verify(verifier)).rejects.toMatchObject({ check: "validity" });
    clock.now = NOW - 400 * DAY;
    await expect(verify(verifier)).rejects.toMatchObject({ check: "validity" });
  });

  test.each<[string, number, Uint8Array, string]>([
    ["an older TDX module", 0, Buffer.from([1]), "tcb-unsupported"],
    ["a TDX module of an unknown line", 1, Buffer.from([9]), "tdx-module"],
    ["another signer of the module", 64, Buffer.from([1]), "tdx-module"],
    ["SEAM attributes", 112, Buffer.from([1]), "tdx-module"],
  ])("does not cover %s on the same machine", async (_, at, value, check) => {
    const verifier = verifierAt({ now: NOW });
    await verify(verifier);
    await expect(verify(verifier, evidence(at, value))).rejects.toMatchObject({ check });
    // Nor does the refusal cover the good one.
    expect(await verify(verifier)).toBeDefined();
  });
});
