import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { extractSwid } from "../../../../src/attestation/reference-values/extract-swid.ts";
import { digestOf, swid } from "../../../support/manifests.ts";
import { describeShared, sharedPath } from "../../../support/shared.ts";

const extract = (text: string) => extractSwid(Buffer.from(text));
const ZEROS = digestOf("00");

/** The stable name of what is wrong, and where. */
function faultOf(text: string): unknown {
  try {
    extract(text);
    return "accepted";
  } catch (error) {
    const { code, extra } = error as { code: string; extra: { fault: string; position?: string } };
    return code === "reference-value-invalid" ? extra.fault : error;
  }
}

describe("SWID", () => {
  test("AS-087 a measurement becomes a list of hashes under manufacturer, edition and index", () => {
    const text = swid({
      manufacturer: "Example Big Corporation",
      edition: "GPU-2",
      resources: [
        `type="Measurement" index="0" h:Hash0="${digestOf("AB")}"`,
        `type="Measurement" index="12" h:Hash0="${digestOf("01")}" h:Hash1="${digestOf("02")}"`,
        `type="Measurement" index="a-b" h:Hash0="${digestOf("03")}"`,
      ],
    });
    expect([...extract(text).values]).toEqual([
      ["Example_Big_Corporation.GPU_2.measurement_0", [digestOf("ab")]],
      ["Example_Big_Corporation.GPU_2.measurement_12", [digestOf("01"), digestOf("02")]],
      ["Example_Big_Corporation.GPU_2.measurement_a_b", [digestOf("03")]],
    ]);
  });

  test("AS-087 zeros are no hash, and a measurement without a hash is no value", () => {
    const text = swid({
      resources: [
        `type="Measurement" index="0" h:Hash0="${ZEROS}"`,
        `type="Measurement" index="1" h:Hash0="${ZEROS}" h:Hash1="${digestOf("02")}" h:Hash2="${ZEROS}"`,
        `type="Measurement" index="2" size="48"`,
        `type="Other" index="3" h:Hash0="${digestOf("03")}"`,
        `index="4" h:Hash0="${digestOf("04")}"`,
        `type="Measurement" index="5" Hash0="${digestOf("05")}"`,
      ],
    });
    expect([...extract(text).values]).toEqual([["Example_Corporation.GPU.measurement_1", [digestOf("02")]]]);
  });

  test("hashes stop at the first number that is missing; others of another algorithm are told", () => {
    const found = extract(
      swid({
        resources: [
          `type="Measurement" index="0" h:Hash0="${digestOf("01")}" h:Hash2="${digestOf("02")}"`,
          `xmlns:o="http://www.w3.org/2001/04/xmlenc#sha256" type="Measurement" index="1" o:Hash0="${digestOf("03", 32)}"`,
        ],
      }),
    );
    expect([...found.values.values()]).toEqual([[digestOf("01")]]);
    expect(found.leftOut).toEqual([
      expect.stringMatching(/^measurement 1 has no SHA-384 hash \(line \d+, column \d+\)$/),
    ]);
  });

  test.each([
    ["no XML", "SWID", "payload-malformed"],
    ["nothing", "", "payload-malformed"],
    ["an element that is not closed", swid().replace("</SoftwareIdentity>", ""), "payload-malformed"],
    ["a prefix that is not declared", swid().replace('xmlns:h="', 'xmlns:g="'), "payload-malformed"],
    ["an attribute twice", swid({ resources: ['type="Measurement" type="Other"'] }), "payload-malformed"],
    ["a document type", swid({ prolog: "<!DOCTYPE SoftwareIdentity>" }), "payload-malformed"],
    [
      "an entity that expands",
      swid({ prolog: '<!DOCTYPE a [<!ENTITY x "y">]>', manufacturer: "&x;" }),
      "payload-malformed",
    ],
    [
      "an external entity",
      swid({ prolog: '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', manufacturer: "&x;" }),
      "payload-malformed",
    ],
    ["an unknown entity", swid({ manufacturer: "&x;" }), "payload-malformed"],
    ["a processing instruction", swid({ prolog: "<?xml-stylesheet href='x'?>" }), "payload-malformed"],
    ["another encoding", `<?xml version="1.0" encoding="UTF-16"?>${swid()}`, "payload-malformed"],
    ["no manufacturer", swid().replace(/r:PlatformManufacturerStr="[^"]*"/, ""), "payload-malformed"],
    ["no edition", swid().replace(/edition="[^"]*"/, ""), "payload-malformed"],
    ["an empty edition", swid({ edition: "" }), "payload-malformed"],
    ["no Meta", swid().replace(/<s:Meta[^>]*>/, ""), "payload-malformed"],
    ["two Metas", swid().replace(/(<s:Meta[^>]*>)/, "$1$1"), "payload-malformed"],
    ["no Payload", swid({ payload: "" }), "payload-malformed"],
    ["two Payloads", swid({ payload: "<s:Payload/><s:Payload/>" }), "payload-malformed"],
    ["elements of another namespace", swid().replaceAll("iso/19770", "iso/19771"), "payload-malformed"],
    [
      "a measurement without index",
      swid({ resources: [`type="Measurement" h:Hash0="${digestOf("01")}"`] }),
      "payload-malformed",
    ],
    ["a short hash", swid({ resources: ['type="Measurement" index="0" h:Hash0="abcd"'] }), "value-invalid"],
    [
      "a hash with a digit that is none",
      swid({ resources: [`type="Measurement" index="0" h:Hash0="${digestOf("0g")}"`] }),
      "value-invalid",
    ],
    [
      "an index twice",
      swid({
        resources: [0, 1].map((at) => `type="Measurement" index="0" h:Hash0="${digestOf(`0${at + 1}`)}"`),
      }),
      "name-ambiguous",
    ],
    ["nothing measured", swid({ resources: [] }), "empty"],
    ["zeros only", swid({ resources: [`type="Measurement" index="0" h:Hash0="${ZEROS}"`] }), "empty"],
  ])("refuses %s", (_what, text, fault) => {
    expect(faultOf(text)).toBe(fault);
  });

  test("a refusal says the line and the column", () => {
    const text = swid({ resources: ['type="Measurement" index="0" h:Hash0="abcd"'] });
    expect(() => extract(text)).toThrow(
      expect.objectContaining({ extra: { fault: "value-invalid", position: "line 4, column 68" } }),
    );
  });

  test("is bounded in depth, elements, attributes and hashes", () => {
    const deep = swid({ payload: `<s:Payload>${"<s:a>".repeat(50)}${"</s:a>".repeat(50)}</s:Payload>` });
    const many = swid({ payload: `<s:Payload>${"<s:a/>".repeat(100_001)}</s:Payload>` });
    const wide = swid({ resources: [Array.from({ length: 600 }, (_, at) => `a${at}=""`).join(" ")] });
    const hashes = Array.from({ length: 300 }, (_, at) => `h:Hash${at}="${digestOf("01")}"`).join(" ");
    for (const text of [deep, many, wide]) expect(faultOf(text)).toBe("payload-malformed");
    expect(faultOf(swid({ resources: [`type="Measurement" index="0" ${hashes}`] }))).toBe("too-many-values");
  });
});

describeShared("manifests of a vendor", "fixtures/nvidia/rim", () => {
  test.each([
    ["driver_GH100_550.144.03.xml", 20, "NVIDIA_Corporation.GPU.measurement_7"],
    ["vbios_1010_0200_882_96005E0001.xml", 9, "NVIDIA_Corporation.GPU.measurement_1"],
    ["switch_5612_0002_890_9610550001.xml", 24, "NVIDIA_Corporation.SWITCH.measurement_0"],
  ])("AS-087 %s gives %i values", (file, count, name) => {
    const { values } = extractSwid(readFileSync(sharedPath("fixtures/nvidia/rim", file)));
    expect(values.size).toBe(count);
    for (const each of values.values()) expect(String(each)).toMatch(/^[0-9a-f]{96}(?:,[0-9a-f]{96})*$/);
    expect(values.has(name)).toBe(true);
  });
});
