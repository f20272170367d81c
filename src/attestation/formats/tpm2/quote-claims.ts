/** Claims about a quote, in whatever evidence it came. */
import type { JsonObject } from "../../../json/value.ts";
import type { Attest, ClockInfo } from "./attest.ts";
import { pcrName } from "./pcrs.ts";

/** `pcrNN` for each register that the quote covers, and for no other. */
export function bankClaims(registers: ReadonlyMap<number, Buffer> | undefined): JsonObject {
  const claims: Record<string, string> = {};
  if (registers === undefined) return claims;
  // One conversion for the whole bank: there are 24 registers in every quote of a guest.
  const hex = Buffer.concat([...registers.values()]).toString("hex");
  let at = 0;
  for (const [pcr, { length }] of registers) {
    claims[pcrName(pcr)] = hex.slice(at, at + 2 * length);
    at += 2 * length;
  }
  return claims;
}

/** The clock is text where it is beyond what JSON numbers hold exactly. */
export function clockClaims({ clock, resetCount, restartCount, safe }: ClockInfo): JsonObject {
  return {
    clock: clock <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(clock) : clock.toString(),
    reset_count: resetCount,
    restart_count: restartCount,
    safe,
  };
}

/** `0x` and 16 digits: manufacturers pack what they like into the 64 bits. */
export function firmwareClaim({ firmwareVersion }: Attest): string {
  return `0x${firmwareVersion.toString(16).padStart(16, "0")}`;
}
