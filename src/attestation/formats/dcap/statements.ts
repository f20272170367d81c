/**
 * What Intel says about platforms (TCB info, versions 2 and 3) and quoting enclaves (enclave identity, version 2):
 * signed JSON → typed values (Intel PCS API v4). Members that are not known are ignored; what is known has to be
 * right, and lists have to have their length.
 */
import { z } from "zod";
import { fromHex } from "../../../crypto/bytes.ts";
import type { JsonValue } from "../../../json/value.ts";
import { isObject, member } from "../../../json/write.ts";
import { DcapFault } from "./checks.ts";
import type { DcapTee } from "./collateral.ts";
import { LEVEL_STATUSES, type LevelStatus } from "./tcb-status.ts";

const COMPONENTS = 16;
const MAX_LEVELS = 1024;
const MAX_ADVISORIES = 1024;

const hex = (bytes: number) =>
  z.string().transform((text, context): Buffer => {
    const value = fromHex(text);
    if (value?.length === bytes) return value;
    context.addIssue({ code: "custom", message: `must be ${2 * bytes} hexadecimal digits` });
    return z.NEVER;
  });
const time = z.iso.datetime();
const svn = (maximum: number) => z.int().min(0).max(maximum);

const ratedSchema = z.object({
  tcbDate: time,
  tcbStatus: z.enum(LEVEL_STATUSES),
  advisoryIDs: z.array(z.string().min(1).max(64)).max(MAX_ADVISORIES).default([]),
});

const isvLevel = ratedSchema.extend({ tcb: z.object({ isvsvn: svn(65_535) }) });
const isvLevels = z.array(isvLevel).min(1).max(MAX_LEVELS);

const components = z.array(z.object({ svn: svn(255) })).length(COMPONENTS);

const moduleFields = {
  mrsigner: hex(48),
  attributes: hex(8),
  attributesMask: hex(8),
};

const commonFields = {
  issueDate: time,
  nextUpdate: time,
  tcbEvaluationDataNumber: svn(0x7fff_ffff),
};

const tcbInfoFields = {
  ...commonFields,
  fmspc: hex(6),
  pceId: hex(2),
};

const pcesvn = svn(65_535);

const sgxLevel = ratedSchema.extend({ tcb: z.object({ sgxtcbcomponents: components, pcesvn }) });
const tdxLevel = ratedSchema.extend({
  tcb: z.object({ sgxtcbcomponents: components, pcesvn, tdxtcbcomponents: components }),
});

const NUMBERED = Array.from(
  { length: COMPONENTS },
  (_, i) => `sgxtcbcomp${String(i + 1).padStart(2, "0")}svn`,
);
/** Version 2 names the components one by one. */
const sgxLevelV2 = ratedSchema.extend({
  tcb: z.object({ pcesvn, ...Object.fromEntries(NUMBERED.map((name) => [name, svn(255)])) }),
});

const tdxInfo = z.object({
  ...tcbInfoFields,
  tdxModule: z.object(moduleFields),
  tdxModuleIdentities: z
    .array(z.object({ id: z.string().min(1).max(64), ...moduleFields, tcbLevels: isvLevels }))
    .max(256)
    .default([]),
  tcbLevels: z.array(tdxLevel).min(1).max(MAX_LEVELS),
});
const sgxInfo = z.object({ ...tcbInfoFields, tcbLevels: z.array(sgxLevel).min(1).max(MAX_LEVELS) });
const sgxInfoV2 = z.object({ ...tcbInfoFields, tcbLevels: z.array(sgxLevelV2).min(1).max(MAX_LEVELS) });

const identitySchema = z.object({
  ...commonFields,
  miscselect: hex(4),
  miscselectMask: hex(4),
  attributes: hex(16),
  attributesMask: hex(16),
  mrsigner: hex(32),
  isvprodid: svn(65_535),
  tcbLevels: isvLevels,
});

/** What Intel thinks of one level. */
export interface Rating {
  readonly status: LevelStatus;
  /** RFC 3339, as Intel wrote it. */
  readonly date: string;
  readonly advisories: readonly string[];
}

export interface PlatformLevel extends Rating {
  /** 16 numbers. */
  readonly sgx: readonly number[];
  readonly pceSvn: number;
  /** 16 numbers; empty for SGX. */
  readonly tdx: readonly number[];
}

export interface IsvLevel extends Rating {
  readonly isvSvn: number;
}

/** What a TDX module has to look like. */
export interface ModuleIdentity {
  readonly mrSigner: Buffer;
  readonly attributes: Buffer;
  readonly attributesMask: Buffer;
}

interface Dated {
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly evaluationNumber: number;
}

export interface TcbInfo extends Dated {
  readonly version: number;
  /** Lower-case hexadecimal. */
  readonly fmspc: string;
  readonly pceId: string;
  /** In Intel's order, from the highest down; never empty. */
  readonly levels: readonly PlatformLevel[];
  /** TDX only. */
  readonly module: ModuleIdentity | undefined;
  /** By upper-case id, say `TDX_01`. */
  readonly modules: ReadonlyMap<string, ModuleIdentity & { readonly levels: readonly IsvLevel[] }>;
}

export interface QeIdentity extends Dated {
  readonly miscSelect: Buffer;
  readonly miscSelectMask: Buffer;
  readonly attributes: Buffer;
  readonly attributesMask: Buffer;
  readonly mrSigner: Buffer;
  readonly isvProdId: number;
  readonly levels: readonly IsvLevel[];
}

/**
 * @param json - of signed text
 * @throws DcapFault `tcb-info-id` | `tcb-info-format`
 */
export function readTcbInfo(json: JsonValue, tee: DcapTee): TcbInfo {
  const [id, version] = [stated(json, "id"), stated(json, "version")];
  if (tee === "sgx" && id === undefined && version === 2) return sgxTcbInfoV2(json);
  const wanted = tee === "tdx" ? "TDX" : "SGX";
  if (id !== wanted || version !== 3)
    throw new DcapFault("tcb-info-id", `TCB info ${printable(id)} of version ${printable(version)}`);
  return tee === "tdx" ? tdxTcbInfo(json) : sgxTcbInfo(json);
}

function tdxTcbInfo(json: JsonValue): TcbInfo {
  const info = parse(tdxInfo, json, "tcb-info-format");
  return {
    ...tcbInfo(info, 3),
    levels: info.tcbLevels.map((level) => ({
      ...rating(level),
      sgx: level.tcb.sgxtcbcomponents.map(({ svn }) => svn),
      pceSvn: level.tcb.pcesvn,
      tdx: level.tcb.tdxtcbcomponents.map(({ svn }) => svn),
    })),
    module: moduleIdentity(info.tdxModule),
    modules: uniqueModules(info.tdxModuleIdentities),
  };
}

function uniqueModules(identities: z.output<typeof tdxInfo>["tdxModuleIdentities"]): TcbInfo["modules"] {
  const modules = new Map<string, ModuleIdentity & { levels: readonly IsvLevel[] }>();
  for (const identity of identities) {
    const id = identity.id.toUpperCase();
    if (modules.has(id))
      throw new DcapFault("tcb-info-format", `module identity ${printable(id)} occurs twice`);
    modules.set(id, { ...moduleIdentity(identity), levels: identity.tcbLevels.map(isvRating) });
  }
  return modules;
}

function sgxTcbInfo(json: JsonValue): TcbInfo {
  const info = parse(sgxInfo, json, "tcb-info-format");
  const levels = info.tcbLevels.map((level) => ({
    ...rating(level),
    sgx: level.tcb.sgxtcbcomponents.map(({ svn }) => svn),
    pceSvn: level.tcb.pcesvn,
    tdx: [],
  }));
  return { ...tcbInfo(info, 3), levels, module: undefined, modules: new Map() };
}

function sgxTcbInfoV2(json: JsonValue): TcbInfo {
  const info = parse(sgxInfoV2, json, "tcb-info-format");
  const levels = info.tcbLevels.map((level) => {
    // The schema is made of these names; its type only says that they are strings.
    const tcb: Readonly<Record<string, number>> = level.tcb;
    return {
      ...rating(level),
      sgx: NUMBERED.map((name) => tcb[name] ?? 255),
      pceSvn: level.tcb.pcesvn,
      tdx: [],
    };
  });
  return { ...tcbInfo(info, 2), levels, module: undefined, modules: new Map() };
}

function tcbInfo(
  info: z.output<typeof sgxInfo> | z.output<typeof tdxInfo> | z.output<typeof sgxInfoV2>,
  version: number,
) {
  return { ...dated(info), version, fmspc: info.fmspc.toString("hex"), pceId: info.pceId.toString("hex") };
}

/**
 * @param json - of signed text
 * @throws DcapFault `qe-identity-id` | `qe-identity-format`
 */
export function readQeIdentity(json: JsonValue, tee: DcapTee): QeIdentity {
  const [id, version] = [stated(json, "id"), stated(json, "version")];
  if (id !== (tee === "tdx" ? "TD_QE" : "QE") || version !== 2)
    throw new DcapFault("qe-identity-id", `identity ${printable(id)} of version ${printable(version)}`);
  const identity = parse(identitySchema, json, "qe-identity-format");
  return {
    ...dated(identity),
    miscSelect: identity.miscselect,
    miscSelectMask: identity.miscselectMask,
    attributes: identity.attributes,
    attributesMask: identity.attributesMask,
    mrSigner: identity.mrsigner,
    isvProdId: identity.isvprodid,
    levels: identity.tcbLevels.map(isvRating),
  };
}

function stated(json: JsonValue, name: string): JsonValue | undefined {
  return isObject(json) ? member(json, name) : undefined;
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  json: JsonValue,
  check: "tcb-info-format" | "qe-identity-format",
): z.output<Schema> {
  const result = schema.safeParse(json, { reportInput: false });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new DcapFault(check, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`);
}

function dated(fields: { issueDate: string; nextUpdate: string; tcbEvaluationDataNumber: number }): Dated {
  return {
    issuedAt: Date.parse(fields.issueDate),
    expiresAt: Date.parse(fields.nextUpdate),
    evaluationNumber: fields.tcbEvaluationDataNumber,
  };
}

function rating({ tcbStatus, tcbDate, advisoryIDs }: z.output<typeof ratedSchema>): Rating {
  return { status: tcbStatus, date: tcbDate, advisories: advisoryIDs };
}

function isvRating(level: z.output<typeof isvLevel>): IsvLevel {
  return { ...rating(level), isvSvn: level.tcb.isvsvn };
}

function moduleIdentity(fields: {
  mrsigner: Buffer;
  attributes: Buffer;
  attributesMask: Buffer;
}): ModuleIdentity {
  return {
    mrSigner: fields.mrsigner,
    attributes: fields.attributes,
    attributesMask: fields.attributesMask,
  };
}

function printable(value: JsonValue | undefined): string {
  if (value === undefined) return "(none)";
  if (typeof value === "object") return "(no text)";
  return String(value)
    .slice(0, 40)
    .replaceAll(/[^\x20-\x7e]/g, "?");
}
