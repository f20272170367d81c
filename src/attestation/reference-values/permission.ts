import { type Extraction, shown, untrusted } from "./manifest.ts";
import type { TrustedSigners, VerifiedSigner } from "./signers.ts";
import type { StoredEntry, ValueProvenance } from "./stored-value.ts";
import { parseTime } from "./times.ts";

/** Who sends a message, as far as that is known. */
export interface Submitter {
  /** Subject of the authenticated administrator; `undefined`: nobody, so that only a signature can vouch. */
  readonly administrator: string | undefined;
}

/** Who vouches for the values of one message. */
export interface Voucher {
  /** For the store: the administrator's subject, or `signer:` and the signer's name. */
  readonly by: string;
  readonly provenance: Pick<ValueProvenance, "vouchedBy" | "administrator" | "signer" | "signerKey">;
}

/**
 * What is signed must verify, whoever sends it; what is not signed needs an administrator.
 * @throws KbsError `manifest-untrusted`
 */
export function voucherFor(
  { signature, values }: Extraction,
  { administrator }: Submitter,
  signers: TrustedSigners,
): Voucher {
  const sender = administrator === undefined ? {} : { administrator };
  if (signature !== undefined) {
    const { name, keyId }: VerifiedSigner = signers.verify(signature, values);
    const signed = { vouchedBy: "signer", signer: name, signerKey: keyId } as const;
    return { by: administrator ?? `signer:${name}`, provenance: { ...signed, ...sender } };
  }
  if (administrator === undefined)
    throw untrusted("unsigned", "they are not signed, and no administrator vouches for them");
  return { by: administrator, provenance: { vouchedBy: "administrator", administrator } };
}

/**
 * An administrator may replace anything. A signer replaces only its own values, and only by what it signed later;
 * without an administrator behind it, what was withdrawn stays withdrawn.
 *
 * @throws KbsError `manifest-untrusted`
 */
export function checkReplacement(
  name: string,
  entry: StoredEntry | undefined,
  draft: Pick<ValueProvenance, "vouchedBy" | "administrator" | "signer" | "payloadDigest" | "issuedAt">,
): void {
  if (draft.vouchedBy !== "signer") return;
  const issuedAt = draft.issuedAt === undefined ? undefined : parseTime(draft.issuedAt);
  if (draft.administrator === undefined) checkFresh(name, entry, issuedAt);
  if (entry?.current !== undefined) checkOwner(name, entry.current.provenance, draft, issuedAt);
}

function checkFresh(name: string, entry: StoredEntry | undefined, issuedAt: number | undefined): void {
  if (issuedAt === undefined)
    throw untrusted(
      "issue-time-missing",
      "the manifest does not say when it was made, so an old one could be played back; let an administrator register it",
    );
  const floor = entry?.floor === undefined ? undefined : parseTime(entry.floor);
  if (floor !== undefined && issuedAt <= floor)
    throw untrusted("superseded", `${shown(name)} was replaced or withdrawn after this manifest was made`, {
      names: [name],
    });
}

function checkOwner(
  name: string,
  current: ValueProvenance,
  draft: Pick<ValueProvenance, "signer" | "payloadDigest" | "issuedAt">,
  issuedAt: number | undefined,
): void {
  if (current.vouchedBy !== "signer" || current.signer !== draft.signer) {
    const owner =
      current.vouchedBy === "signer" ? `signer ${shown(current.signer ?? "")}` : "an administrator";
    throw untrusted(
      "name-taken",
      `${shown(name)} was set by ${owner}; an administrator can delete it first`,
      {
        names: [name],
      },
    );
  }
  const currentIssue = current.issuedAt === undefined ? undefined : parseTime(current.issuedAt);
  if (currentIssue === undefined || current.payloadDigest === draft.payloadDigest) return;
  if (issuedAt === undefined || issuedAt <= currentIssue)
    throw untrusted(
      "superseded",
      `${shown(name)} holds a value of a manifest that is not older; an administrator can delete it first`,
      { names: [name] },
    );
}
