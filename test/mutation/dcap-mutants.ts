/**
 * Faults in the verification of DCAP quotes: each would let a guest in that must be refused, or rate it better than it
 * is. Each is one replacement in the source, and the tests have to notice every one of them.
 */
import type { Mutant } from "../support/seeded-faults.ts";

const DCAP = "src/attestation/formats/dcap";
const QUOTE = `${DCAP}/quote.ts`;
const CHAIN = `${DCAP}/pck-chain.ts`;
const CERTIFICATES = `${DCAP}/certificates.ts`;
const VERIFY = `${DCAP}/verify-quote.ts`;
const COLLATERAL = `${DCAP}/verify-collateral.ts`;
const PIECES = `${DCAP}/pieces.ts`;
const LISTS = `${DCAP}/revocation-lists.ts`;
const SIGNED = `${DCAP}/signed-json.ts`;
const STATEMENTS = `${DCAP}/statements.ts`;
const TCB = `${DCAP}/tcb.ts`;
const DATA = `${DCAP}/certification-data.ts`;
const BINDINGS = `${DCAP}/bindings.ts`;
const EVENT_LOG = "src/attestation/verifiers/tdx/event-log.ts";
const AGENT_LOG = "src/attestation/verifiers/tdx/agent-log.ts";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "root: any root that the chain brings along counts",
    file: CHAIN,
    find: "roots.find(({ der }) => der.equals(rootDer))",
    replace: "roots.find(() => true)",
    short: true,
  },
  {
    name: "chain: the leaf's signature is not checked",
    file: CHAIN,
    find: "failOn(issueFault(leaf, intermediate));",
    replace: "",
  },
  {
    name: "chain: the intermediate's signature is not checked",
    file: CHAIN,
    find: "failOn(authorityFault(intermediate, root));",
    replace: "",
  },
  { name: "chain: four certificates will do", file: CHAIN, find: " || more.length > 0", replace: "" },
  {
    name: "chain: a known intermediate is trusted below any root",
    file: CHAIN,
    find: "if (known?.root !== root) {",
    replace: "if (known === undefined) {",
  },
  {
    name: "roles: the leaf may have any name",
    file: CHAIN,
    find: "commonName(leaf) !== LEAF_NAME || !isEndEntity(leaf)",
    replace: "!isEndEntity(leaf)",
  },
  {
    name: "roles: the leaf may be an authority",
    file: CHAIN,
    find: "commonName(leaf) !== LEAF_NAME || !isEndEntity(leaf)",
    replace: "commonName(leaf) !== LEAF_NAME",
  },
  {
    name: "roles: the intermediate need not be an authority",
    file: CHAIN,
    find: "isAuthority(certificate) ? CA_NAMES[commonName(certificate)] : undefined",
    replace: "CA_NAMES[commonName(certificate)]",
  },
  {
    name: "names: issuer and subject need not agree",
    file: CHAIN,
    find: "if (!certificate.issuerDer.equals(issuer.subjectDer)) return",
    replace: "if (false) return",
  },
  {
    name: "key usage: whoever has the CA flag may certify",
    file: CERTIFICATES,
    find: "basicConstraints(certificate).ca && hasKeyUsage(certificate, KEY_CERT_SIGN)",
    replace: "basicConstraints(certificate).ca",
  },
  {
    name: "extensions: critical ones are ignored",
    file: CERTIFICATES,
    find: "if (critical && oid",
    replace: "if (!critical && !critical && false && oid",
  },
  {
    name: "validity: certificates never end",
    file: CERTIFICATES,
    find: "at >= notBefore && at <= notAfter",
    replace: "at >= notBefore",
  },
  {
    name: "validity: certificates of tomorrow count",
    file: CERTIFICATES,
    find: "at >= notBefore && at <= notAfter",
    replace: "at <= notAfter",
  },
  {
    name: "PEM: text around certificates is passed over",
    file: CERTIFICATES,
    find: "if (/[^\\s\\0]/.test(rest))",
    replace: "if (false)",
  },
  {
    name: "quoting enclave: the signature of its report is not checked",
    file: VERIFY,
    find: "if (!verifyP256(leaf.publicKey, quote.qeReportBytes, quote.qeReportSignature))",
    replace: "if (false)",
  },
  {
    name: "quoting enclave: the attestation key need not be bound",
    file: VERIFY,
    find: "equalBytes(reportData.subarray(0, 32), digest) && isZero",
    replace: "isZero",
  },
  {
    name: "quoting enclave: something may follow the binding",
    file: VERIFY,
    find: "equalBytes(reportData.subarray(0, 32), digest) && isZero(reportData.subarray(32))",
    replace: "equalBytes(reportData.subarray(0, 32), digest)",
  },
  {
    name: "quoting enclave: known by its authentication data and key alone",
    file: VERIFY,
    find: "hash.update(quote.qeReportBytes).update(quote.qeReportSignature).update(quote.qeAuthData);",
    replace: "",
  },
  {
    name: "quote: its signature is not checked",
    file: VERIFY,
    find: "verifyP256(attestationKey, quote.signed, quote.signature)",
    replace: "true",
    short: true,
  },
  {
    name: "quote: the descriptor of version 5 is not signed",
    file: QUOTE,
    find: "const signed = bytes.subarray(0, reader.at);",
    replace: "const signed = Buffer.concat([bytes.subarray(0, 48), body]);",
  },
  {
    name: "quote: another vendor's enclave counts",
    file: QUOTE,
    find: "if (vendor !== INTEL_QE_VENDOR)",
    replace: "if (vendor.length === 0)",
  },
  {
    name: "quote: inner lengths need not fit",
    file: QUOTE,
    find: "if (left !== 0)",
    replace: "if (left < 0)",
  },
  {
    name: "quote: the outer certification data may have any type",
    file: QUOTE,
    find: "if (type !== CERTIFICATION_QE_REPORT)",
    replace: "if (type < 0)",
  },
  {
    name: "quote: an enclave passes for a TD",
    file: VERIFY,
    find: 'if (quote.tee !== "sgx") throw',
    replace: 'if (quote.tee === ("none" as never)) throw',
  },
  {
    name: "certificates that sources offer need not be for this processor",
    file: DATA,
    find: "query.ppid === undefined || platform.ppid.equals(query.ppid)",
    replace: "true",
  },
  {
    name: "certificates that sources offer need not be for this PCE",
    file: DATA,
    find: "platform.pceId === query.pceId && ",
    replace: "",
  },
  {
    name: "collateral: unreadable files are passed over",
    file: VERIFY,
    find: "if (faults.length > 0)",
    replace: "if (faults.length > 9)",
  },
  {
    name: "revocation: lists need no signature",
    file: LISTS,
    find: "if (!isSignedBy(list, issuer))",
    replace: "if (false)",
  },
  {
    name: "revocation: lists of any authority count",
    file: LISTS,
    find: "if (!list.issuerDer.equals(issuer.subjectDer))",
    replace: "if (false)",
  },
  {
    name: "revocation: lists never end",
    file: LISTS,
    find: "at <= nextUpdate + graceMilliseconds",
    replace: "at >= 0",
  },
  {
    name: "revocation: lists of tomorrow count",
    file: LISTS,
    find: "if (!(thisUpdate <= at))",
    replace: "if (at < 0)",
  },
  {
    name: "revocation: a list without an end counts",
    file: LISTS,
    find: "if (list.nextUpdate === undefined)",
    replace: "if (list.nextUpdate === 0)",
  },
  {
    name: "revocation: critical extensions of lists are ignored",
    file: LISTS,
    find: "if (critical) throw",
    replace: "if (critical && oid.length === 0) throw",
  },
  {
    name: "revocation: zeros in front of a serial number hide it",
    file: LISTS,
    find: "list.serials.has(withoutLeadingZeros(serial",
    replace: "list.serials.has((serial",
  },
  {
    name: "revocation: leaves are not looked up",
    file: COLLATERAL,
    find: "...[leaf].filter((it) => isOnList(pckCrl, it)),",
    replace: "",
  },
  {
    name: "revocation: authorities and signers are not looked up",
    file: COLLATERAL,
    find: "isOnList(rootCrl, it)",
    replace: "false",
  },
  {
    name: "signer: any certificate below the root may sign TCB info",
    file: PIECES,
    find: "commonName(certificate) === SIGNER_NAME && isEndEntity(certificate)",
    replace: "true",
  },
  {
    name: "signer: need not be below the root",
    file: PIECES,
    find: `const fault =
      authorityFault(certificate, root) ??
      (commonName(certificate) === SIGNER_NAME`,
    replace: `const fault =
      (commonName(certificate) === SIGNER_NAME`,
  },
  {
    name: "signer: need not be valid now",
    file: COLLATERAL,
    find: 'if (fault !== undefined) throw new DcapFault("tcb-signer", fault);',
    replace: "",
  },
  {
    name: "signer: another pinned root may speak for this one",
    file: COLLATERAL,
    find: "if (signer.root !== root)",
    replace: "if (signer.root === undefined)",
  },
  {
    name: "statements: a bad signature is passed over",
    file: SIGNED,
    find: 'throw new SignedJsonError("an invalid signature");',
    replace: "return inner;",
  },
  {
    name: "statements: TCB info never ends",
    file: COLLATERAL,
    find: "now >= issuedAt && now <= expiresAt + graceMilliseconds",
    replace: "now >= issuedAt",
  },
  {
    name: "statements: TCB info of tomorrow counts",
    file: COLLATERAL,
    find: "now >= issuedAt && now <= expiresAt + graceMilliseconds",
    replace: "now <= expiresAt + graceMilliseconds",
  },
  {
    name: "statements: expired ones are not told",
    file: COLLATERAL,
    find: "const expired = !ends.every((end) => end !== undefined && time.now <= end);",
    replace: "const expired = false;",
  },
  {
    name: "statements: TCB info of any platform counts",
    file: COLLATERAL,
    find: "tcbInfo.fmspc === fmspc",
    replace: "true",
  },
  {
    name: "statements: TCB info of any PCE counts",
    file: COLLATERAL,
    find: "tcbInfo.pceId === pceId",
    replace: "true",
  },
  {
    name: "statements: TCB info of the other TEE counts",
    file: STATEMENTS,
    find: "if (id !== wanted || version !== 3)",
    replace: "if (version !== 3)",
  },
  {
    name: "statements: the identity of the other enclave counts",
    file: STATEMENTS,
    find: 'if (id !== (tee === "tdx" ? "TD_QE" : "QE") || version !== 2)',
    replace: "if (version !== 2)",
  },
  {
    name: "statements: lists of components may have any length",
    file: STATEMENTS,
    find: "z.array(z.object({ svn: svn(255) })).length(COMPONENTS)",
    replace: "z.array(z.object({ svn: svn(255) }))",
  },
  {
    name: "module: anybody's counts",
    file: TCB,
    find: "if (!equalBytes(report.mrSignerSeam, identity.mrSigner))",
    replace: "if (false)",
  },
  {
    name: "module: SEAM attributes that the mask leaves out count",
    file: TCB,
    find: "if (!isZero(seamAttributes) || ",
    replace: "if (",
  },
  {
    name: "module: an unknown line has no identity to meet",
    file: TCB,
    find: "const identity = info.modules.get(id);\n  if (identity === undefined) throw",
    replace: "const identity = info.modules.get(id);\n  if (false) throw",
  },
  {
    name: "quoting enclave: anybody's counts",
    file: TCB,
    find: "[equalBytes(qe.mrSigner, identity.mrSigner), ",
    replace: "[true, ",
  },
  {
    name: "quoting enclave: attributes do not count",
    file: TCB,
    find: "equalUnderMask(attributes, identity.attributes, identity.attributesMask),",
    replace: "true,",
  },
  {
    name: "levels: one component less is compared",
    file: TCB,
    find: "(components[i] ?? -1) >= least)",
    replace: "i === 7 || (components[i] ?? -1) >= least)",
  },
  { name: "levels: PCESVN does not count", file: TCB, find: " && pceSvn >= level.pceSvn", replace: "" },
  {
    name: "levels: TDX components do not count",
    file: TCB,
    find: "fitsSgx(platform, candidate) && fitsTdx(svn, candidate)",
    replace: "fitsSgx(platform, candidate)",
  },
  {
    name: "levels: the two bytes of the module count as components",
    file: TCB,
    find: "(svn[1] ?? 0) > 0 ? 2 : 0",
    replace: "0",
  },
  {
    name: "levels: the bytes of a module of line 0 do not count",
    file: TCB,
    find: "(svn[1] ?? 0) > 0 ? 2 : 0",
    replace: "2",
  },
  {
    name: "statuses: the module hides the platform",
    file: TCB,
    find: 'const withModule = relaunch ?? converge(platform.status, module?.status ?? "UpToDate");',
    replace: "const withModule = relaunch ?? module?.status ?? platform.status;",
  },
  {
    name: "statuses: the quoting enclave does not count",
    file: TCB,
    find: "const status = converge(withModule, qe.status);",
    replace: "const status = withModule;",
  },
  {
    name: "statuses: a revoked TCB that runs now is passed over",
    file: TCB,
    find: 'error instanceof DcapFault && error.check !== "tcb-revoked"',
    replace: "error instanceof DcapFault",
  },
  {
    name: "relaunch: advised though the platform is old",
    file: TCB,
    find: "if (sgx === undefined || !PLATFORM_IS_GOOD.includes(sgx.status)) return undefined;",
    replace: "if (sgx === undefined) return undefined;",
  },
  {
    name: "relaunch: advised though the quoting enclave is old",
    file: TCB,
    find: 'if (qe.status === "OutOfDate" || qe.status === "Revoked") return undefined;',
    replace: "",
  },
  {
    name: "relaunch: advised though what runs now is old",
    file: TCB,
    find: "if (!isHighest(svn2, info)) return undefined;",
    replace: "",
  },
  {
    name: "bindings: a configuration id of zeros is a wildcard",
    file: BINDINGS,
    find: "digest.byteLength > 0 && equalBytes(configId, wanted)",
    replace: "configId.every((it) => it === 0) || equalBytes(configId, wanted)",
  },
  {
    name: "bindings: an empty digest binds",
    file: BINDINGS,
    find: "const fits = digest.byteLength > 0 && digest.byteLength",
    replace: "const fits = digest.byteLength",
  },
  {
    name: "event log: events that no register vouches for are passed over",
    file: EVENT_LOG,
    find: "if (event.extends && !covers(event))",
    replace: "if (event.extends && event.index < 0)",
  },
  {
    name: "event logs: mismatches are passed over",
    file: EVENT_LOG,
    find: "if (mismatch !== undefined) {",
    replace: "if (mismatch !== undefined && mismatch.register > 99) {",
  },
  {
    name: "event logs: RTMR3 is not compared",
    file: EVENT_LOG,
    find: "aaEventLog === undefined ? rtmrs : rtmrs.slice(0, 3)",
    replace: "rtmrs.slice(0, 3)",
  },
  {
    name: "event logs: registers beside an agent's log need not be zero",
    file: EVENT_LOG,
    find: "requireZero(trail, explained);",
    replace: "",
  },
  {
    name: "agents' logs: may begin with any value",
    file: AGENT_LOG,
    find: "if (!isZero(initial))",
    replace: "if (false)",
  },
];
