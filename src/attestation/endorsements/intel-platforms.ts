/**
 * PCK certificates that Intel's PcsClientTool wrote for known machines, for quotes that name theirs instead of carrying
 * it: sites without a network can resolve such quotes as well.
 */
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import type { PckCertificateQuery } from "../formats/dcap/collateral.ts";

/** Certificates of one machine, one per TCB level. Nothing of it is trusted. */
export interface FiledPlatform {
  /** Lower-case hexadecimal; empty where the file does not say. */
  readonly qeId: string;
  readonly encryptedPpid: string;
  /** PEM, each with its issuers. */
  readonly chains: readonly Buffer[];
}

/** Quotes that nobody verified ask for candidates, so few are tried for one of them. */
const MAX_CANDIDATES = 128;
const MAX_PLATFORMS = 10_000;

/**
 * @param collaterals - member `collaterals` of the file
 * @param issuers - PEM of PCK authorities with their root; each makes a candidate, and verification tells which one it is
 */
export function readClientToolPlatforms(
  collaterals: JsonObject,
  issuers: readonly Buffer[],
): readonly FiledPlatform[] {
  const platforms = member(collaterals, "pck_certs");
  if (platforms === undefined || !isArray(platforms)) return [];
  return platforms.slice(0, MAX_PLATFORMS).flatMap((platform) => {
    const certificates = isObject(platform) ? member(platform, "certs") : undefined;
    if (!isObject(platform) || certificates === undefined || !isArray(certificates)) return [];
    const leaves = certificates.map(leafOf).filter((leaf) => leaf !== undefined);
    return {
      qeId: hexOf(member(platform, "qe_id")),
      encryptedPpid: hexOf(member(platform, "enc_ppid")),
      chains: leaves.flatMap((leaf) => issuers.map((issuer) => Buffer.concat([leaf, issuer]))),
    };
  });
}

/** What may be the certificate of the quote, by the names that it gives of its machine. */
export function platformCandidates(
  platforms: readonly FiledPlatform[],
  { encryptedPpid, qeId }: PckCertificateQuery,
): readonly Buffer[] {
  const [ppid, id] = [encryptedPpid?.toString("hex"), qeId.toString("hex")];
  return platforms
    .filter((platform) => platform.qeId === id || platform.encryptedPpid === ppid)
    .flatMap(({ chains }) => chains)
    .slice(0, MAX_CANDIDATES);
}

/** Percent-encoded PEM, as Intel's service writes it into JSON. */
function leafOf(entry: JsonValue): Buffer | undefined {
  const text = isObject(entry) ? member(entry, "cert") : undefined;
  if (typeof text !== "string") return undefined;
  try {
    return Buffer.from(`${decodeURIComponent(text).trimEnd()}\n`);
  } catch {
    return undefined;
  }
}

function hexOf(value: JsonValue | undefined): string {
  return typeof value === "string" && /^[0-9a-fA-F]*$/.test(value) ? value.toLowerCase() : "";
}
