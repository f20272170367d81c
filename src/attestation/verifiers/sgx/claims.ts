import { toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import { addPlatformClaims, type Claims, sgxQuoteClaims } from "../../formats/dcap/claims.ts";
import type { SgxQuote } from "../../formats/dcap/quote.ts";
import type { VerifiedQuote } from "../../formats/dcap/verify-quote.ts";
import { hasSgxAttribute } from "./attributes.ts";

/** Flat claims about a verified enclave; numbers of the quote are also there as numbers. */
export function sgxClaims(quote: SgxQuote, verified: VerifiedQuote): JsonObject {
  const { report } = quote;
  const claims: Claims = sgxQuoteClaims(quote);
  claims["report_data"] = toHex(report.reportData);
  claims["init_data"] = toHex(report.configId);
  claims["debug"] = hasSgxAttribute(report, "debug");
  claims["kss"] = hasSgxAttribute(report, "kss");
  claims["provision_key"] = hasSgxAttribute(report, "provision-key");
  claims["isv_prod_id"] = report.isvProdId.readUInt16LE(0);
  claims["isv_svn"] = report.isvSvn.readUInt16LE(0);
  claims["config_svn"] = report.configSvn.readUInt16LE(0);
  addPlatformClaims(claims, verified);
  return claims;
}
