/** Stories about evidence, quotes, chains and signatures, each with one truth gone and the check that must say so. */
import { createHash, createPublicKey } from "node:crypto";
import { pinnedDcapTrustAnchors } from "../../../src/attestation/formats/dcap/trust-anchors.ts";
import type { SgxCheck } from "../../../src/attestation/verifiers/sgx/checks.ts";
import type { TdxCheck } from "../../../src/attestation/verifiers/tdx/checks.ts";
import { authorityExtensions } from "../../../src/dev/amd-certificates.ts";
import {
  intelName,
  issueIntelCertificate,
  pckExtension,
  pckMembers,
  sequence,
} from "../../../src/dev/intel-certificates.ts";
import { components } from "../../../src/dev/intel-statements.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { caName, DAY, KEYS, NOW, PCK, ROOT_NAME, type Story, validity } from "./index.ts";

export type Told<Check = TdxCheck & SgxCheck> = readonly [name: string, check: Check, story: Story];

const SGX_OID = "1.2.840.113741.1.13.1";
export const LEAF = authorityExtensions(false, undefined, 0xc0);
export const CA = authorityExtensions(true, 0, 0x06);

export const edit = (change: JsonObject) => (json: JsonObject) => ({ ...json, ...change });

/** Changes one byte of a quote. */
export const byte = (at: number, value: number) => (quote: Buffer) => {
  const changed = Buffer.from(quote);
  changed.writeUInt8(value, at);
  return changed;
};
const flip = (at: number) => (quote: Buffer) => byte(at, quote.readUInt8(at) ^ 1)(quote);

const STRANGERS_ROOT = await issueIntelCertificate({
  ...validity(10_000),
  subject: ROOT_NAME,
  issuer: ROOT_NAME,
  serial: "1001",
  publicKey: createPublicKey(KEYS.other),
  signingKey: KEYS.other,
  extensions: authorityExtensions(true, 1, 0x06),
});

const certified = (type: number, data: Buffer): Story => ({ quote: { certification: { type, data } } });
const leaf = (change: NonNullable<Story["leaf"]>): Story => ({ leaf: change });
const intermediate = (change: NonNullable<Story["intermediate"]>): Story => ({ intermediate: change });
const otherAuthority = (name: string): Story => ({
  intermediate: { subject: intelName(name) },
  leaf: { issuer: intelName(name) },
});
const extension = (members: readonly Buffer[]): Story => ({
  pckExtensions: [{ oid: SGX_OID, value: sequence(members) }],
});

/** A quote of a length that needs padding in base64, without that padding. */
function unpadded({ quote }: JsonObject): JsonObject {
  const bytes = Buffer.from(String(quote), "base64");
  const odd = Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 3))]);
  return { quote: odd.toString("base64").replace(/=+$/, "") };
}

export const QUOTES: readonly Told[] = [
  ["B29 evidence that is no object", "malformed", { evidence: () => null }],
  ["evidence without a quote", "malformed", { evidence: () => ({ cc_eventlog: null }) }],
  ["a quote that is no text", "malformed", { evidence: () => ({ quote: [1, 2] }) }],
  ["URL-safe base64", "malformed", { evidence: ({ quote }) => ({ quote: `${quote}-_-_` }) }],
  ["base64 without padding", "malformed", { evidence: unpadded }],
  ["an empty quote", "malformed", { evidence: () => ({ quote: "" }) }],
  ["B29 a quote above 64 KiB", "malformed", { quote: { trailing: Buffer.alloc(65_536) } }],
  ["version 2", "unsupported", { afterSigning: byte(0, 2) }],
  ["version 6", "unsupported", { afterSigning: byte(0, 6) }],
  ["a P-384 attestation key", "unsupported", { afterSigning: byte(2, 3) }],
  ["another TEE", "unsupported", { afterSigning: byte(4, 0x82) }],
  ["certification data of type 6 inside", "unsupported", certified(6, Buffer.alloc(0))],
  ["a platform manifest", "unsupported", certified(7, Buffer.alloc(100))],
  ["a PPID without a source of certificates", "unsupported", certified(1, Buffer.alloc(36))],
  ["an encrypted PPID without a source", "unsupported", certified(3, Buffer.alloc(404))],
  ["an encrypted PPID of another size", "unsupported", certified(3, Buffer.alloc(403))],
  ["another vendor's quoting enclave", "vendor", { afterSigning: byte(12, 0) }],
];

export const CHAINS: readonly Told[] = [
  [
    "B12 a chain of others under the built-in root",
    "root-untrusted",
    { source: (right) => ({ ...right, anchors: pinnedDcapTrustAnchors() }) },
  ],
  [
    "B12 another root of the same name in the quote",
    "root-untrusted",
    { chain: (made) => [made.leaf, made.intermediate, STRANGERS_ROOT] },
  ],
  ["two certificates", "pck-chain", { chain: (made) => [made.leaf, made.intermediate] }],
  [
    "four certificates",
    "pck-chain",
    { chain: (made) => [made.leaf, made.intermediate, made.root, made.root] },
  ],
  ["no certificate", "pck-chain", certified(5, Buffer.from("\0"))],
  ["text among certificates", "pck-chain", certified(5, Buffer.from("-----BEGIN CERTIFICATE----- no"))],
  ["a leaf of another name", "pck-role", leaf({ subject: intelName("Intel SGX PCK Certificate 2") })],
  ["a leaf with the CA flag", "pck-role", leaf({ extensions: [...CA, pckExtension(PCK)] })],
  [
    "a leaf that may certify",
    "pck-role",
    leaf({ extensions: [...authorityExtensions(false, undefined, 0x04), pckExtension(PCK)] }),
  ],
  ["another signer of the root's as PCK CA", "pck-role", otherAuthority("Intel SGX TCB Signing")],
  ["an intermediate of a similar name", "pck-role", otherAuthority("Intel SGX PCK Platform CA2")],
  ["an intermediate without the CA flag", "pck-role", intermediate({ extensions: LEAF })],
  [
    "an intermediate that may not certify",
    "pck-role",
    intermediate({ extensions: authorityExtensions(true, 0, 0x02) }),
  ],
  ["a leaf that another key signed", "pck-chain", leaf({ signingKey: KEYS.other })],
  ["a leaf that names another issuer", "pck-chain", leaf({ issuer: caName("processor") })],
  ["an intermediate that another key signed", "pck-chain", intermediate({ signingKey: KEYS.other })],
  [
    "an intermediate that names another root",
    "pck-chain",
    intermediate({ issuer: intelName("Intel SGX Root CA 2") }),
  ],
  ["a root that another key signed", "pck-chain", { root: { signingKey: KEYS.other } }],
  ["a root without the CA flag", "pck-chain", { root: { extensions: LEAF } }],
  ["a leaf signed with SHA-384", "pck-chain", leaf({ hash: "SHA-384" })],
  ["B13 a leaf on another curve", "pck-chain", leaf({ publicKey: createPublicKey(KEYS.p384) })],
  [
    "an unknown critical extension",
    "pck-chain",
    leaf({
      extensions: [
        ...LEAF,
        pckExtension(PCK),
        { oid: "2.999.1", critical: true, value: Buffer.from([5, 0]) },
      ],
    }),
  ],
  ["no SGX extensions", "pck-extension", { pckExtensions: [] }],
  [
    "SGX extensions that are no SEQUENCE",
    "pck-extension",
    { pckExtensions: [{ oid: SGX_OID, value: Buffer.from([5, 0]) }] },
  ],
  ...[0, 1, 2, 3, 4].map(
    (left): Told => [
      `SGX extension ${left + 1} missing`,
      "pck-extension",
      extension(pckMembers(PCK).filter((_, i) => i !== left)),
    ],
  ),
  [
    "an SGX extension twice",
    "pck-extension",
    extension([...pckMembers(PCK), ...pckMembers(PCK).slice(0, 1)]),
  ],
  ["B3 15 components", "pck-extension", { pck: { components: components().slice(0, 15) } }],
  ["a component above 255", "pck-extension", { pck: { components: [256, ...components().slice(1)] } }],
  ["an FMSPC of 5 bytes", "pck-extension", { pck: { fmspc: Buffer.alloc(5) } }],
  ["an unknown SGX type", "pck-extension", { pck: { sgxType: 3 } }],
  ["a leaf that ended", "validity", leaf({ notAfter: new Date(NOW - DAY) })],
  ["a leaf from tomorrow", "validity", leaf({ notBefore: new Date(NOW + DAY) })],
  ["an intermediate that ended", "validity", intermediate({ notAfter: new Date(NOW - DAY) })],
  ["a root that ended", "validity", { root: { notAfter: new Date(NOW - DAY) } }],
  ["B30 a clock that gives no number", "validity", { now: Number.NaN }],
];

/** An attestation key that is no point, bound and carried all the same. */
function offCurve(at: number): Story {
  const point = Buffer.alloc(64, 1);
  const binding = createHash("sha256").update(point).update(Buffer.alloc(32, 0xaa)).digest();
  return {
    quote: { beforeQeSigning: (report) => report.set(binding, 320) },
    afterSigning: (quote) => Buffer.concat([quote.subarray(0, at), point, quote.subarray(at + 64)]),
  };
}

export const SIGNATURES: readonly Told[] = [
  ["a QE report that another key signed", "qe-signature", { quote: { pckKey: KEYS.other } }],
  [
    "a QE report for another attestation key",
    "qe-binding",
    { qe: { reportData: Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32)]) } },
  ],
  [
    "a binding with something behind it",
    "qe-binding",
    { quote: { beforeQeSigning: (report) => report.writeUInt8(1, 383) } },
  ],
  ["B1 a header that was changed afterwards", "quote-signature", { afterSigning: flip(28) }],
  ["B1 a body that was changed afterwards", "quote-signature", { afterSigning: flip(48) }],
  ["A13 another binding", "report-data", { expected: { runtimeDataDigest: Buffer.alloc(48, 1) } }],
  ["A13 a longer binding", "report-data", { expected: { runtimeDataDigest: Buffer.alloc(65, 0x5a) } }],
  ["B26 another init-data", "init-data", { expected: { initDataDigest: Buffer.alloc(48, 1) } }],
  ["B26 an empty init-data digest", "init-data", { expected: { initDataDigest: Buffer.alloc(0) } }],
];

/** A length one too large, with a byte there to take. */
function longer(at: number): Story {
  return {
    quote: { trailing: Buffer.alloc(1) },
    afterSigning: (quote) => {
      const changed = Buffer.from(quote);
      changed.writeUInt32LE(quote.readUInt32LE(at) + 1, at);
      return changed;
    },
  };
}

export const TD_QUOTES: readonly Told<TdxCheck>[] = [
  ["a length that leaves bytes inside", "malformed", longer(632)],
  ["B29 a length beyond the quote", "malformed", { afterSigning: byte(635, 0xff) }],
  ["body type 4", "unsupported", { version: 5, afterSigning: byte(48, 4) }],
  ["a size that is not the body type's", "malformed", { version: 5, afterSigning: byte(50, 0x49) }],
  ["a body type of another TEE", "malformed", { version: 5, afterSigning: byte(48, 1) }],
  ["outer certification data of type 5", "unsupported", { afterSigning: byte(636 + 128, 5) }],
  [
    "a version 5 body type that was not signed",
    "quote-signature",
    {
      version: 5,
      quote: { beforeSigning: (signed) => signed.writeUInt8(3, 48) },
      afterSigning: byte(48, 2),
    },
  ],
  ["B21 an attestation key off the curve", "quote-signature", offCurve(636 + 64)],
  ["B24 a configuration id of zeros is no wildcard", "init-data", { td: { mrConfigId: Buffer.alloc(48) } }],
  [
    "A13 an empty binding, and a report without one",
    "report-data",
    { td: { reportData: Buffer.alloc(64) }, expected: { runtimeDataDigest: Buffer.alloc(0) } },
  ],
];

export const ENCLAVE_QUOTES: readonly Told<SgxCheck>[] = [
  ["a TD quote", "unsupported", { quote: { tee: "tdx", version: 4, report: Buffer.alloc(584) } }],
  ["version 3 with a TEE type", "unsupported", { afterSigning: byte(4, 0x81) }],
  ["a length that leaves bytes inside", "malformed", longer(432)],
  ["B29 a length beyond the quote", "malformed", { afterSigning: byte(435, 0xff) }],
  ["B21 an attestation key off the curve", "quote-signature", offCurve(436 + 64)],
  [
    "B24 a configuration id of zeros is no wildcard",
    "init-data",
    { enclave: { configId: Buffer.alloc(64) } },
  ],
];
