/**
 * Values may share parts (`y := [x, x]`, sixty times over), so a value that took a few cells to build can be
 * astronomically large to walk. Every composite therefore knows its weight and depth, and building one beyond
 * the limits below is a budget error; that bounds every later comparison, key, text form and recursion.
 */
import { BudgetError } from "./errors.ts";
import type { Value } from "./value.ts";

/** Most nodes a value may have when shared parts are counted each time; 16 characters of text are one node. */
export const MAX_VALUE_WEIGHT = 4_000_000;
/** Deepest nesting of arrays, objects and sets. */
export const MAX_VALUE_DEPTH = 256;

/** How large a value is to walk. */
export interface Shape {
  /** Nodes, shared ones counted each time. */
  readonly weight: number;
  /** Levels of nesting, itself included. */
  readonly depth: number;
}

/** Measures an array or set. @throws BudgetError beyond the limits */
export function shapeOf(items: Iterable<Value>): Shape {
  const measure = new Measure();
  for (const item of items) measure.add(item);
  return measure.done();
}

/** Adds up the shape of a composite from its parts. */
export class Measure {
  #weight = 1;
  #depth = 0;

  add(part: Value): void {
    if (typeof part === "object" && part !== null) this.addShape(part.shape);
    else this.#weight += scalarWeight(part);
  }

  addJson(part: unknown, level: number): void {
    if (typeof part === "object" && part !== null) this.addShape(shapeOfJson(part, level));
    else this.#weight += scalarWeight(part);
  }

  addShape(shape: Shape): void {
    this.#weight += shape.weight;
    if (shape.depth > this.#depth) this.#depth = shape.depth;
  }

  done(): Shape {
    return checkShape({ weight: this.#weight, depth: this.#depth + 1 });
  }
}

/** Measures JSON without making values of it. @throws BudgetError beyond the limits */
export function shapeOfJson(json: object, level: number): Shape {
  if (level >= MAX_VALUE_DEPTH) throw new BudgetError("valueDepth");
  const measure = new Measure();
  if (Array.isArray(json)) {
    for (const item of json) measure.addJson(item, level + 1);
    return measure.done();
  }
  for (const [name, item] of Object.entries(json)) {
    measure.add(name);
    measure.addJson(item, level + 1);
  }
  return measure.done();
}

/** Work of walking a value, in steps of the budget; 0 for scalars. Walking costs about as much per 16 nodes. */
export function walkingSteps(value: Value): number {
  return typeof value === "object" && value !== null ? value.shape.weight >> 4 : 0;
}

/** Work of comparing two values, in steps of the budget; 0 where the first look decides. */
export function comparingSteps(a: Value, b: Value): number {
  if (typeof a === "string") return typeof b === "string" ? Math.min(a.length, b.length) >> 8 : 0;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || a === b) return 0;
  return a.kind === b.kind ? Math.min(walkingSteps(a), walkingSteps(b)) : 0;
}

function scalarWeight(value: unknown): number {
  return typeof value === "string" ? 1 + (value.length >> 4) : 1;
}

function checkShape(shape: Shape): Shape {
  if (shape.weight > MAX_VALUE_WEIGHT) throw new BudgetError("valueWeight");
  if (shape.depth > MAX_VALUE_DEPTH) throw new BudgetError("valueDepth");
  return shape;
}
