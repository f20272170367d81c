/** Objects that rules with variables in their heads build together. */
import { ObjectBuilder, SetBuilder } from "../collections.ts";
import { equal, key } from "../compare.ts";
import type { Value } from "../value.ts";

interface Slot {
  readonly step: Value;
  value: Value | undefined;
  set: SetBuilder | undefined;
  tree: ObjectTree | undefined;
  conflict: boolean;
}

/**
 * An object under construction. Two values for one path are a conflict, but only for who asks for that path: it is
 * noted here and raised on access.
 */
export class ObjectTree {
  readonly #slots: Map<string, Slot> = new Map();
  hasConflict = false;

  /** Makes an empty object at the path. */
  ensure(path: readonly Value[]): void {
    let tree: ObjectTree = this;
    for (const step of path) tree = tree.#inner(step);
  }

  #inner(step: Value): ObjectTree {
    const slot = this.#slot(step);
    if (slot.value !== undefined || slot.set !== undefined) this.#clash(slot);
    slot.tree ??= new ObjectTree();
    return slot.tree;
  }

  #slot(step: Value): Slot {
    const id = key(step);
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      slot = { step, value: undefined, set: undefined, tree: undefined, conflict: false };
      this.#slots.set(id, slot);
    }
    return slot;
  }

  #clash(slot: Slot): void {
    slot.conflict = true;
    this.hasConflict = true;
  }

  /** @returns whether the path was new, so that it counts as a cell */
  insert(path: readonly Value[], value: Value, intoSet: boolean, at = 0): boolean {
    const step = path[at];
    if (step === undefined) return false;
    if (at < path.length - 1) {
      const inner = this.#inner(step);
      const added = inner.insert(path, value, intoSet, at + 1);
      if (inner.hasConflict) this.hasConflict = true;
      return added;
    }
    const slot = this.#slot(step);
    if (slot.tree !== undefined || (intoSet ? slot.value : slot.set) !== undefined) this.#clash(slot);
    if (intoSet) {
      slot.set ??= new SetBuilder();
      slot.set.add(value);
      return true;
    }
    if (slot.value === undefined) slot.value = value;
    else if (!equal(slot.value, value)) this.#clash(slot);
    return true;
  }

  /** A whole set, which may be empty, as one of the values of its path. */
  insertSet(path: readonly Value[], members: Iterable<Value>): void {
    let tree: ObjectTree = this;
    const last = path.at(-1);
    if (last === undefined) return;
    for (const step of path.slice(0, -1)) tree = tree.#inner(step);
    const slot = tree.#slot(last);
    if (slot.value !== undefined || slot.tree !== undefined) this.#clash(slot);
    slot.set ??= new SetBuilder();
    for (const member of members) slot.set.add(member);
  }

  build(): Value {
    const builder = new ObjectBuilder();
    for (const slot of this.#slots.values()) {
      const value = slot.value !== undefined ? slot.value : (slot.set?.build() ?? slot.tree?.build());
      if (value !== undefined) builder.set(slot.step, value);
    }
    return builder.build();
  }

  /** The value at a path and whether a conflict lies on the way to it or inside it. */
  at(path: readonly Value[]): { conflict: boolean; value: Value | undefined; rest: readonly Value[] } {
    const [step, ...rest] = path;
    if (step === undefined) return { conflict: this.hasConflict, value: this.build(), rest };
    const slot = this.#slots.get(key(step));
    if (slot === undefined) return { conflict: false, value: undefined, rest };
    if (slot.conflict) return { conflict: true, value: undefined, rest };
    if (slot.tree !== undefined) return slot.tree.at(rest);
    return { conflict: false, value: slot.value !== undefined ? slot.value : slot.set?.build(), rest };
  }
}
