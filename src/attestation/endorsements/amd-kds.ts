import { isZero } from "../../crypto/bytes.ts";
import type { VekQuery } from "../formats/sev-snp/endorsements.ts";
import type { Product, VekKind } from "../formats/sev-snp/product.ts";
import { hardwareIdLength } from "../formats/sev-snp/vek.ts";

/**
 * Paths of AMD's key distribution service (AMD 57230 §4) and of files named after the same things. All parts
 * are digits and fixed words: the chip id and TCB of a report are not authenticated yet when they are used.
 */

/** Hexadecimal hardware id: 16 digits on Turin, 128 elsewhere; `undefined` when the host masks it. */
export function hardwareIdText({ chipId, layout }: Pick<VekQuery, "chipId" | "layout">): string | undefined {
  return isZero(chipId) ? undefined : chipId.toString("hex", 0, hardwareIdLength(layout));
}

/** Path and query of a VCEK (AMD 57230 §4); SPLs are decimal, at least two digits. */
export function kdsVcekPath(product: Product, hardwareId: string, { tcb }: Pick<VekQuery, "tcb">): string {
  const fmc = tcb.fmc === undefined ? "" : `fmcSPL=${two(tcb.fmc)}&`;
  const rest = `blSPL=${two(tcb.bootloader)}&teeSPL=${two(tcb.tee)}&snpSPL=${two(tcb.snp)}&ucodeSPL=${two(tcb.microcode)}`;
  return `/vcek/v1/${product}/${hardwareId}?${fmc}${rest}`;
}

/** Path of the revocation list of the intermediates of one product and kind of key (AMD 57230 §4). */
export function kdsCrlPath(product: Product, kind: VekKind): string {
  return `/${kind.toLowerCase()}/v1/${product}/crl`;
}

/** File name as the reference implementation's offline store has it, below `vcek/<hardware id>/`. */
export function storeFileName({ tcb }: Pick<VekQuery, "tcb">): string {
  const fmc = tcb.fmc === undefined ? "" : `_fmc${two(tcb.fmc)}`;
  return `bl${two(tcb.bootloader)}_tee${two(tcb.tee)}_snp${two(tcb.snp)}_ucode${two(tcb.microcode)}${fmc}_vcek.der`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
