import { describe, expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../../src/attestation/verifier.ts";
import { TPM_CHECKS, type TpmCheck } from "../../../../src/attestation/verifiers/tpm/checks.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { makeAuthority } from "../../../support/software-tpm/certificates.ts";
import {
  vendors as authorities,
  defaultPcr,
  EXPECTED,
  KINDS,
  type KindName,
  makeQuote,
  NOW,
  REPORT_DATA,
  type TpmStory,
  tellTpm,
  tpmVerifier,
} from "../../../support/software-tpm/index.ts";
import { QUOTE_STORIES } from "../../../support/software-tpm/stories-quote.ts";
import {
  ima,
  imaStory,
  last,
  log,
  logged,
  logStory,
  TRUST_STORIES,
} from "../../../support/software-tpm/stories-trust.ts";

const { vendor, cloud, stranger } = await authorities();
const STORIES = [...QUOTE_STORIES, ...TRUST_STORIES];

describe("each check refuses by its own name when its truth is missing", () => {
  test.each(STORIES)("%s → %s", async (_, check, story) => {
    const outcome: unknown = await tellTpm(story).then(
      () => "accepted",
      (error: unknown) => error,
    );
    if (!(outcome instanceof EvidenceRejected)) throw outcome;
    expect(outcome.check).toBe(check);
    expect(outcome.checks.at(-1)).toMatchObject({ check, outcome: "failed" });
  });

  test("every check has a story", () => {
    const told = new Set(STORIES.map(([, check]) => check));
    expect(Object.keys(TPM_CHECKS).filter((name) => !told.has(name as TpmCheck))).toEqual([]);
  });
});

/** A machine whose registers are all explained. */
const bothLogs: TpmStory = {
  form: "banks",
  selections: [{ bank: "sha256", pcrs: [0, 4, 7, 8, 10] }],
  pcrs: (bank, pcr) => (pcr === 10 ? ima.pcr10 : pcr === 8 ? defaultPcr(bank, pcr) : logged(bank, pcr)),
  evidence: (e) => ({ ...e, event_log: log.bytes.toString("base64"), ima_log: ima.bytes.toString("base64") }),
  imaPolicy: ima.policy(),
};

describe("what is right is accepted", () => {
  const claimsOf = async (story: TpmStory) => (await tellTpm(story)).results[0]?.claims ?? {};

  test("all checks, each once, in the order of the list", async () => {
    const { checks } = await tellTpm({
      ...bothLogs,
      akCertificate: {},
      ekCertificate: {},
      enrolled: { lastClock: last },
      settings: { requiredPcrs: { sha256: [0] } },
    });
    expect(checks.map(({ check }) => check)).toEqual(Object.keys(TPM_CHECKS));
    expect(checks.every(({ outcome }) => outcome === "passed")).toBe(true);
  });

  const good = Object.keys(KINDS).filter(
    (name) => !["RSA-1024", "RSA-2048, exponent 3", "P-224"].includes(name),
  );
  test.each(good as KindName[])("%s, over banks from SHA-1 to SHA-512", async (kind) => {
    const settings = { allowedSignatureHashes: ["sha1", "sha256", "sha384", "sha512"] };
    const selections = (["sha1", "sha256", "sha384", "sha512", "sm3_256"] as const).map((bank) => ({
      bank,
      pcrs: [0, 8, 23],
    }));
    const claims = await claimsOf({ kind, form: "banks", selections, settings });
    expect(Object.keys(claims["pcrs"] as JsonObject)).toEqual([
      "sha1",
      "sha256",
      "sha384",
      "sha512",
      "sm3_256",
    ]);
    expect(claims["pcr08"]).toBe(defaultPcr("sha256", 8).toString("hex"));
    expect(await claimsOf({ kind, settings })).toMatchObject({
      pcr00: "01".repeat(32),
      pcr17: "ff".repeat(32),
    });
  });

  test("B17 only registers that the quote covers are claims", async () => {
    const claims = await claimsOf({ form: "banks", selections: [{ bank: "sha256", pcrs: [0, 8] }] });
    expect(Object.keys(claims).filter((name) => /^pcr\d/.test(name))).toEqual(["pcr00", "pcr08"]);
    const other = await claimsOf({
      form: "banks",
      selections: [{ bank: "sha384", pcrs: [8] }],
      expected: { initDataDigest: undefined },
    });
    expect(Object.keys(other).filter((name) => /^pcr\d|init_data/.test(name))).toEqual([]);
  });

  test("a key is trusted on the strongest ground that there is", async () => {
    const fingerprint = (await makeQuote()).fingerprint;
    const listed = { trustedAks: [fingerprint] };
    const level = async (story: TpmStory) => (await claimsOf(story))["ak_trust"];
    expect(await level({})).toBe("enrolled");
    expect(await level({ enrolled: null, akCertificate: {}, settings: listed })).toBe("certified");
    expect(await level({ enrolled: null, settings: listed })).toBe("listed");
    expect(
      await level({
        enrolled: null,
        settings: { trustedAks: [String((await makeQuote()).evidence["ak_public"])] },
      }),
    ).toBe("listed");
    expect(await level({ enrolled: null, settings: { acceptedAkTrust: ["none"] } })).toBe("none");
  });

  test("what is known of the machine becomes claims", async () => {
    expect(await claimsOf({ ekCertificate: {}, akCertificate: {} })).toMatchObject({
      host: "host-1",
      ek_trust: "certificate",
      tpm_manufacturer: "id:00001014",
      tpm_model: "swtpm",
      ak_authority: cloud.name,
    });
    const unknown = await claimsOf({
      ekCertificate: {},
      enrolled: null,
      settings: { acceptedAkTrust: ["none"] },
    });
    expect(Object.keys(unknown).filter((name) => /^(host|ek_|tpm_manufacturer)/.test(name))).toEqual([]);
  });

  test("an intermediate authority that came along is used, up to a pinned one", async () => {
    const middle = await makeAuthority("a vendor's intermediate", {}, vendor);
    const story = {
      ekCertificate: { issuer: middle.name, signingKey: middle.key },
      ekChain: (leaf: Buffer) => [leaf, middle.der],
    };
    expect((await tellTpm(story)).checks.find(({ check }) => check === "ek-certificate")).toMatchObject({
      outcome: "passed",
    });
    const short = await makeAuthority("no authority", { ca: false }, vendor);
    await expect(
      tellTpm({
        ekCertificate: { issuer: short.name, signingKey: short.key },
        ekChain: (leaf) => [leaf, short.der],
      }),
    ).rejects.toMatchObject({ check: "ek-certificate" });
  });

  test("a reboot is told, and an earlier clock is accepted after a reset that was not orderly", async () => {
    expect(await claimsOf({})).not.toHaveProperty("rebooted");
    expect((await claimsOf({ enrolled: { lastClock: last } }))["rebooted"]).toBe(false);
    expect((await claimsOf({ enrolled: { lastClock: { ...last, resetCount: 1 } } }))["rebooted"]).toBe(true);
    const lost = { attest: { safe: 0 }, enrolled: { lastClock: { ...last, resetCount: 1, clock: 9000n } } };
    expect((await claimsOf(lost))["rebooted"]).toBe(true);
    // Counters are obfuscated outside the endorsement hierarchy: they count on modulo 2^32.
    const wrapped = {
      attest: { resetCount: 0 },
      enrolled: { lastClock: { ...last, resetCount: 0xffffffff } },
    };
    expect((await claimsOf(wrapped))["rebooted"]).toBe(true);
  });

  test("a key that was read before is not taken for one that cannot be read", async () => {
    const made = await makeQuote();
    const story = { enrolled: null, settings: { acceptedAkTrust: ["none"] } };
    const verifier = await tpmVerifier(story, made);
    const verify = (evidence: JsonObject) =>
      verifier.verify(evidence, EXPECTED, new AbortController().signal);
    const { ak_tpm2b_public: _, ...bare } = made.evidence;
    await verify(bare);
    await expect(verify({ ...bare, ak_tpm2b_public: "" })).rejects.toMatchObject({ check: "ak-public" });
    await verify({ ...bare, ak_tpm2b_public: null });
  });

  test("expired certificates are a setting, and only their dates", async () => {
    const settings = { dangerouslyIgnoreCertificateValidity: true };
    await tellTpm({ ekCertificate: { to: -1 }, akCertificate: { to: -1 }, settings });
    await expect(
      tellTpm({ ekCertificate: { to: -1, issuer: stranger.name, signingKey: stranger.key }, settings }),
    ).rejects.toMatchObject({ check: "ek-certificate" });
  });

  test("B25 without an expectation nothing is compared, and it is said", async () => {
    const { checks } = await tellTpm({
      expected: { runtimeDataDigest: undefined, initDataDigest: undefined },
    });
    const open = checks.filter(({ check }) => check === "nonce" || check === "init-data");
    expect(open.map(({ outcome }) => outcome)).toEqual(["not-checked", "not-checked"]);
  });

  test("a whole binding in the place of a cut one counts where registers are named", async () => {
    const whole: TpmStory = { form: "banks", attest: { extraData: REPORT_DATA } };
    await tellTpm(whole);
    await expect(tellTpm({ ...whole, form: "list" })).rejects.toMatchObject({ check: "nonce" });
  });

  test("registers that no event explains are told, the init-data's aside", async () => {
    const claims = await claimsOf({
      ...logStory(log.bytes),
      selections: [{ bank: "sha256", pcrs: [0, 8, 9, 12, 17] }],
      pcrs: (bank, pcr) =>
        pcr === 0 ? logged(bank, pcr) : pcr === 12 ? Buffer.alloc(32) : defaultPcr(bank, pcr),
    });
    expect(claims["unexplained_pcrs"]).toEqual([9]);
    expect(claims["eventlog"]).toMatchObject({ algorithm: "sha256" });
  });

  test("registers that the settings name need not be in every bank of the quote", async () => {
    const story = { ...logStory(log.bytes), settings: { eventLogPcrs: [0, 4, 7] } };
    expect((await claimsOf(story))["eventlog"]).toMatchObject({ algorithm: "sha256" });
  });

  test("an IMA list explains PCR 10, and its files become claims", async () => {
    const claims = await claimsOf(bothLogs);
    expect(claims["ima"]).toMatchObject({ records: 3, attested: 3, failed: 0 });
    expect(claims["unexplained_pcrs"]).toEqual([]);
    expect((await claimsOf(imaStory(ima.bytes)))["ima"]).not.toHaveProperty("policy_id");
  });

  test("records later than the quote are not attested, and not judged", async () => {
    const later = Buffer.concat([ima.bytes, ima.bytes]);
    const claims = await claimsOf({ ...imaStory(later), imaPolicy: ima.policy() });
    expect(claims["ima"]).toMatchObject({ records: 6, attested: 3 });
  });

  test("the time of judgement is the caller's", () => expect(NOW).toBe(Date.parse("2026-06-01T12:00:00Z")));
});
