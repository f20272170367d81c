/** Algorithm identifiers (TCG Algorithm Registry, TPM_ALG_ID) and what this house does with them. */

export const ALG = {
  rsa: 0x0001,
  hmac: 0x0005,
  aes: 0x0006,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** A hash that signs or names; `node:crypto` knows each by this name. */
export type HashName = "sha1" | "sha256" | "sha384" | "sha512";
/** A bank of PCRs. Values of SM3 banks are carried, nothing is ever computed with SM3. */
export type BankName = HashName | "sm3_256";

interface Hash {
  readonly id: number;
  readonly bytes: number;
}

export const HASHES: Readonly<Record<HashName, Hash>> = {
  sha1: { id: 0x0004, bytes: 20 },
  sha256: { id: 0x000b, bytes: 32 },
  sha384: { id: 0x000c, bytes: 48 },
  sha512: { id: 0x000d, bytes: 64 },
};
export const HASH_NAMES = ["sha1", "sha256", "sha384", "sha512"] as const satisfies readonly HashName[];

export const BANKS: Readonly<Record<BankName, Hash>> = { ...HASHES, sm3_256: { id: 0x0012, bytes: 32 } };
export const BANK_NAMES = [...HASH_NAMES, "sm3_256"] as const satisfies readonly BankName[];

/** @returns undefined for every other algorithm */
export function hashById(id: number): HashName | undefined {
  return HASH_NAMES.find((name) => HASHES[name].id === id);
}

/** @returns undefined for every other algorithm */
export function bankById(id: number): BankName | undefined {
  return BANK_NAMES.find((name) => BANKS[name].id === id);
}

/** @returns undefined for any other text */
export function bankByName(name: string): BankName | undefined {
  return BANK_NAMES.find((known) => known === name);
}

export type CurveName = "P-256" | "P-384" | "P-521";

interface Curve {
  /** TPM_ECC_CURVE. */
  readonly id: number;
  /** As OpenSSL names it. */
  readonly openssl: string;
  /** Length of a coordinate, and of r and s. */
  readonly bytes: number;
}

export const CURVES: Readonly<Record<CurveName, Curve>> = {
  "P-256": { id: 3, openssl: "prime256v1", bytes: 32 },
  "P-384": { id: 4, openssl: "secp384r1", bytes: 48 },
  "P-521": { id: 5, openssl: "secp521r1", bytes: 66 },
};
const CURVE_NAMES = ["P-256", "P-384", "P-521"] as const satisfies readonly CurveName[];

/** @returns undefined for every other curve */
export function curveById(id: number): CurveName | undefined {
  return CURVE_NAMES.find((name) => CURVES[name].id === id);
}

/** @param openssl - name of the curve as OpenSSL gives it; `undefined` for explicit parameters */
export function curveByOpenSslName(openssl: string | undefined): CurveName | undefined {
  return CURVE_NAMES.find((name) => CURVES[name].openssl === openssl);
}

/** `0x0014`, for people. */
export function algorithmText(id: number): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}
