import { describe, expect, test } from "@jest/globals";
import { ReferenceValues } from "../../../../src/attestation/reference-values/reference-values.ts";
import { TrustedSigners } from "../../../../src/attestation/reference-values/signers.ts";
import type { JsonValue } from "../../../../src/json/value.ts";
import { MemoryDocumentStore } from "../../../../src/storage/memory-documents.ts";
import {
  digestOf,
  ecKeys,
  envelope,
  messageOf,
  OWN_PREDICATE,
  signer,
  statement,
} from "../../../support/manifests.ts";
import { NOW } from "../../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const NOBODY = { administrator: undefined };
const ALICE = { administrator: "alice" };
const acme = ecKeys();

async function open(...signers: readonly ReturnType<typeof signer>[]) {
  const now = () => NOW;
  const dependencies = {
    store: new MemoryDocumentStore(),
    now,
    reportFault: () => undefined,
    signers: new TrustedSigners(signers.length === 0 ? [signer(acme)] : signers, now),
  };
  return { values: await ReferenceValues.open(dependencies, SIGNAL) };
}

const dsse = (...args: Parameters<typeof envelope>) => messageOf("in-toto", envelope(...args));
const own = (values: JsonValue) => statement({ predicate: { issuedAt: "2026-05-31T00:00:00Z", values } });
const refusal = (code: string, fault: string) =>
  expect.objectContaining({ code, extra: expect.objectContaining({ fault }) });

describe("in-toto", () => {
  const register = async (payload: JsonValue | string, fields = {}) => {
    const { values } = await open(signer(acme, { names: ["*"] }));
    await values.register(dsse(payload, acme.privateKey, fields), ALICE, SIGNAL);
    return Object.fromEntries(values.list().map(({ name, value }) => [name, value]));
  };
  const slsa = {
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: { runDetails: { metadata: { finishedOn: "2026-05-31T00:00:00Z" } } },
  };

  test("of a build's provenance the digests of its subjects become values", async () => {
    const subject = [
      { name: "vmlinuz", digest: { sha256: digestOf("01", 32), sha1: "00" } },
      { name: "vmlinuz", digest: { sha384: digestOf("02").toUpperCase().replaceAll("02", "0A") } },
      { name: "weak", digest: { sha1: "abcd" } },
    ];
    expect(await register(statement({ ...slsa, subject }))).toEqual({
      vmlinuz: [digestOf("01", 32), digestOf("0a")],
    });
    const older = { predicateType: "https://slsa.dev/provenance/v0.2", predicate: {} };
    expect(
      await register(statement({ ...older, type: "https://in-toto.io/Statement/v0.1", subject })),
    ).toHaveProperty("vmlinuz");
  });

  test("values of the predicate of our own may be anything, big integers exact", async () => {
    const text = JSON.stringify(own({ a: 0, list: [1, "x"] })).replace('"a":0', '"a":18446744073709551615');
    expect(await register(text)).toEqual({ a: 18446744073709551615n, list: [1, "x"] });
  });

  test.each<[string, JsonValue | string, string]>([
    [
      "a report about its subjects",
      statement({ predicateType: "https://in-toto.io/attestation/vulns/v0.1" }),
      "unsupported",
    ],
    ["an inherited name as type", statement({ predicateType: "constructor" }), "unsupported"],
    ["another statement", statement({ type: "https://in-toto.io/Statement/v2" }), "unsupported"],
    ["no subject", statement({ ...slsa, subject: [] }), "payload-malformed"],
    ["a subject without a name", statement({ ...slsa, subject: [{ digest: {} }] }), "payload-malformed"],
    [
      "a short digest",
      statement({ ...slsa, subject: [{ name: "a", digest: { sha256: "ab" } }] }),
      "value-invalid",
    ],
    ["weak digests only", statement({ ...slsa, subject: [{ name: "a", digest: { sha1: "ab" } }] }), "empty"],
    ["no predicate", { ...Object(statement()), predicate: 1 }, "payload-malformed"],
    ["no values", own({}), "empty"],
    ["a name twice", '{"_type":"x","_type":"y"}', "payload-malformed"],
    ["text that is no JSON", "{", "payload-malformed"],
  ])("refuses %s", async (_what, payload, fault) => {
    await expect(register(payload)).rejects.toEqual(refusal("reference-value-invalid", fault));
  });

  test("refuses an envelope around something else", async () => {
    await expect(register(statement(), { payloadType: "application/json" })).rejects.toEqual(
      refusal("reference-value-invalid", "unsupported"),
    );
  });

  test.each([
    ["no signatures", { signatures: [] }],
    ["too many", { signatures: Array.from({ length: 9 }, () => ({ sig: "" })) }],
    ["a signature that is no base64", { signatures: [{ sig: "%" }] }],
    ["a payload that is no base64", { payload: "%" }],
    ["signatures that are none", { signatures: [1] }],
    ["a payload that is no text", { payload: 5 }],
  ])("refuses an envelope with %s", async (_what, change) => {
    const { values } = await open();
    const text = JSON.stringify({ ...JSON.parse(envelope(statement(), acme.privateKey)), ...change });
    for (const submitter of [NOBODY, ALICE])
      await expect(values.register(messageOf("in-toto", text), submitter, SIGNAL)).rejects.toEqual(
        refusal("reference-value-invalid", "payload-malformed"),
      );
  });

  test("the predicate type of our own is fixed", () =>
    expect(OWN_PREDICATE).toBe("urn:keywarden:reference-values:v1"));
});
