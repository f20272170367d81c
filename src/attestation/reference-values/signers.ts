import { createHash, type KeyObject } from "node:crypto";
import type { Certificate } from "../../crypto/certificate.ts";
import type { SignatureAlgorithm } from "../../crypto/signature-algorithms.ts";
import { KbsError } from "../../errors.ts";
import { CertificateKeys } from "../../tokens/certificate-keys.ts";
import { type Extraction, type ManifestSignature, shown, untrusted } from "./manifest.ts";

/** A public key with the one algorithm it is used with. */
export interface SignerKey {
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
}

/** Somebody whose signature vouches for reference values, and for which ones. */
export interface TrustedSigner {
  readonly name: string;
  readonly keys: readonly SignerKey[];
  /** Roots of the certificates that manifests bring along; empty when only `keys` count. */
  readonly anchors: readonly Certificate[];
  /** Names it may set: as they stand, or beginnings that end in `*`. */
  readonly names: readonly string[];
}

/** Whose signature was verified. */
export interface VerifiedSigner {
  readonly name: string;
  /** `sha256:` and hex over the DER of the public key. */
  readonly keyId: string;
}

interface Known {
  readonly signer: TrustedSigner;
  readonly chains: CertificateKeys | undefined;
}

/** Most names that a refusal lists. */
const MAX_LISTED = 10;

/** The signers of the configuration: who signed a manifest, and whether its names are theirs to set. */
export class TrustedSigners {
  readonly #known: readonly Known[];

  /**
   * @param now - milliseconds since the epoch, for the validity of certificates
   * @throws TypeError when an anchor is not a self-signed root
   */
  constructor(signers: readonly TrustedSigner[], now: () => number) {
    this.#known = signers.map((signer) => ({
      signer,
      chains: signer.anchors.length === 0 ? undefined : new CertificateKeys({ anchors: signer.anchors, now }),
    }));
  }

  /**
   * @param extraction - of a payload that carries a signature
   * @returns the first signer, in the order of the configuration, who signed it and may set all of its names
   * @throws KbsError `manifest-untrusted`: `signer-unknown` or `name-not-permitted`
   */
  verify(signature: ManifestSignature, values: Extraction["values"]): VerifiedSigner {
    const found = this.#known.flatMap(({ signer, chains }) => {
      const key =
        signer.keys.find((each) => signature.isBy(each.algorithm, each.key)) ?? byChain(signature, chains);
      return key === undefined ? [] : [{ signer, key }];
    });
    const [first] = found;
    if (first === undefined)
      throw untrusted("signer-unknown", "no signer in referenceValues.trustedSigners made its signature");
    const able = found.find(({ signer }) => forbiddenNames(signer, values).length === 0);
    if (able === undefined) throw notPermitted(first.signer, values);
    return { name: able.signer.name, keyId: keyIdOf(able.key.key) };
  }
}

/** The leaf's key, if its chain ends in an anchor and it made the signature. */
function byChain(signature: ManifestSignature, chains: CertificateKeys | undefined): SignerKey | undefined {
  const { algorithm, certificates } = signature;
  if (chains === undefined || algorithm === undefined || certificates.length === 0) return undefined;
  const x5c = certificates.map((der) => Buffer.from(der).toString("base64"));
  try {
    const { keys } = chains.candidates({ alg: algorithm, x5c });
    return keys.find(({ key }) => signature.isBy(algorithm, key));
  } catch (error) {
    // A chain that cannot be read or leads elsewhere is a chain to nobody.
    if (error instanceof KbsError) return undefined;
    throw error;
  }
}

function forbiddenNames({ names }: TrustedSigner, values: Extraction["values"]): readonly string[] {
  return [...values.keys()].filter((name) => !names.some((pattern) => matchesName(pattern, name)));
}

function notPermitted(signer: TrustedSigner, values: Extraction["values"]): KbsError {
  const forbidden = forbiddenNames(signer, values);
  const [example = ""] = forbidden;
  return untrusted(
    "name-not-permitted",
    `signer ${shown(signer.name)} may not set ${shown(example)}${forbidden.length > 1 ? ` and ${forbidden.length - 1} more` : ""}`,
    { signer: signer.name, names: forbidden.slice(0, MAX_LISTED) },
  );
}

/** @param pattern - a name, or a beginning of names that ends in `*` */
export function matchesName(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function keyIdOf(key: KeyObject): string {
  return `sha256:${createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex")}`;
}
