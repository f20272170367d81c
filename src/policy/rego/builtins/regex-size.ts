/**
 * Estimates how many instructions a pattern compiles to, before it is compiled: `(a{1000}){1}` repeated four hundred
 * times fits into four kilobytes of text and takes a second and a lot of memory.
 */
export function patternSize(pattern: string): number {
  return new SizeReader(pattern).read();
}

/** One open group: what it holds so far and its last item, which a repetition multiplies. */
interface Group {
  total: number;
  last: number;
}

class SizeReader {
  readonly #pattern: string;
  readonly #open: Group[] = [{ total: 0, last: 0 }];
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  read(): number {
    while (this.#at < this.#pattern.length) this.#item();
    return this.#open.reduce((sum, { total }) => sum + total, 0);
  }

  #item(): void {
    const character = this.#pattern.charAt(this.#at);
    this.#at++;
    if (character === "(") this.#open.push({ total: 2, last: 0 });
    else if (character === ")") this.#close();
    else if (character === "{") this.#repeat();
    else {
      if (character === "\\") this.#at++;
      if (character === "[") this.#skipClass();
      this.#add(1);
    }
  }

  #add(size: number): void {
    const group = this.#open.at(-1);
    if (group === undefined) return;
    group.total += size;
    group.last = size;
  }

  #close(): void {
    if (this.#open.length === 1) return;
    this.#add(this.#open.pop()?.total ?? 0);
  }

  #skipClass(): void {
    // A bracket that comes first belongs to the class.
    this.#at += this.#pattern.startsWith("^", this.#at) ? 2 : 1;
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== "]")
      this.#at += this.#pattern[this.#at] === "\\" ? 2 : 1;
    this.#at++;
  }

  /** `{n}` or `{n,m}` multiplies the last item by the larger number; `{n,}` by n. */
  #repeat(): void {
    const close = this.#pattern.indexOf("}", this.#at);
    const counts = close < 0 ? [] : this.#pattern.slice(this.#at, close).split(",").map(Number);
    const count = Math.max(0, ...counts.filter(Number.isInteger));
    const group = this.#open.at(-1);
    if (close < 0 || count === 0 || group === undefined) {
      this.#add(1);
      return;
    }
    group.total += group.last * (count - 1);
    group.last *= count;
    this.#at = close + 1;
  }
}
