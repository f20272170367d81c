import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DerError } from "../../crypto/der.ts";
import { certificateText } from "../../crypto/pem.ts";
import { KbsError } from "../../errors.ts";
import { ImaPolicyError, parseImaPolicy } from "../formats/ima/index.ts";
import { authoritiesFromPem, type CertificateAuthorities } from "../formats/tpm2/certificate-chain.ts";

const MAX_FILES = 1024;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads certificate authorities from files and folders that an operator named: PEM, or DER with one certificate.
 *
 * @throws KbsError `collateral-unavailable` when a path cannot be read or holds something else: a bundle with a hole is
 *   found at the start, not when the first machine of that manufacturer is refused
 */
export async function readAuthorities(paths: readonly string[]): Promise<CertificateAuthorities> {
  const files = (await Promise.all(paths.map(filesAt))).flat();
  if (files.length > MAX_FILES) throw unavailable(`more than ${MAX_FILES} files of certificate authorities`);
  const pinned = await Promise.all(files.map(readFileOf));
  return { pinned: pinned.flatMap((authorities) => authorities.pinned) };
}

/**
 * Reads an operator's IMA policy, and finds out at the start whether it is one.
 *
 * @returns the document as it lies there
 * @throws KbsError `collateral-unavailable`
 */
export async function readImaPolicy(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unavailable(`${path} cannot be read`, cause);
  });
  try {
    parseImaPolicy(bytes);
    return bytes;
  } catch (cause) {
    if (!(cause instanceof ImaPolicyError)) throw cause;
    throw unavailable(`${path} is no IMA policy: ${cause.message}`, cause);
  }
}

async function filesAt(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = await readdir(path);
    return names
      .filter((name) => /\.(?:pem|der|crt|cer)$/i.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (cause) {
    throw unavailable(`${path} cannot be read`, cause);
  }
}

async function readFileOf(path: string): Promise<CertificateAuthorities> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unavailable(`${path} cannot be read`, cause);
  });
  if (bytes.length > MAX_FILE_BYTES) throw unavailable(`${path} is larger than ${MAX_FILE_BYTES} bytes`);
  try {
    return authoritiesFromPem([certificateText(bytes)]);
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw unavailable(`${path} holds no certificate authorities: ${cause.message}`, cause);
  }
}

function unavailable(detail: string, cause?: unknown): KbsError {
  return new KbsError("collateral-unavailable", detail, cause === undefined ? {} : { cause });
}
