import { createRequire } from "node:module";

/**
 * The part of saxes that is used here, with types of our own: those it brings along are refused by TypeScript 7, and
 * the compiler looks at them as soon as the package is imported by name.
 */
export interface SaxTag {
  readonly local: string;
  readonly uri: string;
  readonly attributes: Readonly<Record<string, SaxAttribute>>;
}

export interface SaxAttribute {
  readonly local: string;
  readonly uri: string;
  readonly value: string;
}

interface Events {
  error: Error;
  doctype: string;
  processinginstruction: unknown;
  xmldecl: { readonly encoding?: string };
  opentagstart: unknown;
  attribute: unknown;
  opentag: SaxTag;
  closetag: unknown;
  text: string;
  cdata: string;
}

export interface SaxParser {
  /** From 1. */
  readonly line: number;
  /** Characters of the line that were read. */
  readonly column: number;
  on<Name extends keyof Events>(name: Name, handler: (event: Events[Name]) => void): void;
  write(text: string): SaxParser;
  close(): SaxParser;
}

interface Saxes {
  readonly SaxesParser: new (options: { readonly xmlns: true; readonly position: true }) => SaxParser;
}

// `require` knows no types; these are held by every test that reads a document.
const { SaxesParser } = createRequire(import.meta.url)("saxes") as Saxes;

/** A parser of XML 1.0 with namespaces that tells positions. */
export function openSaxParser(): SaxParser {
  return new SaxesParser({ xmlns: true, position: true });
}
