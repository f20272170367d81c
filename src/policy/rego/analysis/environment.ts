import type { Import, Module } from "../ast.ts";
import { BUILTINS, type Builtin, FORBIDDEN } from "../builtins/index.ts";
import { RObject } from "../collections.ts";
import { BuiltinError } from "../errors.ts";
import type { Value } from "../value.ts";
import type { HostFunction } from "./ir.ts";
import type { Problems } from "./problems.ts";
import { nodeAt, type TreeNode } from "./tree.ts";

/** What a whole compilation knows. */
export interface World {
  readonly tree: TreeNode;
  readonly problems: Problems;
  readonly hosts: ReadonlyMap<string, HostFunction>;
  /** Let calls of refused built-ins compile: they fail unless `with` replaces them. */
  readonly allowMockedBuiltins: boolean;
}

/** What a global name stands for: a path below one of the two documents. */
export interface GlobalPath {
  readonly root: "input" | "data";
  readonly path: readonly string[];
}

/** The global names of one module. */
export class Environment {
  readonly world: World;
  readonly module: Module;
  readonly #imports: ReadonlyMap<string, Import>;
  readonly usedImports: Set<string> = new Set();

  constructor(world: World, module: Module) {
    this.world = world;
    this.module = module;
    this.#imports = collectImports(module, world.problems);
  }

  get problems(): Problems {
    return this.world.problems;
  }

  get isV0(): boolean {
    return this.module.dialect === "v0";
  }

  /** Rules of the package come before imports, and both before the documents' own names. */
  global(name: string): GlobalPath | undefined {
    const { packagePath } = this.module;
    const node = nodeAt(this.world.tree, packagePath);
    const own = node?.child(name);
    if (own !== undefined && definesRule(own, packagePath.length + 1))
      return { root: "data", path: [...packagePath, name] };
    const imported = this.#imports.get(name);
    if (imported !== undefined) {
      this.usedImports.add(name);
      const [root, ...path] = imported.path;
      return { root: root === "input" ? "input" : "data", path };
    }
    return name === "input" || name === "data" ? { root: name, path: [] } : undefined;
  }

  builtin(name: string): Builtin | undefined {
    return BUILTINS.get(name);
  }

  /** A built-in that is refused, as something that always fails. */
  refused(name: string): Builtin | undefined {
    const known = FORBIDDEN.get(name);
    if (known === undefined) return undefined;
    const impl = (): Value => {
      // Without a configuration there is nothing to tell, in OPA either.
      if (name === "opa.runtime") return RObject.EMPTY;
      throw new BuiltinError("eval_type_error", `${name}: no operand is acceptable: ${known.reason}`);
    };
    const args = new Array<"any">(known.arity).fill("any");
    return { name, arity: known.arity, args, result: "any", impl, deterministic: true };
  }

  refusal(name: string): string | undefined {
    return FORBIDDEN.get(name)?.reason;
  }

  unusedImports(): readonly Import[] {
    return [...this.#imports].filter(([name]) => !this.usedImports.has(name)).map(([, found]) => found);
  }
}

/** Sub-packages are no names: only a rule, also one with a longer head, is. */
function definesRule(node: TreeNode, packageDepth: number): boolean {
  if (node.definitions.some((definition) => definition.module.packagePath.length < packageDepth)) return true;
  for (const below of node.descendants()) {
    if (below.definitions.some((definition) => definition.module.packagePath.length < packageDepth))
      return true;
  }
  return false;
}

function collectImports(module: Module, problems: Problems): Map<string, Import> {
  const imports = new Map<string, Import>();
  for (const found of module.imports) {
    const [root, ...rest] = found.path;
    if (root === "future" || root === "rego") continue;
    const name = found.alias ?? found.path.at(-1) ?? "";
    if (rest.length === 0 && (found.alias === undefined || found.alias === root)) continue;
    const before = imports.get(name);
    if (before !== undefined && module.dialect === "v1") {
      const message = `import must not shadow import ${before.path.join(".")}`;
      problems.error("rego_compile_error", message, found.loc);
    }
    imports.set(name, found);
  }
  return imports;
}
