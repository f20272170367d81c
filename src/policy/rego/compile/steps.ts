/** Bodies become chains of closures: each finds its solutions and hands every one to the next. */
import type { Comprehension, IWith } from "../analysis/ir.ts";
import { calleeId } from "../analysis/ir.ts";
import type { LiteralPlan, Op, Pattern } from "../analysis/plan.ts";
import { RArray, RObject } from "../collections.ts";
import { equal } from "../compare.ts";
import { BudgetError } from "../errors.ts";
import type { Evaluation, Frame } from "../evaluation.ts";
import { textForm } from "../text.ts";
import { isSet, type Value } from "../value.ts";
import { eachChild, lookup } from "./access.ts";
import { invoker, withMock } from "./calls.ts";
import { ArraySink, type DocNode, ObjectSink, SetSink } from "./docs.ts";
import { ValueCompiler, type ValueFn } from "./values.ts";
import { outside, runWith, withSetter } from "./with.ts";

/** Handles one solution; true means that no more are wanted. */
export type Next = (frame: Frame, e: Evaluation) => boolean;
type Test = (frame: Frame, e: Evaluation) => boolean;
type Match = (value: Value, frame: Frame, e: Evaluation) => boolean;
type Walk = (value: Value, frame: Frame, e: Evaluation) => boolean;

export type Step = { readonly test: Test } | { readonly search: (next: Next) => Next };

const FOUND: Next = () => true;

export class StepCompiler extends ValueCompiler {
  /** The body as one function that hands every solution to `next`. */
  body(plans: readonly LiteralPlan[], next: Next): Next {
    const steps = plans.flatMap((plan) => this.literal(plan));
    return this.#chain(steps, next);
  }

  /** The body of a branch, as opposed to one nested in it. */
  branchBody(plans: readonly LiteralPlan[], next: Next): Next {
    return this.body(plans, next);
  }

  protected literal(plan: LiteralPlan): Step[] {
    return plan.ops.map((op) => this.#op(op));
  }

  /** Tests in a row run in a loop, so that a long body does not nest deeply. */
  #chain(steps: readonly Step[], last: Next): Next {
    let next = last;
    let tests: Test[] = [];
    for (const step of steps.toReversed()) {
      if ("test" in step) tests.push(step.test);
      else {
        next = step.search(guarded(tests.reverse(), next));
        tests = [];
      }
    }
    return guarded(tests.reverse(), next);
  }

  #op(op: Op): Step {
    switch (op.op) {
      case "test": {
        const value = this.value(op.term);
        return {
          test: (f, e) => {
            const found = value(f, e);
            return found !== undefined && found !== false;
          },
        };
      }
      case "match":
        return this.#match(op.term, op.into);
      case "iterate":
        return this.#iterate(op);
      case "relation":
        return this.#relation(op);
      case "someIn":
        return this.#someIn(op);
      case "not": {
        const run = this.body(op.body, FOUND);
        return { test: (f, e) => !run(f, e) };
      }
      case "every":
        return this.#every(op);
      case "any": {
        const runs = op.bodies.map((body) => this.body(body, FOUND));
        return { test: (f, e) => runs.some((run) => run(f, e)) };
      }
      case "print":
        return this.#print(op.args, op.literal.loc.row, op.literal.loc.file);
      default:
        return this.#with(op.withs, op.ops);
    }
  }

  #match(term: Parameters<ValueCompiler["value"]>[0], into: Pattern): Step {
    const value = this.value(term);
    if (into.p === "bind") {
      const slot = this.slot(into.variable);
      return {
        test: (f, e) => {
          const found = value(f, e);
          f[slot] = found;
          return found !== undefined;
        },
      };
    }
    const match = this.pattern(into);
    return {
      test: (f, e) => {
        const found = value(f, e);
        return found !== undefined && match(found, f, e);
      },
    };
  }

  pattern(pattern: Pattern): Match {
    switch (pattern.p) {
      case "any":
        return () => true;
      case "bind": {
        const slot = this.slot(pattern.variable);
        return (value, f) => {
          f[slot] = value;
          return true;
        };
      }
      case "same": {
        const other = this.value(pattern.term);
        return (value, f, e) => {
          const wanted = other(f, e);
          return wanted !== undefined && (wanted === value || equal(wanted, value));
        };
      }
      case "array":
        return this.#arrayPattern(pattern.items);
      default:
        return this.#objectPattern(pattern.entries);
    }
  }

  #arrayPattern(patterns: readonly Pattern[]): Match {
    const items = patterns.map((item) => this.pattern(item));
    return (value, f, e) => {
      if (!(value instanceof RArray) || value.length !== items.length) return false;
      return value.items.every((item, at) => items[at]?.(item, f, e) === true);
    };
  }

  #objectPattern(patterns: Extract<Pattern, { p: "object" }>["entries"]): Match {
    const entries = patterns.map(([name, value]) => [this.value(name), this.pattern(value)] as const);
    return (value, f, e) => {
      if (!(value instanceof RObject) || value.size !== entries.length) return false;
      for (const [nameFn, match] of entries) {
        const name = nameFn(f, e);
        const member = name === undefined ? undefined : value.get(name);
        if (member === undefined || !match(member, f, e)) return false;
      }
      return true;
    };
  }

  #iterate(op: Extract<Op, { op: "iterate" }>): Step {
    const { ref, steps, into } = op;
    const bind = this.pattern(into);
    if (ref.root !== "data") {
      const start: ValueFn = ref.root === "input" ? (_f, e) => e.input : this.value(ref.root);
      const makers = this.#walkers(steps);
      return {
        search: (next) => {
          const walk = composeWalk(makers, bind, next);
          return (f, e) => {
            const value = start(f, e);
            return value !== undefined && walk(value, f, e);
          };
        },
      };
    }
    return this.#iterateData(op, bind);
  }

  #walkers(steps: readonly Pattern[]): ((next: Walk) => Walk)[] {
    return steps.map((step) => {
      if (step.p === "same") {
        const keyOf = this.value(step.term);
        return (next) => (value, f, e) => {
          const key = keyOf(f, e);
          const child = key === undefined ? undefined : lookup(value, key);
          return child !== undefined && next(child, f, e);
        };
      }
      const match = this.pattern(step);
      return (next) => (value, f, e) =>
        eachChild(value, e, (key, child) => match(key, f, e) && next(child, f, e));
    });
  }

  /** A path through the rules: constant steps are followed now, the others from node to node while evaluating. */
  #iterateData(op: Extract<Op, { op: "iterate" }>, bind: Match): Step {
    const { node, used } = this.descend(op.ref.path);
    const rest = op.steps.slice(used);
    const makers = this.#walkers(rest);
    const keys = rest.map((step) => (step.p === "same" ? this.value(step.term) : undefined));
    const matches = rest.map((step) => (step.p === "same" ? undefined : this.pattern(step)));
    return {
      search: (next) => {
        const walks = makers.map((_, at) => composeWalk(makers.slice(at), bind, next));
        walks.push((value, f, e) => bind(value, f, e) && next(f, e));
        return (f, e) => visitNode(node, { keys, matches, walks }, 0, f, e);
      },
    };
  }

  #relation(op: Extract<Op, { op: "relation" }>): Step {
    const args = op.call.args.map((arg) => this.value(arg));
    const invoke = invoker(op.call.callee, op.call.loc, this.functions);
    const id = calleeId(op.call.callee);
    const match = this.pattern(op.into);
    return {
      search: (next) => (f, e) => {
        const values: Value[] = [];
        for (const arg of args) {
          const value = arg(f, e);
          if (value === undefined) return false;
          values.push(value);
        }
        const answers = withMock(id, invoke, values, e);
        if (!(answers instanceof RArray)) return false;
        return answers.items.some((answer) => match(answer, f, e) && next(f, e));
      },
    };
  }

  #someIn(op: Extract<Op, { op: "someIn" }>): Step {
    const collection = this.value(op.collection);
    const matchKey = this.pattern(op.key);
    const matchValue = this.pattern(op.value);
    return {
      search: (next) => (f, e) => {
        const value = collection(f, e);
        if (value === undefined) return false;
        return eachChild(
          value,
          e,
          (key, child) => matchKey(key, f, e) && matchValue(child, f, e) && next(f, e),
        );
      },
    };
  }

  #every(op: Extract<Op, { op: "every" }>): Step {
    const domain = this.value(op.domain);
    const keySlot = op.key === undefined ? -1 : this.slot(op.key);
    const valueSlot = this.slot(op.value);
    const run = this.body(op.body, FOUND);
    return {
      test: (f, e) => {
        const value = domain(f, e);
        if (typeof value !== "object" || value === null) return false;
        return !eachChild(value, e, (key, child) => {
          if (keySlot >= 0) f[keySlot] = key;
          f[valueSlot] = child;
          return !run(f, e);
        });
      },
    };
  }

  #print(args: readonly Comprehension[], row: number, file: string): Step {
    const parts = args.map((arg) => this.comprehension(arg));
    const place = file === "" ? "" : `${file}:${row}: `;
    return {
      test: (f, e) => {
        if (!e.printsWanted) return true;
        const columns = parts.map((part) => printed(part(f, e), e));
        printLines(columns, place, e);
        return true;
      },
    };
  }

  protected override comprehension(term: Comprehension): ValueFn {
    const { plan } = term;
    if (plan === undefined) throw new Error("a comprehension was compiled before it was planned");
    const value = this.value(plan.value);
    const key = plan.key === undefined ? undefined : this.value(plan.key);
    const run = this.body(plan.body, (f, e) => {
      const name = key?.(f, e);
      const item = value(f, e);
      if (item !== undefined) e.sink?.add(item, name);
      return false;
    });
    return (f, e) => {
      const outer = e.sink;
      const sink = newSink(term, e);
      e.sink = sink;
      run(f, e);
      e.sink = outer;
      return sink.build();
    };
  }

  /** Replaces for the inner steps only: each of their solutions goes on under the outer setting. */
  #with(withs: readonly IWith[], ops: readonly Op[]): Step {
    const setters = withs.map((modifier) => withSetter(this, modifier));
    const steps = ops.map((op) => this.#op(op));
    if (steps.every((step) => "test" in step)) {
      const run = this.#chain(steps, FOUND);
      return { test: (f, e) => runWith(setters, run, f, e) };
    }
    return {
      search: (next) => {
        const run = this.#chain(steps, (f, e) => outside(next, f, e));
        return (f, e) => runWith(setters, run, f, e);
      },
    };
  }
}

/** Runs the tests, then the rest. */
function guarded(tests: readonly Test[], next: Next): Next {
  const [first, second] = tests;
  if (first === undefined) return next;
  if (second === undefined) {
    return (f, e) => {
      e.charge(1);
      return first(f, e) && next(f, e);
    };
  }
  return (f, e) => {
    e.charge(tests.length);
    for (const test of tests) if (!test(f, e)) return false;
    return next(f, e);
  };
}

function composeWalk(makers: readonly ((next: Walk) => Walk)[], bind: Match, next: Next): Walk {
  let walk: Walk = (value, f, e) => bind(value, f, e) && next(f, e);
  for (const make of makers.toReversed()) walk = make(walk);
  return walk;
}

/** What is left of a path below a node: for each step its key or its pattern, and how to go on in plain values. */
interface DataPath {
  readonly keys: readonly (ValueFn | undefined)[];
  readonly matches: readonly (Match | undefined)[];
  /** One more than there are steps: the last one takes the value that was reached. */
  readonly walks: readonly Walk[];
}

function visitNode(node: DocNode, path: DataPath, at: number, f: Frame, e: Evaluation): boolean {
  if (node.kind === "function") return false;
  const covered = e.overlay?.covers(node.path) === true;
  const walk = path.walks[at];
  if (walk === undefined) return false;
  if (covered || node.kind !== "package" || at === path.keys.length) {
    const value = covered ? e.base(node.path) : node.current(e);
    return value !== undefined && walk(value, f, e);
  }
  const keyOf = path.keys[at];
  if (keyOf !== undefined) {
    const key = keyOf(f, e);
    return key !== undefined && visitStep(node, key, path, at, f, e);
  }
  const match = path.matches[at];
  for (const key of node.steps(e)) {
    e.charge(1);
    if (match?.(key, f, e) === true && visitStep(node, key, path, at, f, e)) return true;
  }
  return false;
}

function visitStep(node: DocNode, key: Value, path: DataPath, at: number, f: Frame, e: Evaluation): boolean {
  const child = node.child(key);
  if (child !== undefined) return visitNode(child, path, at + 1, f, e);
  const value = e.base([...node.path, key]);
  return value !== undefined && path.walks[at + 1]?.(value, f, e) === true;
}

function newSink(term: Comprehension, e: Evaluation): ArraySink | SetSink | ObjectSink {
  if (term.kind === "array") return new ArraySink(e);
  return term.kind === "set" ? new SetSink(e) : new ObjectSink(e, term.loc);
}

function printed(values: Value | undefined, e: Evaluation): readonly string[] {
  const members = isSet(values) ? values.members() : [];
  return members.length === 0 ? ["<undefined>"] : members.map((member) => printedForm(member, e));
}

/** Text that would not fit into the output any more is not worth making. */
function printedForm(value: Value, e: Evaluation): string {
  try {
    const text = textForm(value, e.outputLeft);
    e.charge(1 + (text.length >> 5));
    return text;
  } catch (error) {
    if (!(error instanceof BudgetError) || error.limit !== "stringLength") throw error;
    e.charge(1 + (e.outputLeft >> 5));
    return "<too long>";
  }
}

/** One line for each combination of what the arguments had to offer. */
function printLines(columns: readonly (readonly string[])[], start: string, e: Evaluation): void {
  const [first, ...rest] = columns;
  if (first === undefined) {
    e.print(start);
    return;
  }
  for (const text of first) {
    e.charge(1);
    const separator = rest.length === 0 ? "" : " ";
    if (e.printsWanted) printLines(rest, `${start}${text}${separator}`, e);
  }
}
