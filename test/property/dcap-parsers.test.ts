import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeBase64 } from "../../src/attestation/formats/dcap/base64.ts";
import { readPemChain } from "../../src/attestation/formats/dcap/certificates.ts";
import { readPpidQuery } from "../../src/attestation/formats/dcap/certification-data.ts";
import { DcapFault } from "../../src/attestation/formats/dcap/checks.ts";
import {
  CollateralFormatError,
  collateralFromJson,
} from "../../src/attestation/formats/dcap/collateral-json.ts";
import { readPckPlatform } from "../../src/attestation/formats/dcap/pck.ts";
import { readQuote } from "../../src/attestation/formats/dcap/quote.ts";
import { readList } from "../../src/attestation/formats/dcap/revocation-lists.ts";
import { readSignedJson, SignedJsonError } from "../../src/attestation/formats/dcap/signed-json.ts";
import { readQeIdentity, readTcbInfo } from "../../src/attestation/formats/dcap/statements.ts";
import { EvidenceRejected } from "../../src/attestation/verifier.ts";
import { readAgentLog } from "../../src/attestation/verifiers/tdx/agent-log.ts";
import { readTdxEvidence } from "../../src/attestation/verifiers/tdx/evidence.ts";
import { parseCertificate } from "../../src/crypto/certificate.ts";
import { DerError } from "../../src/crypto/der.ts";
import { readJson } from "../../src/json/read.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { isObject } from "../../src/json/write.ts";
import {
  EXPECTED,
  KEYS,
  type Made,
  make,
  pem,
  type Story,
  tell,
  verifierFor,
} from "../support/fake-intel/index.ts";

const signal = new AbortController().signal;
let td: Made;
let enclave: Made;

beforeAll(async () => {
  td = await make({ td15: true });
  enclave = await make({ tee: "sgx" });
});

const bytes = (maxLength = 400) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** A good document with a piece cut out and another put in. */
const spliced = (good: () => Buffer) =>
  fc.tuple(fc.nat(), fc.nat(64), bytes(64)).map(([at, cut, put]) => {
    const from = at % good().length;
    return Buffer.concat([good().subarray(0, from), put, good().subarray(from + cut)]);
  });

/** Runs a parser; whatever it throws must be its own kind of error. */
function only(kinds: readonly (new (...args: never[]) => Error)[], parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
  }
}

/** Any JSON value, with the member names of a good one among its own. */
function json(good: JsonObject): fc.Arbitrary<JsonValue> {
  const names = fc.oneof(fc.constantFrom(...Object.keys(good)), fc.string());
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.bigInt());
  return fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(leaf, fc.array(tie("value"), { maxLength: 4 }), fc.dictionary(names, tie("value"))),
  })).value;
}

/** A good object with one member replaced. */
const damaged = (good: JsonObject) =>
  fc
    .tuple(fc.constantFrom(...Object.keys(good)), json(good))
    .map(([name, value]): JsonObject => ({ ...good, [name]: value }));

describe("B29 B30 no input crashes a parser", () => {
  test("quotes", () => {
    const quotes = fc.oneof(
      bytes(6000),
      spliced(() => td.quote),
      spliced(() => enclave.quote),
    );
    fc.assert(
      fc.property(quotes, (quote) => only([DcapFault], () => readQuote(quote))),
      { numRuns: 2000 },
    );
  });

  test("quotes cut at every length", () => {
    for (const { quote } of [td, enclave])
      for (let length = 0; length < quote.length; length++)
        expect(() => readQuote(quote.subarray(0, length))).toThrow(DcapFault);
  });

  test("certificate chains and SGX extensions", () => {
    fc.assert(
      fc.property(
        spliced(() => pem(td.leaf, td.intermediate)),
        spliced(() => td.leaf),
        (chain, leaf) => {
          only([DerError], () => readPemChain(chain));
          only([DerError], () => readPckPlatform(parseCertificate(leaf)));
        },
      ),
    );
  });

  test("revocation lists in their three forms", () => {
    const hex = () => Buffer.from(td.collateral.pckCrl.toString("hex"));
    const lists = fc.oneof(
      bytes(),
      spliced(() => td.collateral.pckCrl),
      spliced(hex),
    );
    fc.assert(fc.property(lists, (list) => only([DcapFault], () => readList(list))));
  });

  test("signed statements", () => {
    const bodies = fc.oneof(
      bytes(),
      spliced(() => td.collateral.tcbInfo),
    );
    fc.assert(
      fc.property(bodies, (body) =>
        only([SignedJsonError], () => readSignedJson(body, "tcbInfo", KEYS.signer)),
      ),
    );
  });

  test("statements with any members", () => {
    const inner = (body: Buffer, name: string): JsonObject => {
      const outer = readJson(body);
      const statement = isObject(outer) ? outer[name] : undefined;
      if (!isObject(statement)) throw new Error(`no ${name}`);
      return statement;
    };
    const info = inner(td.collateral.tcbInfo, "tcbInfo");
    const identity = inner(td.collateral.qeIdentity, "enclaveIdentity");
    fc.assert(
      fc.property(damaged(info), damaged(identity), (badInfo, badIdentity) => {
        only([DcapFault], () => readTcbInfo(badInfo, "tdx"));
        only([DcapFault], () => readTcbInfo({ ...badInfo, id: "SGX" }, "sgx"));
        only([DcapFault], () => readQeIdentity(badIdentity, "tdx"));
      }),
      { numRuns: 500 },
    );
  });

  test("files of collateral and agents' logs", () => {
    const members = { tcb_info: "", qe_identity: "", pck_crl: "" };
    fc.assert(
      fc.property(json(members), fc.string(), (document, text) => {
        only([CollateralFormatError], () => collateralFromJson(document, "a file"));
        expect(["string", "object"]).toContain(typeof readAgentLog(text));
        expect(["string", "object"]).toContain(
          typeof readAgentLog(`INIT sha384/${"00".repeat(48)}\n${text}`),
        );
      }),
    );
  });

  test("evidence with any members", () => {
    fc.assert(
      fc.property(json({ quote: "", cc_eventlog: null, aa_eventlog: null }), (evidence) =>
        only([DcapFault], () => readTdxEvidence(evidence)),
      ),
    );
  });

  test("whole verifications: every refusal is a named one", async () => {
    for (const [made, story] of [
      [td, { td15: true }],
      [enclave, { tee: "sgx" }],
    ] as const satisfies readonly (readonly [Made, Story])[]) {
      const verifier = verifierFor(story, made);
      await fc.assert(
        fc.asyncProperty(
          spliced(() => made.quote),
          async (quote) => {
            await verifier.verifyBinary(quote, EXPECTED, signal).catch((error: unknown) => {
              if (!(error instanceof EvidenceRejected)) throw error;
            });
          },
        ),
        { numRuns: 300 },
      );
    }
  });
});

describe("certification data of every type and length", () => {
  const story = (type: number, data: Buffer): Story => ({ quote: { certification: { type, data } } });

  test("anything but a chain is refused by name", async () => {
    const types = fc.oneof(fc.nat(10), fc.nat(65_535));
    await fc.assert(
      fc.asyncProperty(types, bytes(500), async (type, data) => {
        const refusal: unknown = await tell(story(type, data)).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(EvidenceRejected);
        expect(["unsupported", "pck-chain"]).toContain((refusal as EvidenceRejected).check);
      }),
      { numRuns: 150 },
    );
  });

  test("names of platforms have one length each", async () => {
    for (const [type, size] of [
      [1, 36],
      [2, 276],
      [3, 404],
    ] as const) {
      for (const length of [0, size - 1, size, size + 1, 1000]) {
        const { quote } = await make(story(type, Buffer.alloc(length, 7)));
        const read = () => readPpidQuery(readQuote(quote));
        if (length === size) expect(read()).toMatchObject({ pceSvn: 0x0707, pceId: "0707" });
        else expect(read).toThrow(DcapFault);
      }
    }
  });

  test("QE authentication data of every length up to 300", async () => {
    const made = await make({});
    const verifier = verifierFor({}, made);
    for (let length = 0; length <= 300; length += 7) {
      const { quote } = await make({ quote: { qeAuthData: Buffer.alloc(length, 3) } });
      await expect(verifier.verifyBinary(quote, EXPECTED, signal)).resolves.toMatchObject({
        results: [{ claims: { tcb_status: "UpToDate" } }],
      });
    }
  });
});

describe("base64", () => {
  test("decoding undoes encoding, and nothing else decodes", () => {
    fc.assert(
      fc.property(bytes(), fc.string(), (input, text) => {
        expect(decodeBase64(input.toString("base64"), 400)).toEqual(input);
        const read = decodeBase64(text, 400);
        expect(typeof read === "string" || read.toString("base64") === text).toBe(true);
      }),
    );
  });

  test("is bounded before it is decoded", () => {
    expect(decodeBase64("A".repeat(1000), 10)).toBe("more than 10 bytes");
    expect(decodeBase64(Buffer.alloc(11).toString("base64"), 10)).toBe("more than 10 bytes");
  });
});
