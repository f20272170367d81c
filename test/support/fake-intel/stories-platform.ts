/** Stories about Intel's statements and what settings demand, each with one truth gone. */
import type { SgxCheck } from "../../../src/attestation/verifiers/sgx/checks.ts";
import type { TdxCheck } from "../../../src/attestation/verifiers/tdx/checks.ts";
import { der, listNumber } from "../../../src/dev/intel-certificates.ts";
import { components, signedStatement, tcbLevel } from "../../../src/dev/intel-statements.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { caName, DAY, KEYS, LEAF_NAME, NOW, pem, type Story } from "./index.ts";
import { CA, edit, type Told } from "./stories-evidence.ts";

const rootList = (change: NonNullable<Story["rootList"]>): Story => ({ rootList: change });
const pckList = (change: NonNullable<Story["pckList"]>): Story => ({ pckList: change });
const levels = (...list: readonly JsonObject[]): Story => ({ tcbInfo: edit({ tcbLevels: list }) });
const info = (change: JsonObject): Story => ({ tcbInfo: edit(change) });
const identity = (change: JsonObject): Story => ({ qeIdentity: edit(change) });
const platform = (...svns: readonly number[]): Story => ({ pck: { components: components(...svns) } });
const settings = (change: JsonObject, story: Story = {}): Story => ({ ...story, settings: change });
const CRITICAL = { oid: "2.5.29.28", critical: true, value: der(0x30, Buffer.alloc(0)) };

export const LISTS: readonly Told[] = [
  ["a root list that is none", "crl-format", { collateral: () => ({ rootCaCrl: Buffer.from("no list") }) }],
  ["an empty PCK list", "crl-format", { collateral: () => ({ pckCrl: Buffer.alloc(0) }) }],
  ["a list without number", "crl-format", pckList({ extensions: [] })],
  ["B11 a list without nextUpdate", "crl-format", pckList({ nextUpdate: undefined })],
  ["an unknown critical extension", "crl-format", rootList({ extensions: [listNumber(1), CRITICAL] })],
  ["B11 a list of another authority", "crl-issuer", pckList({ issuer: caName("processor") })],
  [
    "B11 the root's list in the place of the PCK CA's",
    "crl-issuer",
    { collateral: ({ rootCaCrl }) => ({ pckCrl: rootCaCrl }) },
  ],
  ["a root list that another key signed", "crl-signature", rootList({ signingKey: KEYS.other })],
  ["a PCK list that another key signed", "crl-signature", pckList({ signingKey: KEYS.other })],
  ["B10 a root list that ended", "crl-expired", rootList({ nextUpdate: new Date(NOW - 1000) })],
  ["B10 a PCK list that ended", "crl-expired", pckList({ nextUpdate: new Date(NOW - 1000) })],
  ["B11 a list from the future", "crl-expired", rootList({ thisUpdate: new Date(NOW + 1000) })],
  ["B10 a leaf that was revoked", "revoked", pckList({ revokedSerials: ["f00dcafe"] })],
  ["B10 an intermediate that was revoked", "revoked", rootList({ revokedSerials: ["2001"] })],
  ["B10 a signer that was revoked", "revoked", rootList({ revokedSerials: ["3001"] })],
];

const nothing = Buffer.alloc(0);

export const STATEMENTS: readonly Told[] = [
  [
    "files that cannot be read",
    "collateral-format",
    { source: (right) => ({ ...right, faults: ["x is malformed"] }) },
  ],
  [
    "no collateral",
    "no-collateral",
    { source: (right) => ({ ...right, collateral: async () => undefined }) },
  ],
  [
    "B2 statements that the PCK CA signed",
    "tcb-signer",
    {
      statementKey: KEYS.ca,
      collateral: ({ pckCrlIssuerChain }) => ({ tcbInfoIssuerChain: pckCrlIssuerChain ?? nothing }),
    },
  ],
  ["a signer of another name", "tcb-signer", { signer: { subject: LEAF_NAME } }],
  ["a signer with the CA flag", "tcb-signer", { signer: { extensions: CA } }],
  ["a signer that another key signed", "tcb-signer", { signer: { signingKey: KEYS.other } }],
  ["a signer that ended", "tcb-signer", { signer: { notAfter: new Date(NOW - DAY) } }],
  ["a signer alone", "tcb-signer", { collateral: (_, { signer }) => ({ tcbInfoIssuerChain: pem(signer) }) }],
  [
    "B2 a QE identity of another signer",
    "tcb-signer",
    { collateral: (_, { leaf, root }) => ({ qeIdentityIssuerChain: pem(leaf, root) }) },
  ],
  [
    "an issuer chain that is none",
    "tcb-signer",
    { collateral: () => ({ tcbInfoIssuerChain: Buffer.from("-") }) },
  ],
  [
    "TCB info that another key signed",
    "tcb-info-signature",
    { collateral: () => ({ tcbInfo: signedStatement("tcbInfo", {}, KEYS.other) }) },
  ],
  ["TCB info that is not JSON", "tcb-info-signature", { collateral: () => ({ tcbInfo: Buffer.from("{") }) }],
  [
    "TCB info without signature",
    "tcb-info-signature",
    { collateral: () => ({ tcbInfo: Buffer.from('{"tcbInfo":{}}') }) },
  ],
  [
    "B2 a QE identity that another key signed",
    "qe-identity-signature",
    { collateral: () => ({ qeIdentity: signedStatement("enclaveIdentity", {}, KEYS.other) }) },
  ],
  ["TCB info of version 4", "tcb-info-id", info({ version: 4 })],
  ["an identity of version 1", "qe-identity-id", identity({ version: 1 })],
  ["the identity of the quote verification enclave", "qe-identity-id", identity({ id: "QVE" })],
  [
    "B3 15 SGX components",
    "tcb-info-format",
    levels(tcbLevel("UpToDate", components().slice(1), components())),
  ],
  ["no levels", "tcb-info-format", levels()],
  ["a status nobody knows", "tcb-info-format", levels(tcbLevel("Fine", components(), components()))],
  ["B30 a date that is none", "tcb-info-format", info({ nextUpdate: "9999999999" })],
  ["no evaluation number", "tcb-info-format", info({ tcbEvaluationDataNumber: null })],
  ["an identity without levels", "qe-identity-format", identity({ tcbLevels: [] })],
  ["an identity with a short mask", "qe-identity-format", identity({ attributesMask: "FF" })],
  ["TCB info that ended", "tcb-info-expired", info({ nextUpdate: "2026-06-01T11:59:59Z" })],
  ["TCB info from the future", "tcb-info-expired", info({ issueDate: "2026-06-01T12:00:01Z" })],
  ["B2 a QE identity that ended", "qe-identity-expired", identity({ nextUpdate: "2026-06-01T11:59:59Z" })],
  ["TCB info of another platform", "fmspc", info({ fmspc: "00906ED50000" })],
  ["TCB info of another PCE", "pceid", info({ pceId: "0001" })],
];

export const TCB: readonly Told[] = [
  ["a QE of another signer", "qe-identity", { qe: { mrSigner: Buffer.alloc(32) } }],
  [
    "B5 a QE under a debugger",
    "qe-identity",
    { qe: { attributesFlags: Buffer.from("1300000000000000", "hex") } },
  ],
  ["a QE of another product", "qe-identity", { qe: { isvProdId: Buffer.from([3, 0]) } }],
  ["a QE with MISCSELECT", "qe-identity", { qe: { miscSelect: Buffer.from([1]) } }],
  ["components below every level", "tcb-unsupported", platform(3, 4, 2, 2, 4, 1, 0, 4)],
  ["a PCESVN below every level", "tcb-unsupported", { pck: { pceSvn: 10 } }],
  ["a QE below every level", "tcb-unsupported", { qe: { isvSvn: Buffer.from([3, 0]) } }],
  ["a platform that was revoked", "tcb-revoked", platform(4, 4, 2, 2, 4, 1, 0, 0)],
  ["a QE that was revoked", "tcb-revoked", { qe: { isvSvn: Buffer.from([4, 0]) } }],
  [
    "TCB info of an old evaluation",
    "evaluation-number",
    settings({ minimumTcbEvaluationDataNumber: 18 }, info({ tcbEvaluationDataNumber: 17 })),
  ],
  [
    "a QE identity of an old evaluation",
    "evaluation-number",
    settings({ minimumTcbEvaluationDataNumber: 18 }, identity({ tcbEvaluationDataNumber: 17 })),
  ],
  ["a platform out of date", "tcb-status", platform(4, 4, 2, 2, 4, 1, 0, 1)],
  ["a QE out of date", "tcb-status", { qe: { isvSvn: Buffer.from([6, 0]) } }],
  [
    "a status that the settings leave out",
    "tcb-status",
    settings({ allowedTcbStatuses: ["UpToDate"] }, platform(4, 4, 2, 2, 4, 1, 0, 3)),
  ],
  ["a TCB older than the settings want", "tcb-age", settings({ minimumTcbDate: "2024-03-14" })],
  [
    "B15 an advisory that the settings refuse",
    "advisories",
    settings({ refusedAdvisories: ["INTEL-SA-01000"] }),
  ],
  ["B15 another platform type", "platform", settings({ allowedFmspcs: ["00906ed50000"] })],
  ["B16 another processor", "platform", settings({ allowedPpids: ["00".repeat(16)] })],
  ["B16 another platform instance", "platform", settings({ allowedPlatformInstanceIds: ["00".repeat(16)] })],
  [
    "B14 B16 a platform that does not say which one it is, where settings list some",
    "platform",
    settings({ allowedPlatformInstanceIds: ["00".repeat(16)] }, { ca: "processor" }),
  ],
];

const MODULE = { mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "00".repeat(8) };
const moduleLevels = [{ tcb: { isvsvn: 1 }, tcbDate: "2024-03-13T00:00:00Z", tcbStatus: "UpToDate" }];
const modules = (...ids: readonly string[]) => ({
  tdxModuleIdentities: ids.map((id) => ({ id, ...MODULE, tcbLevels: moduleLevels })),
});
const svn = (...bytes: readonly number[]): Story => ({ td: { teeTcbSvn: Buffer.from(bytes) } });
const service = Buffer.alloc(48, 1);

export const TD_PLATFORM: readonly Told<TdxCheck>[] = [
  ["TCB info for SGX", "tcb-info-id", info({ id: "SGX" })],
  ["TCB info of version 2", "tcb-info-id", info({ version: 2 })],
  ["the identity of the SGX enclave", "qe-identity-id", identity({ id: "QE" })],
  [
    "B3 17 TDX components",
    "tcb-info-format",
    levels(tcbLevel("UpToDate", components(), [...components(), 0])),
  ],
  ["B3 no TDX components", "tcb-info-format", levels(tcbLevel("UpToDate", components(), undefined))],
  ["a module identity twice", "tcb-info-format", info(modules("TDX_01", "tdx_01"))],
  ["a module that another signed", "tdx-module", { td: { mrSignerSeam: Buffer.alloc(48, 1) } }],
  ["SEAM attributes", "tdx-module", { td: { seamAttributes: Buffer.from([1]) } }],
  [
    "SEAM attributes that the mask leaves out",
    "tdx-module",
    { ...info(modules("TDX_01")), td: { seamAttributes: Buffer.from([1]) } },
  ],
  ["a module of an unknown line", "tdx-module", svn(6, 2, 3)],
  ["TDX components below every level", "tcb-unsupported", svn(6, 1, 2)],
  ["a module below every level", "tcb-unsupported", svn(1, 1, 3)],
  ["a module of line 0 below every level", "tcb-unsupported", svn(4, 0, 3)],
  ["a module that was revoked", "tcb-revoked", svn(2, 1, 3)],
  [
    "a module that runs now and was revoked",
    "tcb-revoked",
    { td15: true, td: { teeTcbSvn2: Buffer.from([2, 1, 3]) } },
  ],
  ["a module out of date", "tcb-status", svn(4, 1, 3)],
  ["a TD that should be relaunched", "tcb-status", { td15: true, ...svn(4, 1, 3) }],
  ["an event log that is not base64", "event-log", { evidence: edit({ cc_eventlog: "?" }) }],
  ["an event log that is no text", "event-log", { evidence: edit({ cc_eventlog: [1] }) }],
  ["B29 an event log that is none", "event-log", { evidence: edit({ cc_eventlog: "AAAA" }) }],
  ["an agent's log without INIT", "event-log", { evidence: edit({ aa_eventlog: "a b c" }) }],
  ["no event log where the settings want one", "event-log", settings({ requireEventLog: true })],
  ...[0, 1, 2, 3, 4, 5, 6, 7].map(
    (bit): Told<TdxCheck> => [
      `B4 B5 bit ${bit} of the debug group`,
      "debug",
      { td: { tdAttributes: Buffer.from([1 << bit, 0, 0, 0x10]) } },
    ],
  ),
  ["an attribute that is missing", "td-attributes", settings({ requiredTdAttributes: ["pks"] })],
  ["an attribute that is refused", "td-attributes", settings({ forbiddenTdAttributes: ["septve-disable"] })],
  ["an extended feature that is refused", "xfam", settings({ forbiddenXfam: "0x60000" })],
  ["an extended feature that is missing", "xfam", settings({ requiredXfam: "0x100000000" })],
  ["B9 a service TD", "service-td", { td15: true, td: { mrServiceTd: service } }],
  [
    "B9 another service TD than the settings name",
    "service-td",
    settings({ allowedServiceTds: ["02".repeat(48)] }, { td15: true, td: { mrServiceTd: service } }),
  ],
  ["another TDX module", "mr-seam", settings({ allowedMrSeams: ["00".repeat(48)] })],
];

const flags = (hex: string): Story => ({ enclave: { attributesFlags: Buffer.from(hex, "hex") } });

export const ENCLAVE_PLATFORM: readonly Told<SgxCheck>[] = [
  ["TCB info for TDX", "tcb-info-id", info({ id: "TDX" })],
  ["TCB info of version 2 that names its TEE", "tcb-info-id", info({ version: 2 })],
  ["the identity of the TD quoting enclave", "qe-identity-id", identity({ id: "TD_QE" })],
  ["the TD quoting enclave", "qe-identity", { qe: { isvProdId: Buffer.from([2, 0]) } }],
  ["B5 an enclave under a debugger", "debug", flags("8700000000000000")],
  ["an enclave without KSS", "attributes", settings({ requiredAttributes: ["kss"] }, flags("05"))],
  ["an attribute that is refused", "attributes", settings({ forbiddenAttributes: ["kss"] })],
  [
    "MISCSELECT that the settings leave out",
    "misc-select",
    settings({ allowedMiscSelect: "0x1" }, { enclave: { miscSelect: Buffer.from([3]) } }),
  ],
];
