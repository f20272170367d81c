/** The compiled document tree: packages, rules and functions. */
import { ObjectBuilder, RArray, RObject, RSet, SetBuilder } from "../collections.ts";
import { compare, equal, key } from "../compare.ts";
import type { Location } from "../errors.ts";
import { type Evaluation, type Frame, IN_PROGRESS, type Sink, UNDEFINED } from "../evaluation.ts";
import { walkingSteps } from "../shape.ts";
import type { Value } from "../value.ts";
import { walk } from "./access.ts";
import { ObjectTree } from "./objects.ts";

/** One body of a definition, ready to run. */
export interface CompiledBranch {
  /** The value of the first solution, checked against the others unless they cannot differ. */
  readonly solve: (frame: Frame, e: Evaluation) => Value | undefined;
  /** Hands every solution to the sink: steps of the head behind its constant prefix, and the value. */
  readonly collect: (
    frame: Frame,
    e: Evaluation,
    into: (path: readonly Value[], value: Value) => void,
  ) => void;
  /** The value when it is a constant. */
  readonly constant: Value | undefined;
  readonly loc: Location;
}

export interface CompiledClause {
  readonly frameSize: number;
  /** Native calls that running it nests, roughly. */
  readonly weight: number;
  /** Takes the arguments apart; false when they do not match. */
  readonly accept: (args: readonly Value[], frame: Frame, e: Evaluation) => boolean;
  readonly branches: readonly CompiledBranch[];
  readonly kind: "complete" | "set" | "function";
  readonly loc: Location;
}

export type DocKind = "package" | "complete" | "set" | "object" | "function";

/** Native calls between a reference to a rule and the first literal of its body. */
const ENTRY_WEIGHT = 4;

export class DocNode {
  readonly id: number;
  readonly path: readonly Value[];
  readonly name: string;
  readonly kind: DocKind;
  readonly children: Map<string, DocNode> = new Map();
  /** Set once, after all nodes exist, because rules refer to each other. */
  clauses: readonly CompiledClause[] = [];
  fallback: CompiledClause | undefined;
  #sameConstant = false;
  #weight = ENTRY_WEIGHT;

  constructor(id: number, path: readonly Value[], name: string, kind: DocKind) {
    this.id = id;
    this.path = path;
    this.name = name;
    this.kind = kind;
  }

  child(step: Value): DocNode | undefined {
    return this.children.get(key(step));
  }

  link(clauses: readonly CompiledClause[], fallback: CompiledClause | undefined): void {
    this.clauses = clauses;
    this.fallback = fallback;
    for (const clause of clauses) this.#weight = Math.max(this.#weight, ENTRY_WEIGHT + clause.weight);
    const constants = clauses.flatMap((clause) => clause.branches.map((branch) => branch.constant));
    const [first] = constants;
    this.#sameConstant = first !== undefined && constants.every((c) => c !== undefined && equal(c, first));
  }

  /** The value of the document, computed at most once under the same input, data and mocks. */
  value(e: Evaluation): Value | undefined {
    const known = e.results.documents[this.id];
    if (known === undefined) return this.#compute(e);
    if (known === UNDEFINED) return undefined;
    if (known === IN_PROGRESS) throw e.fail("eval_internal_error", `${this.name} depends on itself`);
    return known;
  }

  #compute(e: Evaluation): Value | undefined {
    const { documents } = e.results;
    documents[this.id] = IN_PROGRESS;
    const weight = this.#weight;
    const outer = e.enter(this, weight);
    const { sink } = e;
    e.probe?.enterRule(this);
    const value = this.#evaluate(e);
    e.probe?.exitRule(this, value);
    e.sink = sink;
    e.leave(outer, weight);
    documents[this.id] = value === undefined ? UNDEFINED : value;
    return value;
  }

  #evaluate(e: Evaluation): Value | undefined {
    switch (this.kind) {
      case "complete":
        return this.#complete(undefined, e);
      case "set":
        return this.#set(e);
      case "object":
        return this.#object(e);
      case "package":
        return this.#materialise(e);
      default:
        return undefined;
    }
  }

  #complete(args: readonly Value[] | undefined, e: Evaluation): Value | undefined {
    let result: Value | undefined;
    for (const clause of this.clauses) {
      const value = runClause(clause, args, e);
      if (value === undefined) continue;
      if (this.#sameConstant) return value;
      if (result === undefined) result = value;
      else if (!equal(result, value)) throw this.#conflict(clause, e);
    }
    if (result === undefined && this.fallback !== undefined) return runClause(this.fallback, args, e);
    return result;
  }

  #conflict(clause: CompiledClause, e: Evaluation): Error {
    const message =
      this.kind === "function"
        ? "functions must not produce multiple outputs for same inputs"
        : "complete rules must not produce multiple outputs";
    return e.fail("eval_conflict_error", message, clause.loc);
  }

  #set(e: Evaluation): Value {
    const builder = new SetBuilder();
    const into = (_path: readonly Value[], value: Value): void => {
      e.cells(1);
      builder.add(value);
    };
    for (const clause of this.clauses) {
      for (const branch of clause.branches) branch.collect(newFrame(clause), e, into);
    }
    return builder.build();
  }

  #object(e: Evaluation): Value {
    const tree = new ObjectTree();
    this.#gather(tree, [], false, e);
    if (!tree.hasConflict) return tree.build();
    e.results.noteConflict(this.id, tree);
    return RObject.EMPTY;
  }

  /** @param sparse - whether rules above have variables in their heads: then only what has solutions is there */
  #gather(tree: ObjectTree, prefix: readonly Value[], sparse: boolean, e: Evaluation): void {
    for (const clause of this.clauses) {
      const isSet = clause.kind === "set";
      const into = (path: readonly Value[], value: Value): void => {
        e.cells(1);
        tree.insert([...prefix, ...path], value, isSet);
      };
      for (const branch of clause.branches) branch.collect(newFrame(clause), e, into);
    }
    const below = sparse || this.clauses.length > 0;
    for (const child of this.children.values()) child.#gatherBelow(tree, prefix, below, e);
  }

  #gatherBelow(tree: ObjectTree, prefix: readonly Value[], sparse: boolean, e: Evaluation): void {
    const path = [...prefix, this.path.at(-1) ?? null];
    if (this.kind === "function") return;
    if (this.kind === "package" || this.kind === "object") {
      if (!sparse) tree.ensure(path);
      this.#gather(tree, path, sparse, e);
      return;
    }
    const value = this.value(e);
    if (value instanceof RSet && this.kind === "set") {
      if (!sparse || value.size > 0) tree.insertSet(path, value);
    } else if (value !== undefined) tree.insert(path, value, false);
  }

  /** Base documents and virtual ones in one object; where both have a value, the base document's shows, as in OPA. */
  #materialise(e: Evaluation): Value {
    const base = e.base(this.path);
    if (this.children.size === 0 && base !== undefined) return base;
    const builder = new ObjectBuilder();
    if (base instanceof RObject) for (const [name, value] of base.entries()) builder.set(name, value);
    for (const child of this.children.values()) {
      if (child.kind === "function" || e.overlay?.covers(child.path) === true) continue;
      const value = child.current(e);
      const step = child.path.at(-1) ?? null;
      if (value !== undefined) builder.set(step, mergeBase(builder.get(step), value));
    }
    e.cells(builder.size);
    return builder.build();
  }

  /** The value for whoever asks for the whole document. @throws RegoEvalError when parts of it conflict */
  current(e: Evaluation): Value | undefined {
    if (e.overlay?.covers(this.path) === true) return e.base(this.path);
    const value = this.value(e);
    if (this.kind === "object" && e.results.conflict(this.id) !== undefined) throw this.#keyConflict(e);
    return value;
  }

  #keyConflict(e: Evaluation): Error {
    return e.fail("eval_conflict_error", "object keys must be unique", this.clauses[0]?.loc);
  }

  /** The value at a path into the document: a conflict elsewhere in it does not matter. */
  at(path: readonly Value[], e: Evaluation): Value | undefined {
    if (this.kind !== "object") return walk(this.current(e), path);
    if (e.overlay?.covers(this.path) === true) return walk(e.base(this.path), path);
    const value = this.value(e);
    const tree = e.results.conflict(this.id);
    if (tree === undefined) return walk(value, path);
    const found = tree.at(path);
    if (found.conflict) throw this.#keyConflict(e);
    return walk(found.value, found.rest);
  }

  /** Calls the function. Answers for scalar arguments are kept: those are cheap to recognise. */
  call(args: readonly Value[], e: Evaluation): Value | undefined {
    const id = this.#callId(args);
    const known = id === undefined ? undefined : e.results.call(id);
    if (known !== undefined) return known === UNDEFINED ? undefined : (known as Value); // the map holds nothing else
    const weight = this.#weight;
    const outer = e.enter(this, weight);
    const { sink } = e;
    e.probe?.enterRule(this);
    const value = this.#complete(args, e);
    e.probe?.exitRule(this, value);
    e.sink = sink;
    e.leave(outer, weight);
    if (id !== undefined) e.results.remember(id, value);
    return value;
  }

  #callId(args: readonly Value[]): string | undefined {
    let id = String(this.id);
    for (const arg of args) {
      if (typeof arg === "object" && arg !== null) return undefined;
      if (typeof arg === "string" && arg.length > 128) return undefined;
      id += ` ${key(arg)}`;
    }
    return id;
  }

  /** Keys of a package: those of its rules and sub-packages, and those of the base document there, ascending. */
  steps(e: Evaluation): readonly Value[] {
    const base = e.base(this.path);
    const own = [...this.children.values()].map((child) => child.path.at(-1) ?? null);
    if (!(base instanceof RObject)) return own.sort(compare);
    const extra = base.keys().filter((step) => this.child(step) === undefined);
    return [...own, ...extra].sort(compare);
  }
}

function mergeBase(base: Value | undefined, virtual: Value): Value {
  if (base === undefined) return virtual;
  if (!(base instanceof RObject) || !(virtual instanceof RObject)) return base;
  const builder = new ObjectBuilder();
  for (const [name, value] of virtual.entries()) builder.set(name, mergeBase(base.get(name), value));
  for (const [name, value] of base.entries()) if (!builder.has(name)) builder.set(name, value);
  return builder.build();
}

export function newFrame(clause: CompiledClause): Frame {
  return new Array<Value | undefined>(clause.frameSize).fill(undefined);
}

/** The first branch that has a solution gives the value. */
function runClause(
  clause: CompiledClause,
  args: readonly Value[] | undefined,
  e: Evaluation,
): Value | undefined {
  for (const branch of clause.branches) {
    const frame = newFrame(clause);
    if (args !== undefined && !clause.accept(args, frame, e)) return undefined;
    const value = branch.solve(frame, e);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Collects the elements of an array comprehension. */
export class ArraySink implements Sink {
  readonly #items: Value[] = [];
  readonly #e: Evaluation;

  constructor(e: Evaluation) {
    this.#e = e;
  }

  add(value: Value): void {
    this.#e.cells(1);
    this.#items.push(value);
  }

  build(): RArray {
    return RArray.of(this.#items);
  }
}

export class SetSink implements Sink {
  readonly #builder: SetBuilder = new SetBuilder();
  readonly #e: Evaluation;

  constructor(e: Evaluation) {
    this.#e = e;
  }

  add(value: Value): void {
    this.#e.cells(1);
    this.#e.charge(walkingSteps(value));
    this.#builder.add(value);
  }

  build(): Value {
    return this.#builder.build();
  }
}

export class ObjectSink implements Sink {
  readonly #builder: ObjectBuilder = new ObjectBuilder();
  readonly #e: Evaluation;
  readonly #loc: Location;

  constructor(e: Evaluation, loc: Location) {
    this.#e = e;
    this.#loc = loc;
  }

  add(value: Value, name: Value | undefined): void {
    if (name === undefined) return;
    this.#e.cells(1);
    this.#e.charge(walkingSteps(name));
    const before = this.#builder.get(name);
    if (before === undefined) this.#builder.set(name, value);
    else if (!equal(before, value))
      throw this.#e.fail("eval_conflict_error", "object keys must be unique", this.#loc);
  }

  build(): Value {
    return this.#builder.build();
  }
}
