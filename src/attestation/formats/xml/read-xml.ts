import { openSaxParser, type SaxTag } from "./saxes.ts";

/**
 * The one door to XML (XML 1.0, Namespaces in XML 1.0), for documents from strangers: no document type, hence no
 * entities beside the five predefined ones, no processing instructions, UTF-8 only, bounded.
 */
export interface XmlElement {
  /** Namespace name; empty without one. */
  readonly namespace: string;
  /** Without the prefix. */
  readonly name: string;
  /** By namespace name and local name, see `xmlAttribute`. Declarations of namespaces are not among them. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Text directly inside, pieces joined. */
  readonly text: string;
  /** Where its start tag ends; both count from 1. */
  readonly line: number;
  readonly column: number;
}

/** Text that is not an acceptable XML document. The message is public: it says what and where. */
export class XmlError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(what: string, line: number, column: number) {
    super(what);
    this.name = "XmlError";
    this.line = line;
    this.column = column;
  }
}

export interface XmlLimits {
  readonly maxBytes?: number;
  readonly maxElements?: number;
  readonly maxDepth?: number;
  /** Per element, declarations of namespaces among them. */
  readonly maxAttributes?: number;
}

const DEFAULTS: Required<XmlLimits> = {
  maxBytes: 8 * 1024 * 1024,
  maxElements: 100_000,
  maxDepth: 32,
  maxAttributes: 512,
};
const XMLNS = "http://www.w3.org/2000/xmlns/";
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/**
 * @returns the root element
 * @throws XmlError, and nothing else on any input
 */
export function readXml(bytes: Uint8Array, limits: XmlLimits = {}): XmlElement {
  const bounds = { ...DEFAULTS, ...limits };
  if (bytes.byteLength > bounds.maxBytes)
    throw new XmlError(`a document of more than ${bounds.maxBytes} bytes`, 1, 1);
  return new TreeBuilder(bounds).read(decode(bytes));
}

/** The value of an attribute; attributes without a prefix have no namespace. */
export function xmlAttribute(element: XmlElement, namespace: string, name: string): string | undefined {
  return element.attributes.get(attributeKey(namespace, name));
}

/** The element itself and everything below it, in the order of the document. */
export function* xmlDescendants(element: XmlElement): Generator<XmlElement> {
  yield element;
  for (const child of element.children) yield* xmlDescendants(child);
}

function attributeKey(namespace: string, name: string): string {
  return `{${namespace}}${name}`;
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new XmlError("text that is not UTF-8", 1, 1);
  }
}

interface Open {
  readonly element: Omit<XmlElement, "text">;
  readonly children: XmlElement[];
  text: string;
}

class TreeBuilder {
  readonly #bounds: Required<XmlLimits>;
  readonly #parser = openSaxParser();
  readonly #open: Open[] = [];
  #elements = 0;
  #attributes = 0;
  #root: XmlElement | undefined;

  constructor(bounds: Required<XmlLimits>) {
    this.#bounds = bounds;
    const parser = this.#parser;
    // The library's sentence begins with the place, which is told beside it, and may quote the document.
    parser.on("error", ({ message }) => this.#refuse(plain(message)));
    parser.on("doctype", () => this.#refuse("a document type declaration, which is not accepted"));
    parser.on("processinginstruction", () => this.#refuse("a processing instruction, which is not accepted"));
    parser.on("xmldecl", ({ encoding }) => {
      if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) this.#refuse("an encoding other than UTF-8");
    });
    parser.on("opentagstart", () => this.#start());
    parser.on("attribute", () => this.#attribute());
    parser.on("opentag", (tag) => this.#opened(tag));
    parser.on("closetag", () => this.#closed());
    parser.on("text", (text) => this.#text(text));
    parser.on("cdata", (text) => this.#text(text));
  }

  read(text: string): XmlElement {
    this.#parser.write(text).close();
    return this.#root ?? this.#refuse("no element");
  }

  #start(): void {
    this.#attributes = 0;
    this.#elements += 1;
    if (this.#elements > this.#bounds.maxElements)
      this.#refuse(`more than ${this.#bounds.maxElements} elements`);
    if (this.#open.length >= this.#bounds.maxDepth)
      this.#refuse(`elements nested deeper than ${this.#bounds.maxDepth}`);
  }

  #attribute(): void {
    this.#attributes += 1;
    if (this.#attributes > this.#bounds.maxAttributes)
      this.#refuse(`an element with more than ${this.#bounds.maxAttributes} attributes`);
  }

  #opened(tag: SaxTag): void {
    const attributes = new Map<string, string>();
    for (const { uri, local, value } of Object.values(tag.attributes))
      if (uri !== XMLNS) attributes.set(attributeKey(uri, local), value);
    const { line, column } = this.#parser;
    const children: XmlElement[] = [];
    const element = { namespace: tag.uri, name: tag.local, attributes, children, line, column };
    this.#open.push({ element, children, text: "" });
  }

  #closed(): void {
    const closed = this.#open.pop();
    if (closed === undefined) return;
    const element = { ...closed.element, text: closed.text };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = element;
    else parent.children.push(element);
  }

  #text(text: string): void {
    const open = this.#open.at(-1);
    if (open !== undefined) open.text += text;
  }

  #refuse(what: string): never {
    const { line, column } = this.#parser;
    throw new XmlError(what, line, Math.max(1, column));
  }
}

function plain(message: string): string {
  return message.replace(/^\d+:\d+: /, "").replace(/[.:].*$/s, "");
}
