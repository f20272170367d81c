import { describe, expect, test } from "@jest/globals";
import type { SgxVerifier } from "../../src/attestation/verifiers/sgx/verify.ts";
import type { TdxVerifier } from "../../src/attestation/verifiers/tdx/verify.ts";
import { type DcapCase, dcapCases, dcapFile, dcapVerifier } from "../support/dcap-cases.ts";
import { EXPECTED, make, type Story, verifierFor } from "../support/fake-intel/index.ts";
import { acceptedBits, FLIP_STRIDE } from "../support/flips.ts";
import { describeShared } from "../support/shared.ts";

const NOTHING = { runtimeDataDigest: undefined, initDataDigest: undefined };
const signal = new AbortController().signal;
/** A full sweep over one quote takes about a minute. */
const PATIENCE = 600_000;

/** Bytes after the authentication data: padding that no signature covers and that nobody reads. */
function padding(quote: Buffer): readonly [number, number] {
  const version = quote.readUInt16LE(0);
  const tee = quote.readUInt32LE(4);
  const at = version === 5 ? 54 + quote.readUInt32LE(50) : 48 + (tee === 0 ? 384 : 584);
  return [at + 4 + quote.readUInt32LE(at), quote.length];
}

/**
 * Bytes of the chain's text that are no base64: line ends, and the zero byte at its end. A flipped one that is still
 * white space leaves the same certificates; any other is refused, so that only flips to white space may be accepted.
 */
function isWhiteSpaceFlip(quote: Buffer, bit: number): boolean {
  const before = quote.readUInt8(bit >> 3);
  const after = before ^ (1 << (bit & 7));
  const blank = [0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20];
  return blank.includes(before) && blank.includes(after);
}

async function sweep(quote: Buffer, verifier: TdxVerifier | SgxVerifier): Promise<readonly number[]> {
  await verifier.verifyBinary(quote, NOTHING, signal);
  const options = { unsigned: [padding(quote)], stride: FLIP_STRIDE };
  const { accepted, tried } = await acceptedBits(quote, options, (flipped) =>
    verifier.verifyBinary(flipped, NOTHING, signal),
  );
  expect(tried).toBeGreaterThan(500);
  return accepted.filter((bit) => !isWhiteSpaceFlip(quote, bit));
}

describeShared("B1 every flipped bit of real quotes is refused", "fixtures", () => {
  const find = (tee: "tdx" | "sgx", id: string): DcapCase => {
    const one = dcapCases(tee).find((it) => it.id === id);
    if (one === undefined) throw new Error(`no case ${id}`);
    return one;
  };

  test.each([
    ["tdx", "v4-uptodate"],
    ["tdx", "v5-td15-uptodate"],
    ["sgx", "v3-config-swhardening"],
    ["tdx", "s02-v5-td10"],
    ["sgx", "s02-v4"],
    ["sgx", "s03-v5"],
  ] as const)(
    "%s %s",
    async (tee, id) => {
      const one = find(tee, id);
      expect(await sweep(dcapFile(tee, one.quote), dcapVerifier(tee, one))).toEqual([]);
    },
    PATIENCE,
  );
});

describe("B1 every flipped bit of made quotes is refused", () => {
  const stories: readonly (readonly [string, Story])[] = [
    ["TD 1.0", {}],
    ["TD 1.5", { td15: true }],
    ["enclave", { tee: "sgx" }],
  ];

  test.each(stories)(
    "%s",
    async (_name, story) => {
      const made = await make(story);
      expect(await sweep(made.quote, verifierFor(story, made))).toEqual([]);
    },
    PATIENCE,
  );
});

const MEMBERS = [
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "rootCaCrl",
] as const;

describe("B2 B10 every flipped bit of collateral is refused", () => {
  test.each(MEMBERS)(
    "%s",
    async (name) => {
      const made = await make({});
      const bytes = made.collateral[name];
      const verify = (flipped: Buffer) => {
        const set = { ...made.collateral, [name]: flipped };
        const source = { ...made.source, collateral: async () => set };
        return verifierFor({}, { ...made, source }).verify(made.evidence, EXPECTED, signal);
      };
      const { accepted } = await acceptedBits(bytes, { stride: FLIP_STRIDE }, verify);
      const changed = accepted.filter((bit) => !isWhiteSpaceFlip(bytes, bit) && !isHexCase(bytes, bit));
      expect(changed).toEqual([]);
    },
    PATIENCE,
  );
});

/** The signature of a statement is hexadecimal text, in either case. */
function isHexCase(bytes: Buffer, bit: number): boolean {
  const at = bit >> 3;
  const letter = String.fromCharCode(bytes.readUInt8(at));
  return at > bytes.lastIndexOf('"signature":"') && /[a-fA-F]/.test(letter) && 1 << (bit & 7) === 0x20;
}
