/** Calls of built-ins, host functions and the policy's own functions. */
import { type Call, type Callee, calleeId, functionId, type HostFunction } from "../analysis/ir.ts";
import type { Builtin } from "../builtins/builtin.ts";
import { compare, equal } from "../compare.ts";
import type { Location } from "../errors.ts";
import { type Evaluation, type Frame, fits, type Mock } from "../evaluation.ts";
import { comparingSteps } from "../shape.ts";
import { typeName, type Value } from "../value.ts";
import type { DocNode } from "./docs.ts";

type ValueFn = (frame: Frame, e: Evaluation) => Value | undefined;
type Invoke = (args: Value[], e: Evaluation) => Value | undefined;

export function compileCall(
  call: Call,
  args: readonly ValueFn[],
  functions: ReadonlyMap<string, DocNode>,
): ValueFn {
  const id = calleeId(call.callee);
  const invoke = invoker(call.callee, call.loc, functions);
  const [left, right] = args;
  const fast = call.callee.kind === "builtin" ? FAST.get(call.callee.builtin.name) : undefined;
  const general = generalCall(id, invoke, args);
  if (fast === undefined || left === undefined || right === undefined) return general;
  return fast(left, right, (a, b, e) => withMock(id, invoke, [a, b], e));
}

/** The function itself, without regard to mocks. */
export function invoker(callee: Callee, loc: Location, functions: ReadonlyMap<string, DocNode>): Invoke {
  if (callee.kind === "builtin") return builtinInvoker(callee.builtin, loc);
  if (callee.kind === "host") return hostInvoker(callee.host, loc);
  const id = functionId(callee.path);
  return (args, e) => functions.get(id)?.call(args, e);
}

function builtinInvoker(builtin: Builtin, loc: Location): Invoke {
  const { impl } = builtin;
  return (args, e) => {
    try {
      return impl(args, e);
    } catch (error) {
      return e.builtinFault(error, loc);
    }
  };
}

function hostInvoker(host: HostFunction, loc: Location): Invoke {
  return (args, e) => {
    for (let at = 0; at < args.length; at += 1) {
      const type = host.params[at] ?? "any";
      const value = args[at];
      if (value !== undefined && !fits(value, type)) {
        const message = `${host.name}: operand ${at + 1} must be ${type} but got ${typeName(value)}`;
        throw e.fail("eval_type_error", message, loc);
      }
    }
    return e.askHost(host.name, args, host.result);
  };
}

function generalCall(id: string, invoke: Invoke, args: readonly ValueFn[]): ValueFn {
  return (f, e) => {
    const values: Value[] = [];
    for (const arg of args) {
      const value = arg(f, e);
      if (value === undefined) return undefined;
      values.push(value);
    }
    return e.mocks === undefined ? invoke(values, e) : withMock(id, invoke, values, e);
  };
}

export function withMock(id: string, invoke: Invoke, args: Value[], e: Evaluation): Value | undefined {
  const mock = e.mocks?.get(id);
  return mock === undefined ? invoke(args, e) : callMock(mock, args, e);
}

/** Inside a replacement no replacement is in force: it may call what it replaces. */
function callMock(mock: Mock, args: Value[], e: Evaluation): Value | undefined {
  if (mock.kind === "value") return mock.value;
  const { mocks, results } = e;
  e.mocks = undefined;
  e.results = e.freshMemo();
  const value = mock.call(args, e);
  e.mocks = mocks;
  e.results = results;
  return value;
}

type Slow = (a: Value, b: Value, e: Evaluation) => Value | undefined;
type FastCompiler = (left: ValueFn, right: ValueFn, slow: Slow) => ValueFn;

/** Comparisons never fail, so they need neither the generic call nor its guard. */
function comparison(test: (a: Value, b: Value) => boolean): FastCompiler {
  return (left, right, slow) => (f, e) => {
    const a = left(f, e);
    if (a === undefined) return undefined;
    const b = right(f, e);
    if (b === undefined) return undefined;
    if (e.mocks !== undefined) return slow(a, b, e);
    if (typeof a === "object" || typeof a === "string") e.charge(comparingSteps(a, b));
    return test(a, b);
  };
}

/** Small integers stay exact in a double; everything else goes through the exact arithmetic. */
function arithmetic(operate: (a: number, b: number) => number): FastCompiler {
  return (left, right, slow) => (f, e) => {
    const a = left(f, e);
    if (a === undefined) return undefined;
    const b = right(f, e);
    if (b === undefined) return undefined;
    if (typeof a === "number" && typeof b === "number" && e.mocks === undefined) {
      const result = operate(a, b);
      if (Number.isSafeInteger(result) && Number.isInteger(a) && Number.isInteger(b)) return result + 0;
    }
    return slow(a, b, e);
  };
}

const FAST: ReadonlyMap<string, FastCompiler> = new Map([
  ["equal", comparison((a, b) => a === b || equal(a, b))],
  ["neq", comparison((a, b) => a !== b && !equal(a, b))],
  ["lt", comparison((a, b) => compare(a, b) < 0)],
  ["lte", comparison((a, b) => compare(a, b) <= 0)],
  ["gt", comparison((a, b) => compare(a, b) > 0)],
  ["gte", comparison((a, b) => compare(a, b) >= 0)],
  ["plus", arithmetic((a, b) => a + b)],
  ["mul", arithmetic((a, b) => a * b)],
]);
