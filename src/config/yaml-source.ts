import { isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";
import type { ConfigFault } from "./section.ts";

/** Longest configuration in characters; also bounds the time the YAML parser takes. */
const MAX_LENGTH = 1024 * 1024;
/** Aliases are a convenience here, not a way to blow a small file up. */
const MAX_ALIASES = 100;

/** A YAML text, read: its plain data, and where each path stands in it. */
export interface YamlSource {
  readonly data: unknown;
  readonly faults: readonly ConfigFault[];
  /** Adds line and column to a fault, as near to its path as the text goes. */
  place(fault: ConfigFault): ConfigFault;
}

export function readYaml(text: string): YamlSource {
  if (text.length > MAX_LENGTH) return refused(`the configuration is longer than ${MAX_LENGTH} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    strict: true,
    uniqueKeys: true,
  });
  const faults = [...document.errors, ...document.warnings].map((problem) => {
    const { line, col } = lines.linePos(problem.pos[0]);
    return { path: "", message: `not acceptable YAML: ${firstLine(problem.message)}`, line, col };
  });
  if (faults.length > 0) return { data: undefined, faults, place: (fault) => fault };
  const place = (fault: ConfigFault): ConfigFault => {
    const offset = offsetOf(document.contents, fault.path) ?? 0;
    return { ...fault, ...lines.linePos(offset) };
  };
  try {
    return { data: document.toJS({ maxAliasCount: MAX_ALIASES }), faults: [], place };
  } catch {
    return refused("the configuration repeats itself through too many aliases");
  }
}

function refused(message: string): YamlSource {
  return { data: undefined, faults: [{ path: "", message, line: 1, col: 1 }], place: (fault) => fault };
}

/** The parser's message may go on to quote the text, which may hold what nobody should see. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}

/** Offset of the deepest part of `path` that the text has; `undefined` when not even its head is there. */
function offsetOf(node: unknown, path: string): number | undefined {
  if (path === "") return undefined;
  if (isSeq(node)) return offsetInList(node.items, path);
  return isMap(node) ? offsetInMap(node.items, path) : undefined;
}

function offsetInList(items: readonly unknown[], path: string): number | undefined {
  const [step = "", index] = /^\[(\d+)\]\.?/.exec(path) ?? [];
  const item = index === undefined ? undefined : items[Number(index)];
  return item === undefined ? undefined : (offsetOf(item, path.slice(step.length)) ?? startOf(item));
}

function offsetInMap(items: readonly Pair[], path: string): number | undefined {
  const pair = items
    .filter(({ key }) => isHead(nameOf(key), path))
    .sort((left, right) => nameOf(right.key).length - nameOf(left.key).length)[0];
  if (pair === undefined) return undefined;
  return offsetOf(pair.value, path.slice(nameOf(pair.key).length).replace(/^\./, "")) ?? startOf(pair.key);
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function isHead(name: string, path: string): boolean {
  return path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`);
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined;
}
