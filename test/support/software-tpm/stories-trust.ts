/** Stories about what the operator asks for: trust in the key, logs, the clock. */
import { KeyUsageFlags } from "./certificates.ts";
import { firmwareLog } from "./firmware-log.ts";
import { imaList } from "./ima-list.ts";
import { defaultPcr, keyOf, type TpmStory, vendors } from "./index.ts";
import type { NamedStory } from "./stories-quote.ts";

const { vendor, stranger } = await vendors();
const other = keyOf("P-256, SHA-256", "other");

export const log = firmwareLog();
export const logged = (bank: string, pcr: number) => log.pcr(bank, pcr);
export const logStory = (event_log: Buffer): TpmStory => ({
  form: "banks",
  selections: [
    { bank: "sha1", pcrs: [0, 7] },
    { bank: "sha256", pcrs: [0, 4, 7, 8] },
  ],
  pcrs: (bank, pcr) => (pcr === 8 ? defaultPcr(bank, pcr) : logged(bank, pcr)),
  evidence: (e) => ({ ...e, event_log: event_log.toString("base64") }),
});
export const ima = imaList();
export const imaStory = (ima_log: Buffer): TpmStory => ({
  pcrs: (bank, pcr) => (pcr === 10 ? ima.pcr10 : defaultPcr(bank, pcr)),
  evidence: (e) => ({ ...e, ima_log: ima_log.toString("base64") }),
});
export const last = { clock: 4000n, resetCount: 2, restartCount: 0, safe: true };

/** Each differs from the good story in one truth; the named check must be the one that says so. */
export const TRUST_STORIES: readonly NamedStory[] = [
  [
    "B17 a quote without a register the settings require",
    "required-pcrs",
    {
      form: "banks",
      selections: [{ bank: "sha256", pcrs: [0, 8] }],
      settings: { requiredPcrs: { sha256: [0, 7] } },
    },
  ],
  [
    "a quote without a bank the settings require",
    "required-pcrs",
    { settings: { requiredPcrs: { sha384: [0] } } },
  ],
  [
    "B18 a certificate by a stranger",
    "ak-certificate",
    { akCertificate: { issuer: stranger.name, signingKey: stranger.key } },
  ],
  [
    "B18 a certificate with the authority's name only",
    "ak-certificate",
    { akCertificate: { signingKey: stranger.key } },
  ],
  ["B18 a certificate of another key", "ak-certificate", { akCertificate: { key: other } }],
  ["an attestation certificate that ended", "ak-certificate", { akCertificate: { to: -1 } }],
  ["an attestation certificate from the future", "ak-certificate", { akCertificate: { from: 1 } }],
  [
    "an attestation certificate for other uses",
    "ak-certificate",
    { akCertificate: { extendedUsage: ["1.3.6.1.5.5.7.3.1"] } },
  ],
  [
    "an attestation certificate that may not sign",
    "ak-certificate",
    { akCertificate: { keyUsage: KeyUsageFlags.keyAgreement } },
  ],
  ["an attestation certificate that is an authority", "ak-certificate", { akCertificate: { ca: true } }],
  [
    "an attestation certificate with an unknown critical extension",
    "ak-certificate",
    { akCertificate: { critical: "1.2.3.4" } },
  ],
  [
    "an attestation certificate that cannot be read",
    "ak-certificate",
    { akCertificate: {}, evidence: (e) => ({ ...e, ak_cert: ["AA=="] }) },
  ],
  [
    "B18 an EK certificate by a stranger",
    "ek-certificate",
    { ekCertificate: { issuer: stranger.name, signingKey: stranger.key } },
  ],
  [
    "B18 an EK certificate with its own root",
    "ek-certificate",
    {
      ekCertificate: { issuer: stranger.name, signingKey: stranger.key },
      ekChain: (leaf) => [leaf, stranger.der],
    },
  ],
  ["an EK certificate that ended", "ek-certificate", { ekCertificate: { to: -1 } }],
  ["an EK certificate for other uses", "ek-certificate", { ekCertificate: { extendedUsage: undefined } }],
  [
    "an EK certificate that may not encipher",
    "ek-certificate",
    { ekCertificate: { keyUsage: KeyUsageFlags.digitalSignature } },
  ],
  ["an EK certificate that is an authority", "ek-certificate", { ekCertificate: { ca: true } }],
  [
    "an EK certificate below another EK's",
    "ek-certificate",
    { ekCertificate: { issuer: "a TPM vendor's EK", signingKey: vendor.key } },
  ],
  [
    "B18 an enrolment with another endorsement key",
    "enrolment",
    { ekCertificate: {}, enrolled: { ekFingerprint: "00".repeat(32) } },
  ],
  [
    "B18 an enrolment of the key with other attributes",
    "enrolment",
    { enrolled: { akName: `000b${"00".repeat(32)}` } },
  ],
  ["an enrolment that was revoked", "enrolment", { enrolled: { status: "revoked" } }],
  ["B20 an enrolment that waits for approval", "enrolment", { enrolled: { status: "pending" } }],
  ["B18 B20 a key that nobody knows", "ak-trust", { enrolled: null }],
  [
    "B18 a certificate where only enrolled keys count",
    "ak-trust",
    { enrolled: null, akCertificate: {}, settings: { acceptedAkTrust: ["enrolled"] } },
  ],
  ["B18 an EK certificate alone", "ak-trust", { enrolled: null, ekCertificate: {} }],
  [
    "a certificate when no authority is configured",
    "ak-trust",
    { enrolled: null, akCertificate: {}, akAuthorities: false },
  ],
  ["B23 no event log where the settings require one", "event-log", { settings: { requireEventLog: true } }],
  ["B29 an event log that is none", "event-log", logStory(Buffer.from("not a log"))],
  ["B23 an event log without its last event", "event-log", logStory(log.withoutLast())],
  ["B23 an event log in another order", "event-log", logStory(log.reordered())],
  ["B23 an event log with one event more", "event-log", logStory(log.withOneMore())],
  [
    "B23 an event log without a register that the settings name",
    "event-log",
    { ...logStory(log.bytes), settings: { eventLogPcrs: [8] } },
  ],
  [
    "B17 an event log beside a quote without a register that the settings name",
    "event-log",
    { ...logStory(log.bytes), settings: { eventLogPcrs: [0, 2] } },
  ],
  [
    "B23 an event log of another bank",
    "event-log",
    {
      ...logStory(log.bytes),
      kind: "P-384, SHA-384",
      selections: [{ bank: "sha384", pcrs: [0] }],
      expected: { initDataDigest: undefined },
    },
  ],
  ["B23 no IMA list where the settings require one", "ima-log", { settings: { requireImaLog: true } }],
  ["B23 no IMA list where a policy judges them", "ima-log", { imaPolicy: ima.policy() }],
  [
    "B23 an IMA list that nothing vouches for, where a policy judges them",
    "ima-log",
    {
      ...imaStory(Buffer.from(ima.bytes.toString().replaceAll(/^10/gm, "11"))),
      pcrs: (bank, pcr) => (pcr === 10 ? Buffer.alloc(32) : defaultPcr(bank, pcr)),
      imaPolicy: ima.policy(),
    },
  ],
  ["B29 an IMA list that is none", "ima-log", imaStory(Buffer.from("10 not a list\n"))],
  ["B23 an IMA list without its last record", "ima-log", imaStory(ima.withoutLast())],
  ["B23 an IMA list with another file", "ima-log", imaStory(ima.withChangedFile())],
  ["a file that the policy does not have", "ima-log", { ...imaStory(ima.bytes), imaPolicy: ima.policy(2) }],
  [
    "B17 an IMA list beside a quote without PCR 10",
    "ima-log",
    { ...imaStory(ima.bytes), form: "banks", selections: [{ bank: "sha256", pcrs: [0, 8] }] },
  ],
  ["the same quote again", "clock", { enrolled: { lastClock: { ...last, clock: 5000n } } }],
  ["a clock that went back", "clock", { enrolled: { lastClock: { ...last, clock: 6000n } } }],
  ["a reset counter that went back", "clock", { enrolled: { lastClock: { ...last, resetCount: 3 } } }],
  ["a restart counter that went back", "clock", { enrolled: { lastClock: { ...last, restartCount: 1 } } }],
  ["a clock that is safe no longer", "clock", { attest: { safe: 0 }, enrolled: { lastClock: last } }],
  [
    "an orderly reset with an earlier clock",
    "clock",
    { enrolled: { lastClock: { ...last, resetCount: 1, clock: 9000n } } },
  ],
  ["an enrolment withdrawn meanwhile", "clock", { registry: (right) => ({ ...right, ...withdrawn(right) }) }],
  [
    "more quotes than can be compared",
    "clock",
    { registry: (right) => ({ ...right, recordClock: async () => false }) },
  ],
];

function withdrawn(right: { find: (key: string, signal: AbortSignal) => Promise<object | undefined> }) {
  let asked = 0;
  return {
    recordClock: async () => false,
    find: async (key: string, signal: AbortSignal) => {
      const found = await right.find(key, signal);
      return (asked++ === 0 ? found : { ...found, status: "revoked" }) as never; // an enrolment, as the contract says
    },
  };
}
