/** Finds the ends of strings and templates, which may nest: `$"a {f("b")} {$"c {d}"}"`. */

/** Templates inside templates; deeper ones are unterminated. */
const MAX_DEPTH = 16;

/** @param at - of the opening quote; @returns the offset behind the closing one, or -1 */
export function endOfString(text: string, at: number): number {
  const quote = text[at];
  for (let pos = at + 1; pos < text.length; pos += 1) {
    const c = text[pos];
    if (c === "\\" && quote === '"') pos += 1;
    else if (c === "\n" && quote === '"') return -1;
    else if (c === quote) return pos + 1;
  }
  return -1;
}

/** @param at - of the quote behind the dollar sign; @returns the offset behind the closing quote, or -1 */
export function endOfTemplate(text: string, at: number, depth = 0): number {
  const quote = text[at];
  let pos = at + 1;
  while (pos < text.length) {
    const c = text[pos];
    if (c === quote) return pos + 1;
    if (c === "\n" && quote === '"') return -1;
    if (c === "\\" && (quote === '"' || text[pos + 1] === "{")) pos += 2;
    else if (c === "{") {
      pos = endOfBraces(text, pos, depth);
      if (pos < 0) return -1;
    } else pos += 1;
  }
  return -1;
}

/** @param at - of the opening brace; @returns the offset behind the closing one, or -1 */
export function endOfBraces(text: string, at: number, depth = 0): number {
  let open = 1;
  let pos = at + 1;
  while (pos >= 0 && pos < text.length) {
    const c = text[pos];
    const next = text[pos + 1];
    if (c === "$" && (next === '"' || next === "`")) {
      if (depth >= MAX_DEPTH) return -1;
      pos = endOfTemplate(text, pos + 1, depth + 1);
      if (pos < 0) return -1;
      continue;
    }
    if (c === '"' || c === "`") {
      pos = endOfString(text, pos);
      if (pos < 0) return -1;
      continue;
    }
    if (c === "{") open += 1;
    if (c === "}") open -= 1;
    pos += 1;
    if (open === 0) return pos;
  }
  return -1;
}
