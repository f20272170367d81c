/** The attesting side of a machine with a bare TPM. */
import { readFile } from "node:fs/promises";
import { BANKS, type BankName } from "../../attestation/formats/tpm2/algorithms.ts";
import type { JsonObject } from "../../json/value.ts";
import { misuse, refused } from "../world.ts";
import type { Attester } from "./attester.ts";
import { publicAreaAt, type Quote, quote, type TpmOptions } from "./tpm-tools.ts";

export interface PcrChoice {
  readonly bank: BankName;
  readonly pcrs: readonly number[];
}

const MAX_PCR = 23;
/** Where Linux shows what the firmware measured. */
const FIRMWARE_LOG = "/sys/kernel/security/tpm0/binary_bios_measurements";

/** @param text - `sha256:0,1,2`. @throws CommandFailure (misuse) */
export function parsePcrChoice(text: string): PcrChoice {
  const [, name = "", list = ""] = /^(sha1|sha256|sha384|sha512):(\d+(?:,\d+)*)$/.exec(text) ?? [];
  const bank = (["sha1", "sha256", "sha384", "sha512"] as const).find((known) => known === name);
  const pcrs = [...new Set(list.split(",").map(Number))].sort((left, right) => left - right);
  if (bank === undefined || pcrs.some((pcr) => pcr > MAX_PCR))
    throw misuse(`--pcrs ${text} is not a bank and registers, say sha256:0,2,4,7.`);
  return { bank, pcrs };
}

/**
 * @param eventLog - file with the firmware's log; absent: the kernel's, where there is one
 */
export function tpmAttester(options: TpmOptions, choice: PcrChoice, eventLog: string | undefined): Attester {
  return {
    tee: "tpm",
    collect: async ({ reportData }) => {
      const akPublic = await publicAreaAt(options, options.ak);
      if (akPublic === undefined)
        throw refused(`There is no attestation key at ${options.ak}; keywarden guest tpm-enrol makes one.`);
      const taken = await quote(options, choice.bank, choice.pcrs, reportData);
      const log = await readLog(eventLog);
      return {
        ...quoteJson(taken, choice),
        ak_tpm2b_public: akPublic.toString("base64"),
        ...(log === undefined ? {} : { event_log: log.toString("base64") }),
      };
    },
  };
}

function quoteJson({ message, signature, values }: Quote, { bank, pcrs }: PcrChoice): JsonObject {
  const { bytes } = BANKS[bank];
  if (values.length !== bytes * pcrs.length)
    throw refused(`The TPM has no bank ${bank} with all of these registers; choose others with --pcrs.`);
  const digests = pcrs.map((pcr, i) => [String(pcr), values.toString("hex", i * bytes, (i + 1) * bytes)]);
  return {
    message: message.toString("base64"),
    signature: signature.toString("base64"),
    pcrs: { [bank]: Object.fromEntries(digests) },
  };
}

async function readLog(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return await readFile(FIRMWARE_LOG).catch(() => undefined);
  return await readFile(file).catch(() => {
    throw misuse(`The event log ${file} cannot be read.`);
  });
}
