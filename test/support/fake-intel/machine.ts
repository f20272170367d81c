/** A machine of the fake vendor: quotes for any report data, and PCK chains of machines like it. */
import { createHash, createPublicKey } from "node:crypto";
import type { Attester } from "../../../src/cli/guest/attester.ts";
import { issueIntelCertificate, pckExtension } from "../../../src/dev/intel-certificates.ts";
import { p1363 } from "../../../src/dev/intel-quote.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { caName, DAY, KEYS, LEAF_NAME, type Made, make, newP256, PCK, pem, validity } from "./index.ts";
import { LEAF } from "./stories-evidence.ts";

/** Bytes of a version 4 quote with a TD report 1.0. */
const REPORT_DATA_AT = 48 + 520;
export const SIGNED_BYTES = 48 + 584;
const OUTER_AT = SIGNED_BYTES + 4 + 64 + 64;
const CHAIN_AT = OUTER_AT + 6 + 384 + 64 + 2 + 32;

/** A machine whose statements count around `at`. */
export async function machineAt(at: number): Promise<Made> {
  const date = (days: number) => new Date(at + days * DAY).toISOString().replace(/\.\d+Z$/, "Z");
  const dated = (statement: JsonObject) => ({ ...statement, issueDate: date(-1), nextUpdate: date(29) });
  const list = { thisUpdate: new Date(at - DAY), nextUpdate: new Date(at + 29 * DAY) };
  return await make({ tcbInfo: dated, qeIdentity: dated, rootList: list, pckList: list });
}

/** The machine's quote with other report data, of up to 64 bytes, and a signature of its own. */
export function quoteFor({ quote }: Pick<Made, "quote">, reportData: Uint8Array): Buffer {
  const bytes = Buffer.from(quote);
  bytes.fill(0, REPORT_DATA_AT, REPORT_DATA_AT + 64).set(reportData, REPORT_DATA_AT);
  p1363(KEYS.attestation, bytes.subarray(0, SIGNED_BYTES)).copy(bytes, SIGNED_BYTES + 4);
  return bytes;
}

/** Guests of the machine. Their init-data is not what the machine's quotes name, so they have none. */
export function attesterOf(made: Made): Attester {
  return {
    tee: "tdx",
    collect: async ({ reportData }) => ({
      quote: quoteFor(made, reportData).toString("base64"),
      cc_eventlog: null,
    }),
  };
}

/** The quote of the machine's next start: the quoting enclave has another attestation key, which the PCK key vouches for. */
export function quoteAfterRestart({ quote }: Pick<Made, "quote">, reportData: Uint8Array): Buffer {
  const bytes = quoteFor({ quote }, reportData);
  const key = newP256();
  const point = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-64);
  const authentication = bytes.subarray(SIGNED_BYTES + 4);
  authentication.set(p1363(key, bytes.subarray(0, SIGNED_BYTES)));
  authentication.set(point, 64);
  const qeReport = bytes.subarray(OUTER_AT + 6, OUTER_AT + 6 + 384);
  const authData = bytes.subarray(CHAIN_AT - 32, CHAIN_AT);
  qeReport.set(createHash("sha256").update(point).update(authData).digest(), 320);
  bytes.set(p1363(KEYS.pck, qeReport), OUTER_AT + 6 + 384);
  return bytes;
}

/** The quote with the chain of another machine, whose PCK certificate was made for the same key. */
export async function quoteOfAnother(
  { quote, intermediate, root }: Made,
  serial: string,
  fmspc: Uint8Array = PCK.fmspc,
): Promise<Buffer> {
  const leaf = await issueIntelCertificate({
    ...validity(2000),
    subject: LEAF_NAME,
    issuer: caName(),
    serial,
    publicKey: createPublicKey(KEYS.pck),
    signingKey: KEYS.ca,
    extensions: [...LEAF, pckExtension({ ...PCK, fmspc })],
  });
  return withChain(quote, Buffer.concat([pem(leaf, intermediate, root), Buffer.alloc(1)]));
}

function withChain(quote: Buffer, chain: Buffer): Buffer {
  const head = Buffer.from(quote.subarray(0, CHAIN_AT + 6));
  head.writeUInt32LE(chain.length, CHAIN_AT + 2);
  const inner = CHAIN_AT + 6 + chain.length - OUTER_AT - 6;
  head.writeUInt32LE(inner, OUTER_AT + 2);
  head.writeUInt32LE(inner + 64 + 64 + 6, SIGNED_BYTES);
  return Buffer.concat([head, chain]);
}
