/**
 * Claims about quotes and platforms, in the names of the reference implementation, as stock policies read them. Bytes
 * are lower-case hexadecimal in wire order, numbers among them included.
 */
import { createHash } from "node:crypto";
import { toHex } from "../../../crypto/bytes.ts";
import type { Certificate } from "../../../crypto/certificate.ts";
import type { JsonObject, JsonValue } from "../../../json/value.ts";
import { isoTime } from "./certificates.ts";
import type { PckPlatform } from "./pck.ts";
import { readQuoteHeader, type SgxQuote, type TdQuote } from "./quote.ts";
import type { TcbVerdict } from "./tcb.ts";
import { hasTdAttribute, isUnderDebug, TD_ATTRIBUTES, tdAttributes } from "./td-attributes.ts";
import type { VerifiedCollateral } from "./verify-collateral.ts";
import type { VerifiedQuote } from "./verify-quote.ts";

/** Claims that are being written. */
export type Claims = Record<string, JsonValue>;

/**
 * Writes what Intel says about the platform: claims of every TEE that DCAP quotes vouch for. They are written member by
 * member into one object, for putting objects of this size together costs as much as half a signature.
 */
export function addPlatformClaims(claims: Claims, { chain, collateral, tcb }: VerifiedQuote): void {
  const { platform, leaf, root } = chain;
  const { tcbInfo, qeIdentity, pckCrl, rootCrl, expired } = collateral;
  claims["tcb_status"] = tcb.status;
  claims["tcb_date"] = tcb.date;
  claims["advisory_ids"] = tcb.advisories;
  claims["platform_tcb_status"] = tcb.platformStatus;
  if (tcb.moduleStatus !== undefined) claims["module_tcb_status"] = tcb.moduleStatus;
  claims["qe_tcb_status"] = tcb.qeStatus;
  if (tcb.current !== undefined) addCurrent(claims, tcb.current);
  claims["collateral_expiration_status"] = expired ? "1" : "0";
  addDates(claims, collateral, [leaf, chain.intermediate, root]);
  claims["tcb_eval_num"] = Math.min(tcbInfo.evaluationNumber, qeIdentity.evaluationNumber);
  claims["pck_crl_num"] = jsonNumber(pckCrl.number);
  claims["root_ca_crl_num"] = jsonNumber(rootCrl.number);
  claims["platform_provider_id"] = toHex(platform.ppid);
  claims["sgx_type"] = platform.sgxType;
  claims["root_key_id"] = rootKeyId(root);
  addRegistration(claims, platform);
  claims["fmspc"] = platform.fmspc;
  claims["pceid"] = platform.pceId;
  claims["pck_serial"] = serialText(leaf);
  claims["pck_ca"] = chain.ca;
}

/** The same as an object of its own. */
export function platformClaims(verified: VerifiedQuote): JsonObject {
  const claims: Claims = {};
  addPlatformClaims(claims, verified);
  return claims;
}

function addCurrent(claims: Claims, current: TcbVerdict): void {
  claims["tcb_status_current"] = current.status;
  claims["tcb_date_current"] = current.date;
  claims["advisory_ids_current"] = current.advisories;
}

function addDates(
  claims: Claims,
  { tcbInfo, qeIdentity, pckCrl, rootCrl, tcbSigner, qeSigner }: VerifiedCollateral,
  chain: readonly Certificate[],
): void {
  const issued = [pckCrl.thisUpdate, rootCrl.thisUpdate, tcbInfo.issuedAt, qeIdentity.issuedAt];
  const lists = [pckCrl.nextUpdate ?? Number.NaN, rootCrl.nextUpdate ?? Number.NaN];
  const ends = [...lists, tcbInfo.expiresAt, qeIdentity.expiresAt];
  for (const { notBefore, notAfter } of [...chain, tcbSigner.certificate, qeSigner.certificate]) {
    issued.push(notBefore);
    ends.push(notAfter);
  }
  claims["earliest_issue_date"] = isoTime(Math.min(...issued));
  claims["latest_issue_date"] = isoTime(Math.max(...issued));
  claims["earliest_expiration_date"] = isoTime(Math.min(...ends));
}

function jsonNumber(number: bigint): number | bigint {
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
}

/** Without the zero byte that DER puts in front of a high first bit. */
function serialText({ serial }: Certificate): string {
  return toHex(serial[0] === 0 && serial.length > 1 ? serial.subarray(1) : serial);
}

const rootKeyIds = new WeakMap<Certificate, string>();

/** SHA-384 over the uncompressed point of the root's key, which ends its SubjectPublicKeyInfo. */
function rootKeyId(root: Certificate): string {
  const known = rootKeyIds.get(root);
  if (known !== undefined) return known;
  const id = createHash("sha384").update(root.publicKeyDer.subarray(-65)).digest("hex");
  rootKeyIds.set(root, id);
  return id;
}

/** The certificate has the instance id as a little-endian number; claims print the number. */
function addRegistration(claims: Claims, { sgxType, platformInstanceId, configuration }: PckPlatform): void {
  if (platformInstanceId !== undefined)
    claims["platform_instance_id"] = toHex(Buffer.from(platformInstanceId).reverse());
  if (sgxType === "Standard" || configuration === undefined) return;
  claims["is_dynamic_platform"] = configuration.dynamicPlatform;
  claims["is_cached_keys"] = configuration.cachedKeys;
  claims["is_smt_enabled"] = configuration.smtEnabled;
}

/** `quote` and `td_attributes` of a TD; `debug` is true for every bit that lets anybody look into the TD. */
export function tdQuoteClaims({ header, bodyDescriptor, report }: TdQuote): Claims {
  const words = readQuoteHeader(header);
  const quote: Claims = {
    header: {
      version: toHex(words.version),
      att_key_type: toHex(words.attestationKeyType),
      tee_type: toHex(words.teeType),
      reserved: toHex(header.subarray(8, 12)),
      vendor_id: toHex(words.vendorId),
      user_data: toHex(words.userData),
    },
    body: tdBodyClaims(report),
  };
  if (bodyDescriptor !== undefined) {
    quote["type"] = toHex(bodyDescriptor.subarray(0, 2));
    quote["size"] = toHex(bodyDescriptor.subarray(2));
  }
  return { quote, td_attributes: attributeClaims(tdAttributes(report)) };
}

function attributeClaims(attributes: bigint): JsonObject {
  const bit = (name: keyof typeof TD_ATTRIBUTES) => hasTdAttribute(attributes, TD_ATTRIBUTES[name]);
  return {
    debug: isUnderDebug(attributes),
    septve_disable: bit("septve-disable"),
    protection_keys: bit("pks"),
    key_locker: bit("kl"),
    perfmon: bit("perfmon"),
    migratable: bit("migratable"),
    servtd_ext: bit("servtd-ext"),
    icssd: bit("icssd"),
    lass: bit("lass"),
    tpa: bit("tpa"),
    hgs_plus_prof: bit("hgs-plus-prof"),
    perf_prof: bit("perf-prof"),
    pmt_prof: bit("pmt-prof"),
  };
}

function tdBodyClaims(report: TdQuote["report"]): JsonObject {
  const claims: Claims = {
    tcb_svn: toHex(report.teeTcbSvn),
    mr_seam: toHex(report.mrSeam),
    mrsigner_seam: toHex(report.mrSignerSeam),
    seam_attributes: toHex(report.seamAttributes),
    td_attributes: toHex(report.tdAttributes),
    xfam: toHex(report.xfam),
    mr_td: toHex(report.mrTd),
    mr_config_id: toHex(report.mrConfigId),
    mr_owner: toHex(report.mrOwner),
    mr_owner_config: toHex(report.mrOwnerConfig),
    rtmr_0: toHex(report.rtmr0),
    rtmr_1: toHex(report.rtmr1),
    rtmr_2: toHex(report.rtmr2),
    rtmr_3: toHex(report.rtmr3),
    report_data: toHex(report.reportData),
  };
  if (report.td15 === undefined) return claims;
  claims["tee_tcb_svn2"] = toHex(report.td15.teeTcbSvn2);
  claims["mr_servicetd"] = toHex(report.td15.mrServiceTd);
  return claims;
}

/** `header` and `body` of an enclave. */
export function sgxQuoteClaims({ header, report }: SgxQuote): Claims {
  const words = readQuoteHeader(header);
  return {
    header: {
      version: toHex(words.version),
      att_key_type: toHex(words.attestationKeyType),
      att_key_data_0: toHex(words.teeType),
      qe_svn: toHex(words.qeSvn),
      pce_svn: toHex(words.pceSvn),
      vendor_id: toHex(words.vendorId),
      user_data: toHex(words.userData),
    },
    body: {
      cpu_svn: toHex(report.cpuSvn),
      misc_select: toHex(report.miscSelect),
      reserved1: toHex(report.reserved1),
      isv_ext_prod_id: toHex(report.isvExtProdId),
      "attributes.flags": toHex(report.attributesFlags),
      "attributes.xfrm": toHex(report.attributesXfrm),
      mr_enclave: toHex(report.mrEnclave),
      reserved2: toHex(report.reserved2),
      mr_signer: toHex(report.mrSigner),
      reserved3: toHex(report.reserved3),
      config_id: toHex(report.configId),
      isv_prod_id: toHex(report.isvProdId),
      isv_svn: toHex(report.isvSvn),
      config_svn: toHex(report.configSvn),
      reserved4: toHex(report.reserved4),
      isv_family_id: toHex(report.isvFamilyId),
      report_data: toHex(report.reportData),
    },
  };
}
