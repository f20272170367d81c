/** Terms without search become functions from the frame to a value. */
import type {
  Call,
  Comprehension,
  ITerm,
  ListTerm,
  RecordTerm,
  Reference,
  Template,
  Variable,
} from "../analysis/ir.ts";
import { ObjectBuilder, RArray, SetBuilder } from "../collections.ts";
import type { Evaluation, Frame } from "../evaluation.ts";
import { textForm } from "../text.ts";
import { isSet, type Value } from "../value.ts";
import { lookup, walk } from "./access.ts";
import { compileCall } from "./calls.ts";
import type { DocNode } from "./docs.ts";

export type ValueFn = (frame: Frame, e: Evaluation) => Value | undefined;

/** Compiles the terms of one clause; frames get their slots here. Closures are left to the subclass. */
export abstract class ValueCompiler {
  readonly root: DocNode;
  readonly functions: ReadonlyMap<string, DocNode>;
  readonly #slots: Map<Variable, number> = new Map();

  /** @param functions - by `functionId` */
  constructor(root: DocNode, functions: ReadonlyMap<string, DocNode>) {
    this.root = root;
    this.functions = functions;
  }

  protected abstract comprehension(term: Comprehension): ValueFn;

  get frameSize(): number {
    return this.#slots.size;
  }

  get variables(): readonly Variable[] {
    return [...this.#slots.keys()];
  }

  slot(variable: Variable): number {
    let slot = this.#slots.get(variable);
    if (slot === undefined) {
      slot = this.#slots.size;
      this.#slots.set(variable, slot);
    }
    return slot;
  }

  value(term: ITerm): ValueFn {
    switch (term.t) {
      case "const": {
        const { value } = term;
        return () => value;
      }
      case "var": {
        const slot = this.slot(term.variable);
        return (f) => f[slot];
      }
      case "array":
      case "set":
        return this.#list(term);
      case "object":
        return this.#object(term);
      case "ref":
        return this.#reference(term);
      case "call":
        return this.call(term);
      case "compr":
        return this.comprehension(term);
      default:
        return this.#template(term);
    }
  }

  call(term: Call): ValueFn {
    return compileCall(
      term,
      term.args.map((arg) => this.value(arg)),
      this.functions,
    );
  }

  #list(term: ListTerm): ValueFn {
    const items = term.items.map((item) => this.value(item));
    const isSetTerm = term.t === "set";
    return (f, e) => {
      const values: Value[] = [];
      for (const item of items) {
        const value = item(f, e);
        if (value === undefined) return undefined;
        values.push(value);
      }
      e.cells(values.length);
      return isSetTerm ? setOf(values) : RArray.of(values);
    };
  }

  #object(term: RecordTerm): ValueFn {
    const entries = term.entries.map(([name, value]) => [this.value(name), this.value(value)] as const);
    return (f, e) => {
      const builder = new ObjectBuilder();
      e.cells(entries.length);
      for (const [nameFn, valueFn] of entries) {
        const name = nameFn(f, e);
        const value = name === undefined ? undefined : valueFn(f, e);
        if (name === undefined || value === undefined) return undefined;
        builder.set(name, value);
      }
      return builder.build();
    };
  }

  #template(term: Template): ValueFn {
    const parts = term.parts.map((part) => (typeof part === "string" ? part : this.comprehension(part)));
    return (f, e) => {
      let text = "";
      for (const part of parts) {
        const piece = typeof part === "string" ? part : templateText(part(f, e), e);
        e.stringBytes(text.length + piece.length);
        text += piece;
      }
      return text;
    };
  }

  #reference(term: Reference): ValueFn {
    if (term.root === "data") return this.#data(term.path);
    if (term.root === "input") {
      const keys = constants(term.path);
      if (keys === undefined) return this.#steps((_f, e) => e.input, term.path);
      return inputPath(keys);
    }
    return this.#steps(this.value(term.root), term.path);
  }

  /** Steps known only at run time, and constant ones between them. */
  #steps(start: ValueFn, path: readonly ITerm[]): ValueFn {
    const keys = constants(path);
    if (keys !== undefined) {
      const [first] = keys;
      if (first === undefined) return start;
      if (keys.length === 1) {
        return (f, e) => {
          const value = start(f, e);
          return value === undefined ? undefined : lookup(value, first);
        };
      }
      return (f, e) => walk(start(f, e), keys);
    }
    const steps = path.map((step) => this.value(step));
    return (f, e) => {
      let value = start(f, e);
      for (let at = 0; at < steps.length && value !== undefined; at += 1) {
        const step = steps[at]?.(f, e);
        if (step === undefined) return undefined;
        value = lookup(value, step);
      }
      return value;
    };
  }

  #data(path: readonly ITerm[]): ValueFn {
    const { node, used } = this.descend(path);
    const rest = path.slice(used);
    if (node.kind === "function") return () => undefined;
    if (node.kind !== "package") return this.#document(node, rest);
    const [next] = rest;
    if (next === undefined) return (_f, e) => node.current(e);
    if (next.t === "const") {
      const base = [...node.path, next.value];
      return this.#steps((_f, e) => e.base(base), rest.slice(1));
    }
    const steps = rest.map((step) => this.value(step));
    return (f, e) => {
      const keys: Value[] = [];
      for (const step of steps) {
        const key = step(f, e);
        if (key === undefined) return undefined;
        keys.push(key);
      }
      return dynamicPath(node, keys, e);
    };
  }

  #document(node: DocNode, rest: readonly ITerm[]): ValueFn {
    const keys = constants(rest);
    if (keys === undefined) {
      const steps = rest.map((step) => this.value(step));
      return (f, e) => {
        const path: Value[] = [];
        for (const step of steps) {
          const key = step(f, e);
          if (key === undefined) return undefined;
          path.push(key);
        }
        return node.at(path, e);
      };
    }
    if (keys.length === 0) return (_f, e) => node.current(e);
    return (_f, e) => node.at(keys, e);
  }

  /** Follows constant steps from `data` as far as packages go, to a rule or to where the rules know nothing. */
  descend(path: readonly ITerm[]): { node: DocNode; used: number } {
    let node = this.root;
    let used = 0;
    while (node.kind === "package") {
      const step = path[used];
      const child = step?.t === "const" ? node.child(step.value) : undefined;
      if (child === undefined) break;
      node = child;
      used += 1;
    }
    return { node, used };
  }
}

/** A path of known keys from a package, through rules or base documents, whichever there are. */
export function dynamicPath(start: DocNode, keys: readonly Value[], e: Evaluation): Value | undefined {
  let node = start;
  for (let at = 0; at < keys.length; at += 1) {
    if (e.overlay?.covers(node.path) === true) return walk(e.base(node.path), keys.slice(at));
    const step = keys[at];
    const child = step === undefined ? undefined : node.child(step);
    if (child === undefined) return walk(e.base(node.path), keys.slice(at));
    if (child.kind === "function") return undefined;
    if (child.kind !== "package") return child.at(keys.slice(at + 1), e);
    node = child;
  }
  return node.current(e);
}

function setOf(values: readonly Value[]): Value {
  const builder = new SetBuilder();
  for (const value of values) builder.add(value);
  return builder.build();
}

/** The values of the terms when all are constants. */
export function constants(terms: readonly ITerm[]): readonly Value[] | undefined {
  const values: Value[] = [];
  for (const term of terms) {
    if (term.t !== "const") return undefined;
    values.push(term.value);
  }
  return values;
}

function inputPath(keys: readonly Value[]): ValueFn {
  const [first, second] = keys;
  if (first === undefined) return (_f, e) => e.input;
  if (second === undefined) return (_f, e) => (e.input === undefined ? undefined : lookup(e.input, first));
  if (keys.length > 2) return (_f, e) => walk(e.input, keys);
  return (_f, e) => {
    const value = e.input === undefined ? undefined : lookup(e.input, first);
    return value === undefined ? undefined : lookup(value, second);
  };
}

function templateText(values: Value | undefined, e: Evaluation): string {
  const members = isSet(values) ? values.members() : [];
  const [only] = members;
  if (only === undefined) return "<undefined>";
  if (members.length > 1)
    throw e.fail("eval_conflict_error", "a template expression must not produce several values");
  return textForm(only);
}
