import { isZero } from "../../../crypto/bytes.ts";
import type { ImaFields } from "./template.ts";

/** One measurement. */
export interface ImaRecord {
  readonly index: number;
  readonly position: number;
  readonly register: number;
  /** As the list shows it, of the list's algorithm. */
  readonly templateHash: Buffer;
  readonly template: string;
  /** The bytes that template hash and register extensions are computed from. */
  readonly data: Buffer;
  readonly fields: ImaFields;
  /** The file changed while it was measured: nothing was measured, and the register was extended with ones. */
  readonly violation: boolean;
}

/** The mark of a violation: no hash at all. */
export function isViolation(templateHash: Buffer): boolean {
  return isZero(templateHash);
}
