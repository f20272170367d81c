import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { tpmAttester } from "../../../src/cli/guest/tpm-attester.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { type CommandOutcome, commandLine } from "../../support/command-line.ts";
import { LiveTpm, missingTpmTools } from "../../support/live-tpm.ts";
import { attestOutcome, type Product, product } from "../../support/product.ts";

const missing = missingTpmTools();
if (missing.length > 0) {
  const what = `real TPM: ${missing.join(", ")} not installed (Debian: swtpm swtpm-tools tpm2-tools)`;
  if (process.env["CI"] === "true") test(what, () => expect(missing).toEqual([]));
  else console.warn(`SKIPPED: ${what}`);
}
const describeLive = missing.length > 0 ? describe.skip : describe;

const PATH = "default/disk/passphrase";
const PASSPHRASE = "correct horse battery staple";
const PCRS = "sha256:0,7,16";
/** Opens the disk only for the PCR 7 that an administrator registered, of an enrolled machine. */
const POLICY = `package policy
default allow := false
tpm := input.submods.cpu0["ear.veraison.annotated-evidence"].tpm
allow if {
  data["resource-path"] == ["default", "disk", "passphrase"]
  tpm.ak_trust == "enrolled"
  tpm.pcr07 in query_reference_value("pcr7 of node-1")
}
`;

describeLive("a machine with a real TPM", () => {
  let tpm: LiveTpm;
  let foreign: LiveTpm;
  let server: Product;
  let log: FirmwareLog;

  beforeAll(async () => {
    [tpm, foreign] = await Promise.all([LiveTpm.make(), LiveTpm.make()]);
    server = await product({
      vendor: false,
      verifiers: `  tpm: { ekAuthorities: [ ${tpm.authorities.join(", ")} ], requiredPcrs: { sha256: [ 7 ] } }\n`,
      sections: "tpmEnrolment: { enabled: true }",
    });
    await server.provision(PATH, PASSPHRASE, POLICY);
    log = new FirmwareLog(join(server.folder, "firmware.log"));
    for (const [pcr, what] of [
      [0, "firmware"],
      [7, "Secure Boot is on"],
    ] as const)
      log.measure(tpm, pcr, what);
  }, 120_000);

  afterAll(async () => {
    await server?.close();
    await Promise.all([tpm?.close(), foreign?.close()]);
  });

  const enrol = (of: LiveTpm, host: string, ...words: string[]) =>
    commandLine(["guest", "tpm-enrol", "--url", server.url, "--host", host, "--tcti", of.tcti, ...words]);
  const get = (of: LiveTpm, pcrs = PCRS, ...words: string[]) =>
    commandLine(
      ["guest", "get", PATH, "--url", server.url, "--tee", "tpm", "--tcti", of.tcti, "--pcrs", pcrs].concat(
        ["--event-log", log.path, "--json"],
        words,
      ),
    );
  const approvePcr7 = async () => server.administer(["reference-value", "set", "pcr7 of node-1", pcr7()]);
  const pcr7 = () =>
    tpm
      .tool("tpm2_pcrread", "sha256:7")
      .match(/7 *: *0x([0-9A-F]{64})/i)?.[1]
      ?.toLowerCase() ?? "";

  test("is enrolled, waits, is approved, and gets its passphrase", async () => {
    const before = await get(tpm);
    expect(before.code).toBe(1);
    const enrolled = await enrol(tpm, "node-1", "--json");
    expect(outcome(enrolled)).toMatchObject({ status: "pending", host: "node-1" });

    expect(outcome(await get(tpm))).toMatchObject({ check: "enrolment", code: "evidence-rejected" });
    expect((await server.administer(["tpm", "approve", "node-1"])).code).toBe(0);
    expect(outcome(await get(tpm))).toMatchObject({ outcome: "refused", code: "policy-denied" });

    await approvePcr7();
    expect(outcome(await get(tpm))).toMatchObject({ outcome: "released", text: PASSPHRASE });
  });

  test("B23 is refused after PCR 7 was extended behind the log's back, with the register and the event", async () => {
    const digest = createHash("sha256").update("another boot loader").digest("hex");
    tpm.tool("tpm2_pcrextend", `7:sha256=${digest}`);
    const refused = outcome(await get(tpm));
    expect(refused).toMatchObject({ outcome: "refused", code: "evidence-rejected", check: "event-log" });
    expect(refused["seen"]).toMatch(/PCR 7/);
    expect(refused["seen"]).toMatch(/event/i);
  });

  test("is refused by policy when the log tells of it, and let in again when the new value is approved", async () => {
    log.append(7, "another boot loader");
    expect(outcome(await get(tpm))).toMatchObject({ outcome: "refused", code: "policy-denied" });
    await approvePcr7();
    expect(outcome(await get(tpm))).toMatchObject({ outcome: "released", text: PASSPHRASE });
  });

  test("B17 is refused when its quote leaves out a register that is required, and by a policy that asks for one", async () => {
    expect(outcome(await get(tpm, "sha256:0,16"))).toMatchObject({ check: "required-pcrs" });
    const policy = POLICY.replace("tpm.pcr07 in", "tpm.pcr04 in");
    await server.provision(PATH, PASSPHRASE, policy);
    expect(outcome(await get(tpm))).toMatchObject({ code: "policy-denied" });
    await server.provision(PATH, PASSPHRASE, POLICY);
  });

  test("B18 B19 another TPM's key opens nothing, and cannot be enrolled as this host or by this certificate", async () => {
    expect(foreign.file("ca/issuercert.pem")).not.toEqual(tpm.file("ca/issuercert.pem"));
    const stranger = await enrol(foreign, "node-2");
    expect(stranger).toMatchObject({ code: 1 });
    expect(stranger.err).toMatch(/endorsement certificate does not hold/);

    const own = join(server.folder, "ek.der");
    tpm.tool("tpm2_nvread", "0x01c00002", "-C", "o", "-o", own);
    const swapped = await enrol(foreign, "node-2", "--ek-certificate", own);
    expect(swapped).toMatchObject({ code: 1 });
    expect(swapped.err).toMatch(/another key than ek_public/);
    expect(outcome(await get(foreign))).toMatchObject({ code: "evidence-rejected", check: "ak-trust" });
  });

  test("a quote that was used before is refused", async () => {
    const options = { ek: "0x81010001", ak: "0x81010002", tcti: tpm.tcti, env: process.env };
    const attester = tpmAttester(options, { bank: "sha256", pcrs: [0, 7, 16] }, log.path);
    let recorded: Promise<JsonObject> | undefined;
    const replaying = {
      tee: "tpm",
      collect: (request: Parameters<typeof attester.collect>[0]) => {
        // A promise for evidence of the first handshake answers every later one. Evidence is an object.
        recorded ??= attester.collect(request) as Promise<JsonObject>;
        return recorded;
      },
    };
    const guest = server.guest({ attester: replaying });
    expect(await attestOutcome(guest)).toMatchObject({ token: expect.any(String) });
    expect(await attestOutcome(guest)).toMatchObject({ answer: { check: "nonce" } });
  });

  test("survives an orderly restart, and a power cut", async () => {
    for (const orderly of [true, false]) {
      await tpm.powerOff(orderly);
      await tpm.powerOn();
      log.restart(tpm);
      await approvePcr7();
      expect(outcome(await get(tpm))).toMatchObject({ outcome: "released" });
    }
  });

  test("a second key of the TPM, elliptic this time, is enrolled for the same host", async () => {
    const ak = ["--ak", "0x81010003"];
    expect((await enrol(tpm, "node-1", ...ak, "--key-kind", "ecc")).code).toBe(0);
    const list = outcome(await server.administer(["tpm", "list", "--json"])) as unknown as JsonObject[];
    const waiting = list.find(({ status }) => status === "pending");
    expect((await server.administer(["tpm", "approve", "node-1"])).err).toMatch(/has 2 keys/);
    await server.administer(["tpm", "approve", String(waiting?.["akFingerprint"])]);
    expect(outcome(await get(tpm, PCRS, ...ak))).toMatchObject({ outcome: "released" });
    expect((await enrol(tpm, "node-9", "--ak", "0x81010004")).err).toMatch(
      /enrolled already, as another host/,
    );
  });

  test("an endorsement key of the high range, P-384, enrols too", async () => {
    const done = await enrol(tpm, "node-1", "--ek", "0x81010016", "--ak", "0x81010005", "--json");
    // The host is bound to the other endorsement key of the same TPM: that the proof held shows in the refusal's kind.
    expect(done.err).toMatch(/this host is enrolled already, with another TPM/);
    const other = await enrol(tpm, "node-1-ecc", "--ek", "0x81010016", "--ak", "0x81010005", "--json");
    expect(outcome(other)).toMatchObject({ status: "pending", host: "node-1-ecc" });
  });

  test("is refused at once when it is revoked, and cannot come back by itself", async () => {
    const [key] = (outcome(await server.administer(["tpm", "list", "--json"])) as unknown as JsonObject[])
      .filter(({ status, host }) => status === "approved" && host === "node-1")
      .map(({ akFingerprint }) => String(akFingerprint));
    for (const one of [key ?? ""]) expect((await server.administer(["tpm", "revoke", one])).code).toBe(0);
    const again = await enrol(tpm, "node-1");
    // One after the other: without a resource manager a TPM serves one at a time.
    const rest = [await get(tpm), await get(tpm, PCRS, "--ak", "0x81010003")];
    expect(rest.map(outcome).filter(({ check }) => check === "enrolment")).toHaveLength(1);
    expect(again.err).toMatch(/was revoked/);
    expect((await server.administer(["tpm", "delete", key ?? ""])).code).toBe(0);
  });
});

function outcome({ out, err }: CommandOutcome): JsonObject {
  try {
    return JSON.parse(out.toString());
  } catch {
    throw new Error(`no JSON: ${out.toString()} ${err}`);
  }
}

/** A crypto-agile log as firmware writes it, and its measurements in the TPM. */
class FirmwareLog {
  readonly path: string;
  readonly #events: { readonly pcr: number; readonly what: string }[] = [];

  constructor(path: string) {
    this.path = path;
    this.#write();
  }

  /** Measures, and notes it. */
  measure(tpm: LiveTpm, pcr: number, what: string): void {
    this.append(pcr, what);
    extend(tpm, pcr, what);
  }

  /** Notes only. */
  append(pcr: number, what: string): void {
    this.#events.push({ pcr, what });
    this.#write();
  }

  /** Everything once more, as at the next start of the machine. */
  restart(tpm: LiveTpm): void {
    for (const { pcr, what } of this.#events) extend(tpm, pcr, what);
  }

  #write(): void {
    writeFileSync(this.path, Buffer.concat([header(), ...this.#events.map(event)]));
  }
}

const EV_POST_CODE = 1;
const EV_NO_ACTION = 3;
const SHA256 = 0x0b;

function extend(tpm: LiveTpm, pcr: number, what: string): void {
  tpm.tool("tpm2_pcrextend", `${pcr}:sha256=${createHash("sha256").update(what).digest("hex")}`);
}

function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

/** TCG_PCClientPCREvent around a TCG_EfiSpecIDEvent with one bank. */
function header(): Buffer {
  const spec = Buffer.concat([
    Buffer.from("Spec ID Event03\0", "latin1"),
    u32(0),
    Buffer.from([0, 2, 0, 2]),
    u32(1),
    u16(SHA256),
    u16(32),
    Buffer.from([0]),
  ]);
  return Buffer.concat([u32(0), u32(EV_NO_ACTION), Buffer.alloc(20), u32(spec.length), spec]);
}

/** TCG_PCR_EVENT2. */
function event({ pcr, what }: { readonly pcr: number; readonly what: string }): Buffer {
  const digest = createHash("sha256").update(what).digest();
  const data = Buffer.from(what);
  return Buffer.concat([u32(pcr), u32(EV_POST_CODE), u32(1), u16(SHA256), digest, u32(data.length), data]);
}
