import { createPublicKey } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import type { DcapCollateral } from "../../../../src/attestation/formats/dcap/collateral.ts";
import { fixedCollateral } from "../../../../src/attestation/formats/dcap/fixed-collateral.ts";
import { PckChains } from "../../../../src/attestation/formats/dcap/pck-chain.ts";
import {
  addDcapTrustAnchors,
  dcapTrustAnchorsFromPem,
  pinnedDcapTrustAnchors,
} from "../../../../src/attestation/formats/dcap/trust-anchors.ts";
import { EXPECTED, KEYS, make, pem, type Story, verifierFor } from "../../../support/fake-intel/index.ts";

const signal = AbortSignal.timeout(60_000);

/** Everything of a second vendor whose root has another key. */
const OTHER: Story = {
  root: { publicKey: createPublicKey(KEYS.other), signingKey: KEYS.other },
  intermediate: { signingKey: KEYS.other },
  signer: { signingKey: KEYS.other },
  rootList: { signingKey: KEYS.other },
};

async function twoVendors() {
  const [ours, other] = [await make({}), await make(OTHER)];
  const anchors = dcapTrustAnchorsFromPem([pem(ours.root, other.root).toString()]);
  return { ours, other, anchors };
}

describe("B12 several roots, as in development", () => {
  test("each vendor's platforms count with that vendor's statements", async () => {
    const { ours, other, anchors } = await twoVendors();
    for (const [story, made] of [
      [{}, ours],
      [OTHER, other],
    ] as const) {
      const source = fixedCollateral(anchors, [made.collateral]);
      const verifier = verifierFor(story, { ...made, source });
      await expect(verifier.verify(made.evidence, EXPECTED, signal)).resolves.toBeDefined();
    }
  });

  test("the statements of one root are not about platforms of another", async () => {
    const { ours, other, anchors } = await twoVendors();
    const theirs: Partial<DcapCollateral> = {
      tcbInfoIssuerChain: other.collateral.tcbInfoIssuerChain,
      qeIdentityIssuerChain: other.collateral.qeIdentityIssuerChain,
    };
    const source = fixedCollateral(anchors, [{ ...ours.collateral, ...theirs }]);
    const verifier = verifierFor({}, { ...ours, source });
    await expect(verifier.verify(ours.evidence, EXPECTED, signal)).rejects.toMatchObject({
      check: "tcb-signer",
    });
  });

  test("an authority that one root signed is not known below another", async () => {
    const { ours, other, anchors } = await twoVendors();
    const chains = new PckChains(anchors);
    chains.verify(pem(ours.leaf, ours.intermediate, ours.root));
    expect(() => chains.verify(pem(ours.leaf, ours.intermediate, other.root))).toThrow(
      expect.objectContaining({ check: "pck-chain" }),
    );
    chains.verify(pem(other.leaf, other.intermediate, other.root));
  });

  test("further roots are added to the built-in one, and replace it only when asked to", async () => {
    const { anchors } = await twoVendors();
    const both = addDcapTrustAnchors(pinnedDcapTrustAnchors(), anchors);
    expect(both.roots).toHaveLength(3);
    expect(both.authorities).toHaveLength(2);
    expect(pinnedDcapTrustAnchors().roots).toHaveLength(1);
  });

  test("a certificate that is no root is no anchor", async () => {
    const { ours } = await twoVendors();
    expect(() => dcapTrustAnchorsFromPem([pem(ours.intermediate).toString()])).toThrow("no self-signed root");
    expect(() => dcapTrustAnchorsFromPem(["no certificate"])).toThrow("no PEM certificate");
  });
});

describe("the text of a chain", () => {
  test.each([
    ["text behind it", (chain: string) => `${chain}and more`],
    ["text between certificates", (chain: string) => chain.replace("\n-----BEGIN", "\nx\n-----BEGIN")],
    ["bits that base64 leaves unused", setUnusedBit],
  ])("%s is refused", async (_name, change) => {
    const { leaf, intermediate, root } = await make({});
    const chain = pem(leaf, intermediate, root).toString();
    const chains = new PckChains(dcapTrustAnchorsFromPem([pem(root).toString()]));
    chains.verify(Buffer.from(chain));
    const changed = change(chain);
    expect(changed).not.toBe(chain);
    expect(() => chains.verify(Buffer.from(changed))).toThrow(
      expect.objectContaining({ check: "pck-chain" }),
    );
  });
});

/** The letter before padding has bits that no byte has; setting one leaves the bytes as they are. */
function setUnusedBit(chain: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const changed = chain.replace(/([A-Za-z0-9+/])(=+\n-----END)/, (_, letter: string, rest: string) => {
    const next = alphabet[alphabet.indexOf(letter) | 1] ?? "";
    return next + rest;
  });
  // Certificates differ in length from run to run; one of a multiple of three bytes has no padding.
  return changed === chain ? chain.replace("\n-----END", "=\n-----END") : changed;
}
