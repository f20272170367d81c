/**
 * Faults in the verification of TPM quotes, of virtual TPMs on Azure, of logs and of enrolments: each would let a machine
 * in that must be refused. Each is one replacement in the source, and the tests have to notice every one of them.
 */
import type { Mutant } from "../support/seeded-faults.ts";

const TPM2 = "src/attestation/formats/tpm2";
const TPM = "src/attestation/verifiers/tpm";
const HCL = "src/attestation/formats/azure-hcl";
const EVENTLOG = "src/attestation/formats/eventlog";
const IMA = "src/attestation/formats/ima";
const ENROLMENT = "src/enrolment";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "quote: the signature is not checked",
    file: `${TPM}/verify.ts`,
    find: 'trail.require("tpm-signature", genuine, ',
    replace: 'trail.require("tpm-signature", true, ',
    short: true,
  },
  {
    name: "quote: any magic will do",
    file: `${TPM2}/quote-checks.ts`,
    find: "if (magic !== TPM_GENERATED) throw",
    replace: "if (magic === -1) throw",
  },
  {
    name: "quote: a list of values counts with any selection",
    file: `${TPM2}/quote-checks.ts`,
    find: "only.pcrs.every((pcr, i) => pcr === i) &&",
    replace: "",
  },
  {
    name: "quote: a list of values counts with fewer registers",
    file: `${TPM2}/quote-checks.ts`,
    find: "only.pcrs.length === ALL_PCRS &&",
    replace: "",
  },
  {
    name: "quote: the digest over the values is not compared",
    file: `${TPM2}/quote-checks.ts`,
    find: 'trail.require("pcr-digest", equal, ',
    replace: 'trail.require("pcr-digest", true, ',
  },
  {
    name: "quote: any nonce will do",
    file: `${TPM2}/quote-checks.ts`,
    find: 'trail.require("nonce", holds, ',
    replace: 'trail.require("nonce", true, ',
  },
  {
    name: "quote: an empty nonce is a nonce",
    file: `${TPM2}/quote-checks.ts`,
    find: "bytes.byteLength > 0 && equalBytes",
    replace: "equalBytes",
  },
  {
    name: "quote: init-data is not compared",
    file: `${TPM2}/quote-checks.ts`,
    find: 'trail.require("init-data", equal, ',
    replace: 'trail.require("init-data", true, ',
  },
  {
    name: "quote: bytes behind the structure are passed over",
    file: `${TPM2}/attest.ts`,
    find: 'if (quote !== undefined) cursor.end("TPMS_ATTEST");',
    replace: "",
  },
  {
    name: "key: an unrestricted key may sign",
    file: `${TPM2}/public-area.ts`,
    find: '"fixedTPM", "fixedParent", "sensitiveDataOrigin", "restricted", "sign"] as const',
    replace: '"fixedTPM", "fixedParent", "sensitiveDataOrigin", "sign"] as const',
  },
  {
    name: "key: the public area may be another key's",
    file: `${TPM}/attestation-key.ts`,
    find: 'trail.require("ak-public", same, ',
    replace: 'trail.require("ak-public", true, ',
  },
  {
    name: "key: a scheme that is not its own",
    file: `${TPM}/verify.ts`,
    find: "if (publicArea !== undefined && !isOwnScheme(publicArea, signature))",
    replace: "if (publicArea === null)",
  },
  {
    name: "trust: an enrolment that waits or was revoked counts",
    file: `${TPM}/trust.ts`,
    find: 'if (found.status !== "approved")',
    replace: "if (found.status === undefined)",
    short: true,
  },
  {
    name: "trust: the enrolled key may have other attributes",
    file: `${TPM}/trust.ts`,
    find: "if (key.name !== undefined && !sameHex(key.name, found.akName))",
    replace: "if (found.akName === undefined)",
  },
  {
    name: "trust: the endorsement certificate may be another machine's",
    file: `${TPM}/trust.ts`,
    find: "if (endorsement !== undefined && !sameHex(endorsement.ekFingerprint, found.ekFingerprint))",
    replace: "if (found.ekFingerprint === undefined)",
  },
  {
    name: "trust: the certificate may be another key's",
    file: `${TPM}/trust.ts`,
    find: "const same = keyFingerprint(certificate.publicKey) === key.fingerprint;",
    replace: "const same = certificate.publicKey !== undefined || key === undefined;",
  },
  {
    name: "trust: a certificate's issuer need only have the right name",
    file: `${TPM2}/certificate-chain.ts`,
    find: "issuer.subjectDer.equals(subject.issuerDer) && isSignedBy(subject, issuer.publicKey)",
    replace: "issuer.subjectDer.equals(subject.issuerDer)",
  },
  {
    name: "trust: any certificate may issue others",
    file: `${TPM2}/certificate-chain.ts`,
    find: "if (!ca) throw",
    replace: "if (ca === undefined) throw",
  },
  {
    name: "clock: the same quote again",
    file: `${TPM2}/clock.ts`,
    find: "next.clock <= last.clock",
    replace: "next.clock < last.clock",
  },
  {
    name: "clock: a reset counter may go back",
    file: `${TPM2}/clock.ts`,
    find: "if (resets < 0) return refused",
    replace: "if (resets === undefined) return refused",
  },
  {
    name: "logs: a register of the settings may be left out of the quote",
    file: `${TPM}/measured-boot.ts`,
    find: "  checkCoverage(judge);",
    replace: "  void checkCoverage;",
  },
  {
    name: "logs: a mismatch is no fault",
    file: `${TPM}/measured-boot.ts`,
    find: "refuseMismatch(judge.trail, bank, appraisal);",
    replace: "void refuseMismatch;",
  },
  {
    name: "logs: a policy without a list to judge",
    file: `${TPM}/measured-boot.ts`,
    find: "settings.requireImaLog || imaPolicy !== undefined",
    replace: "settings.requireImaLog",
  },
  {
    name: "logs: facts of events that nothing vouches for",
    file: `${EVENTLOG}/facts/index.ts`,
    find: "report.covers(event) ? digestFor(event, report.algorithm) : undefined",
    replace: "digestFor(event, report.algorithm)",
  },
  {
    name: "logs: data is believed whatever the digest says",
    file: `${EVENTLOG}/facts/index.ts`,
    find: "bound: isBound(event, report.algorithm)",
    replace: "bound: isBound !== undefined",
  },
  {
    name: "ima: a field may stand for the digest a second time",
    file: `${IMA}/template.ts`,
    find: "!others.some((field) => FIRST_FIELDS.has(field))",
    replace: "!others.some((field) => FIRST_FIELDS.has(field + 1))",
  },
  {
    name: "ima: any later boot aggregate passes",
    file: `${IMA}/appraise.ts`,
    find: "this.#options.policy !== undefined && this.#judged > 0",
    replace: "this.#judged < 0",
  },
  {
    name: "ima: a template hash that is not that of the data",
    file: `${IMA}/appraise.ts`,
    find: 'if (!templateHashHolds(record, this.#listAlgorithm)) return "template-hash";',
    replace: "",
  },
  {
    name: "azure: the variable data is bound to nothing",
    file: `${HCL}/vtpm.ts`,
    find: "const bound = equalBytes(reportData.subarray(0, DIGEST_BYTES), digest);",
    replace: "const bound = digest.length === DIGEST_BYTES;",
    short: true,
  },
  {
    name: "azure: something behind the digest of the variable data",
    file: `${HCL}/vtpm.ts`,
    find: "bound && empty, seen",
    replace: "bound, seen",
  },
  {
    name: "azure: the quote's signature is not checked",
    file: `${HCL}/vtpm.ts`,
    find: 'trail.require("tpm-signature", genuine, ',
    replace: 'trail.require("tpm-signature", true, ',
  },
  {
    name: "azure: user data may be anything",
    file: `${HCL}/vtpm.ts`,
    find: '    "user-data",\n    equal,',
    replace: '    "user-data",\n    equal || !equal,',
  },
  {
    name: "azure: two keys with the attestation key's name",
    file: `${HCL}/variable-data.ts`,
    find: "if (found.length > 1)",
    replace: "if (found.length > 2)",
  },
  {
    name: "azure: the guest's own report",
    file: "src/attestation/verifiers/az-snp-vtpm/verify.ts",
    find: "const PARAVISOR_VMPL = 0;",
    replace: "const PARAVISOR_VMPL = 1;",
  },
  {
    name: "azure: a paravisor of any signer",
    file: "src/attestation/verifiers/az-snp-vtpm/verify.ts",
    find: "any ? undefined : allowedIdKeyDigests",
    replace: "any ? allowedIdKeyDigests : undefined",
  },
  {
    name: "azure: a TDREPORT that says something else",
    file: "src/attestation/verifiers/az-tdx-vtpm/verify.ts",
    find: "mismatch === undefined, ",
    replace: "mismatch !== null, ",
  },
  {
    name: "enrolment: any proof will do",
    file: `${ENROLMENT}/tpm-enrolment.ts`,
    find: "if (!right) throw",
    replace: "if (right === undefined) throw",
    short: true,
  },
  {
    name: "enrolment: a challenge is used twice",
    file: `${ENROLMENT}/challenges.ts`,
    find: "const found = this.#open.get(id);\n    this.#open.delete(id);",
    replace: "const found = this.#open.get(id);",
  },
  {
    name: "enrolment: a challenge lives for ever",
    file: `${ENROLMENT}/challenges.ts`,
    find: "found === undefined || this.#now() >= found.expiresAt",
    replace: "found === undefined",
  },
  {
    name: "enrolment: the certificate may be another key's",
    file: `${ENROLMENT}/endorsement.ts`,
    find: "if (certificate.ekFingerprint !== ekFingerprint)",
    replace: "if (certificate.ekFingerprint === undefined)",
  },
  {
    name: "enrolment: an approved host may get another TPM",
    file: `${ENROLMENT}/enrolments.ts`,
    find: "if (other.host === host && other.ekFingerprint !== ekFingerprint)",
    replace: "if (other.host === undefined)",
  },
  {
    name: "enrolment: a key may move to another host",
    file: `${ENROLMENT}/enrolments.ts`,
    find: "known.host !== wanted.host ||",
    replace: "",
  },
  {
    name: "enrolment: a revoked TPM comes back with another key",
    file: `${ENROLMENT}/enrolments.ts`,
    find: 'if (ofThisTpm.some(({ status }) => status === "revoked"))',
    replace: "if (ofThisTpm.length < 0)",
  },
  {
    name: "enrolment: a policy that says anything lets in",
    file: `${ENROLMENT}/approval.ts`,
    find: 'outcome.kind === "value" && outcome.value === true',
    replace: 'outcome.kind === "value" && outcome.value !== false',
  },
];
