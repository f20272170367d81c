import type { LogEvent, RegisterKind } from "./event-log.ts";

/** Where a confidential VM keeps what belongs into a PCR (UEFI 2.10 §38.4.1): indexes of its measurement registers. */
function ccOfPcr(pcr: number): number {
  if (pcr === 0) return 0;
  if (pcr === 1 || pcr === 7) return 1;
  if (pcr <= 6) return 2;
  return pcr <= 15 ? 3 : 4;
}

/**
 * Whether the event is in the register where events of PCR `pcr` belong. Software can extend most registers later on with
 * whatever it likes, so an event counts only in the register that its producer uses.
 */
export function belongsTo(event: LogEvent, pcr: number, kind: RegisterKind): boolean {
  return event.register === (kind === "cc" ? ccOfPcr(pcr) : pcr);
}

const PCR_NAMES: readonly string[] = [
  "firmware code",
  "firmware configuration",
  "option ROM code",
  "option ROM configuration",
  "boot loader code",
  "boot loader configuration and partition table",
  "platform manufacturer",
  "Secure Boot policy",
  "boot loader commands",
  "files that the boot loader read",
  "IMA",
  "unified kernel image",
  "kernel command line and add-ons",
  "system extensions",
  "shim and its keys",
  "machine identity",
  "debug",
];

const CC_NAMES: readonly string[] = [
  "MRTD: firmware code",
  "RTMR 0: firmware configuration and Secure Boot policy",
  "RTMR 1: boot loader code and configuration",
  "RTMR 2: operating system",
  "RTMR 3: run time",
];

/** What a register is for, for people. */
export function registerName(register: number, kind: RegisterKind): string {
  return (kind === "cc" ? CC_NAMES : PCR_NAMES)[register] ?? "other";
}
