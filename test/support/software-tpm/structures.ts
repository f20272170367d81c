/** TPM 2.0 structures written out, every field replaceable. */
import { constants, type KeyObject, sign } from "node:crypto";
import {
  ALG,
  BANKS,
  type BankName,
  CURVES,
  type CurveName,
  HASHES,
  type HashName,
} from "../../../src/attestation/formats/tpm2/algorithms.ts";
import { ATTEST_QUOTE, TPM_GENERATED } from "../../../src/attestation/formats/tpm2/attest.ts";
import { sized, u16, u32 } from "../../../src/attestation/formats/tpm2/cursor.ts";

export interface SelectionSpec {
  readonly bank: BankName | number;
  readonly pcrs: readonly number[];
  readonly size?: number;
}

export interface AttestFields {
  readonly magic?: number;
  readonly type?: number;
  readonly qualifiedSigner?: Buffer;
  readonly extraData: Buffer;
  readonly clock?: bigint;
  readonly resetCount?: number;
  readonly restartCount?: number;
  readonly safe?: number;
  readonly firmwareVersion?: bigint;
  readonly selections: readonly SelectionSpec[];
  readonly pcrDigest: Buffer;
  readonly trailing?: Buffer;
}

function u64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
}

export function printAttest(fields: AttestFields): Buffer {
  return Buffer.concat([
    u32(fields.magic ?? TPM_GENERATED),
    u16(fields.type ?? ATTEST_QUOTE),
    sized(fields.qualifiedSigner ?? Buffer.concat([u16(HASHES.sha256.id), Buffer.alloc(32, 0x51)])),
    sized(fields.extraData),
    u64(fields.clock ?? 5000n),
    u32(fields.resetCount ?? 2),
    u32(fields.restartCount ?? 0),
    Buffer.from([fields.safe ?? 1]),
    u64(fields.firmwareVersion ?? 0x2019102300163636n),
    u32(fields.selections.length),
    ...fields.selections.map(printSelection),
    sized(fields.pcrDigest),
    fields.trailing ?? Buffer.alloc(0),
  ]);
}

function printSelection({ bank, pcrs, size = 3 }: SelectionSpec): Buffer {
  const bitmap = Buffer.alloc(size);
  for (const pcr of pcrs) bitmap.writeUInt8(bitmap.readUInt8(pcr >> 3) | (1 << (pcr & 7)), pcr >> 3);
  return Buffer.concat([u16(typeof bank === "number" ? bank : BANKS[bank].id), Buffer.from([size]), bitmap]);
}

export type SchemeName = "rsassa" | "rsapss" | "ecdsa";

/** Signs as a TPM does and writes a TPMT_SIGNATURE. */
export function signAttest(message: Buffer, key: KeyObject, scheme: SchemeName, hash: HashName): Buffer {
  const head = Buffer.concat([u16(ALG[scheme]), u16(HASHES[hash].id)]);
  if (scheme === "rsassa") return Buffer.concat([head, sized(sign(hash, message, key))]);
  if (scheme === "rsapss") {
    const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: HASHES[hash].bytes };
    return Buffer.concat([head, sized(sign(hash, message, options))]);
  }
  const both = sign(hash, message, { key, dsaEncoding: "ieee-p1363" });
  const half = both.length / 2;
  return Buffer.concat([head, sized(both.subarray(0, half)), sized(both.subarray(half))]);
}

export interface PublicAreaFields {
  readonly nameAlgorithm?: HashName;
  readonly attributes: number;
  readonly authPolicy?: Buffer;
  /** Key bits of AES-CFB; absent: TPM_ALG_NULL. */
  readonly symmetricBits?: number;
  /** Absent: TPM_ALG_NULL. */
  readonly scheme?: { readonly name: SchemeName; readonly hash: HashName } | undefined;
  readonly exponent?: number;
}

/** A TPMT_PUBLIC for a key. */
export function printPublicArea(key: KeyObject, fields: PublicAreaFields): Buffer {
  const jwk = key.export({ format: "jwk" });
  const bytes = (text: string | undefined) => Buffer.from(text ?? "", "base64url");
  const common = Buffer.concat([
    u16(HASHES[fields.nameAlgorithm ?? "sha256"].id),
    u32(fields.attributes),
    sized(fields.authPolicy ?? Buffer.alloc(0)),
    fields.symmetricBits === undefined
      ? u16(ALG.null)
      : Buffer.concat([u16(ALG.aes), u16(fields.symmetricBits), u16(ALG.cfb)]),
    fields.scheme === undefined
      ? u16(ALG.null)
      : Buffer.concat([u16(ALG[fields.scheme.name]), u16(HASHES[fields.scheme.hash].id)]),
  ]);
  if (jwk.kty === "RSA") {
    const modulus = bytes(jwk.n);
    return Buffer.concat([
      u16(ALG.rsa),
      common,
      u16(modulus.length * 8),
      u32(fields.exponent ?? 0),
      sized(modulus),
    ]);
  }
  // The key's own name of its curve is one of the three that tests make.
  const curve = CURVES[jwk.crv as CurveName];
  return Buffer.concat([
    u16(ALG.ecc),
    common,
    u16(curve.id),
    u16(ALG.null),
    sized(bytes(jwk.x)),
    sized(bytes(jwk.y)),
  ]);
}
