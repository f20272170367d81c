/**
 * The certificate of the key that signs reports (VCEK or VLEK), with AMD's extensions read out
 * (AMD 57230 §3). Extension values are bare DER, not wrapped once more.
 */
import { type Certificate, type NameParts, OID } from "../../../crypto/certificate.ts";
import { DerError, readDer, smallInteger, stringValue, TAG } from "../../../crypto/der.ts";
import { isProduct, type Product, type VekKind } from "./product.ts";
import type { Report, Tcb } from "./report.ts";

const AMD = "1.3.6.1.4.1.3704.1.";
const SPL = { bootloader: "3.1", tee: "3.2", snp: "3.3", microcode: "3.8", fmc: "3.9" } as const;

/** Everything but the common name is the same in all of AMD's certificates. */
const AMD_NAME: ReadonlyMap<string, string> = new Map([
  [OID.organizationalUnit, "Engineering"],
  [OID.country, "US"],
  [OID.locality, "Santa Clara"],
  [OID.state, "CA"],
  [OID.organization, "Advanced Micro Devices"],
]);

export interface Vek {
  readonly certificate: Certificate;
  readonly subjectKind: VekKind | undefined;
  /** Kind that the issuing authority makes. */
  readonly issuerKind: VekKind | undefined;
  /** Text after `SEV-` or `SEV-VLEK-` in the issuer's common name; any name. */
  readonly issuerProduct: string | undefined;
  /** Product name extension, say `Milan-B0`. */
  readonly productName: string | undefined;
  readonly tcb: { readonly [Part in keyof Tcb]: number | undefined };
  /** 64 bytes, or 8 on Turin; VCEK only. */
  readonly hardwareId: Buffer | undefined;
  /** Cloud provider a VLEK was made for. */
  readonly cspId: string | undefined;
}

/** @throws DerError when an extension of AMD's is malformed; absent ones are for the checks to judge */
export function readVek(certificate: Certificate): Vek {
  const issuer = /^SEV-(VLEK-)?(\w+)$/.exec(certificate.issuer.get(OID.commonName) ?? "");
  return {
    certificate,
    subjectKind: subjectKind(certificate.subject.get(OID.commonName)),
    issuerKind: issuer === null ? undefined : issuer[1] === undefined ? "VCEK" : "VLEK",
    issuerProduct: issuer?.[2],
    productName: text(certificate, "2"),
    tcb: {
      fmc: securityVersion(certificate, SPL.fmc),
      bootloader: securityVersion(certificate, SPL.bootloader),
      tee: securityVersion(certificate, SPL.tee),
      snp: securityVersion(certificate, SPL.snp),
      microcode: securityVersion(certificate, SPL.microcode),
    },
    hardwareId: hardwareId(certificate),
    cspId: text(certificate, "5"),
  };
}

function subjectKind(commonName: string | undefined): VekKind | undefined {
  if (commonName === "SEV-VCEK") return "VCEK";
  return commonName === "SEV-VLEK" ? "VLEK" : undefined;
}

function value(certificate: Certificate, suffix: string): Buffer | undefined {
  return certificate.extensions.get(AMD + suffix)?.value;
}

function text(certificate: Certificate, suffix: string): string | undefined {
  const bytes = value(certificate, suffix);
  return bytes === undefined ? undefined : stringValue(readDer(bytes, TAG.ia5String));
}

function securityVersion(certificate: Certificate, suffix: string): number | undefined {
  const bytes = value(certificate, suffix);
  if (bytes === undefined) return undefined;
  const version = smallInteger(readDer(bytes, TAG.integer));
  if (version > 255) throw new DerError(`extension ${AMD}${suffix} is above 255`);
  return version;
}

/** Raw 64 or 8 bytes first; some certificates wrap them in an OCTET STRING. */
function hardwareId(certificate: Certificate): Buffer | undefined {
  const bytes = value(certificate, "4");
  if (bytes === undefined || bytes.length === 64 || bytes.length === 8) return bytes;
  const inner = readDer(bytes, TAG.octetString).content;
  if (inner.length !== 64 && inner.length !== 8)
    throw new DerError("a hardware id of neither 64 nor 8 bytes");
  return inner;
}

/** Whether `name` is AMD's, with exactly this common name. */
export function isAmdName(name: NameParts, commonName: string): boolean {
  if (name.size !== AMD_NAME.size + 1 || name.get(OID.commonName) !== commonName) return false;
  for (const [oid, expected] of AMD_NAME) if (name.get(oid) !== expected) return false;
  return true;
}

/** The product of the issuer, if it is one we know. */
export function issuerProduct(vek: Vek): Product | undefined {
  return vek.issuerProduct !== undefined && isProduct(vek.issuerProduct) ? vek.issuerProduct : undefined;
}

/** Whether the certificate was made for the TCB that the report names: equal, part by part. */
export function tcbMatches(vek: Pick<Vek, "tcb">, reported: Tcb): boolean {
  return (
    vek.tcb.fmc === reported.fmc &&
    vek.tcb.bootloader === reported.bootloader &&
    vek.tcb.tee === reported.tee &&
    vek.tcb.snp === reported.snp &&
    vek.tcb.microcode === reported.microcode
  );
}

/** Length of the hardware id: Turin uses the first 8 of the 64 bytes of CHIP_ID. */
export function hardwareIdLength(layout: Report["layout"]): 8 | 64 {
  return layout === "turin" ? 8 : 64;
}
