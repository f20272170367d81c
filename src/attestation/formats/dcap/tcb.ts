/**
 * How up to date a platform is: levels of TCB info, TDX module identities and the quoting enclave's identity, brought
 * together as Intel's quote verification library does.
 */
import { equalBytes, isZero } from "../../../crypto/bytes.ts";
import { DcapFault } from "./checks.ts";
import type { PckPlatform } from "./pck.ts";
import type { Quote } from "./quote.ts";
import type { SgxReport, TdReport } from "./reports.ts";
import type { IsvLevel, ModuleIdentity, PlatformLevel, QeIdentity, Rating, TcbInfo } from "./statements.ts";
import { type AnyStatus, converge, type LevelStatus, type TcbStatus } from "./tcb-status.ts";

/** Status, date and advisories of a whole. */
export interface TcbVerdict {
  readonly status: TcbStatus;
  /** The earliest date of the levels used; RFC 3339 as Intel wrote it. */
  readonly date: string;
  /** Of platform, quoting enclave and TDX module, each once. */
  readonly advisories: readonly string[];
}

export interface TcbEvaluation extends TcbVerdict {
  readonly platformStatus: LevelStatus;
  /** `undefined` where no module identity applies: SGX, and TDX modules of line 0. */
  readonly moduleStatus: LevelStatus | undefined;
  readonly qeStatus: LevelStatus;
  /** TD 1.5: by the TCB that runs now instead of the one at launch; absent when Intel rates it nowhere. */
  readonly current: TcbVerdict | undefined;
}

interface Levels {
  readonly platform: PlatformLevel;
  readonly module: IsvLevel | undefined;
  readonly qe: IsvLevel;
}

/**
 * The TDX module's own identity: signer and attributes (Intel PCS API v4, tdxModule and tdxModuleIdentities).
 *
 * @throws DcapFault `tdx-module`
 */
export function checkTdxModule(report: TdReport, info: TcbInfo): void {
  const identity = moduleOf(report.teeTcbSvn, info) ?? info.module;
  if (identity === undefined) throw new DcapFault("tdx-module", "TCB info without a TDX module");
  const fault = moduleFault(report, identity);
  if (fault !== undefined) throw new DcapFault("tdx-module", fault);
}

/**
 * @param svn - 16 bytes: [0] version of the module, [1] its line; line 0 has no identity of its own
 * @throws DcapFault `tdx-module` when the line is unknown
 */
function moduleOf(svn: Buffer, info: TcbInfo) {
  const line = svn[1] ?? 0;
  if (line === 0) return undefined;
  const id = `TDX_${line.toString(16).toUpperCase().padStart(2, "0")}`;
  const identity = info.modules.get(id);
  if (identity === undefined) throw new DcapFault("tdx-module", `a module of the unknown line ${id}`);
  return identity;
}

function moduleFault(report: TdReport, identity: ModuleIdentity): string | undefined {
  if (!equalBytes(report.mrSignerSeam, identity.mrSigner))
    return `MRSIGNERSEAM ${report.mrSignerSeam.toString("hex")}`;
  const { seamAttributes } = report;
  const expected = identity.attributes;
  if (!isZero(seamAttributes) || !equalUnderMask(seamAttributes, expected, identity.attributesMask))
    return `SEAMATTRIBUTES ${seamAttributes.toString("hex")}`;
  return undefined;
}

function equalUnderMask(value: Buffer, expected: Buffer, mask: Buffer): boolean {
  return value.every((byte, i) => (byte & (mask[i] ?? 0xff)) === expected[i]);
}

/**
 * Whether the quoting enclave is the one Intel describes. This refuses debug enclaves and other makers' ones.
 *
 * @throws DcapFault `qe-identity`
 */
export function checkQe(qe: SgxReport, identity: QeIdentity): void {
  const attributes = Buffer.concat([qe.attributesFlags, qe.attributesXfrm]);
  const fault = [
    [equalBytes(qe.mrSigner, identity.mrSigner), `MRSIGNER ${qe.mrSigner.toString("hex")}`],
    [qe.isvProdId.readUInt16LE(0) === identity.isvProdId, `ISVPRODID ${qe.isvProdId.readUInt16LE(0)}`],
    [
      equalUnderMask(qe.miscSelect, identity.miscSelect, identity.miscSelectMask),
      `MISCSELECT ${qe.miscSelect.toString("hex")}`,
    ],
    [
      equalUnderMask(attributes, identity.attributes, identity.attributesMask),
      `ATTRIBUTES ${attributes.toString("hex")}`,
    ],
  ].find(([holds]) => holds !== true);
  if (fault !== undefined) throw new DcapFault("qe-identity", String(fault[1]));
}

/** @throws DcapFault `tcb-unsupported` | `tcb-revoked` | `tdx-module` */
export function evaluateTcb(
  quote: Quote,
  platform: PckPlatform,
  info: TcbInfo,
  identity: QeIdentity,
): TcbEvaluation {
  const qe = findQeLevel(quote.qeReport, identity);
  if (quote.tee === "sgx") return combine(findLevels(platform, undefined, info, qe), undefined, undefined);
  const { teeTcbSvn, td15 } = quote.report;
  const launch = findLevels(platform, teeTcbSvn, info, qe);
  if (td15 === undefined) return combine(launch, undefined, undefined);
  const relaunch = relaunchStatus(launch, sgxPart(platform, info), td15.teeTcbSvn2, info);
  return combine(launch, relaunch, currentVerdict(platform, td15.teeTcbSvn2, info, qe));
}

function findLevels(platform: PckPlatform, svn: Buffer | undefined, info: TcbInfo, qe: IsvLevel): Levels {
  const level = info.levels.find((candidate) => fitsSgx(platform, candidate) && fitsTdx(svn, candidate));
  if (level === undefined)
    throw new DcapFault("tcb-unsupported", `no TCB level for ${tcbText(platform, svn)}`);
  return { platform: level, module: svn && findModuleLevel(svn, info), qe };
}

function tcbText({ components, pceSvn }: PckPlatform, svn: Buffer | undefined): string {
  const tdx = svn === undefined ? "" : `, TEE_TCB_SVN ${svn.toString("hex")}`;
  return `components ${components.join(" ")}, PCESVN ${pceSvn}${tdx}`;
}

function fitsSgx({ components, pceSvn }: PckPlatform, level: PlatformLevel): boolean {
  return level.sgx.every((least, i) => (components[i] ?? -1) >= least) && pceSvn >= level.pceSvn;
}

/** Version and line of a module with an identity of its own are compared there, not here. */
function fitsTdx(svn: Buffer | undefined, level: PlatformLevel): boolean {
  if (svn === undefined) return true;
  const from = (svn[1] ?? 0) > 0 ? 2 : 0;
  return level.tdx.every((least, i) => i < from || (svn[i] ?? -1) >= least);
}

function findModuleLevel(svn: Buffer, info: TcbInfo): IsvLevel | undefined {
  const identity = moduleOf(svn, info);
  if (identity === undefined) return undefined;
  const version = svn[0] ?? 0;
  const level = identity.levels.find(({ isvSvn }) => version >= isvSvn);
  if (level !== undefined) return level;
  throw new DcapFault("tcb-unsupported", `no level for version ${version} of the TDX module`);
}

function findQeLevel(qe: SgxReport, identity: QeIdentity): IsvLevel {
  const version = qe.isvSvn.readUInt16LE(0);
  const level = identity.levels.find(({ isvSvn }) => version >= isvSvn);
  if (level !== undefined) return level;
  throw new DcapFault("tcb-unsupported", `no level for version ${version} of the quoting enclave`);
}

/** The first level that fits without its TDX part. */
function sgxPart(platform: PckPlatform, info: TcbInfo): PlatformLevel | undefined {
  return info.levels.find((level) => fitsSgx(platform, level));
}

const RELAUNCH_HELPS: readonly AnyStatus[] = ["OutOfDate", "OutOfDateConfigurationNeeded"];
const PLATFORM_IS_GOOD: readonly LevelStatus[] = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
];

/**
 * Whether nothing but an old module at launch keeps a TD back, and a better one runs by now.
 *
 * @returns undefined when a relaunch would not help
 * @throws DcapFault `tdx-module` when the line that runs now is unknown
 */
function relaunchStatus(
  { platform, module, qe }: Levels,
  sgx: PlatformLevel | undefined,
  svn2: Buffer,
  info: TcbInfo,
): TcbStatus | undefined {
  const sofar = converge(platform.status, module?.status ?? "UpToDate");
  if (qe.status === "OutOfDate" || qe.status === "Revoked") return undefined;
  if (sgx === undefined || !PLATFORM_IS_GOOD.includes(sgx.status)) return undefined;
  if (!RELAUNCH_HELPS.includes(sofar) || module?.status !== "OutOfDate") return undefined;
  if (!isHighest(svn2, info)) return undefined;
  return sofar.includes("Configuration") || sgx.status.includes("Configuration")
    ? "TDRelaunchAdvisedConfigurationNeeded"
    : "TDRelaunchAdvised";
}

/** Whether the module that runs now is as good as the highest level wants. */
function isHighest(svn2: Buffer, info: TcbInfo): boolean {
  const [top] = info.levels;
  const least = moduleOf(svn2, info)?.levels[0]?.isvSvn ?? top?.tdx[0];
  const third = top?.tdx[2];
  if (least === undefined || third === undefined) return false;
  return (svn2[0] ?? 0) >= least && (svn2[2] ?? 0) >= third;
}

/** The verdict by what runs now. A TCB that was revoked refuses; one that Intel rates nowhere gives none. */
function currentVerdict(
  platform: PckPlatform,
  svn2: Buffer,
  info: TcbInfo,
  qe: IsvLevel,
): TcbVerdict | undefined {
  try {
    return verdict(findLevels(platform, svn2, info, qe), undefined);
  } catch (error) {
    if (error instanceof DcapFault && error.check !== "tcb-revoked") return undefined;
    throw error;
  }
}

function combine(
  levels: Levels,
  relaunch: TcbStatus | undefined,
  current: TcbVerdict | undefined,
): TcbEvaluation {
  const { status, date, advisories } = verdict(levels, relaunch);
  return {
    status,
    date,
    advisories,
    platformStatus: levels.platform.status,
    moduleStatus: levels.module?.status,
    qeStatus: levels.qe.status,
    current,
  };
}

function verdict({ platform, module, qe }: Levels, relaunch: TcbStatus | undefined): TcbVerdict {
  const parts: Rating[] = [platform, qe, ...(module === undefined ? [] : [module])];
  const withModule = relaunch ?? converge(platform.status, module?.status ?? "UpToDate");
  const status = converge(withModule, qe.status);
  if (status === "Revoked") throw new DcapFault("tcb-revoked", "a TCB level that Intel revoked");
  return {
    status,
    date: parts.map(({ date }) => date).reduce(earlier),
    advisories: [...new Set(parts.flatMap(({ advisories }) => advisories))],
  };
}

function earlier(a: string, b: string): string {
  return Date.parse(b) < Date.parse(a) ? b : a;
}
