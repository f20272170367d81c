/** One set of collateral against one PCK chain, at one time. */
import type { Trail } from "../../trail.ts";
import { commonName, isoTime, validityFault } from "./certificates.ts";
import { type DcapCheck, DcapFault } from "./checks.ts";
import type { DcapCollateral, DcapTee } from "./collateral.ts";
import type { PckChain } from "./pck-chain.ts";
import type { CollateralPieces, TcbSigner } from "./pieces.ts";
import { isOnList, listTimeFault, type NumberedList } from "./revocation-lists.ts";
import type { QeIdentity, TcbInfo } from "./statements.ts";

export interface DcapTime {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How long after their end statements and lists still count. */
  readonly graceMilliseconds: number;
}

/** Statements that are genuine, count now and are about the platform of the chain. */
export interface VerifiedCollateral {
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
  readonly rootCrl: NumberedList;
  readonly pckCrl: NumberedList;
  readonly tcbSigner: TcbSigner;
  readonly qeSigner: TcbSigner;
  /** Whether any of it is past its end, and counts only by the grace of the settings. */
  readonly expired: boolean;
}

type DcapTrail = Trail<DcapCheck>;

/** @throws DcapFault | EvidenceRejected naming the first thing that does not hold */
export function checkCollateral(
  trail: DcapTrail,
  pieces: CollateralPieces,
  set: DcapCollateral,
  tee: DcapTee,
  chain: PckChain,
  time: DcapTime,
): VerifiedCollateral {
  const { rootCrl, pckCrl } = checkLists(trail, pieces, set, chain, time);
  const tcbSigner = signerBelow(pieces, set.tcbInfoIssuerChain, chain, time);
  const qeSigner = signerBelow(pieces, set.qeIdentityIssuerChain, chain, time);
  trail.passed("tcb-signer", `${commonName(tcbSigner.certificate)}, below the root of the PCK chain`);
  checkRevocation(trail, chain, [tcbSigner, qeSigner], rootCrl, pckCrl);
  const tcbInfo = pieces.tcbInfo(set.tcbInfo, tcbSigner, tee);
  trail.passed("tcb-info-signature", "valid");
  const qeIdentity = pieces.qeIdentity(set.qeIdentity, qeSigner, tee);
  trail.passed("qe-identity-signature", "valid");
  passStatements(trail, tcbInfo, qeIdentity);
  checkTime(trail, "tcb-info-expired", tcbInfo, time);
  checkTime(trail, "qe-identity-expired", qeIdentity, time);
  const { fmspc, pceId } = chain.platform;
  trail.require("fmspc", tcbInfo.fmspc === fmspc, `TCB info for ${tcbInfo.fmspc}, certificate of ${fmspc}`);
  trail.require("pceid", tcbInfo.pceId === pceId, `TCB info for ${tcbInfo.pceId}, certificate of ${pceId}`);
  const ends = [tcbInfo.expiresAt, qeIdentity.expiresAt, rootCrl.nextUpdate, pckCrl.nextUpdate];
  const expired = !ends.every((end) => end !== undefined && time.now <= end);
  return { tcbInfo, qeIdentity, rootCrl, pckCrl, tcbSigner, qeSigner, expired };
}

function checkLists(
  trail: DcapTrail,
  pieces: CollateralPieces,
  set: DcapCollateral,
  { root, intermediate }: PckChain,
  { now, graceMilliseconds }: DcapTime,
): { rootCrl: NumberedList; pckCrl: NumberedList } {
  pieces.parseList(set.rootCaCrl);
  pieces.parseList(set.pckCrl);
  const rootCrl = pieces.list(set.rootCaCrl, root);
  const pckCrl = pieces.list(set.pckCrl, intermediate);
  trail.passed("crl-format", `lists number ${rootCrl.number} and ${pckCrl.number}`);
  trail.passed("crl-issuer", `${commonName(root)} and ${commonName(intermediate)}`);
  trail.passed("crl-signature", "both valid");
  const fault =
    listTimeFault(rootCrl, now, graceMilliseconds) ?? listTimeFault(pckCrl, now, graceMilliseconds);
  if (fault !== undefined) throw trail.failed("crl-expired", fault);
  const end = Math.min(rootCrl.nextUpdate ?? Number.NaN, pckCrl.nextUpdate ?? Number.NaN);
  trail.passed("crl-expired", `valid to ${isoTime(end)}`);
  return { rootCrl, pckCrl };
}

/** Another pinned root must not speak for this one. */
function signerBelow(
  pieces: CollateralPieces,
  issuerChain: Buffer,
  { root }: PckChain,
  { now }: DcapTime,
): TcbSigner {
  const signer = pieces.signer(issuerChain);
  if (signer.root !== root)
    throw new DcapFault("tcb-signer", "a signer below another root than the PCK chain's");
  const fault = validityFault(signer.certificate, now);
  if (fault !== undefined) throw new DcapFault("tcb-signer", fault);
  return signer;
}

function checkRevocation(
  trail: DcapTrail,
  { leaf, intermediate }: PckChain,
  signers: readonly TcbSigner[],
  rootCrl: NumberedList,
  pckCrl: NumberedList,
): void {
  const revoked = [
    ...[intermediate, ...signers.map(({ certificate }) => certificate)].filter((it) => isOnList(rootCrl, it)),
    ...[leaf].filter((it) => isOnList(pckCrl, it)),
  ].map((it) => `${commonName(it)} with serial ${it.serial.toString("hex")}`);
  trail.require(
    "revoked",
    revoked.length === 0,
    revoked.length === 0 ? "none is revoked" : revoked.join(", "),
  );
}

function passStatements(trail: DcapTrail, tcbInfo: TcbInfo, qeIdentity: QeIdentity): void {
  trail.passed("tcb-info-id", `TCB info of version ${tcbInfo.version}`);
  trail.passed("qe-identity-id", "identity of version 2");
  trail.passed(
    "tcb-info-format",
    `${tcbInfo.levels.length} level(s), ${tcbInfo.modules.size} module identities`,
  );
  trail.passed("qe-identity-format", `${qeIdentity.levels.length} level(s)`);
}

function checkTime(
  trail: DcapTrail,
  check: "tcb-info-expired" | "qe-identity-expired",
  { issuedAt, expiresAt }: TcbInfo | QeIdentity,
  { now, graceMilliseconds }: DcapTime,
): void {
  const dates = `valid ${isoTime(issuedAt)} to ${isoTime(expiresAt)}`;
  // Written so that a clock that gives no number refuses.
  const counts = now >= issuedAt && now <= expiresAt + graceMilliseconds;
  if (!counts) throw trail.failed(check, `${dates}, time is ${isoTime(now)}`);
  trail.passed(check, dates);
}
