/** What an operator demands of a genuine report: each setting is one named check. */
import { isZero, toHex } from "../../../crypto/bytes.ts";
import type { Trail } from "../../trail.ts";
import type { VerifiedChain } from "./chain.ts";
import type { SnpCheck } from "./checks.ts";
import type { SnpDemands } from "./demands.ts";
import {
  type FirmwareVersion,
  firmwareText,
  HOST_VMPL,
  hasBit,
  PLATFORM_BITS,
  POLICY_BITS,
  type Report,
  TCB_PARTS,
  type Tcb,
  tcbText,
} from "./report.ts";

type SnpTrail = Trail<SnpCheck>;

/** @throws EvidenceRejected naming the first setting that the report does not meet */
export function appraiseReport(
  trail: SnpTrail,
  report: Report,
  chain: VerifiedChain,
  settings: SnpDemands,
): void {
  checkVmpl(trail, report, settings);
  checkDebug(trail, report, settings);
  checkMigrationAgent(trail, report, settings);
  checkBits(trail, "guest-policy", report.policy, POLICY_BITS, {
    required: settings.requiredGuestPolicy,
    forbidden: settings.forbiddenGuestPolicy,
  });
  checkBits(trail, "platform-info", report.platformInfo, PLATFORM_BITS, {
    required: settings.requiredPlatformInfo,
    forbidden: settings.forbiddenPlatformInfo,
  });
  checkProduct(trail, chain, settings);
  checkKey(trail, chain, settings);
  checkChip(trail, report, chain, settings);
  checkMinimumTcb(trail, report, chain, settings);
  checkFirmware(trail, report, settings);
  checkCommitted(trail, report, settings);
  checkMitigations(trail, report, settings);
  checkIdBlock(trail, report, settings);
}

function checkVmpl(trail: SnpTrail, { vmpl }: Report, { allowedVmpls }: SnpDemands): void {
  const seen = vmpl === HOST_VMPL ? "a report that the host asked for" : `VMPL ${vmpl}`;
  trail.require(
    "vmpl",
    allowedVmpls.includes(vmpl),
    seen,
    `VMPL ${allowedVmpls.join(" or ")} (setting allowedVmpls)`,
  );
}

function checkDebug(trail: SnpTrail, { policy }: Report, { allowDebug }: SnpDemands): void {
  const debug = hasBit(policy, POLICY_BITS.debug);
  trail.require("debug", !debug || allowDebug, onOff("debugging", debug, allowDebug));
}

function checkMigrationAgent(trail: SnpTrail, { policy }: Report, { allowMigrationAgent }: SnpDemands): void {
  const agent = hasBit(policy, POLICY_BITS["migration-agent"]);
  trail.require(
    "migration-agent",
    !agent || allowMigrationAgent,
    onOff("migration agent", agent, allowMigrationAgent),
  );
}

function onOff(what: string, on: boolean, allowed: boolean): string {
  return `${what} ${on ? "on" : "off"}${on && allowed ? ", which the settings allow" : ""}`;
}

function checkBits<Name extends string>(
  trail: SnpTrail,
  check: SnpCheck,
  word: bigint,
  bits: Readonly<Record<Name, bigint>>,
  demand: { readonly required: readonly Name[]; readonly forbidden: readonly Name[] },
): void {
  const missing = demand.required.filter((name) => !hasBit(word, bits[name])).map((name) => `${name} off`);
  const excess = demand.forbidden.filter((name) => hasBit(word, bits[name])).map((name) => `${name} on`);
  const wrong = [...missing, ...excess];
  trail.require(check, wrong.length === 0, wrong.length === 0 ? `0x${word.toString(16)}` : wrong.join(", "));
}

function checkProduct(trail: SnpTrail, { product }: VerifiedChain, { allowedProducts }: SnpDemands): void {
  trail.require("allowed-product", allowedProducts.includes(product), product);
}

function checkKey(trail: SnpTrail, { vek }: VerifiedChain, settings: SnpDemands): void {
  const seen =
    vek.subjectKind === "VLEK" ? `VLEK of ${vek.cspId?.slice(0, 80) ?? "an unnamed provider"}` : "VCEK";
  const { allowedCspIds } = settings;
  const allowed =
    vek.subjectKind === "VCEK" ||
    (settings.allowVlek &&
      (allowedCspIds === undefined || (vek.cspId !== undefined && allowedCspIds.includes(vek.cspId))));
  trail.require("allowed-key", allowed, seen);
}

/** A VLEK does not stand for a chip, so a masked chip id matters only with a VCEK or an allow-list. */
function checkChip(trail: SnpTrail, report: Report, { vek }: VerifiedChain, settings: SnpDemands): void {
  const masked = isZero(report.chipId);
  const whole = toHex(report.chipId);
  const id = report.layout === "turin" ? whole.slice(0, 16) : whole;
  const listed = settings.allowedChipIds?.some((allowed) => allowed === id || allowed === whole) ?? true;
  const maskAllowed = !masked || vek.subjectKind === "VLEK" || settings.allowMaskedChipId;
  const allowed = masked ? maskAllowed && settings.allowedChipIds === undefined : listed;
  trail.require("allowed-chip", allowed, masked ? "a masked chip id (all zero)" : id);
}

type PartialTcb = { readonly [Part in keyof Tcb]?: number | undefined };

function checkMinimumTcb(
  trail: SnpTrail,
  report: Report,
  { product }: VerifiedChain,
  settings: SnpDemands,
): void {
  const fault =
    belowMinimum("REPORTED_TCB", report.reportedTcb, settings.minimumTcb[product]) ??
    belowMinimum("LAUNCH_TCB", report.launchTcb, settings.minimumLaunchTcb[product]);
  trail.require("minimum-tcb", fault === undefined, fault ?? tcbText(report.reportedTcb));
}

function belowMinimum(name: string, tcb: Tcb, minimum: PartialTcb | undefined): string | undefined {
  for (const part of TCB_PARTS) {
    const least = minimum?.[part];
    const has = tcb[part];
    if (least !== undefined && (has === undefined || has < least))
      return `${name} ${part} ${has ?? "absent"}, at least ${least} is required`;
  }
  return undefined;
}

function checkFirmware(trail: SnpTrail, report: Report, { minimumFirmware }: SnpDemands): void {
  const seen = `current ${firmwareText(report.current)}, committed ${firmwareText(report.committed)}`;
  const enough =
    minimumFirmware === undefined ||
    (isAtLeast(report.current, minimumFirmware) && isAtLeast(report.committed, minimumFirmware));
  trail.require("minimum-firmware", enough, seen, minimumFirmware && `firmware ${minimumFirmware} or later`);
}

function isAtLeast(version: FirmwareVersion, minimum: string): boolean {
  const [major = 0, minor = 0, build = 0] = minimum.split(".").map(Number);
  const rank = (a: number, b: number, c: number) => (a * 1000 + b) * 1000 + c;
  return rank(version.major, version.minor, version.build) >= rank(major, minor, build);
}

function checkCommitted(trail: SnpTrail, report: Report, { requireCommittedTcb }: SnpDemands): void {
  const committed = TCB_PARTS.every((part) => report.committedTcb[part] === report.currentTcb[part]);
  const seen = committed
    ? "current TCB is committed"
    : `current ${tcbText(report.currentTcb)} is provisional`;
  trail.require("committed-tcb", committed || !requireCommittedTcb, seen);
}

function checkMitigations(trail: SnpTrail, report: Report, settings: SnpDemands): void {
  const launch = missingBits(report.launchMitigations, settings.requiredLaunchMitigations);
  const current = missingBits(report.currentMitigations, settings.requiredCurrentMitigations);
  const good = launch === 0n && current === 0n;
  const seen = good
    ? "none missing"
    : `missing 0x${launch.toString(16)} at launch, 0x${current.toString(16)} now`;
  trail.require("mitigations", good, seen);
}

function missingBits(has: bigint | undefined, required: bigint | undefined): bigint {
  return (required ?? 0n) & ~(has ?? 0n);
}

function checkIdBlock(trail: SnpTrail, report: Report, settings: SnpDemands): void {
  const [idKey, authorKey] = [toHex(report.idKeyDigest), toHex(report.authorKeyDigest)];
  const known = settings.allowedIdKeyDigests?.includes(idKey) ?? true;
  const author = settings.allowedAuthorKeyDigests?.includes(authorKey) ?? true;
  trail.require(
    "id-block",
    known && author,
    `ID key ${idKey.slice(0, 16)}…, author key ${authorKey.slice(0, 16)}…`,
  );
}
