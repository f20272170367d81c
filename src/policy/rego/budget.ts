import { performance } from "node:perf_hooks";
import { BudgetError } from "./errors.ts";

/** Everything that bounds one evaluation. Bytes are UTF-8 or close to it; times are milliseconds. */
export interface Limits {
  /** Literal attempts, iteration steps and the work of built-ins. */
  readonly steps: number;
  readonly wallClockMilliseconds: number;
  /** Nested rules and functions. */
  readonly depth: number;
  /** Nested native calls, in units of one closure: what really protects the JS stack. */
  readonly nativeDepth: number;
  /** Array elements, object entries and set members built. */
  readonly cells: number;
  readonly stringLength: number;
  readonly stringBytes: number;
  readonly bigintBits: number;
  readonly formatWidth: number;
  readonly regexPatternLength: number;
  readonly regexSubjectLength: number;
  readonly outputBytes: number;
  readonly outputLines: number;
  /** JSON of the answer. */
  readonly resultBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  steps: 5_000_000,
  wallClockMilliseconds: 250,
  depth: 512,
  nativeDepth: 3_000,
  cells: 1_000_000,
  stringLength: 4 * 1024 * 1024,
  stringBytes: 32 * 1024 * 1024,
  bigintBits: 16_384,
  formatWidth: 1_024,
  regexPatternLength: 4_096,
  regexSubjectLength: 1024 * 1024,
  outputBytes: 64 * 1024,
  outputLines: 1_000,
  resultBytes: 1024 * 1024,
};

/** The clock is read once per this many steps: reading it costs about as much as thirty steps. */
const STEPS_PER_CLOCK_READING = 1_024;

/** Counts what one evaluation consumes. Every method throws `BudgetError` once a limit is passed. */
export class Budget {
  readonly limits: Limits;
  #stepsLeft: number;
  #nextReading: number;
  #cellsLeft: number;
  #bytesLeft: number;
  readonly #deadline: number;

  /**
   * @param overrides - limits that differ from the default
   * @param limits - all limits, where they are at hand; `overrides` then do not count
   */
  constructor(overrides: Partial<Limits> = {}, limits: Limits = { ...DEFAULT_LIMITS, ...overrides }) {
    this.limits = limits;
    this.#stepsLeft = this.limits.steps;
    this.#nextReading = Math.max(0, this.#stepsLeft - STEPS_PER_CLOCK_READING);
    this.#cellsLeft = this.limits.cells;
    this.#bytesLeft = this.limits.stringBytes;
    this.#deadline = performance.now() + this.limits.wallClockMilliseconds;
  }

  get stepsUsed(): number {
    return this.limits.steps - this.#stepsLeft;
  }

  get cellsUsed(): number {
    return this.limits.cells - this.#cellsLeft;
  }

  /** @param steps - units of work about to be done; one is a literal attempt */
  charge(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < this.#nextReading) this.#checkLimits();
  }

  #checkLimits(): void {
    if (this.#stepsLeft < 0) throw new BudgetError("steps");
    if (performance.now() > this.#deadline) throw new BudgetError("wallClockMilliseconds");
    this.#nextReading = Math.max(0, this.#stepsLeft - STEPS_PER_CLOCK_READING);
  }

  /** Counts array elements, object entries and set members; call it before allocating them. */
  cells(count: number): void {
    this.#cellsLeft -= count;
    if (this.#cellsLeft < 0) throw new BudgetError("cells");
  }

  /** Counts the length of a string about to be produced. */
  stringBytes(length: number): void {
    if (length > this.limits.stringLength) throw new BudgetError("stringLength");
    this.#bytesLeft -= length;
    if (this.#bytesLeft < 0) throw new BudgetError("stringBytes");
  }

  /** Refuses an integer of `bits` bits when that is too many. */
  bits(bits: number): void {
    if (bits > this.limits.bigintBits) throw new BudgetError("bigintBits");
  }
}
