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

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(left: string, right: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row++) {
    const next = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      const choices = [at(last, column - 1) + (same ? 0 : 1), at(last, column) + 1, at(next, column - 1) + 1];
      if (row > 1 && column > 1 && swapped) choices.push(at(beforeLast, column - 2) + 1);
      next.push(Math.min(...choices));
    }
    [beforeLast, last] = [last, next];
  }
  return at(last, right.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
