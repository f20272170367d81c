import { RArray, type RObject, type RSet, SetBuilder } from "../collections.ts";
import { equal } from "../compare.ts";
import { isArray, isSet, type Value } from "../value.ts";
import { anyAt, type Builtin, type BuiltinContext, badOperand, define, objectAt } from "./builtin.ts";
import { ARRAY, LIST, objectOf, SET, setOf, tupleOf } from "./types.ts";

const GRAPH = objectOf("any", LIST);

/** Neighbours of a node; a node whose edges are no array and no set has none. */
function neighbours(edges: Value | undefined): readonly Value[] {
  if (isArray(edges)) return edges.items;
  return isSet(edges) ? edges.members() : [];
}

function roots(args: readonly Value[]): readonly Value[] {
  const value = args[1];
  if (!isArray(value) && !isSet(value)) throw badOperand(1, "{array, set}", value);
  return neighbours(value);
}

function reachable(args: readonly Value[], ctx: BuiltinContext): RSet {
  const graph = objectAt(args, 0);
  const found = new SetBuilder();
  const waiting = [...roots(args)];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    ctx.charge(1);
    const edges = graph.get(node);
    if (edges === undefined || found.has(node)) continue;
    ctx.cells(1);
    found.add(node);
    const next = neighbours(edges);
    ctx.charge(next.length >> 2);
    for (const neighbour of next) waiting.push(neighbour);
  }
  return found.build();
}

/** Collects the longest paths that visit no node twice. There can be exponentially many; each step is paid for. */
class PathFinder {
  readonly #graph: RObject;
  readonly #ctx: BuiltinContext;
  readonly #found = new SetBuilder();

  constructor(graph: RObject, ctx: BuiltinContext) {
    this.#graph = graph;
    this.#ctx = ctx;
  }

  from(root: Value): void {
    if (this.#graph.has(root)) this.#follow([root]);
  }

  paths(): RSet {
    return this.#found.build();
  }

  /** A path ends where no edge leads on to a node of the graph that it has not visited. */
  #follow(path: readonly Value[]): void {
    const edges = neighbours(this.#graph.get(path.at(-1) ?? null));
    this.#ctx.charge(1 + edges.length + (path.length >> 2));
    if (edges.length === 0) this.#add(path);
    for (const next of edges) {
      if (!this.#graph.has(next) || path.some((node) => equal(node, next))) this.#add(path);
      else this.#follow([...path, next]);
    }
  }

  #add(path: readonly Value[]): void {
    this.#ctx.cells(path.length + 1);
    this.#found.add(RArray.of([...path]));
  }
}

function reachablePaths(args: readonly Value[], ctx: BuiltinContext): RSet {
  const finder = new PathFinder(objectAt(args, 0), ctx);
  for (const root of roots(args)) finder.from(root);
  return finder.paths();
}

/** All nested values with their paths, the value itself first, then depth first in ascending order. */
function walk(args: readonly Value[], ctx: BuiltinContext): RArray {
  const found: RArray[] = [];
  const waiting: [readonly Value[], Value][] = [[[], anyAt(args, 0)]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, value] = next;
    ctx.charge(1);
    ctx.cells(path.length + 3);
    found.push(RArray.of([RArray.of(path), value]));
    const below = children(value);
    ctx.charge(below.length >> 2);
    for (const [step, child] of below.reverse()) waiting.push([[...path, step], child]);
  }
  return RArray.of(found);
}

function children(value: Value): [Value, Value][] {
  if (typeof value !== "object" || value === null) return [];
  if (value.kind === "array") return value.items.map((item, index) => [index, item]);
  if (value.kind === "set") return value.members().map((member) => [member, member]);
  return value.entries();
}

export const GRAPHS: readonly Builtin[] = [
  define("graph.reachable", [GRAPH, LIST], SET, reachable),
  define("graph.reachable_paths", [GRAPH, LIST], setOf(ARRAY), reachablePaths),
  define("walk", ["any"], tupleOf(ARRAY, "any"), walk, { relation: true }),
];
