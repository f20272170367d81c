/**
 * Revocation of ASKs and ASVKs by the list that the root key signs (RFC 5280 §6.3). Signing keys themselves
 * have serial number 0 and are never on a list.
 */
import type { Certificate } from "../../../crypto/certificate.ts";
import type { RevocationList } from "../../../crypto/crl.ts";
import type { Trail } from "../../trail.ts";
import { isAmdSignatureAlgorithm, isSignedBy, type VerifiedChain } from "./chain.ts";
import type { SnpCheck } from "./checks.ts";
import { commonName } from "./trust-anchors.ts";

/**
 * `required`: no fresh list, no trust. `if-available`: a list at hand must be good and fresh, its absence is
 * reported. `dangerously-off`: nothing is looked at.
 */
export const REVOCATION_MODES = ["required", "if-available", "dangerously-off"] as const;
export type RevocationMode = (typeof REVOCATION_MODES)[number];

/** @throws EvidenceRejected when a list is forged, stale or absent though required, or the intermediate is on it */
export function checkRevocation(
  trail: Trail<SnpCheck>,
  chain: VerifiedChain,
  lists: readonly RevocationList[],
  mode: RevocationMode,
  now: number,
): void {
  if (mode === "dangerously-off") {
    trail.notChecked("revocation", "switched off by setting revocation");
    return;
  }
  const ours = lists.filter(({ issuerDer }) => issuerDer.equals(chain.root.subjectDer));
  if (ours.length === 0) {
    const seen = `no revocation list of ${commonName(chain.root)} at hand`;
    if (mode === "required") throw trail.failed("crl-available", seen);
    trail.notChecked("revocation", seen);
    return;
  }
  const genuine = ours.filter((list) => listFault(list, chain.root) === undefined);
  const [first] = ours;
  if (genuine.length === 0)
    throw trail.failed("crl-signature", (first && listFault(first, chain.root)) ?? "none");
  trail.passed("crl-signature", `signed by ${commonName(chain.root)}`);
  checkFreshness(trail, genuine, now);
  checkSerial(trail, chain.intermediate, genuine);
}

function checkFreshness(trail: Trail<SnpCheck>, lists: readonly RevocationList[], now: number): void {
  const newest = lists.reduce((a, b) => (b.thisUpdate > a.thisUpdate ? b : a));
  const fresh = lists.find((list) => freshnessFault(list, now) === undefined);
  if (fresh === undefined) throw trail.failed("crl-freshness", freshnessFault(newest, now) ?? "stale");
  trail.passed("crl-freshness", `valid to ${isoTime(fresh.nextUpdate ?? now)}`);
}

function freshnessFault({ thisUpdate, nextUpdate }: RevocationList, now: number): string | undefined {
  if (nextUpdate === undefined) return "a revocation list without nextUpdate";
  // Written so that a clock that gives no number refuses.
  if (!(thisUpdate <= now)) return `a revocation list from the future (${isoTime(thisUpdate)})`;
  return now <= nextUpdate ? undefined : `a revocation list that expired at ${isoTime(nextUpdate)}`;
}

/** Any genuine list counts, the older ones too: AMD does not take revocations back. */
function checkSerial(
  trail: Trail<SnpCheck>,
  { serial }: Certificate,
  lists: readonly RevocationList[],
): void {
  const hex = serial.toString("hex");
  const revoked = lists.some((list) => list.revoked.has(hex));
  trail.require("revocation", !revoked, `serial ${hex} is ${revoked ? "" : "not "}revoked`);
}

const verdicts = new WeakMap<RevocationList, { readonly root: string; readonly fault: string | undefined }>();

/** What is wrong with a list, remembered per list, as it is asked for every evidence. */
function listFault(list: RevocationList, root: Certificate): string | undefined {
  const known = verdicts.get(list);
  if (known?.root === root.fingerprint) return known.fault;
  const fault = judge(list, root);
  verdicts.set(list, { root: root.fingerprint, fault });
  return fault;
}

function judge(list: RevocationList, root: Certificate): string | undefined {
  if (!isAmdSignatureAlgorithm(list.signatureAlgorithm))
    return "a revocation list with another signature algorithm";
  if (!isSignedBy(list, root)) return "a revocation list that the pinned root did not sign";
  for (const [oid, { critical }] of list.extensions)
    if (critical) return `a revocation list with the unknown critical extension ${oid}`;
  return undefined;
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
