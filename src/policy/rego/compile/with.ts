/** Replacing documents and functions for a part of the evaluation. */
import { calleeId, type IWith } from "../analysis/ir.ts";
import type { Context, Evaluation, Frame, Mock } from "../evaluation.ts";
import type { Value } from "../value.ts";
import { invoker } from "./calls.ts";
import { Overlay, withPath } from "./overlay.ts";
import type { Next } from "./steps.ts";
import type { ValueCompiler } from "./values.ts";

type Change = (e: Evaluation) => void;
/** Evaluates the replacement before anything is replaced; undefined when it has no value. */
type Setter = (frame: Frame, e: Evaluation) => Change | undefined;

export function withSetter(compiler: ValueCompiler, modifier: IWith): Setter {
  const { target, replacement } = modifier;
  if (replacement.kind === "function") {
    const { callee } = replacement;
    const call = invoker(callee, modifier.loc, compiler.functions);
    const id = target.kind === "function" ? target.id : calleeId(callee);
    const change = mockChange(id, { kind: "function", call });
    return () => change;
  }
  const value = compiler.value(replacement.term);
  return (f, e) => {
    const found = value(f, e);
    if (found === undefined) return undefined;
    if (target.kind === "function") return mockChange(target.id, { kind: "value", value: found });
    return target.kind === "input" ? inputChange(target.path, found) : dataChange(target.path, found);
  };
}

function mockChange(id: string, mock: Mock): Change {
  return (e) => {
    e.mocks = new Map(e.mocks ?? []).set(id, mock);
  };
}

function inputChange(path: readonly Value[], value: Value): Change {
  return (e) => {
    e.input = withPath(e.input, path, value);
  };
}

function dataChange(path: readonly Value[], value: Value): Change {
  return (e) => {
    e.data = withPath(e.data, path, value);
    e.overlay = (e.overlay ?? Overlay.EMPTY).with(path);
  };
}

function capture(e: Evaluation): Context {
  const { input, data, overlay, mocks, results } = e;
  return { input, data, overlay, mocks, results };
}

function restore(e: Evaluation, context: Context): void {
  e.input = context.input;
  e.data = context.data;
  e.overlay = context.overlay;
  e.mocks = context.mocks;
  e.results = context.results;
}

/**
 * Runs the steps under the replacements. An error ends the whole evaluation, so the setting is only restored on
 * the ordinary way out.
 */
export function runWith(setters: readonly Setter[], run: Next, f: Frame, e: Evaluation): boolean {
  const changes: Change[] = [];
  for (const setter of setters) {
    const change = setter(f, e);
    if (change === undefined) return false;
    changes.push(change);
  }
  const outer = capture(e);
  for (const change of changes) change(e);
  e.results = e.freshMemo();
  e.contexts.push(outer);
  const stop = run(f, e);
  e.contexts.pop();
  restore(e, outer);
  return stop;
}

/** What follows the literal belongs to the outer setting again; afterwards the search goes on under the inner one. */
export function outside(next: Next, f: Frame, e: Evaluation): boolean {
  const outer = e.contexts.pop();
  if (outer === undefined) return next(f, e);
  const inner = capture(e);
  restore(e, outer);
  const stop = next(f, e);
  e.contexts.push(outer);
  restore(e, inner);
  return stop;
}
