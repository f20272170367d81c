/** Claims about a quote, in whatever evidence it came. */
import { toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import type { Attest, ClockInfo } from "./attest.ts";
import { pcrName } from "./pcrs.ts";

/** `pcrNN` for each register that the quote covers, and for no other. */
export function bankClaims(registers: ReadonlyMap<number, Buffer> | undefined): JsonObject {
  return Object.fromEntries([...(registers ?? [])].map(([pcr, value]) => [pcrName(pcr), toHex(value)]));
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
