/** `; did you mean "x"?` for the candidate that is a slip of the pen away from `word`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(fold(word), fold(candidate)) }))
    .sort((left, right) => left.distance - right.distance);
  const [best] = ranked;
  const allowed = Math.max(1, Math.floor(word.length / 3));
  return best !== undefined && best.distance <= allowed ? `; did you mean "${best.candidate}"?` : "";
}

const MAX_COMPARED = 64;

/** People mix `max_body_bytes`, `max-body-bytes` and `maxBodyBytes`; all three are one word. */
function fold(word: string): string {
  return word.slice(0, MAX_COMPARED).toLowerCase().replaceAll(/[-_]/g, "");
}

/** Levenshtein distance by rows; both words are short. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (const [at, character] of [...left].entries()) {
    const next = [at + 1];
    for (let column = 1; column <= right.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (right[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
