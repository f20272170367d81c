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

type FieldsOf<Table> = Readonly<Record<keyof Table, Buffer>>;
export type SgxReport = FieldsOf<typeof SGX_REPORT_FIELDS>;
type Td15Fields = FieldsOf<typeof TD15_REPORT_FIELDS>;
/** A TD report; the fields of 1.5 are there or not together. */
export interface TdReport extends FieldsOf<typeof TD_REPORT_FIELDS> {
  readonly td15: Td15Fields | undefined;
}

/** @param body - at least 384 bytes, checked by the caller */
export function readSgxReport(body: Buffer): SgxReport {
  return new SgxFields(body);
}

/** @param body - 584 or 648 bytes, checked by the caller */
export function readTdReport(body: Buffer): TdReport {
  return new TdFields(body);
}

/** Fields are cut out when somebody asks: a quote has some fifty, and most verifications look at a few of them. */
abstract class Fields {
  readonly body: Buffer;

  constructor(body: Buffer) {
    this.body = body;
  }
}

class SgxBody extends Fields {}
class Td15Body extends Fields {}

class TdBody extends Fields {
  readonly td15: Td15Fields | undefined;

  constructor(body: Buffer) {
    super(body);
    this.td15 = body.length === TD15_REPORT_BYTES ? new Td15FieldsOf(body) : undefined;
  }
}

const SgxFields = withFields<typeof SGX_REPORT_FIELDS, SgxReport>(SgxBody, SGX_REPORT_FIELDS);
const Td15FieldsOf = withFields<typeof TD15_REPORT_FIELDS, Td15Fields>(Td15Body, TD15_REPORT_FIELDS);
const TdFields = withFields<typeof TD_REPORT_FIELDS, TdReport>(TdBody, TD_REPORT_FIELDS);

/** Gives the class a getter for every row of the table. */
function withFields<Table extends Readonly<Record<string, readonly [number, number]>>, Report>(
  body: new (bytes: Buffer) => Fields,
  table: Table,
): new (
  bytes: Buffer,
) => Report {
  for (const [name, [at, size]] of Object.entries(table))
    Object.defineProperty(body.prototype, name, {
      get(this: Fields): Buffer {
        return this.body.subarray(at, at + size);
      },
      enumerable: true,
    });
  // The compiler does not see getters that are defined from a table; there is one for each name of it.
  return body as unknown as new (
    bytes: Buffer,
  ) => Report;
}
