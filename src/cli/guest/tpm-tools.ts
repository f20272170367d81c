/** This machine's TPM through tpm2-tools 5, which every distribution has. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PublicArea, readPublicArea } from "../../attestation/formats/tpm2/public-area.ts";
import { refused } from "../world.ts";

export interface TpmOptions {
  /** Persistent handles, say `0x81010001`. */
  readonly ek: string;
  readonly ak: string;
  /** How to reach the TPM, as tpm2-tools write it; absent: their own default. */
  readonly tcti?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const DEADLINE_MILLISECONDS = 60_000;
const MAX_OUTPUT_BYTES = 1 << 20;

/** A folder for the files that the tools exchange, readable by this user alone; gone afterwards. */
async function inScratch<T>(work: (at: (name: string) => string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "keywarden-tpm-"));
  try {
    return await work((name) => join(folder, name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs one of the tools. @throws CommandFailure (refused) with what it said */
async function runTool(options: TpmOptions, tool: string, ...words: readonly string[]): Promise<void> {
  const env = {
    PATH: "/usr/bin:/bin",
    ...options.env,
    ...(options.tcti === undefined ? {} : { TPM2TOOLS_TCTI: options.tcti }),
  };
  await new Promise<void>((resolve, reject) => {
    const limits = { env, timeout: DEADLINE_MILLISECONDS, maxBuffer: MAX_OUTPUT_BYTES };
    execFile(tool, words, limits, (error, _out, said) => {
      if (error === null) resolve();
      else reject(refused(toolFault(tool, error, said)));
    });
  });
}

function toolFault(tool: string, error: Error & { code?: unknown }, said: string): string {
  if (error.code === "ENOENT") return `${tool} is not installed; it is one of tpm2-tools.`;
  const lines = said.split("\n").filter((line) => /ERROR/i.test(line));
  return `${tool} failed: ${lines.map((line) => line.replace(/^ERROR:\s*/, "")).join("; ") || error.message}`;
}

/** Without a resource manager a TPM has three slots, and every tool leaves something in one. */
export async function flush(options: TpmOptions): Promise<void> {
  for (const kind of ["-t", "-l", "-s"])
    await runTool(options, "tpm2_flushcontext", kind).catch(() => undefined);
}

/** @returns the key's TPM2B_PUBLIC, or `undefined` when nothing is at the handle */
export async function publicAreaAt(options: TpmOptions, handle: string): Promise<Buffer | undefined> {
  return inScratch(async (at) => {
    const there = await runTool(
      options,
      "tpm2_readpublic",
      "-c",
      handle,
      "-f",
      "tss",
      "-o",
      at("public"),
    ).then(
      () => true,
      (error: unknown) => missingKey(error),
    );
    return there ? await readFile(at("public")) : undefined;
  });
}

/** The tools say that a handle is empty in words; anything else is a fault. */
function missingKey(error: unknown): false {
  if (
    error instanceof Error &&
    /0x18B|0x182|handle is not correct|not found|does not exist/i.test(error.message)
  )
    return false;
  throw error;
}

/** Makes the endorsement key where it is missing, from the TPM's own seed: it is the same key each time. */
export async function ensureEk(options: TpmOptions): Promise<Buffer> {
  const found = await publicAreaAt(options, options.ek);
  if (found !== undefined) return found;
  await inScratch((at) =>
    runTool(options, "tpm2_createek", "-c", options.ek, "-G", "rsa", "-u", at("public")),
  );
  await flush(options);
  const made = await publicAreaAt(options, options.ek);
  if (made === undefined) throw refused(`tpm2_createek left no key at ${options.ek}.`);
  return made;
}

/** Makes an attestation key where there is none: RSA-2048 or P-256, restricted, in the endorsement hierarchy. */
export async function ensureAk(options: TpmOptions, kind: "rsa" | "ecc"): Promise<Buffer> {
  const found = await publicAreaAt(options, options.ak);
  if (found !== undefined) return found;
  const key = kind === "rsa" ? ["-G", "rsa2048", "-s", "rsassa"] : ["-G", "ecc256", "-s", "ecdsa"];
  await inScratch(async (at) => {
    await flush(options);
    const made = ["-c", at("ak"), "-u", at("public"), "-n", at("name"), "-f", "tss"];
    await runTool(options, "tpm2_createak", "-C", options.ek, "-g", "sha256", ...key, ...made);
    await flush(options);
    await runTool(options, "tpm2_evictcontrol", "-C", "o", "-c", at("ak"), options.ak);
    await flush(options);
  });
  const made = await publicAreaAt(options, options.ak);
  if (made === undefined) throw refused(`tpm2_evictcontrol left no key at ${options.ak}.`);
  return made;
}

/** Where manufacturers put the certificate of an endorsement key (TCG EK Credential Profile 2.5 §2.2.1.4). */
function certificateIndex(ek: PublicArea): string {
  if (ek.type === "rsa") return ek.keyBits === 2048 ? "0x01c00002" : "0x01c0001c";
  return { "P-256": "0x01c0000a", "P-384": "0x01c00016", "P-521": "0x01c00018" }[ek.curve];
}

/** @returns the certificate, padding included, or `undefined` when the TPM holds none */
export async function ekCertificate(options: TpmOptions, ekPublic: Buffer): Promise<Buffer | undefined> {
  const index = certificateIndex(readPublicArea(ekPublic));
  return inScratch(async (at) => {
    const read = runTool(options, "tpm2_nvread", index, "-C", "o", "-o", at("certificate"));
    const there = await read.then(
      () => true,
      () => false,
    );
    await flush(options);
    return there ? await readFile(at("certificate")) : undefined;
  });
}

/** The two policies of endorsement keys of the high range (TCG EK Credential Profile 2.5 §B.6), for SHA-384. */
const HIGH_RANGE_POLICIES = [
  "8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e143e8bb1133824ccb431053871c6db53",
  "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165",
];

/** Lets the TPM take the secret out of a credential file. */
export async function activate(options: TpmOptions, ekPublic: Buffer, credential: Buffer): Promise<Buffer> {
  const high = readPublicArea(ekPublic).nameAlgorithm === "sha384";
  return inScratch(async (at) => {
    await flush(options);
    await writeFile(at("credential"), credential, { mode: 0o600 });
    const hash = high ? ["-g", "sha384"] : [];
    await runTool(options, "tpm2_startauthsession", "--policy-session", "-S", at("session"), ...hash);
    await runTool(options, "tpm2_policysecret", "-S", at("session"), "-c", "e");
    if (high) {
      for (const [i, policy] of HIGH_RANGE_POLICIES.entries())
        await writeFile(at(`policy${i}`), Buffer.from(policy, "hex"));
      await runTool(
        options,
        "tpm2_policyor",
        "-S",
        at("session"),
        `sha384:${at("policy0")},${at("policy1")}`,
      );
    }
    const io = ["-i", at("credential"), "-o", at("secret"), "-P", `session:${at("session")}`];
    await runTool(options, "tpm2_activatecredential", "-c", options.ak, "-C", options.ek, ...io);
    await flush(options);
    return await readFile(at("secret"));
  });
}

export interface Quote {
  /** TPMS_ATTEST. */
  readonly message: Buffer;
  /** TPMT_SIGNATURE. */
  readonly signature: Buffer;
  /** Digests one after the other, in the order of the registers. */
  readonly values: Buffer;
}

/** @param qualifyingData - at most 64 bytes */
export async function quote(
  options: TpmOptions,
  bank: string,
  pcrs: readonly number[],
  qualifyingData: Uint8Array,
): Promise<Quote> {
  return inScratch(async (at) => {
    const selection = `${bank}:${pcrs.join(",")}`;
    const nonce = Buffer.from(qualifyingData).toString("hex");
    const out = ["-m", at("message"), "-s", at("signature"), "-o", at("values"), "-F", "values"];
    await runTool(options, "tpm2_quote", "-c", options.ak, "-l", selection, "-q", nonce, ...out);
    await flush(options);
    const [message, signature, values] = await Promise.all(
      ["message", "signature", "values"].map((name) => readFile(at(name))),
    );
    if (message === undefined || signature === undefined || values === undefined)
      throw refused("tpm2_quote left no quote.");
    return { message, signature, values };
  });
}
