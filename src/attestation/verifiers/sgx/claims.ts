import { toHex } from "../../../crypto/bytes.ts";
import type { JsonObject } from "../../../json/value.ts";
import { platformClaims, sgxQuoteClaims } from "../../formats/dcap/claims.ts";
import type { SgxQuote } from "../../formats/dcap/quote.ts";
import type { VerifiedQuote } from "../../formats/dcap/verify-quote.ts";
import { hasSgxAttribute } from "./attributes.ts";

/** Flat claims about a verified enclave; numbers of the quote are also there as numbers. */
export function sgxClaims(quote: SgxQuote, verified: VerifiedQuote): JsonObject {
  const { report } = quote;
  return {
    ...sgxQuoteClaims(quote),
    report_data: toHex(report.reportData),
    init_data: toHex(report.configId),
    debug: hasSgxAttribute(report, "debug"),
    kss: hasSgxAttribute(report, "kss"),
    provision_key: hasSgxAttribute(report, "provision-key"),
    isv_prod_id: report.isvProdId.readUInt16LE(0),
    isv_svn: report.isvSvn.readUInt16LE(0),
    config_svn: report.configSvn.readUInt16LE(0),
    ...platformClaims(verified),
  };
}
