import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { inlineAppraiser } from "../../../src/attestation/formats/eventlog/index.ts";
import { NO_ENROLMENTS } from "../../../src/attestation/formats/tpm2/ak-registry.ts";
import { readAttest } from "../../../src/attestation/formats/tpm2/attest.ts";
import { judgeClock } from "../../../src/attestation/formats/tpm2/clock.ts";
import { EvidenceRejected, type Verification } from "../../../src/attestation/verifier.ts";
import { tpmSection } from "../../../src/attestation/verifiers/tpm/settings.ts";
import { TpmVerifier } from "../../../src/attestation/verifiers/tpm/verify.ts";
import { readJson } from "../../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../../src/json/value.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const path = (...parts: string[]) => sharedPath("fixtures", "tpm", ...parts);
const file = (...parts: string[]) => readFileSync(path(...parts));
// Members of the data are used as described beside it.
const json = (...parts: string[]) => readJson(file(...parts)) as JsonObject;
const names = (folder: string) => readdirSync(path(folder)).sort();

const NOTHING = {
  ekAuthorities: { pinned: [] },
  akAuthorities: { pinned: [] },
  enrolled: NO_ENROLMENTS,
  logs: inlineAppraiser(),
  imaPolicy: undefined,
};
/** The first 32 bytes of a SHA-384, as the data's description says. */
const NONCE = createHash("sha384").update("runtime-data-example-1").digest();

function verifierOf(settings: JsonObject = {}): TpmVerifier {
  // The data asks whether quotes are genuine; nobody enrolled its keys.
  const parsed = tpmSection.parse({ acceptedAkTrust: ["none"], ...settings }, "settings");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return new TpmVerifier(parsed.value, NOTHING, () => Date.parse("2026-06-01T00:00:00Z"));
}

async function run(
  evidence: JsonValue,
  reportData: Buffer | undefined,
  initData?: Buffer,
  settings?: JsonObject,
): Promise<Verification | string> {
  const expected = { runtimeDataDigest: reportData, initDataDigest: initData };
  try {
    return await verifierOf(settings).verify(evidence, expected, AbortSignal.timeout(10_000));
  } catch (error) {
    if (error instanceof EvidenceRejected) return error.check;
    throw error;
  }
}

function claimsOf(result: Verification | string): JsonObject {
  if (typeof result === "string") throw new Error(`refused by ${result}`);
  return result.results[0]?.claims ?? {};
}

/** Each refusal of the data and the check that has to make it. */
const REFUSED_BY: Readonly<Record<string, string>> = {
  "n01-sig-bitflip": "tpm-signature",
  "n02-msg-bitflip": "tpm-signature",
  "n03-pcr7-changed": "pcr-digest",
  "n04-pcrs-swapped": "pcr-digest",
  "n05-pcr-missing": "pcr-selection",
  "n06-unquoted-pcr": "pcr-selection",
  "n07-forged-unrestricted": "ak-attributes",
  "n08-forged-magic": "ak-attributes",
  "n09-certify": "tpm-attest",
  "n10-time": "tpm-attest",
  "n11-trailing-byte": "tpm-attest",
  "n12-sig-trailing": "signature-algorithm",
  "n13-alg-confusion": "signature-algorithm",
  "n14-ecdsa-zero": "tpm-signature",
  "n15-hash-downgrade": "signature-algorithm",
  "n16-public-mismatch": "ak-public",
  "n17-truncated": "tpm-attest",
};

describeShared("quotes of a real TPM", "fixtures/tpm", () => {
  const own: Readonly<Record<string, string>> = { q09: "", q10: "61".repeat(64), q11: "deadbeef" };

  test.each(names("quotes"))("%s verifies, and its registers become claims", async (name) => {
    const evidence = json("quotes", name);
    const id = name.replace(".json", "");
    const nonce = own[id] === undefined ? NONCE.subarray(0, 32) : Buffer.from(own[id], "hex");
    const reportData = id === "q09" ? undefined : nonce;
    const settings = id === "q06" ? { allowedSignatureHashes: ["sha1"] } : {};
    const claims = claimsOf(await run(evidence, reportData, undefined, settings));
    const banks = Object.entries(evidence["pcrs"] as Record<string, Record<string, string>>);
    const wanted = banks.map(([bank, values]) => [
      bank,
      Object.fromEntries(Object.entries(values).map(([pcr, value]) => [`pcr${pcr.padStart(2, "0")}`, value])),
    ]);
    expect(claims["pcrs"]).toEqual(Object.fromEntries(wanted));
    expect(claims["report_data"]).toBe(nonce.toString("hex"));
    expect(claims["ak_trust"]).toBe("none");
  });

  test("the values of the list of cases", async () => {
    const q01 = claimsOf(await run(json("quotes", "q01.json"), NONCE));
    expect(q01).toMatchObject({
      tpm_clock: { clock: 5723, reset_count: 2, restart_count: 0, safe: true },
      tpm_firmware_version: "0x2019102300163636",
      signature_scheme: "rsassa-sha256",
    });
    const q15 = claimsOf(await run(json("quotes", "q15.json"), NONCE));
    expect(q15["tpm_clock"]).toEqual({ clock: 191306, reset_count: 4, restart_count: 0, safe: false });
    const q13 = claimsOf(await run(json("quotes", "q13.json"), NONCE));
    expect(q13["tpm_firmware_version"]).toBe("0x0b1882930574ca67");
  });

  test("SHA-1 signatures need a setting", async () => {
    expect(await run(json("quotes", "q06.json"), NONCE)).toBe("signature-algorithm");
  });

  test("the clock tells a reboot from a rollback", () => {
    const clock = (name: string) =>
      readAttest(Buffer.from(json("quotes", name)["message"] as string, "base64")).clockInfo;
    const [q01, q14, q15] = [clock("q01.json"), clock("q14.json"), clock("q15.json")];
    expect(judgeClock(q01, q14)).toEqual({ fault: undefined, rebooted: true });
    expect(judgeClock(q14, q15)).toEqual({ fault: undefined, rebooted: true });
    expect(judgeClock(q15, q14).fault).toContain("resetCount went back");
  });

  test.each(names("negative"))("%s is refused", async (name) => {
    const evidence = json("negative", name);
    const check = REFUSED_BY[name.replace(".json", "")];
    expect(await run(evidence, undefined)).toBe(check ?? "a check");
    const lax = { allowedSignatureHashes: ["sha1", "sha256", "sha384", "sha512"] };
    expect(typeof (await run(evidence, undefined, undefined, lax))).toBe("string");
  });

  test("the made-up magic is refused for its own sake too", async () => {
    const { ak_tpm2b_public: _, ...evidence } = json("negative", "n08-forged-magic.json");
    expect(await run(evidence, undefined)).toBe("tpm-attest");
  });
});

describeShared("evidence as Confidential Containers guests send it", "fixtures/tpm/coco", () => {
  const reportData = createHash("sha384").update(file("coco", "runtime-data.json")).digest();
  const initData = createHash("sha256").update(file("coco", "initdata.toml")).digest();

  test("evidence.json", async () => {
    const claims = claimsOf(await run(json("coco", "evidence.json"), reportData, initData));
    expect(claims).toMatchObject({
      pcr08: "5540359ac4fa7016d89f99ddccf5fdd542cc4822879031def7a6f49860f5df57",
      init_data: "5540359ac4fa7016d89f99ddccf5fdd542cc4822879031def7a6f49860f5df57",
      pcr11: "7b8bfa20dfbb1e6421a6d1be8149a004affec049aa356de54610c47013489176",
      report_data: reportData.subarray(0, 32).toString("hex"),
      ak_public: json("coco", "evidence.json")["ak_public"],
    });
  });

  test("evidence-full-boot.json: GRUB extended PCR 8, so no init-data fits", async () => {
    const evidence = json("coco", "evidence-full-boot.json");
    expect(typeof (await run(evidence, NONCE))).toBe("object");
    expect(await run(evidence, NONCE, initData)).toBe("init-data");
  });

  test("B17 attack-position-shift.json: PCR 23 in the place of PCR 8", async () => {
    expect(await run(json("coco", "attack-position-shift.json"), reportData, initData)).toBe("pcr-selection");
    expect(await run(json("coco", "attack-position-shift.json"), undefined)).toBe("pcr-selection");
  });

  test("trustee-tpm_evidence.json: an older guest that quotes 64 bytes", async () => {
    const evidence = json("coco", "trustee-tpm_evidence.json");
    const quoted =
      "a04182b506878d4f29b91ee606a71a0d3361ccf1b22db20c98adcaa537bea393ef0e41a18b3569ab678f1497fbc5c12000000000000000000000000000000000";
    const claims = claimsOf(await run(evidence, undefined));
    expect(claims).toMatchObject({ report_data: quoted, init_data: "00".repeat(32) });
    expect(await run(evidence, Buffer.from(quoted, "hex").subarray(0, 48))).toBe("nonce");
    expect(await run(evidence, Buffer.from(quoted, "hex"))).toBe("nonce");
  });
});

describeShared("quotes as Keylime's agents send them", "fixtures/tpm/keylime", () => {
  const quotes = Object.entries(json("keylime", "quotes.json")["quotes"] as Record<string, string>);

  test.each(quotes)("%s gives the claims of the same quote", async (id, text) => {
    const { ak_public_spki = "", pcrs } = json("quotes", `${id}.json`);
    const claims = claimsOf(await run({ tpm_quote: text, ak_public: ak_public_spki }, NONCE.subarray(0, 32)));
    const banks = Object.keys(pcrs as JsonObject);
    const same = claimsOf(await run(json("quotes", `${id}.json`), NONCE));
    expect(claims["pcrs"]).toEqual(same["pcrs"]);
    expect(Object.keys(claims["pcrs"] as JsonObject)).toEqual(banks);
  });
});

describeShared("a quote with its event log", "fixtures/tpm/with-logs", () => {
  const quote = json("with-logs", "quote.json");
  const log = file("with-logs", "eventlog.bin");
  const nonce = Buffer.from("deadbeef", "hex");

  test("the log replays, and its events become claims", async () => {
    const claims = claimsOf(await run({ ...quote, event_log: log.toString("base64") }, nonce));
    expect(claims["uefi_event_logs"]).toBeInstanceOf(Array);
    expect(claims["eventlog"]).toMatchObject({ replayed: { 0: "match", 7: "match", 14: "match" } });
    expect(claims["unexplained_pcrs"]).toEqual([10]);
  });

  const ima = file("with-logs", "ima-ascii-75-lines.txt");
  const withIma = (list: Buffer) => ({
    ...quote,
    event_log: log.toString("base64"),
    ima_log: list.toString("base64"),
  });

  test("PCR 10 vouches for the first 60 of 75 records, and nothing is left unexplained", async () => {
    const claims = claimsOf(await run(withIma(ima), nonce));
    expect(claims["ima"]).toMatchObject({ records: 75, attested: 60, violations: 0 });
    expect(claims["unexplained_pcrs"]).toEqual([]);
  });

  test("B23 an IMA list with a record changed is refused", async () => {
    const text = ima.toString("latin1").split("\n");
    const changed = text.map((line, i) => (i === 30 ? line.replace(/[0-9a-f]{40}/, "ab".repeat(20)) : line));
    expect(await run(withIma(Buffer.from(changed.join("\n"), "latin1")), nonce)).toBe("ima-log");
    expect(await run(withIma(Buffer.from(text.slice(0, 59).join("\n"), "latin1")), nonce)).toBe("ima-log");
  });

  test("B23 a log without its last event is refused", async () => {
    const cut = { ...quote, event_log: log.subarray(0, -1).toString("base64") };
    expect(await run(cut, nonce)).toBe("event-log");
  });
});
