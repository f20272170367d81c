/** Registers of a TD as a CCEL counts them (UEFI 2.10 §38.4.1): index 0 is MRTD, which no log explains. */
export function ccelRegisters(rtmrs: readonly Uint8Array[]): Map<number, Uint8Array> {
  return new Map(rtmrs.map((value, i) => [i + 1, value]));
}
