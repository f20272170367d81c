import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { extractCorim } from "../../../../src/attestation/reference-values/extract-corim.ts";
import { type CborKey, CborTag, type CborValue, encodeCbor } from "../../../../src/crypto/cbor.ts";
import {
  type CorimFields,
  comid,
  corim,
  digestOf,
  digests,
  ecKeys,
  map,
  measurement,
  signedCorim,
} from "../../../support/manifests.ts";
import { describeShared, sharedPath } from "../../../support/shared.ts";

const UUID = Buffer.from("31fb5abf023e4992aa4e95f9c1503bfa", "hex");
const AB = digestOf("ab");
const { privateKey } = ecKeys();
const at = (milliseconds: number) => new CborTag(1, milliseconds / 1000);

const namesIn = (fields: CorimFields) => [...extractCorim(corim(fields)).values.keys()];

function faultOf(payload: Buffer): unknown {
  try {
    extractCorim(payload);
    return "accepted";
  } catch (error) {
    const { code, extra } = error as { code: string; extra: { fault: string; position?: string } };
    return code === "reference-value-invalid" ? [extra.fault, extra.position] : error;
  }
}

function withEnvironment(environment: ReadonlyMap<CborKey, CborValue>): CorimFields {
  return { environment };
}

describe("CoRIM", () => {
  test("AS-088 digests become a list of hexadecimal digests, raw bytes one hexadecimal text", () => {
    const measurements = [
      measurement(new CborTag(37, UUID), digests(AB, digestOf("01", 32))),
      measurement("config", [4, new CborTag(560, Buffer.from([1, 2, 3]))]),
    ];
    const environment = map([
      0,
      map([0, new CborTag(560, Buffer.from("id"))], [1, "ACME"], [2, "RoadRunner"]),
    ]);
    expect(Object.fromEntries(extractCorim(corim({ environment, measurements })).values)).toEqual({
      "ACME/RoadRunner/31fb5abf-023e-4992-aa4e-95f9c1503bfa/digests": [AB, digestOf("01", 32)],
      "ACME/RoadRunner/config/raw_bytes": "010203",
    });
  });

  test.each<[string, CorimFields, string]>([
    ["vendor, model, key", {}, "acme/X/kernel/digests"],
    ["vendor alone", withEnvironment(map([0, map([1, "acme"])])), "acme/kernel/digests"],
    ["no class", withEnvironment(map()), "kernel/digests"],
    ["a number as key", { measurements: [measurement(7, digests(AB))] }, "acme/X/claim7/digests"],
    ["no key", { measurements: [measurement(undefined, digests(AB))] }, "acme/X/digests"],
    ["an OID as key", { measurements: [measurement(new CborTag(111, UUID), digests(AB))] }, "acme/X/digests"],
    [
      "name and serial number",
      { measurements: [measurement("k", digests(AB), [11, "boot"], [8, "S1"])] },
      "acme/X/k/boot/S1/digests",
    ],
  ])("AS-088 the name is made of %s", (_what, fields, name) => {
    expect(namesIn(fields)).toEqual([name]);
  });

  test("AS-088 outer tags 500 and 502 are taken off; a CoMID may stand without its tag", () => {
    const plain = corim();
    for (const outer of [500, 502]) {
      const [high, low] = [outer >> 8, outer & 0xff];
      const wrapped = Buffer.concat([Buffer.from([0xd9, high, low]), plain]);
      expect(extractCorim(wrapped).values.size).toBe(1);
    }
    const [tag] = [comid([[map(), [measurement("k", digests(AB))]]])];
    expect(namesIn({ tags: [tag?.value ?? null] })).toEqual(["k/digests"]);
  });

  test("digests of one name in one environment are alternatives, each once", () => {
    const measurements = [digestOf("01"), digestOf("02"), digestOf("01")].map((hex) =>
      measurement("k", digests(hex)),
    );
    expect([...extractCorim(corim({ measurements })).values.values()]).toEqual([
      [digestOf("01"), digestOf("02")],
    ]);
  });

  test("D12 values of two environments never share a name", () => {
    const environment = (id: string) => map([0, map([0, new CborTag(560, Buffer.from(id))])]);
    const triple = (id: string, hex: string): CborValue => [
      environment(id),
      [measurement("k", digests(hex))],
    ];
    const fields = { triples: [triple("a", digestOf("01")), triple("b", digestOf("02"))] };
    expect(faultOf(corim(fields))).toEqual([
      "name-ambiguous",
      "corim.tags[0].triples.reference[1].measurements[0].digests",
    ]);
    const raw = (byte: number) => measurement("k", [4, new CborTag(560, Buffer.from([byte]))]);
    expect(faultOf(corim({ measurements: [raw(1), raw(2)] }))).toEqual([
      "name-ambiguous",
      "corim.tags[0].triples.reference[0].measurements[1].raw-value",
    ]);
    expect(faultOf(corim({ measurements: [raw(1), raw(1)] }))).toBe("accepted");
    const two = [comid([triple("a", AB)]), comid([triple("b", AB)])];
    expect(faultOf(corim({ tags: two }))).toEqual(["name-ambiguous", expect.any(String)]);
  });

  test.each<[string, CorimFields]>([
    ["one machine", withEnvironment(map([0, map([1, "acme"])], [1, new CborTag(550, UUID)]))],
    ["a group of machines", withEnvironment(map([2, new CborTag(37, UUID)]))],
    ["a mask", { measurements: [measurement("k", [4, new CborTag(560, UUID)], [5, UUID])] }],
    ["masked bytes", { measurements: [measurement("k", [4, new CborTag(563, [UUID, UUID])])] }],
    ["certain keys", { measurements: [measurement("k", digests(AB)).set(2, [new CborTag(554, "pem")])] }],
    ["the svn", { measurements: [measurement("k", [1, 3])] }],
    ["other triples", { tags: [new CborTag(506, encodeCbor(map([1, map()], [4, map([1, []])])))] }],
    ["a CoSWID", { tags: [new CborTag(505, encodeCbor(map()))] }],
  ])("leaves out what a value cannot say and tells so: %s", (_what, fields) => {
    expect(faultOf(corim(fields))).toEqual(["empty", undefined]);
    const both = { ...fields, tags: [...(fields.tags ?? [decodedTag(fields)]), decodedTag({})] };
    const { values, leftOut } = extractCorim(corim(both));
    expect([...values.keys()]).toEqual(["acme/X/kernel/digests"]);
    expect(leftOut).toHaveLength(1);
  });

  test.each<[string, Buffer, string, string | undefined]>([
    ["no CBOR", Buffer.from("ff", "hex"), "payload-malformed", "the whole"],
    ["nothing", Buffer.alloc(0), "payload-malformed", "the whole"],
    ["bytes after it", Buffer.concat([corim(), Buffer.from([0])]), "payload-malformed", "the whole"],
    ["text", encodeCbor("corim"), "payload-malformed", "corim"],
    ["another tag", encodeCbor(new CborTag(600, map([1, []]))), "payload-malformed", "corim"],
    ["no tags", encodeCbor(map([0, "id"])), "payload-malformed", "corim.tags"],
    ["an empty list of tags", corim({ tags: [] }), "payload-malformed", "corim.tags"],
    ["a tag that is none", corim({ tags: ["x"] }), "payload-malformed", "corim.tags[0]"],
    [
      "a CoMID that is no CBOR",
      corim({ tags: [Buffer.from("ff", "hex")] }),
      "payload-malformed",
      "corim.tags[0]",
    ],
    [
      "a triple of three",
      corim({ triples: [[map(), [], 1]] }),
      "payload-malformed",
      "corim.tags[0].triples.reference[0]",
    ],
    [
      "a short digest",
      corim({ measurements: [measurement("k", digests("abcd"))] }),
      "value-invalid",
      "corim.tags[0].triples.reference[0].measurements[0].digests[0]",
    ],
    [
      "a digest without algorithm",
      corim({ measurements: [measurement("k", [2, [Buffer.from(AB, "hex")]])] }),
      "payload-malformed",
      "corim.tags[0].triples.reference[0].measurements[0].digests[0]",
    ],
    [
      "a vendor that is a number",
      corim({ environment: map([0, map([1, 5])]) }),
      "payload-malformed",
      "corim.tags[0].triples.reference[0].environment.class.vendor",
    ],
    [
      "a name with a control character",
      corim({ measurements: [measurement("k\n", digests(AB))] }),
      "name-invalid",
      "corim.tags[0].triples.reference[0].measurements[0].digests",
    ],
    [
      "a UUID of 15 bytes",
      corim({ measurements: [measurement(new CborTag(37, UUID.subarray(1)), digests(AB))] }),
      "payload-malformed",
      "corim.tags[0].triples.reference[0].measurements[0].key",
    ],
    ["a validity that is none", corim({ members: [[4, 5]] }), "payload-malformed", "corim.rim-validity"],
    [
      "a validity without an end",
      corim({ members: [[4, map([0, at(0)])]] }),
      "payload-malformed",
      "corim.rim-validity.not-after",
    ],
  ])("refuses %s", (_what, payload, fault, position) => {
    expect(faultOf(payload)).toEqual([fault, position]);
  });

  test("a validity in the manifest is taken over", () => {
    const members = [[4, map([0, at(1_000_000)], [1, at(2_000_000)])]] as const;
    expect(extractCorim(corim({ members }))).toMatchObject({
      issuedAt: 1_000_000,
      validFrom: 1_000_000,
      validUntil: 2_000_000,
    });
    expect(extractCorim(corim())).not.toHaveProperty("validUntil");
  });

  test("of a signature's validity and the manifest's, the narrower holds", () => {
    const members = [[4, map([0, at(1_000_000)], [1, at(9_000_000)])]] as const;
    const signed = signedCorim(corim({ members }), privateKey, {
      issuedAt: 3_000_000,
      validUntil: 5_000_000,
    });
    expect(extractCorim(signed)).toMatchObject({
      issuedAt: 3_000_000,
      validFrom: 3_000_000,
      validUntil: 5_000_000,
    });
    const claims = map([4, 4_000], [6, 3_000]);
    const byClaims = signedCorim(corim({ members }), privateKey, {
      header: [
        [3, "application/rim+cbor"],
        [15, claims],
      ],
    });
    expect(extractCorim(byClaims)).toMatchObject({
      issuedAt: 3_000_000,
      validFrom: 1_000_000,
      validUntil: 4_000_000,
    });
  });

  test.each<[string, Buffer, string]>([
    [
      "over another content type",
      signedCorim(corim(), privateKey, { header: [[3, "application/cbor"]] }),
      "header",
    ],
    ["without content type", signedCorim(corim(), privateKey, { header: [] }), "header"],
    [
      "with an array of three",
      encodeCbor(new CborTag(18, [Buffer.alloc(0), map(), Buffer.alloc(0)])),
      "the whole",
    ],
    [
      "with too many certificates",
      signedCorim(corim(), privateKey, { unprotected: map([33, Array.from({ length: 11 }, () => UUID)]) }),
      "header.x5chain",
    ],
  ])("refuses a signed one %s", (_what, payload, position) => {
    expect(faultOf(payload)).toEqual(["payload-malformed", position]);
  });
});

function decodedTag(fields: CorimFields): CborTag {
  const environment = fields.environment ?? map([0, map([1, "acme"], [2, "X"])]);
  return comid([[environment, fields.measurements ?? [measurement("kernel", digests(AB))]]]);
}

describeShared("CoRIMs of another project", "fixtures/cca/veraison", () => {
  const read = (name: string) => extractCorim(readFileSync(sharedPath("fixtures/cca/veraison", name)));

  test("AS-088 realm", () => {
    const { values } = read("corim-realm-valid.cbor");
    expect([...values.keys()].sort()).toEqual([
      "cca.rem0/digests",
      "cca.rem1/digests",
      "cca.rem2/digests",
      "cca.rem3/digests",
      "cca.rim/digests",
      "cca.rpv/raw_bytes",
    ]);
    expect(values.get("cca.rim/digests")).toEqual([digestOf("43", 64)]);
  });

  test("AS-088 platform; what no value stands for is told", () => {
    const { values, leftOut } = read("corim-platform-valid.cbor");
    expect([...values.keys()]).toEqual(
      ["BL", "M1", "M2", "M3"].map((name) => `cca.software-component/${name}/digests`),
    );
    expect(leftOut).toHaveLength(6);
  });
});
