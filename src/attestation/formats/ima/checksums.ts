import { ImaPolicyError } from "./policy-error.ts";

/** A line of `sha256sum` and its sisters; a backslash in front says that the name has escapes. */
const LINE = /^(\\?)([0-9a-fA-F]{40,128}) [ *](.+)$/;
/** A line with `--tag`. */
const TAGGED = /^(\\?)SHA(?:1|224|256|384|512) \((.+)\) = ([0-9a-fA-F]{40,128})$/;

/**
 * Reads a list as `sha256sum` prints it. Empty lines and lines that begin with `#` are left out.
 *
 * @throws ImaPolicyError with the number of a line that is none
 */
export function parseChecksums(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const files = new Map<string, Set<string>>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [escaped, digest, name] = partsOf(line) ?? [];
    if (digest === undefined || name === undefined)
      throw new ImaPolicyError(`line ${i + 1} is neither a checksum and a path nor JSON`);
    const path = escaped === "\\" ? withoutEscapes(name) : name;
    const digests = files.get(path) ?? new Set();
    files.set(path, digests.add(digest.toLowerCase()));
  }
  if (files.size === 0) throw new ImaPolicyError("the list of checksums is empty");
  return files;
}

function partsOf(line: string): readonly (string | undefined)[] | undefined {
  const plain = LINE.exec(line);
  if (plain !== null) return [plain[1], plain[2], plain[3]];
  const tagged = TAGGED.exec(line);
  return tagged === null ? undefined : [tagged[1], tagged[3], tagged[2]];
}

function withoutEscapes(name: string): string {
  return name.replace(/\\(n|r|\\)/g, (_, letter: string) =>
    letter === "n" ? "\n" : letter === "r" ? "\r" : "\\",
  );
}
