import type { Body, Dialect, Import, Module, Rule } from "../ast.ts";
import { type Location, RegoParseError } from "../errors.ts";
import { lex } from "../lexer.ts";
import { BodyParser } from "./bodies.ts";
import type { FutureKeyword } from "./cursor.ts";
import { RuleParser } from "./rules.ts";

/** 1 MiB; see the policy upload limit. */
export const MAX_TEXT_LENGTH = 1024 * 1024;
const MAX_RULES = 10_000;
const MAX_ERRORS = 20;

export interface ParseOptions {
  readonly file: string;
  readonly dialect?: Dialect;
}

/** Either a module or the reasons why there is none; a late import is only worth a warning. */
export interface ParseResult {
  readonly module?: Module;
  readonly errors: readonly RegoParseError[];
  readonly lateImports: readonly Location[];
}

/** Reads one module; never throws. Faults are collected rule by rule, at most twenty. */
export function parseModule(text: string, options: ParseOptions): ParseResult {
  try {
    return parse(text, options);
  } catch (error) {
    return { errors: [asParseError(error, options.file)], lateImports: [] };
  }
}

/** Reads a query: the text behind `opa eval`. @throws RegoParseError */
export function parseQuery(
  text: string,
  file = "",
  dialect: Dialect = "v1",
  imports: readonly string[] = [],
): Body {
  if (text.length > MAX_TEXT_LENGTH) throw new RegoParseError("query text is too long", startOf(file));
  const words = dialect === "v1" ? ["if", "contains", "in", "every"] : [];
  const { tokens } = lex(file, text);
  try {
    return new BodyParser(file, tokens, new Set([...words, ...imports] as FutureKeyword[])).query(); // callers pass keyword names
  } catch (error) {
    throw asParseError(error, file);
  }
}

function startOf(file: string): Location {
  return { file, row: 1, col: 1, endRow: 1, endCol: 1 };
}

/** The parser's own bounds keep its recursion shallow; a stack already nearly full is still no crash. */
function asParseError(error: unknown, file: string): RegoParseError {
  if (error instanceof RegoParseError) return error;
  if (error instanceof RangeError)
    return new RegoParseError("policy text is nested too deeply", startOf(file));
  throw error;
}

function parse(text: string, options: ParseOptions): ParseResult {
  const { file, dialect = "v1" } = options;
  if (text.length > MAX_TEXT_LENGTH) {
    return {
      errors: [new RegoParseError("policy text is longer than 1 MiB", startOf(file))],
      lateImports: [],
    };
  }
  const { tokens, comments } = lex(file, text);
  const parser = new RuleParser(file, tokens, new Set());
  parser.begin(dialect === "v1");
  const errors: RegoParseError[] = [];
  if (parser.atEnd) return { errors: [parser.fault(parser.token, "empty module")], lateImports: [] };
  if (!parser.isWord("package")) {
    return { errors: [parser.fault(parser.token, "package expected")], lateImports: [] };
  }
  const start = parser.token;
  const packagePath = parser.packagePath();
  const packageLoc = parser.span(start);
  if (!parser.atEnd && parser.token.row === parser.previous.endRow && !parser.takeOp(";")) {
    errors.push(parser.unexpected(parser.token, "expected \\n or ;"));
    parser.recover();
  }
  const contents = parseContents(parser, errors);
  if (errors.length > 0) return { errors, lateImports: [] };
  const lines = text.split("\n");
  const { imports, rules, lateImports } = contents;
  const effective: Dialect = parser.strict ? "v1" : "v0";
  const module = { file, dialect: effective, packagePath, packageLoc, imports, rules, comments, lines };
  return { module, errors, lateImports };
}

interface Contents {
  readonly imports: Import[];
  readonly rules: Rule[];
  readonly lateImports: Location[];
}

function parseContents(parser: RuleParser, errors: RegoParseError[]): Contents {
  const contents: Contents = { imports: [], rules: [], lateImports: [] };
  while (!parser.atEnd && errors.length < MAX_ERRORS) {
    const before = parser.save();
    try {
      parseOne(parser, contents);
    } catch (error) {
      if (!(error instanceof RegoParseError)) throw error;
      errors.push(error);
      if (parser.save() === before) parser.next();
      parser.recover();
    }
  }
  return contents;
}

function parseOne(parser: RuleParser, contents: Contents): void {
  if (parser.takeOp(";")) return;
  if (parser.isWord("package")) throw parser.fault(parser.token, "unexpected package");
  if (parser.isWord("import")) {
    const found = parser.import();
    contents.imports.push(found);
    if (contents.rules.length > 0) contents.lateImports.push(found.loc);
    return;
  }
  contents.rules.push(parser.rule());
  if (contents.rules.length > MAX_RULES) throw parser.fault(parser.token, "policy text has too many rules");
}
