import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { NO_MATERIAL, offlineEndorsements } from "../../../../src/attestation/endorsements/amd-material.ts";
import { SNP_CHECKS, type SnpCheck } from "../../../../src/attestation/formats/sev-snp/checks.ts";
import { EvidenceRejected } from "../../../../src/attestation/verifier.ts";
import {
  amdName,
  authorityExtensions,
  integer,
  type RawExtension,
} from "../../../../src/dev/amd-certificates.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import {
  EXPECTED,
  INIT_DATA,
  make,
  NOW,
  newP384,
  REPORT_DATA,
  type Story,
  tell,
  vendorKeys,
  verifierFor,
} from "../../../support/fake-amd/index.ts";

const DAY = 24 * 3600 * 1000;
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const AMD = "1.3.6.1.4.1.3704.1.";
type Extensions = readonly RawExtension[];

const without = (suffix: string) => (extensions: Extensions) =>
  extensions.filter(({ oid }) => oid !== AMD + suffix);

const withExtension = (added: RawExtension) => (extensions: Extensions) => [
  ...extensions.filter(({ oid }) => oid !== added.oid),
  added,
];

/** Each story differs from the good one in one truth; the named check must be the one that says so. */
const STORIES: readonly (readonly [name: string, check: SnpCheck, story: Story])[] = [
  ["B29 evidence without a report", "evidence-format", { evidence: () => ({}) }],
  [
    "a measurement of 47 bytes",
    "evidence-format",
    { evidence: (e) => withReport(e, { measurement: Array(47).fill(1) }) },
  ],
  [
    "a policy that JSON.parse rounded",
    "evidence-format",
    { evidence: (e) => withReport(e, { policy: 2 ** 60 }) },
  ],
  ["a policy beyond 64 bits", "evidence-format", { evidence: (e) => withReport(e, { policy: 1n << 64n }) }],
  [
    "a byte of 256",
    "evidence-format",
    { evidence: (e) => withReport(e, { host_data: [256, ...Array(31).fill(0)] }) },
  ],
  [
    "A15 a Turin TCB without its FMC is an error, not zero",
    "evidence-format",
    {
      product: "Turin",
      evidence: (e) =>
        withReport(e, { reported_tcb: { fmc: null, bootloader: 3, tee: 2, snp: 5, microcode: 97 } }),
    },
  ],
  [
    "an FMC on Genoa, which its TCB has no byte for",
    "evidence-format",
    {
      evidence: (e) =>
        withReport(e, { reported_tcb: { fmc: 1, bootloader: 10, tee: 1, snp: 23, microcode: 84 } }),
    },
  ],
  [
    "a version 3 report without CPUID",
    "evidence-format",
    { evidence: (e) => withReport(e, { cpuid_mod_id: null }) },
  ],
  [
    "17 certificates",
    "evidence-format",
    { certificates: ({ vekDer }) => Array(17).fill({ type: "VCEK", data: vekDer }) },
  ],
  [
    "a certificate of 17 KiB",
    "evidence-format",
    { certificates: () => [{ type: "VCEK", data: Buffer.alloc(17_000) }] },
  ],
  [
    "an unknown kind of certificate",
    "evidence-format",
    { evidence: (e) => ({ ...e, cert_chain: [{ cert_type: "WHAT", data: [] }] }) },
  ],
  [
    "B14 report version 2 with the default settings",
    "report-version",
    { product: "Milan", report: { version: 2 } },
  ],
  ["report version 6", "report-version", { report: { version: 6 } }],
  ["another signature algorithm", "signature-algorithm", { beforeSigning: (r) => r.writeUInt32LE(2, 0x34) }],
  ["a reserved TCB byte", "reserved-fields", reservedByte(0x3a)],
  ["a reserved firmware byte", "reserved-fields", reservedByte(0x1eb)],
  ["key info bit 5", "reserved-fields", { beforeSigning: (r) => r.writeUInt32LE(1 << 5, 0x48) }],
  ["mitigation vectors in version 3", "reserved-fields", reservedByte(0x1f8)],
  ["signature s above 48 bytes", "reserved-fields", { afterSigning: (r) => r.writeUInt8(1, 0x318) }],
  ["bytes after the signature", "reserved-fields", reservedByte(0x49f)],
  ["policy bit 17 clear", "policy-bit17", { report: { policy: 0x10000n } }],
  ["a reserved policy bit", "policy-reserved-bits", { report: { policy: 0x30000n | (1n << 26n) } }],
  ["the highest policy bit", "policy-reserved-bits", { report: { policy: 0x30000n | (1n << 63n) } }],
  ["MASK_CHIP_KEY", "mask-chip-key", { report: { keyInfo: 2 } }],
  [
    "collateral that cannot be read",
    "collateral-format",
    {
      endorsements: ({ anchors }) =>
        offlineEndorsements(anchors, { ...NO_MATERIAL, faults: ["x.der is malformed"] }),
    },
  ],
  ["no certificate and no source", "vek-available", { certificates: () => null }],
  ["a VLEK that stayed at home", "vek-available", { kind: "VLEK", certificates: () => null }],
  [
    "a certificate of five bytes",
    "certificate-format",
    { certificates: () => [{ type: "VCEK", data: Buffer.alloc(5, 0x30) }] },
  ],
  [
    "a cut certificate",
    "certificate-format",
    { certificates: ({ vekDer }) => [{ type: "VCEK", data: vekDer.subarray(0, -1) }] },
  ],
  [
    "bytes after the certificate",
    "certificate-format",
    { certificates: ({ vekDer }) => [{ type: "VCEK", data: Buffer.concat([vekDer, Buffer.alloc(1)]) }] },
  ],
  ["B30 an extension twice", "certificate-format", { vekExtensions: (e) => [...e, integer("3.3", 23)] }],
  [
    "a hardware id of 9 bytes",
    "certificate-format",
    { vekExtensions: withExtension({ oid: `${AMD}4`, value: Buffer.alloc(9) }) },
  ],
  [
    "an SPL of 256",
    "certificate-format",
    { vekExtensions: withExtension({ oid: `${AMD}3.3`, value: Buffer.from([2, 2, 1, 0]) }) },
  ],
  [
    "B21 a key whose point is off the curve",
    "certificate-format",
    { certificates: ({ vekDer }) => [{ type: "VCEK", data: offCurve(vekDer) }] },
  ],
  ["a subject of another vendor", "certificate-names", { vek: { subject: "CN=SEV-VCEK" } }],
  ["another subject", "certificate-names", { vek: { subject: amdName("SEV-XXXX") } }],
  ["another issuer", "certificate-names", { vek: { issuer: amdName("Genoa") } }],
  ["B13 a key on P-256", "key-type", { vekKey: p256, reportKey: newP384() }],
  ["B13 an RSA key", "key-type", { vek: { publicKey: createPublicKey(vendorKeys().other) } }],
  [
    "no anchor for the product",
    "chain-root",
    { root: { subject: amdName("ARK-Venus"), issuer: amdName("ARK-Venus") } },
  ],
  [
    "B12 a root that came with the evidence and is not the pinned one",
    "chain-root",
    {
      certificates: ({ vekDer, intermediateDer }) => [
        { type: "VCEK", data: vekDer },
        { type: "ARK", data: intermediateDer },
      ],
    },
  ],
  ["a certificate signed by another key", "chain-signature", { vek: { signingKey: vendorKeys().other } }],
  [
    "an intermediate signed by another key",
    "chain-signature",
    { intermediate: { signingKey: vendorKeys().other } },
  ],
  ["a root that did not sign itself", "chain-signature", { root: { signingKey: vendorKeys().other } }],
  ["a signature with SHA-256", "chain-signature", { vek: { hash: "SHA-256", saltLength: 32 } }],
  ["another salt length", "chain-signature", { vek: { saltLength: 32 } }],
  [
    "no intermediate at hand",
    "chain-signature",
    { endorsements: (made, right) => ({ ...right, anchors: { ...made.anchors, intermediates: [] } }) },
  ],
  [
    "an intermediate in the evidence that the root did not sign",
    "chain-signature",
    {
      certificates: ({ vekDer }) => [
        { type: "VCEK", data: vekDer },
        { type: "ASK", data: vekDer },
      ],
    },
  ],
  [
    "an intermediate without the CA flag",
    "chain-profile",
    { intermediate: { extensions: authorityExtensions(false, undefined, 0x04) } },
  ],
  [
    "an intermediate without path length",
    "chain-profile",
    { intermediate: { extensions: authorityExtensions(true, undefined, 0x04) } },
  ],
  [
    "an intermediate with path length 1",
    "chain-profile",
    { intermediate: { extensions: authorityExtensions(true, 1, 0x04) } },
  ],
  [
    "an intermediate that may not sign certificates",
    "chain-profile",
    { intermediate: { extensions: authorityExtensions(true, 0, 0x02) } },
  ],
  ["an intermediate without extensions", "chain-profile", { intermediate: { extensions: [] } }],
  ["a root without the CA flag", "chain-profile", { root: { extensions: [] } }],
  [
    "an intermediate with a critical extension nobody knows",
    "chain-profile",
    {
      intermediate: {
        extensions: [
          ...authorityExtensions(true, 0, 0x04),
          { oid: "2.999.7", critical: true, value: Buffer.from([5, 0]) },
        ],
      },
    },
  ],
  [
    "a signing key that claims to be an authority",
    "chain-profile",
    { vekExtensions: (e) => [...e, ...authorityExtensions(true, 0)] },
  ],
  ["a signing key of the report that is none", "key-kind", { report: { keyInfo: 7 << 2 } }],
  ["a report that names a VLEK with a VCEK", "key-kind", { report: { keyInfo: 4 } }],
  [
    "a VLEK under the label of a VCEK",
    "key-kind",
    { kind: "VLEK", certificates: ({ vekDer }) => [{ type: "VCEK", data: vekDer }] },
  ],
  [
    "a VCEK that the VLEK authority issued",
    "key-kind",
    { kind: "VLEK", vek: { subject: amdName("SEV-VCEK") }, report: { keyInfo: 0 } },
  ],
  ["a processor without a root", "product", { beforeSigning: (r) => r.writeUInt8(0x50, 0x189) }],
  [
    "the CPUID of another product",
    "product",
    { product: "Milan", beforeSigning: (r) => r.writeUInt8(0x11, 0x189) },
  ],
  [
    "version 2 on Turin",
    "product",
    {
      product: "Turin",
      report: { version: 2, tcb: { fmc: undefined, bootloader: 1, tee: 3, snp: 0, microcode: 97 } },
      settings: { minimumReportVersion: 2 },
    },
  ],
  [
    "a product name that differs from the issuer",
    "product-name",
    { vekExtensions: withExtension({ oid: `${AMD}2`, value: Buffer.from("\x16\x05Milan", "latin1") }) },
  ],
  ["no product name", "product-name", { vekExtensions: without("2") }],
  ["E12 a certificate of tomorrow", "certificate-validity", { vek: { notBefore: new Date(NOW + DAY) } }],
  ["E12 a certificate of yesterday", "certificate-validity", { vek: { notAfter: new Date(NOW - 1000) } }],
  [
    "E12 an intermediate of yesterday",
    "certificate-validity",
    { intermediate: { notAfter: new Date(NOW - 1000) } },
  ],
  ["E12 a clock that gives no time", "certificate-validity", { now: Number.NaN }],
  [
    "B10 no revocation list though one is required",
    "crl-available",
    { settings: { revocation: "required" } },
  ],
  ["B11 a list signed by another key", "crl-signature", { lists: [{ signingKey: vendorKeys().other }] }],
  ["B11 a list with another algorithm", "crl-signature", { lists: [{ hash: "SHA-256" }] }],
  [
    "B11 a list with an unknown critical extension",
    "crl-signature",
    { lists: [{ extensions: [{ oid: "2.5.29.28", critical: true, value: Buffer.from([0x30, 0]) }] }] },
  ],
  ["B11 a list from the future", "crl-freshness", { lists: [{ thisUpdate: new Date(NOW + DAY) }] }],
  [
    "E12 a clock that gives no time, where certificates may be of any age",
    "crl-freshness",
    { now: Number.NaN, lists: [{}], settings: { dangerouslyIgnoreCertificateValidity: true } },
  ],
  [
    "B11 a list without an end",
    "crl-freshness",
    {
      endorsements: (made, right) => ({
        ...right,
        revocationLists: async () => made.lists.map((list) => ({ ...list, nextUpdate: undefined })),
      }),
      lists: [{}],
    },
  ],
  ["B10 a list that has run out", "crl-freshness", { lists: [{ nextUpdate: new Date(NOW - 1000) }] }],
  [
    "B11 a list of another root is no list",
    "crl-available",
    { lists: [{ issuer: amdName("ARK-Milan") }], settings: { revocation: "required" } },
  ],
  ["B10 a revoked intermediate", "revocation", { lists: [{ revokedSerials: ["0101"] }] }],
  [
    "B10 a revoked intermediate on an older list",
    "revocation",
    {
      lists: [
        {},
        { revokedSerials: ["0101"], nextUpdate: new Date(NOW - 1000), thisUpdate: new Date(NOW - 3 * DAY) },
      ],
    },
  ],
  ["B1 a report signed by another key", "report-signature", { reportKey: newP384() }],
  [
    "B1 a measurement changed after signing",
    "report-signature",
    { afterSigning: (r) => r.writeUInt8(0, 0x90) },
  ],
  ["an all-zero signature", "report-signature", { afterSigning: (r) => r.fill(0, 0x2a0, 0x330) }],
  [
    "a version 5 report whose agent left the mitigation vectors out",
    "report-signature",
    {
      report: { version: 5 },
      evidence: (e) => withReport(e, { launch_mit_vector: null, current_mit_vector: null }),
    },
  ],
  ...(["3.1", "3.2", "3.3", "3.8"] as const).map((suffix): (typeof STORIES)[number] => [
    `B13 another SPL ${suffix} in the certificate`,
    "vek-tcb",
    { vekExtensions: withExtension(integer(suffix, 99)) },
  ]),
  ["A15 a certificate without the SNP SPL", "vek-tcb", { vekExtensions: without("3.3") }],
  ["an FMC SPL on Genoa", "vek-tcb", { vekExtensions: withExtension(integer("3.9", 0)) }],
  ["A15 a Turin certificate without FMC", "vek-tcb", { product: "Turin", vekExtensions: without("3.9") }],
  ["B13 another chip", "chip-id", { report: { chipId: Buffer.alloc(64, 9) } }],
  ["A15 a VCEK without hardware id", "chip-id", { vekExtensions: without("4") }],
  [
    "a Turin chip id with a tail",
    "chip-id",
    {
      product: "Turin",
      report: { chipId: Buffer.alloc(64, 1) },
      vekExtensions: withExtension({ oid: `${AMD}4`, value: Buffer.alloc(8, 1) }),
    },
  ],
  ["A13 another report data", "report-data", { expected: { runtimeDataDigest: Buffer.alloc(48, 1) } }],
  [
    "A13 report data with a byte after the digest",
    "report-data",
    { report: { reportData: Buffer.concat([REPORT_DATA, Buffer.from([1])]) } },
  ],
  ["A13 a digest that was cut", "report-data", { report: { reportData: REPORT_DATA.subarray(0, 32) } }],
  [
    "A13 an expectation of more than 64 bytes",
    "report-data",
    { expected: { runtimeDataDigest: Buffer.alloc(65, 0x5a) } },
  ],
  ["B26 another init-data digest", "host-data", { expected: { initDataDigest: Buffer.alloc(32, 1) } }],
  ["B24 a zero HOST_DATA is a value, not any", "host-data", { report: { hostData: Buffer.alloc(32) } }],
  [
    "B24 an empty init-data digest is no digest",
    "host-data",
    { report: { hostData: Buffer.alloc(32) }, expected: { initDataDigest: Buffer.alloc(0) } },
  ],
  ["B7 VMPL 1", "vmpl", { report: { vmpl: 1 } }],
  ["B7 a report the host asked for", "vmpl", { report: { vmpl: 0xffffffff } }],
  ["B7 VMPL 0 where the operator names 2", "vmpl", { settings: { allowedVmpls: [2] } }],
  ["B4 B5 debugging", "debug", { report: { policy: 0xb0000n } }],
  ["a migration agent", "migration-agent", { report: { policy: 0x70000n } }],
  [
    "a guest policy bit that is required",
    "guest-policy",
    { settings: { requiredGuestPolicy: ["single-socket"] } },
  ],
  ["a guest policy bit that is forbidden", "guest-policy", { settings: { forbiddenGuestPolicy: ["smt"] } }],
  ["a platform bit that is required", "platform-info", { settings: { requiredPlatformInfo: ["tsme"] } }],
  ["a platform bit that is forbidden", "platform-info", { settings: { forbiddenPlatformInfo: ["smt"] } }],
  [
    "B15 a product the operator excludes",
    "allowed-product",
    { settings: { allowedProducts: ["Milan", "Turin"] } },
  ],
  ["a VLEK where none is wanted", "allowed-key", { kind: "VLEK", settings: { allowVlek: false } }],
  [
    "a VLEK of another provider",
    "allowed-key",
    { kind: "VLEK", settings: { allowedCspIds: ["CN=elsewhere"] } },
  ],
  ["B14 a masked chip id", "allowed-chip", { report: { chipId: Buffer.alloc(64) } }],
  ["B16 a chip that is not on the list", "allowed-chip", { settings: { allowedChipIds: ["ff".repeat(64)] } }],
  [
    "B14 a masked chip id where there is a list",
    "allowed-chip",
    {
      report: { chipId: Buffer.alloc(64) },
      settings: { allowMaskedChipId: true, allowedChipIds: ["00".repeat(64)] },
    },
  ],
  ["B15 a TCB below the minimum", "minimum-tcb", { settings: { minimumTcb: { Genoa: { snp: 24 } } } }],
  [
    "a launch TCB below the minimum",
    "minimum-tcb",
    { settings: { minimumLaunchTcb: { Genoa: { microcode: 85 } } } },
  ],
  ["firmware below the minimum", "minimum-firmware", { settings: { minimumFirmware: "1.55.41" } }],
  [
    "committed firmware below the minimum",
    "minimum-firmware",
    { settings: { minimumFirmware: "1.55.40" }, beforeSigning: (r) => r.writeUInt8(39, 0x1ec) },
  ],
  [
    "firmware that can be rolled back",
    "committed-tcb",
    { settings: { requireCommittedTcb: true }, beforeSigning: (r) => r.writeUInt8(83, 0x1e7) },
  ],
  [
    "a mitigation that was off at launch",
    "mitigations",
    { report: { version: 5 }, settings: { requiredLaunchMitigations: "0x4" } },
  ],
  [
    "mitigations in a report that has none",
    "mitigations",
    { settings: { requiredCurrentMitigations: "0x1" } },
  ],
  ["another ID key", "id-block", { settings: { allowedIdKeyDigests: ["ab".repeat(48)] } }],
  ["another author key", "id-block", { settings: { allowedAuthorKeyDigests: ["ab".repeat(48)] } }],
];

function withReport(evidence: JsonObject, members: JsonObject): JsonObject {
  return {
    ...evidence,
    attestation_report: { ...(evidence["attestation_report"] as JsonObject), ...members },
  };
}

/** A reserved byte set before signing reaches the verifier only in the binary form; JSON cannot carry it. */
function reservedByte(at: number): Story {
  return { beforeSigning: (report) => report.writeUInt8(1, at), certificates: () => null };
}

/** Changes one byte of the public point, wherever the certificate has it. */
function offCurve(der: Buffer): Buffer {
  const changed = Buffer.from(der);
  const at = changed.indexOf(Buffer.from([0x03, 0x62, 0x00, 0x04])) + 10;
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}

async function refusalOf(story: Story): Promise<EvidenceRejected> {
  const error: unknown = await told(story).then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  if (error instanceof EvidenceRejected) return error;
  throw error;
}

async function told(story: Story) {
  if (story.beforeSigning === undefined || story.certificates === undefined) return await tell(story);
  const made = await make(story);
  return await verifierFor(story, made).verifyBinary(made.report, EXPECTED, AbortSignal.timeout(20_000));
}

describe("each check refuses by its own name when its truth is missing", () => {
  test.each(STORIES)("%s: %s", async (_name, check, story) => {
    const refusal = await refusalOf(story);
    expect(refusal.check).toBe(check);
    expect(refusal.code).toBe("evidence-rejected");
    const last = refusal.checks.at(-1);
    expect(last).toMatchObject({ check, outcome: "failed", source: SNP_CHECKS[check].source });
    expect(refusal.checks.filter(({ outcome }) => outcome === "failed")).toHaveLength(1);
    expect(refusal.extra).toMatchObject({ tee: "snp", check });
  });

  test("every check has a story", () => {
    const told = new Set(STORIES.map(([, check]) => check));
    expect(Object.keys(SNP_CHECKS).filter((check) => !told.has(check as SnpCheck))).toEqual([]);
  });
});

const GOOD: readonly (readonly [name: string, story: Story])[] = [
  ["Milan", { product: "Milan" }],
  ["Genoa", {}],
  ["Turin", { product: "Turin", report: { version: 5 } }],
  ["a VLEK", { kind: "VLEK" }],
  ["a VLEK of a listed provider", { kind: "VLEK", settings: { allowedCspIds: ["CN=development.invalid"] } }],
  [
    "version 2 where it is allowed",
    { product: "Milan", report: { version: 2 }, settings: { minimumReportVersion: 2 } },
  ],
  ["version 4", { report: { version: 4 } }],
  ["mitigation vectors above 2^53", { report: { version: 5, launchMitigations: 0xffff_ffff_ffff_fffen } }],
  ["debugging where it is allowed", { report: { policy: 0xb0000n }, settings: { allowDebug: true } }],
  [
    "a migration agent where it is allowed",
    { report: { policy: 0x70000n }, settings: { allowMigrationAgent: true } },
  ],
  [
    "a masked chip id where it is allowed",
    { report: { chipId: Buffer.alloc(64) }, settings: { allowMaskedChipId: true } },
  ],
  [
    "a listed chip",
    {
      settings: {
        allowedChipIds: [Buffer.from(Array.from({ length: 64 }, (_, i) => i + 1)).toString("hex")],
      },
    },
  ],
  [
    "a listed Turin chip by its eight bytes",
    { product: "Turin", settings: { allowedChipIds: ["0102030405060708"] } },
  ],
  [
    "a fresh revocation list",
    { lists: [{ revokedSerials: ["0999"] }], settings: { revocation: "required" } },
  ],
  ["a forged list beside a good one", { lists: [{ signingKey: vendorKeys().other }, {}] }],
  [
    "minimums that are met",
    {
      settings: {
        minimumTcb: { Genoa: { bootloader: 10, tee: 1, snp: 23, microcode: 84 }, Milan: { snp: 99 } },
        minimumFirmware: "1.55.40",
        requireCommittedTcb: true,
      },
    },
  ],
  [
    "a hardware id wrapped once more",
    {
      vekExtensions: (e) =>
        e.map((x) =>
          x.oid === `${AMD}4` ? { ...x, value: Buffer.concat([Buffer.from([4, 64]), x.value]) } : x,
        ),
    },
  ],
  [
    "the whole chain in the evidence",
    {
      certificates: (m) => [
        { type: "ARK", data: m.rootDer },
        { type: "ASK", data: m.intermediateDer },
        { type: "VCEK", data: m.vekDer },
        { type: { OTHER: "ecae0c0f-9502-43b1-afa2-0ae2e0d565b6" }, data: Buffer.alloc(8) },
      ],
    },
  ],
  [
    "an expired certificate where validity is ignored",
    { vek: { notAfter: new Date(NOW - 1000) }, settings: { dangerouslyIgnoreCertificateValidity: true } },
  ],
  ["a guest without init-data", { expected: { initDataDigest: undefined } }],
  [
    "an init-data digest of 48 bytes, cut to 32",
    {
      report: { hostData: INIT_DATA },
      expected: { initDataDigest: Buffer.concat([INIT_DATA, Buffer.alloc(16, 9)]) },
    },
  ],
];

describe("what is right is accepted", () => {
  test.each(GOOD)("%s", async (_name, story) => {
    const { results, checks } = await tell(story);
    expect(results).toHaveLength(1);
    expect(checks.some(({ outcome }) => outcome === "failed")).toBe(false);
  });

  test("B6 claims are always explicit, and lifted from the report", async () => {
    const { results } = await tell({ report: { policy: 0xb0000n }, settings: { allowDebug: true } });
    expect(results[0]?.claims).toMatchObject({
      policy_debug_allowed: true,
      policy_migrate_ma: false,
      policy_smt_allowed: true,
      report_data: Buffer.concat([REPORT_DATA, Buffer.alloc(16)]).toString("hex"),
      init_data: INIT_DATA.toString("hex"),
      reported_tcb_snp: 23,
      product: "Genoa",
      signing_key: "vcek",
    });
  });

  test("a masked chip id is no claim", async () => {
    const { results } = await tell({ kind: "VLEK" });
    expect(results[0]?.claims).not.toHaveProperty("chip_id");
    expect(results[0]?.claims).toMatchObject({ vek_csp_id: "CN=development.invalid", signing_key: "vlek" });
  });

  test("B25 init-data without an expectation is reported as not compared", async () => {
    const { checks } = await tell({ expected: { initDataDigest: undefined } });
    expect(checks.find(({ check }) => check === "host-data")?.outcome).toBe("not-checked");
  });
});
