import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DevAmd, DevAmdState } from "../../dev/fake-amd.ts";
import { codeOf, writeNewFile } from "../files.ts";
import { misuse } from "../world.ts";
import type { Attester } from "./attester.ts";

const STATE_FILE = "vendor.json";
/** What `dev.dangerouslyUseDevTrustAnchors.snp` names. */
const TRUST_ANCHORS_FILE = "trust-anchors.pem";

export interface DevVendor {
  readonly vendor: DevAmd;
  /** PEM file with the root and both intermediates. */
  readonly trustAnchorsFile: string;
  readonly made: boolean;
}

/**
 * Opens the development vendor kept in a folder, or makes one there. The folder holds private keys: whoever can
 * read it can make evidence that a server with these trust anchors believes.
 *
 * @param now - milliseconds since the epoch
 * @throws CommandFailure (misuse) when the folder holds something else
 */
export async function openDevVendor(folder: string, now: number): Promise<DevVendor> {
  const trustAnchorsFile = join(folder, TRUST_ANCHORS_FILE);
  const known = await readState(join(folder, STATE_FILE));
  const { createDevAmd } = await import("../../dev/fake-amd.ts");
  if (known !== undefined) return { vendor: await openState(known, folder), trustAnchorsFile, made: false };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const vendor = await createDevAmd(now);
  // The state comes last: its presence says that the folder is complete.
  await writeNewFile(trustAnchorsFile, vendor.trustAnchorsPem, 0o644);
  await writeNewFile(join(folder, STATE_FILE), JSON.stringify(vendor.state), 0o600);
  return { vendor, trustAnchorsFile, made: true };
}

async function readState(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw misuse(`${path} cannot be read.`);
  }
}

async function openState(text: string, folder: string): Promise<DevAmd> {
  const { openDevAmd } = await import("../../dev/fake-amd.ts");
  try {
    const state: DevAmdState = JSON.parse(text);
    return openDevAmd(state);
  } catch {
    throw misuse(`${folder} holds no development vendor that can be used; remove it and another is made.`);
  }
}

export interface SnpDevGuest {
  /** Whether the host may read the guest's memory. */
  readonly debug: boolean;
  /** 48 bytes, what the guest was started from; `undefined`: the vendor's usual image. */
  readonly measurement: Uint8Array | undefined;
}

/** A guest on a chip of the development vendor. */
export function snpDevAttester(vendor: DevAmd, { debug, measurement }: SnpDevGuest): Attester {
  return {
    tee: "snp",
    collect: async ({ reportData, initDataDigest }) =>
      vendor.signReport({
        debug,
        reportData,
        ...(measurement === undefined ? {} : { measurement }),
        // HOST_DATA has 32 bytes; longer digests are cut, as the deployed attesters do.
        ...(initDataDigest === undefined ? {} : { hostData: initDataDigest.subarray(0, 32) }),
      }),
  };
}
