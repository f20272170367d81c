import { ObjectBuilder, RObject } from "../collections.ts";
import { key } from "../compare.ts";
import type { Value } from "../value.ts";

/** Paths below `data` that a `with` replaced; rules at or below such a path are hidden. */
export class Overlay {
  readonly #covered: boolean;
  readonly #children: ReadonlyMap<string, Overlay>;

  private constructor(covered: boolean, children: ReadonlyMap<string, Overlay>) {
    this.#covered = covered;
    this.#children = children;
  }

  static readonly EMPTY: Overlay = new Overlay(false, new Map());

  with(path: readonly Value[]): Overlay {
    const [step, ...rest] = path;
    if (step === undefined) return new Overlay(true, new Map());
    const id = key(step);
    const children = new Map(this.#children);
    children.set(id, (this.#children.get(id) ?? Overlay.EMPTY).with(rest));
    return new Overlay(this.#covered, children);
  }

  covers(path: readonly Value[]): boolean {
    let node: Overlay | undefined = this;
    for (const step of path) {
      if (node.#covered) return true;
      node = node.#children.get(key(step));
      if (node === undefined) return false;
    }
    return node.#covered;
  }
}

/** The document with one path set. What stands in the way and is no object gives way to one. */
export function withPath(document: Value | undefined, path: readonly Value[], value: Value): Value {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const builder = new ObjectBuilder();
  const inner = document instanceof RObject ? document.get(step) : undefined;
  if (document instanceof RObject) for (const [name, member] of document.entries()) builder.set(name, member);
  builder.set(step, withPath(inner, rest, value));
  return builder.build();
}
