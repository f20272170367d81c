import { beforeAll, describe, expect, test } from "@jest/globals";
import {
  authoritiesFromPem,
  CertificateChainError,
} from "../../../../src/attestation/formats/tpm2/certificate-chain.ts";
import { verifyEndorsementCertificate } from "../../../../src/attestation/formats/tpm2/key-certificates.ts";
import {
  type Authority,
  EK_USAGE,
  issue,
  KeyUsageFlags,
  makeAuthority,
  NOW,
} from "../../../support/software-tpm/certificates.ts";
import { endorsementKey } from "../../../support/software-tpm/index.ts";

let root: Authority;
beforeAll(async () => {
  root = await makeAuthority("a root");
});

const leafBelow = (authority: Authority) =>
  issue({
    issuer: authority.name,
    key: endorsementKey(),
    signingKey: authority.key,
    keyUsage: KeyUsageFlags.keyEncipherment,
    extendedUsage: [EK_USAGE],
  });

async function verify(chain: readonly Authority[], pinned: readonly Authority[], now = NOW) {
  const [nearest] = chain;
  if (nearest === undefined) throw new Error("no authority");
  const leaf = await leafBelow(nearest);
  const authorities = authoritiesFromPem(pinned.map(({ pem }) => pem));
  return verifyEndorsementCertificate([leaf, ...chain.map(({ der }) => der)], authorities, { now });
}

describe("paths to a pinned authority", () => {
  test("over intermediates that came along, or that are pinned themselves", async () => {
    const middle = await makeAuthority("in the middle", {}, root);
    const low = await makeAuthority("low", {}, middle);
    expect((await verify([low, middle], [root])).authority).toBe("a root");
    expect((await verify([low, middle], [middle])).authority).toBe("in the middle");
    expect((await verify([root], [root])).authority).toBe("a root");
  });

  test.each<
    readonly [string, (below: (over: object) => Promise<Authority>) => Promise<readonly Authority[]>]
  >([
    ["an authority that is none", async (below) => [await below({ ca: false })]],
    [
      "an authority that may not certify",
      async (below) => [await below({ keyUsage: KeyUsageFlags.cRLSign })],
    ],
    ["an authority that ended", async (below) => [await below({ to: -1 })]],
    ["an authority from the future", async (below) => [await below({ from: 1 })]],
    [
      "an authority with an unknown critical extension",
      async (below) => [await below({ critical: "1.2.3" })],
    ],
    [
      "more authorities than one of them permits",
      async (below) => {
        const narrow = await below({ pathLength: 0 });
        return [await makeAuthority("too low", {}, narrow), narrow];
      },
    ],
    ["a signature by SHA-1", async (below) => [await below({ hash: "SHA-1" })]],
  ])("B18 %s is refused", async (_, make) => {
    const chain = await make((over) => makeAuthority("in the middle", over, root));
    await expect(verify(chain, [root])).rejects.toThrow(CertificateChainError);
  });

  test("B18 a root that came along is no anchor, and neither is its name", async () => {
    const stranger = await makeAuthority("a stranger");
    await expect(verify([stranger], [root])).rejects.toThrow(CertificateChainError);
    const namesake = await makeAuthority("a root");
    await expect(verify([namesake], [root])).rejects.toThrow(CertificateChainError);
    await expect(verify([root], [])).rejects.toThrow(CertificateChainError);
  });

  test("B29 two authorities that vouch for each other lead nowhere", async () => {
    const left = await makeAuthority("left");
    const right = await makeAuthority("right", {}, left);
    const back = {
      ...left,
      der: await issue({ subject: "left", issuer: "right", key: left.key, signingKey: right.key, ca: true }),
    };
    await expect(verify([right, back], [root])).rejects.toThrow(CertificateChainError);
  });

  test("A clock that gives no number refuses", async () => {
    await expect(verify([root], [root], Number.NaN)).rejects.toThrow(CertificateChainError);
  });
});
