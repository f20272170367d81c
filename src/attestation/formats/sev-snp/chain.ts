/**
 * VCEK → ASK → ARK and VLEK → ASVK → ARK (AMD 57230 §3). Verification is about bytes and roots only: time and
 * revocation are judged for each evidence anew, so that a verified chain can be kept.
 */
import { constants, verify } from "node:crypto";
import {
  basicConstraints,
  type Certificate,
  hasKeyUsage,
  OID,
  parseCertificate,
  type SignatureAlgorithm,
} from "../../../crypto/certificate.ts";
import { DerError } from "../../../crypto/der.ts";
import { isP384 } from "../../../crypto/ecdsa.ts";
import { looksLikePem, readPem } from "../../../crypto/pem.ts";
import type { Trail } from "../../trail.ts";
import type { SnpCheck } from "./checks.ts";
import type { Product, VekKind } from "./product.ts";
import { commonName, isDevelopmentRoot, type TrustAnchors } from "./trust-anchors.ts";
import { isAmdName, issuerProduct, readVek, type Vek } from "./vek.ts";

type SnpTrail = Trail<SnpCheck>;

/** Certificates as they came, none of them trusted. */
export interface ChainInput {
  /** DER or PEM of the key that signed the report. */
  readonly vek: Buffer;
  /** What the carrier called it; `undefined` when it did not come with the evidence. */
  readonly label: VekKind | undefined;
  readonly asks: readonly Buffer[];
  readonly arks: readonly Buffer[];
}

export interface VerifiedChain {
  readonly vek: Vek;
  readonly product: Product;
  readonly intermediate: Certificate;
  readonly root: Certificate;
}

const KEY_CERT_SIGN = 5;

/**
 * Verifies a chain up to a pinned root.
 *
 * @throws EvidenceRejected naming the first thing that does not hold
 */
export function verifyChain(trail: SnpTrail, input: ChainInput, anchors: TrustAnchors): VerifiedChain {
  const parsed = parseAll(trail, input);
  const { vek } = parsed;
  checkNames(trail, vek);
  const product = issuerProduct(vek);
  if (product === undefined) throw trail.failed("product", `issuer product ${vek.issuerProduct}`);
  trail.require("key-type", isP384(vek.certificate.publicKey), keyText(vek.certificate));
  const root = findRoot(trail, vek, product, parsed.arks, anchors);
  const intermediate = findIntermediate(trail, vek, root, parsed.asks, anchors);
  checkProfile(trail, vek, intermediate, root);
  return { vek, product, intermediate, root };
}

interface ParsedInput {
  readonly vek: Vek;
  readonly asks: readonly Certificate[];
  readonly arks: readonly Certificate[];
}

function parseAll(trail: SnpTrail, input: ChainInput): ParsedInput {
  try {
    const parsed = {
      vek: readVek(readCertificate(input.vek)),
      asks: input.asks.map(readCertificate),
      arks: input.arks.map(readCertificate),
    };
    trail.passed("certificate-format", `${1 + parsed.asks.length + parsed.arks.length} certificate(s)`);
    return parsed;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw trail.failed("certificate-format", `malformed certificate: ${error.message}`, undefined, error);
  }
}

/** One certificate, DER or PEM by its first bytes. */
function readCertificate(data: Buffer): Certificate {
  if (!looksLikePem(data)) return parseCertificate(data);
  const block = readPem(data.toString("latin1")).find(({ label }) => label === "CERTIFICATE");
  if (block === undefined) throw new DerError("PEM text without a certificate");
  return parseCertificate(block.der);
}

function checkNames(trail: SnpTrail, { certificate, ...vek }: Vek): void {
  const subject = commonName(certificate);
  const issuer = certificate.issuer.get(OID.commonName) ?? "(no common name)";
  const good =
    vek.subjectKind !== undefined &&
    vek.issuerKind !== undefined &&
    isAmdName(certificate.subject, subject) &&
    isAmdName(certificate.issuer, issuer);
  trail.require("certificate-names", good, `subject ${printable(subject)}, issuer ${printable(issuer)}`);
}

function keyText({ publicKey }: Certificate): string {
  return `${publicKey.asymmetricKeyType} ${publicKey.asymmetricKeyDetails?.namedCurve ?? ""}`.trim();
}

/** Names come from certificates nobody has verified yet: keep them short and printable. */
function printable(text: string): string {
  return text.slice(0, 40).replaceAll(/[^\x20-\x7e]/g, "?");
}

/** Several roots may bear a product's name (a test fleet's beside AMD's): the one that signed is meant. */
function findRoot(
  trail: SnpTrail,
  vek: Vek,
  product: Product,
  arks: readonly Certificate[],
  anchors: TrustAnchors,
): Certificate {
  const roots = anchors.roots.filter(({ subject }) => isAmdName(subject, `ARK-${product}`));
  const [first] = roots;
  if (first === undefined) throw trail.failed("chain-root", `no trust anchor for ${product}`);
  const issuers = anchors.intermediates.filter(
    (candidate) =>
      candidate.subjectDer.equals(vek.certificate.issuerDer) && isSignedBy(vek.certificate, candidate),
  );
  const carried = arks[0];
  const root =
    carried === undefined
      ? (roots.find((candidate) => issuers.some((issuer) => isSignedBy(issuer, candidate))) ?? first)
      : (roots.find(({ publicKeyDer }) => publicKeyDer.equals(carried.publicKeyDer)) ?? first);
  const foreign = arks.find((ark) => !ark.publicKeyDer.equals(root.publicKeyDer));
  if (foreign !== undefined)
    throw trail.failed(
      "chain-root",
      `the evidence carries a root with another key (SHA-256 ${foreign.fingerprint})`,
    );
  const kind = isDevelopmentRoot(root) ? "development root " : "";
  trail.passed("chain-root", `${kind}ARK-${product}, SHA-256 ${root.fingerprint}`);
  return root;
}

/**
 * An intermediate that came with the evidence takes the place of the one at hand, and must then hold: an
 * optional part of evidence can make the judgement stricter, never softer.
 */
function findIntermediate(
  trail: SnpTrail,
  vek: Vek,
  root: Certificate,
  asks: readonly Certificate[],
  anchors: TrustAnchors,
): Certificate {
  const stranger = asks.find((ask) => !isSignedBy(ask, root));
  if (stranger !== undefined)
    throw trail.failed(
      "chain-signature",
      `${printable(commonName(stranger))} is not signed by the pinned root`,
    );
  if (!isSignedBy(root, root))
    throw trail.failed("chain-signature", "the root does not carry its own signature");
  const isIssuer = ({ subjectDer }: Certificate) => subjectDer.equals(vek.certificate.issuerDer);
  const carried = asks.filter(isIssuer);
  const candidates = carried.length > 0 ? carried : anchors.intermediates.filter(isIssuer);
  if (candidates.length === 0)
    throw trail.failed("chain-signature", "no certificate of the intermediate authority at hand");
  const issuer = candidates.find((candidate) => isSignedBy(vek.certificate, candidate));
  if (issuer === undefined)
    throw trail.failed("chain-signature", "the certificate is not signed by the authority it names");
  if (!issuer.issuerDer.equals(root.subjectDer) || !isSignedBy(issuer, root))
    throw trail.failed("chain-signature", "the intermediate is not signed by the pinned root");
  trail.passed(
    "chain-signature",
    `${commonName(vek.certificate)} ← ${commonName(issuer)} ← ${commonName(root)}`,
  );
  return issuer;
}

/** RSASSA-PSS with SHA-384 and a 48-byte salt, whatever the certificate claims; the claim is checked apart. */
export function isSignedBy(
  signed: { readonly tbs: Buffer; readonly signature: Buffer },
  { publicKey }: Certificate,
): boolean {
  if (publicKey.asymmetricKeyType !== "rsa") return false;
  const options = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
  return verify("sha384", signed.tbs, options, signed.signature);
}

/** Whether a signature names exactly the algorithm AMD uses. */
export function isAmdSignatureAlgorithm({ oid, pss }: SignatureAlgorithm): boolean {
  return (
    oid === OID.rsaPss && pss?.hash === OID.sha384 && pss.mgfHash === OID.sha384 && pss.saltLength === 48
  );
}

function checkProfile(trail: SnpTrail, vek: Vek, intermediate: Certificate, root: Certificate): void {
  const fault =
    authorityFault(root, undefined) ??
    authorityFault(intermediate, 0) ??
    certificateFault(vek.certificate) ??
    (isAmdName(intermediate.subject, commonName(intermediate))
      ? undefined
      : "intermediate with a foreign name") ??
    (caFlag(vek.certificate)?.ca === false
      ? undefined
      : "a signing key's certificate that claims to be an authority");
  trail.require("chain-profile", fault === undefined, fault ?? "as expected");
}

function authorityFault(certificate: Certificate, pathLength: number | undefined): string | undefined {
  const name = printable(commonName(certificate));
  const constraints = caFlag(certificate);
  if (constraints?.ca !== true) return `${name} has no CA flag`;
  if (pathLength !== undefined && constraints.pathLength !== pathLength)
    return `${name} has path length ${constraints.pathLength ?? "unlimited"}`;
  if (!mayCertify(certificate)) return `${name} may not sign certificates`;
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength;
  if (certificate.publicKey.asymmetricKeyType !== "rsa" || bits !== 4096)
    return `${name} has a ${bits}-bit key`;
  return certificateFault(certificate);
}

function certificateFault(certificate: Certificate): string | undefined {
  const name = printable(commonName(certificate));
  if (!isAmdSignatureAlgorithm(certificate.signatureAlgorithm))
    return `${name} has another signature algorithm`;
  for (const [oid, { critical }] of certificate.extensions)
    if (critical && oid !== OID.basicConstraints && oid !== OID.keyUsage)
      return `${name} has the unknown critical extension ${oid}`;
  return undefined;
}

/** `undefined` when the extension cannot be read, which no caller takes for an answer. */
function caFlag(certificate: Certificate): ReturnType<typeof basicConstraints> | undefined {
  try {
    return basicConstraints(certificate);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function mayCertify(certificate: Certificate): boolean {
  try {
    return hasKeyUsage(certificate, KEY_CERT_SIGN);
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}
