import { readXml, type XmlElement, XmlError, xmlAttribute, xmlDescendants } from "../formats/xml/read-xml.ts";
import { Collected, type Extraction, malformed } from "./manifest.ts";

/**
 * Type `swid`: a SWID tag (ISO/IEC 19770-2:2015) that is a reference integrity manifest (TCG RIM Information Model),
 * as vendors of devices publish it. Names and values are those of Trustee's extractor. A signature inside is not
 * looked at: an administrator vouches for the document.
 */

const SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const RIM =
  "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";
const SHA384 = "http://www.w3.org/2001/04/xmlenc#sha384";
const SHA384_HEX = /^[0-9a-fA-F]{96}$/;
/** Most alternatives that one measurement may have. */
const MAX_HASHES = 256;

/** @throws KbsError `reference-value-invalid` with line and column */
export function extractSwid(payload: Buffer): Extraction {
  const root = read(payload);
  const prefix = namePrefix(only(root, "Meta"));
  const collected = new Collected();
  for (const resource of xmlDescendants(only(root, "Payload"))) {
    if (resource.namespace !== SWID) continue;
    if (resource.name === "File")
      collected.leaveOut("a File: only measurements become values", placeOf(resource));
    if (resource.name !== "Resource" || xmlAttribute(resource, "", "type") !== "Measurement") continue;
    const index = required(resource, "", "index", "a measurement without an index");
    const hashes = hashesOf(resource);
    // No hash, or zeros only, means that nothing is measured there.
    if (hashes.length > 0)
      // Dashes cannot stand in names that Rego reads with a dot.
      collected.add(`${prefix}.measurement_${index}`.replaceAll("-", "_"), hashes, placeOf(resource));
    else if ([...resource.attributes.keys()].some((key) => /\}Hash\d/.test(key) && !key.includes(SHA384)))
      collected.leaveOut(`measurement ${index} has no SHA-384 hash`, placeOf(resource));
  }
  return collected.finish();
}

function read(payload: Buffer): XmlElement {
  try {
    return readXml(payload);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    throw malformed(
      "payload-malformed",
      `the payload is not acceptable XML: ${error.message}`,
      placeOf(error),
    );
  }
}

/** Looking for one would let a second one hide. */
function only(root: XmlElement, name: string): XmlElement {
  const found = [...xmlDescendants(root)].filter((each) => each.namespace === SWID && each.name === name);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const second = found[1];
  if (second === undefined)
    throw malformed("payload-malformed", `the SWID tag has no element ${name}`, placeOf(root));
  throw malformed("payload-malformed", `the SWID tag has more than one element ${name}`, placeOf(second));
}

function namePrefix(meta: XmlElement): string {
  const manufacturer = required(meta, RIM, "PlatformManufacturerStr", "Meta does not name the manufacturer");
  const edition = required(meta, "", "edition", "Meta does not name the edition");
  return `${manufacturer.replaceAll(" ", "_")}.${edition}`;
}

function required(element: XmlElement, namespace: string, name: string, complaint: string): string {
  const value = xmlAttribute(element, namespace, name);
  if (value === undefined || value === "") throw malformed("payload-malformed", complaint, placeOf(element));
  return value;
}

/** `Hash0`, `Hash1` and so on up to the first that is missing: any of them is as good as another. */
function hashesOf(resource: XmlElement): string[] {
  const hashes: string[] = [];
  for (let index = 0; ; index += 1) {
    const hash = xmlAttribute(resource, SHA384, `Hash${index}`);
    if (hash === undefined) return hashes;
    if (index >= MAX_HASHES)
      throw malformed(
        "too-many-values",
        `a measurement has more than ${MAX_HASHES} hashes`,
        placeOf(resource),
      );
    if (!SHA384_HEX.test(hash))
      throw malformed(
        "value-invalid",
        `Hash${index} is not a SHA-384 hash in hexadecimal`,
        placeOf(resource),
      );
    if (/[^0]/.test(hash)) hashes.push(hash.toLowerCase());
  }
}

function placeOf({ line, column }: { readonly line: number; readonly column: number }): string {
  return `line ${line}, column ${column}`;
}
