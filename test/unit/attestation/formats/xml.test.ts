import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  readXml,
  XmlError,
  type XmlLimits,
  xmlAttribute,
  xmlDescendants,
} from "../../../../src/attestation/formats/xml/read-xml.ts";

const read = (text: string, limits?: XmlLimits) => readXml(Buffer.from(text), limits);

describe("XML", () => {
  test("elements, attributes and text are told by namespace, whatever the prefixes", () => {
    const root = read(
      '<?xml version="1.0" encoding="UTF-8"?>\n<!-- note --><a xmlns="urn:a" xmlns:b="urn:b" c="1" b:c="2">x<b:d/>y<![CDATA[<z>]]>&lt;&#65;</a>\n',
    );
    expect([root.namespace, root.name, root.text]).toEqual(["urn:a", "a", "xy<z><A"]);
    expect(["", "urn:b", "urn:a"].map((namespace) => xmlAttribute(root, namespace, "c"))).toEqual([
      "1",
      "2",
      undefined,
    ]);
    expect(root.attributes.size).toBe(2);
    expect([...xmlDescendants(root)].map(({ namespace, name }) => `${namespace} ${name}`)).toEqual([
      "urn:a a",
      "urn:b d",
    ]);
  });

  test.each([
    ["a document type", "<!DOCTYPE a><a/>", 1],
    ["an entity of its own", '<!DOCTYPE a [<!ENTITY x "y">]>\n<a>&x;</a>', 1],
    ["a processing instruction", "<a>\n<?php x?></a>", 2],
    ["another encoding", '<?xml version="1.0" encoding="ISO-8859-1"?><a/>', 1],
    ["an entity nobody declared", "<a>\n\n&nbsp;</a>", 3],
    ["a prefix nobody declared", "<a><b:c/></a>", 1],
    ["two roots", "<a/><b/>", 1],
    ["text after the root", "<a/>b", 1],
    ["an end that is another's", "<a><b></a></b>", 1],
    ["an attribute twice", '<a b="1" b="2"/>', 1],
    ["an attribute twice by its namespace", '<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>', 1],
    ["a control character", "<a>\u0001</a>", 1],
    ["nothing", "", 1],
  ])("refuses %s, and says the line", (_what, text, line) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ name: "XmlError", line }));
  });

  test("refuses bytes that are no UTF-8, and a message never repeats the document", () => {
    expect(() => readXml(Buffer.from([0x3c, 0xff]))).toThrow(XmlError);
    for (const text of [
      "<a>&secret;</a>",
      "<secret",
      "<a secret='1' secret='2'/>",
      "<a><secret></a>",
      "<secret:a/>",
      "<a secret:b=''/>",
      "<a/>secret",
    ])
      expect(() => read(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining("secret") }),
      );
  });

  test("is bounded in bytes, elements, depth and attributes", () => {
    expect(() => read("<a/>", { maxBytes: 3 })).toThrow(XmlError);
    expect(read("<a><b/></a>", { maxElements: 2 }).name).toBe("a");
    expect(() => read("<a><b/><b/></a>", { maxElements: 2 })).toThrow(XmlError);
    expect(read("<a><b/></a>", { maxDepth: 2 }).name).toBe("a");
    expect(() => read("<a><b><c/></b></a>", { maxDepth: 2 })).toThrow(XmlError);
    expect(read('<a b="" c=""/>', { maxAttributes: 2 }).name).toBe("a");
    expect(() => read('<a b="" c="" d=""/>', { maxAttributes: 2 })).toThrow(XmlError);
    expect(() => read("<a>".repeat(200_000))).toThrow(XmlError);
  });

  test("B29 any text ends in an element or in an XmlError", () => {
    const pieces = fc.constantFrom(
      ...["<", ">", "a", "</", "/>", "&", ";", '"', "=", " ", "<!--", "-->", "<![CDATA[", "]]>", "<?"],
      ...["xmlns:", ":", "\n", "\u0000", "é", "<!DOCTYPE", "&#x110000;", "&#0;"],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        try {
          return read(`<a>${parts.join("")}</a>`).name === "a";
        } catch (error) {
          return error instanceof XmlError && error.line >= 1 && error.column >= 1;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
