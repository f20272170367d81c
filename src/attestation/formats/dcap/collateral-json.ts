/**
 * Collateral of one platform as one JSON file: the exact signed texts, their signatures in hexadecimal, issuer chains
 * as PEM, revocation lists in hexadecimal or PEM.
 */
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isObject, member } from "../../../json/write.ts";
import type { DcapCollateral } from "./collateral.ts";

/** Collateral that is no collateral. The message says which member. */
export class CollateralFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CollateralFormatError";
  }
}

/** Whether a document looks like this form; others may be a bundle. */
export function isCollateralJson(json: JsonValue): boolean {
  return isObject(json) && Object.hasOwn(json, "tcb_info") && Object.hasOwn(json, "qe_identity");
}

/**
 * @param origin - for the list of checks
 * @throws CollateralFormatError when a member is missing or no text
 */
export function collateralFromJson(json: JsonValue, origin: string): DcapCollateral {
  if (!isObject(json)) throw new CollateralFormatError("collateral is a JSON object");
  const issuerChain = member(json, "pck_crl_issuer_chain");
  return {
    tcbInfo: signedBody(json, "tcbInfo", "tcb_info"),
    tcbInfoIssuerChain: bytes(json, "tcb_info_issuer_chain"),
    qeIdentity: signedBody(json, "enclaveIdentity", "qe_identity"),
    qeIdentityIssuerChain: bytes(json, "qe_identity_issuer_chain"),
    pckCrl: bytes(json, "pck_crl"),
    pckCrlIssuerChain: typeof issuerChain === "string" ? Buffer.from(issuerChain, "utf8") : undefined,
    rootCaCrl: bytes(json, "root_ca_crl"),
    origin,
  };
}

/** The answer of the service, put together again from text and signature. */
function signedBody(json: JsonObject, inner: string, name: string): Buffer {
  return Buffer.from(
    `{"${inner}":${text(json, name)},"signature":${JSON.stringify(text(json, `${name}_signature`))}}`,
  );
}

function bytes(json: JsonObject, name: string): Buffer {
  return Buffer.from(text(json, name), "utf8");
}

function text(json: JsonObject, name: string): string {
  const value = member(json, name);
  if (typeof value !== "string") throw new CollateralFormatError(`${name} is missing or no text`);
  return value;
}
