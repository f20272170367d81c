/**
 * The two kinds of reports in quotes. All fields are views on the quote's own bytes, in wire order.
 */

/** Field → offset and size in an SGX report body (Intel SDM vol. 3D §38.15, REPORT). */
export const SGX_REPORT_FIELDS = {
  cpuSvn: [0, 16],
  miscSelect: [16, 4],
  reserved1: [20, 12],
  isvExtProdId: [32, 16],
  attributesFlags: [48, 8],
  attributesXfrm: [56, 8],
  mrEnclave: [64, 32],
  reserved2: [96, 32],
  mrSigner: [128, 32],
  reserved3: [160, 32],
  configId: [192, 64],
  isvProdId: [256, 2],
  isvSvn: [258, 2],
  configSvn: [260, 2],
  reserved4: [262, 42],
  isvFamilyId: [304, 16],
  reportData: [320, 64],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** Field → offset and size in a TD report body 1.0 (Intel DCAP quote format, version 4, TD quote body). */
export const TD_REPORT_FIELDS = {
  teeTcbSvn: [0, 16],
  mrSeam: [16, 48],
  mrSignerSeam: [64, 48],
  seamAttributes: [112, 8],
  tdAttributes: [120, 8],
  xfam: [128, 8],
  mrTd: [136, 48],
  mrConfigId: [184, 48],
  mrOwner: [232, 48],
  mrOwnerConfig: [280, 48],
  rtmr0: [328, 48],
  rtmr1: [376, 48],
  rtmr2: [424, 48],
  rtmr3: [472, 48],
  reportData: [520, 64],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** What TD report 1.5 adds (quote format, version 5). */
export const TD15_REPORT_FIELDS = {
  teeTcbSvn2: [584, 16],
  mrServiceTd: [600, 48],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

export const SGX_REPORT_BYTES = 384;
export const TD10_REPORT_BYTES = 584;
export const TD15_REPORT_BYTES = 648;

export type SgxReport = Readonly<Record<keyof typeof SGX_REPORT_FIELDS, Buffer>>;
type Td10Fields = Readonly<Record<keyof typeof TD_REPORT_FIELDS, Buffer>>;
type Td15Fields = Readonly<Record<keyof typeof TD15_REPORT_FIELDS, Buffer>>;
/** A TD report; the fields of 1.5 are there or not together. */
export interface TdReport extends Td10Fields {
  readonly td15: Td15Fields | undefined;
}

/** @param body - at least 384 bytes, checked by the caller */
export function readSgxReport(body: Buffer): SgxReport {
  return cut(body, SGX_ROWS);
}

/** @param body - 584 or 648 bytes, checked by the caller */
export function readTdReport(body: Buffer): TdReport {
  const td15 = body.length === TD15_REPORT_BYTES ? cut(body, TD15_ROWS) : undefined;
  return { ...cut(body, TD_ROWS), td15 };
}

type Fields<Name extends string> = Readonly<Record<Name, readonly [offset: number, size: number]>>;

/** Rows of the tables above, made once: a report is cut for every quote, and for the enclave behind it. */
const SGX_ROWS = rowsOf(SGX_REPORT_FIELDS);
const TD_ROWS = rowsOf(TD_REPORT_FIELDS);
const TD15_ROWS = rowsOf(TD15_REPORT_FIELDS);

function rowsOf<Name extends string>(fields: Fields<Name>): readonly (readonly [Name, number, number])[] {
  // Object.keys forgets the names; they are those of `fields`.
  return (Object.keys(fields) as Name[]).map((name) => [name, fields[name][0], fields[name][1]]);
}

function cut<Name extends string>(
  body: Buffer,
  rows: readonly (readonly [Name, number, number])[],
): Record<Name, Buffer> {
  const report: Partial<Record<Name, Buffer>> = {};
  for (const [name, at, size] of rows) report[name] = body.subarray(at, at + size);
  // Every name has a row.
  return report as Record<Name, Buffer>;
}
