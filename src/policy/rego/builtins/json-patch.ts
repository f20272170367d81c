import { ObjectBuilder, RArray, type RObject, type RSet, SetBuilder } from "../collections.ts";
import { equal } from "../compare.ts";
import { skipDigits } from "../numbers.ts";
import { isArray, isObject, isSet, type Value } from "../value.ts";
import { anyAt, arrayAt, type Builtin, type BuiltinContext, define } from "./builtin.ts";
import { pathSteps } from "./json-paths.ts";
import { stepInto } from "./objects.ts";
import { arrayOf, OBJECT } from "./types.ts";

/** An operation that cannot be applied; it makes the whole call undefined. */
class PatchFailure extends Error {}

type Operation = (document: Value, patch: RObject, ctx: BuiltinContext) => Value;

const OPERATIONS: ReadonlyMap<Value | undefined, Operation> = new Map<Value | undefined, Operation>([
  ["add", (document, patch, ctx) => insert(document, stepsOf(patch, "path"), member(patch, "value"), ctx)],
  ["remove", (document, patch, ctx) => remove(document, stepsOf(patch, "path"), ctx)],
  [
    "replace",
    (document, patch, ctx) => replace(document, stepsOf(patch, "path"), member(patch, "value"), ctx),
  ],
  ["move", move],
  [
    "copy",
    (document, patch, ctx) =>
      insert(document, stepsOf(patch, "path"), find(document, stepsOf(patch, "from")), ctx),
  ],
  ["test", test],
]);

function move(document: Value, patch: RObject, ctx: BuiltinContext): Value {
  const from = stepsOf(patch, "from");
  const value = find(document, from);
  return insert(remove(document, from, ctx), stepsOf(patch, "path"), value, ctx);
}

function test(document: Value, patch: RObject): Value {
  if (!equal(find(document, stepsOf(patch, "path")), member(patch, "value"))) throw new PatchFailure();
  return document;
}

function member(patch: RObject, name: string): Value {
  const value = patch.get(name);
  if (value === undefined) throw new PatchFailure();
  return value;
}

function stepsOf(patch: RObject, name: string): readonly Value[] {
  const path = member(patch, name);
  if (typeof path !== "string" && !isArray(path)) throw new PatchFailure();
  return pathSteps(path, 1);
}

function find(document: Value, steps: readonly Value[]): Value {
  let value = document;
  for (const step of steps) {
    const next = isArray(value) ? value.get(indexOf(step, value.length - 1)) : stepInto(value, step);
    if (next === undefined) throw new PatchFailure();
    value = next;
  }
  return value;
}

/** An array index out of a path, at most `last`. */
function indexOf(step: Value, last: number): number {
  const index = typeof step === "string" ? textIndex(step) : step;
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index > last)
    throw new PatchFailure();
  return index;
}

function textIndex(step: string): number | undefined {
  const digits = step !== "" && step.length < 10 && skipDigits(step, 0) === step.length;
  return !digits || (step.length > 1 && step.startsWith("0")) ? undefined : Number(step);
}

/** Rebuilds the document along a path, with the innermost container changed. */
function along(
  document: Value,
  steps: readonly Value[],
  change: (container: Value, step: Value) => Value,
  ctx: BuiltinContext,
): Value {
  const [step, ...rest] = steps;
  if (step === undefined) throw new PatchFailure();
  if (rest.length === 0) return change(document, step);
  const inner = find(document, [step]);
  return put(document, step, inner, along(inner, rest, change, ctx), ctx);
}

/** A copy of the container with the value at a step that exists exchanged. */
function put(container: Value, step: Value, old: Value, value: Value, ctx: BuiltinContext): Value {
  if (isArray(container)) {
    const index = indexOf(step, container.length - 1);
    ctx.cells(container.length);
    return RArray.of(container.items.with(index, value));
  }
  if (isObject(container)) return withMember(container, step, value, ctx);
  if (isSet(container)) return withoutMember(container, old, ctx).add(value).build();
  throw new PatchFailure();
}

function insert(document: Value, steps: readonly Value[], value: Value, ctx: BuiltinContext): Value {
  if (steps.length === 0) return value;
  return along(document, steps, (container, step) => insertAt(container, step, value, ctx), ctx);
}

function insertAt(container: Value, step: Value, value: Value, ctx: BuiltinContext): Value {
  if (isArray(container)) {
    ctx.cells(container.length + 1);
    const index = step === "-" ? container.length : indexOf(step, container.length);
    return RArray.of(container.items.toSpliced(index, 0, value));
  }
  if (isObject(container)) return withMember(container, step, value, ctx);
  // The key of a member is the member itself.
  if (!isSet(container) || !equal(step, value)) throw new PatchFailure();
  ctx.cells(container.size + 1);
  const builder = new SetBuilder();
  for (const other of container.unordered()) builder.add(other);
  return builder.add(value).build();
}

function remove(document: Value, steps: readonly Value[], ctx: BuiltinContext): Value {
  return along(document, steps, (container, step) => removeAt(container, step, ctx), ctx);
}

function removeAt(container: Value, step: Value, ctx: BuiltinContext): Value {
  const old = find(container, [step]);
  if (isArray(container)) {
    const index = indexOf(step, container.length - 1);
    ctx.cells(container.length);
    return RArray.of(container.items.toSpliced(index, 1));
  }
  if (isSet(container)) return withoutMember(container, old, ctx).build();
  if (!isObject(container)) throw new PatchFailure();
  return withoutKey(container, step, ctx);
}

function replace(document: Value, steps: readonly Value[], value: Value, ctx: BuiltinContext): Value {
  if (steps.length === 0) return value;
  return along(
    document,
    steps,
    (container, step) => {
      const old = find(container, [step]);
      if (isSet(container) && !equal(old, value)) throw new PatchFailure();
      return put(container, step, old, value, ctx);
    },
    ctx,
  );
}

function withMember(object: RObject, key: Value, value: Value, ctx: BuiltinContext): RObject {
  return copyExcept(object, undefined, ctx).set(key, value).build();
}

function withoutKey(object: RObject, key: Value, ctx: BuiltinContext): RObject {
  return copyExcept(object, key, ctx).build();
}

function copyExcept(object: RObject, except: Value | undefined, ctx: BuiltinContext): ObjectBuilder {
  ctx.cells(object.size + 1);
  ctx.charge(object.size >> 2);
  const builder = new ObjectBuilder();
  for (const key of object.unorderedKeys())
    if (except === undefined || !equal(key, except)) builder.set(key, object.get(key) ?? null);
  return builder;
}

function withoutMember(set: RSet, value: Value, ctx: BuiltinContext): SetBuilder {
  ctx.cells(set.size);
  ctx.charge(set.size >> 2);
  const builder = new SetBuilder();
  for (const other of set.unordered()) if (!equal(other, value)) builder.add(other);
  return builder;
}

function patch(args: readonly Value[], ctx: BuiltinContext): Value | undefined {
  let document = anyAt(args, 0);
  try {
    for (const operation of arrayAt(args, 1)) {
      ctx.charge(1);
      if (!isObject(operation)) throw new PatchFailure();
      const apply = OPERATIONS.get(operation.get("op"));
      if (apply === undefined) throw new PatchFailure();
      document = apply(document, operation, ctx);
    }
    return document;
  } catch (error) {
    if (error instanceof PatchFailure) return undefined;
    throw error;
  }
}

export const JSON_PATCH: readonly Builtin[] = [define("json.patch", ["any", arrayOf(OBJECT)], "any", patch)];
