import { isUtf8 } from "node:buffer";
import { type Command, Option } from "commander";
import { parseResourcePath } from "../../protocol/resource-path.ts";
import {
  addConnectionOptions,
  type ConnectionOptions,
  openConnection,
  parseServerUrl,
  printResult,
} from "../connection.ts";
import { readNamedFile } from "../files.ts";
import { type Attester, sampleAttester, sampleDeviceAttester } from "../guest/attester.ts";
import { type GuestOptions, getResource, getResourceByToken, ProtocolFault } from "../guest/client.ts";
import { ResponseUnreadable } from "../guest/decrypt.ts";
import { GENERATIONS, type Generation, type InitData, initDataDigest, TRAITS } from "../guest/generation.ts";
import { Refused } from "../guest/refusal.ts";
import { openDevVendor, snpDevAttester } from "../guest/snp-dev.ts";
import { generateTeeKey, readTeeKey, TEE_KEY_KINDS, type TeeKey, type TeeKeyKind } from "../guest/tee-key.ts";
import { parsePcrChoice, tpmAttester } from "../guest/tpm-attester.ts";
import { enrol } from "../guest/tpm-enrol.ts";
import type { TpmOptions } from "../guest/tpm-tools.ts";
import type { HttpClient } from "../http-client.ts";
import { misuse, refused, type World } from "../world.ts";

type Options = ConnectionOptions & {
  readonly tee: "sample" | "snp-dev" | "tpm";
  readonly devPki: string;
  readonly debug?: boolean;
  readonly measurement?: string;
  readonly sampleDevice?: boolean;
  readonly protocol: Generation;
  readonly teeKey: TeeKeyKind;
  readonly teeKeyFile?: string;
  readonly initData?: string;
  readonly bearer?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
} & TpmWords;

/** How this machine's TPM is reached. */
interface TpmWords {
  readonly ek: string;
  readonly ak: string;
  readonly tcti?: string;
  readonly pcrs: string;
  readonly eventLog?: string;
}

type EnrolWords = ConnectionOptions &
  Pick<TpmWords, "ek" | "ak" | "tcti"> & {
    readonly host: string;
    readonly keyKind: "rsa" | "ecc";
    readonly ekCertificate?: readonly string[];
    readonly json?: boolean;
  };

const DEV_PKI_FOLDER = "data/snp-dev";
/** Handles that the TCG reserves for the first endorsement key, and the next one. */
const DEFAULT_EK = "0x81010001";
const DEFAULT_AK = "0x81010002";
const DEFAULT_PCRS = "sha256:0,1,2,3,4,5,6,7";

/** Adds `keywarden guest …`: a guest for trying and testing. */
export function registerGuest(program: Command, world: World): void {
  const group = program.command("guest").description("act as a confidential guest, for trying and testing");
  addConnectionOptions(group.command("get"))
    .description("attest and fetch a secret; its bytes go to standard output")
    .argument("<path>", "repository/type/tag, with or without ?query")
    .addOption(
      new Option(
        "--tee <tee>",
        "sample: no hardware at all; snp-dev: SEV-SNP signed by the development vendor; tpm: this machine's TPM",
      )
        .choices(["sample", "snp-dev", "tpm"])
        .makeOptionMandatory(),
    )
    .option("--dev-pki <folder>", "folder of the development vendor's keys, made when absent", DEV_PKI_FOLDER)
    .option("--debug", "snp-dev: a guest whose host may read its memory")
    .option("--measurement <hex>", "snp-dev: what the guest was started from, 48 bytes")
    .option("--ek <handle>", "tpm: persistent handle of the endorsement key", DEFAULT_EK)
    .option("--ak <handle>", "tpm: persistent handle of the attestation key", DEFAULT_AK)
    .option("--tcti <tcti>", "tpm: how tpm2-tools reach it")
    .option("--pcrs <selection>", "tpm: bank and registers to quote", DEFAULT_PCRS)
    .option(
      "--event-log <file>",
      "tpm: what the firmware measured; absent: the kernel's log, if there is one",
    )
    .option("--sample-device", "add the evidence of a device without hardware")
    .addOption(
      new Option("--protocol <version>", "protocol generation").choices(GENERATIONS).default("0.4.0"),
    )
    .addOption(
      new Option("--tee-key <kind>", "kind of key that the secret is encrypted to")
        .choices(TEE_KEY_KINDS)
        .default("p256"),
    )
    .option("--tee-key-file <pem>", "a private key to use instead of a new one")
    .option("--init-data <toml>", "document to bind to the evidence")
    .option("--bearer", "attest first and show the token, without a cookie")
    .option("--verbose", "tell each step on standard error")
    .option("--json", "print the outcome as JSON, the secret in base64")
    .action((path: string, options: Options) => guestGet(world, path, options));
  addConnectionOptions(group.command("tpm-enrol"))
    .description("enrol this machine's TPM, making its keys where they are missing; needs tpm2-tools")
    .requiredOption("--host <name>", "name that administrators will know the machine by")
    .option("--ek <handle>", "persistent handle of the endorsement key", DEFAULT_EK)
    .option("--ak <handle>", "persistent handle of the attestation key", DEFAULT_AK)
    .option("--tcti <tcti>", "how tpm2-tools reach the TPM")
    .addOption(
      new Option("--key-kind <kind>", "attestation key that is made where there is none")
        .choices(["rsa", "ecc"])
        .default("rsa"),
    )
    .option("--ek-certificate <file...>", "DER certificates in the place of the one that the TPM holds")
    .option("--json", "print the outcome as JSON")
    .action((options: EnrolWords) => tpmEnrol(world, options));
  group
    .command("dev-pki")
    .description(
      "make the development vendor that signs for snp-dev, and print the file of its trust anchors",
    )
    .argument("[folder]", "where its keys are kept", DEV_PKI_FOLDER)
    .action((folder: string) => makeDevPki(world, folder));
}

async function guestGet(world: World, path: string, options: Options): Promise<void> {
  const wanted = checkedPath(path);
  const http = await openConnection(options, "attestation-agent-kbs-client/0.1.0");
  try {
    const guest = await guestOptions(world, http, options);
    const secret = await (options.bearer ? getResourceByToken : getResource)(guest, wanted);
    printSecret(world, wanted, secret, options.json);
  } catch (error) {
    throw explained(error);
  } finally {
    http.close();
  }
}

function checkedPath(path: string): string {
  const [resource = "", ...query] = path.split("?");
  const checked = parseResourcePath(resource.replace(/^\/+/, "").split("/"));
  return query.length === 0 ? checked : `${checked}?${query.join("?")}`;
}

async function guestOptions(world: World, http: HttpClient, options: Options): Promise<GuestOptions> {
  const teeKey = await chosenKey(options);
  const initData = options.initData === undefined ? undefined : await readInitData(options.initData);
  if (initData !== undefined && !TRAITS[options.protocol].composite)
    throw misuse(`Protocol ${options.protocol} has no init-data.`);
  return {
    url: parseServerUrl(options.url),
    http,
    attester: await attesterFor(world, options),
    devices: options.sampleDevice ? [sampleDeviceAttester] : [],
    generation: options.protocol,
    teeKey,
    now: world.now,
    ...(initData === undefined ? {} : { initData }),
    ...(options.verbose ? { onStep: (step, status) => world.err(`${step}: ${status}\n`) } : {}),
  };
}

async function chosenKey(options: Options): Promise<() => TeeKey> {
  const legacy = TRAITS[options.protocol].legacyAnswer;
  if (options.teeKeyFile === undefined) return () => generateTeeKey(legacy ? "rsa1_5" : options.teeKey);
  const pem = (await readNamedFile(options.teeKeyFile, "TEE key")).toString();
  try {
    const key = readTeeKey(pem, legacy || options.teeKey === "rsa1_5");
    return () => key;
  } catch {
    throw misuse(`${options.teeKeyFile} holds no EC P-256, EC P-521 or RSA private key in PEM.`);
  }
}

async function readInitData(path: string): Promise<InitData> {
  const initData: InitData = { format: "toml", body: (await readNamedFile(path, "init-data")).toString() };
  try {
    initDataDigest(initData);
    return initData;
  } catch (error) {
    throw misuse(
      `${path} is no init-data document: ${error instanceof Error ? error.message : "unknown fault"}.`,
    );
  }
}

async function attesterFor(world: World, options: Options): Promise<Attester> {
  if (options.tee === "tpm")
    return tpmAttester(tpmOptions(world, options), parsePcrChoice(options.pcrs), options.eventLog);
  if (options.tee === "snp-dev") {
    const guest = { debug: options.debug === true, measurement: measurementOf(options) };
    return snpDevAttester((await openDevVendor(options.devPki, world.now())).vendor, guest);
  }
  if (options.debug || options.measurement !== undefined)
    throw misuse("--debug and --measurement are for --tee snp-dev; a sample guest has no such state.");
  return sampleAttester;
}

function tpmOptions(world: World, { ek, ak, tcti }: Pick<TpmWords, "ek" | "ak" | "tcti">): TpmOptions {
  for (const handle of [ek, ak])
    if (!/^0x81[0-9a-fA-F]{6}$/.test(handle))
      throw misuse(`${handle} is not the handle of a persistent key, say ${DEFAULT_AK}.`);
  return { ek, ak, tcti, env: world.env };
}

async function tpmEnrol(world: World, options: EnrolWords): Promise<void> {
  const http = await openConnection(options, "keywarden-cli");
  try {
    const certificates = (options.ekCertificate ?? []).map((file) => readNamedFile(file, "certificate"));
    const answer = await enrol({
      url: parseServerUrl(options.url),
      http,
      tpm: tpmOptions(world, options),
      host: options.host,
      kind: options.keyKind,
      certificates: await Promise.all(certificates),
    });
    const next =
      answer["status"] === "approved" ? "" : " An administrator has to approve it: keywarden tpm approve.";
    printResult(world, options.json, answer, `${options.host} is ${answer["status"]}.${next}\n`);
  } finally {
    http.close();
  }
}

function measurementOf({ measurement }: Options): Buffer | undefined {
  if (measurement === undefined || /^[0-9a-f]{96}$/i.test(measurement))
    return measurement === undefined ? undefined : Buffer.from(measurement, "hex");
  throw misuse("--measurement is 48 bytes in hex.");
}

function printSecret(world: World, path: string, secret: Buffer, json: boolean | undefined): void {
  if (!json) {
    world.out(secret);
    world.err(`keywarden: ${path} was released: ${secret.length} bytes.\n`);
    return;
  }
  const text = isUtf8(secret) ? { text: secret.toString() } : {};
  const base64 = secret.toString("base64");
  world.out(`${JSON.stringify({ outcome: "released", path, bytes: secret.length, base64, ...text })}\n`);
}

/** A refusal says, in lines that a person can compare, which check failed, what it wanted and what it saw. */
function explained(error: unknown): unknown {
  if (error instanceof Refused)
    return refused(refusalLines(error), {
      outcome: "refused",
      step: error.step,
      status: error.status,
      detail: error.message,
      ...error.answer,
    });
  if (error instanceof ProtocolFault || error instanceof ResponseUnreadable)
    return refused(error.message, { outcome: "failed", fault: "protocol", detail: error.message });
  return error;
}

async function makeDevPki(world: World, folder: string): Promise<void> {
  const { trustAnchorsFile, made } = await openDevVendor(folder, world.now());
  world.out(`${trustAnchorsFile}\n`);
  world.err(
    `keywarden: ${made ? "made a development vendor" : "the development vendor was there already"}; a server in mode ` +
      "development that names this file in dev.dangerouslyUseDevTrustAnchors.snp believes its guests.\n",
  );
}

const EXPLAINED = ["check", "expected", "seen", "source"] as const;

function refusalLines(error: Refused): string {
  const lines = [`The broker refused at ${error.step} (${error.status}): ${error.message}`];
  for (const name of EXPLAINED) {
    const value = error.answer[name];
    if (value !== undefined)
      lines.push(`  ${`${name}:`.padEnd(10)} ${typeof value === "string" ? value : printed(value)}`);
  }
  return lines.join("\n");
}

function printed(value: unknown): string {
  return JSON.stringify(value, (_name, member) => (typeof member === "bigint" ? member.toString() : member));
}
