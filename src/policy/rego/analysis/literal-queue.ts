import type { Variable } from "./ir.ts";

/**
 * The order in which the literals of a body are tried: pass after pass over those that are left, as OPA does it. A
 * literal that lacks variables is tried again only when one of them has been bound, so that long chains of literals
 * that wait for each other do not cost the square of their length.
 */
export class LiteralQueue {
  readonly #length: number;
  /** The first pass tries every literal. */
  #first = 0;
  /** Turns of later tries, a binary heap: pass × length + position. */
  readonly #turns: number[] = [];
  readonly #queued: Set<number> = new Set();
  readonly #placed: Set<number> = new Set();
  readonly #waiting: Map<Variable, number[]> = new Map();
  #pass = 0;

  constructor(length: number) {
    this.#length = length;
  }

  /** The position of the literal to try next. */
  next(): number | undefined {
    if (this.#first < this.#length && (this.#turns[0] ?? Number.POSITIVE_INFINITY) > this.#first) {
      this.#first += 1;
      return this.#first - 1;
    }
    const turn = this.#pop();
    if (turn === undefined) return undefined;
    this.#pass = Math.floor(turn / this.#length);
    const at = turn % this.#length;
    this.#queued.delete(at);
    return at;
  }

  /** The literal has to wait until one of the variables is bound. */
  wait(at: number, missing: Iterable<Variable>): void {
    for (const variable of missing) {
      const others = this.#waiting.get(variable);
      if (others === undefined) this.#waiting.set(variable, [at]);
      else others.push(at);
    }
  }

  /** The literal was placed and bound these variables: who waits for them is tried again, later literals still now. */
  placed(at: number, bound: Iterable<Variable>): void {
    this.#placed.add(at);
    if (this.#waiting.size === 0) return;
    for (const variable of bound) {
      const waiting = this.#waiting.get(variable);
      if (waiting === undefined) continue;
      this.#waiting.delete(variable);
      for (const other of waiting) this.#retry(other, other > at ? this.#pass : this.#pass + 1);
    }
  }

  #retry(at: number, pass: number): void {
    if (this.#queued.has(at) || this.#placed.has(at)) return;
    this.#queued.add(at);
    this.#push(pass * this.#length + at);
  }

  #push(turn: number): void {
    const turns = this.#turns;
    let at = turns.length;
    for (let up = (at - 1) >> 1; at > 0 && (turns[up] ?? 0) > turn; up = (at - 1) >> 1) {
      turns[at] = turns[up] ?? 0;
      at = up;
    }
    turns[at] = turn;
  }

  #pop(): number | undefined {
    const turns = this.#turns;
    const top = turns[0];
    const last = turns.pop();
    if (top === undefined || last === undefined || turns.length === 0) return top;
    let at = 0;
    for (let down = 1; down < turns.length; down = 2 * at + 1) {
      const right = turns[down + 1];
      if (right !== undefined && right < (turns[down] ?? 0)) down += 1;
      const child = turns[down] ?? 0;
      if (child >= last) break;
      turns[at] = child;
      at = down;
    }
    turns[at] = last;
    return top;
  }
}
