/** From names to variables, paths and callees: literals, bodies and rules. */
import type {
  Body,
  ElseClause,
  EveryStatement,
  Literal,
  LogicStatement,
  SomeInStatement,
  Statement,
  Term,
  UnifyStatement,
  VarTerm,
} from "../ast.ts";
import { operatorName } from "../ast.ts";
import type { Location } from "../errors.ts";
import type { IBody, IBranch, IClause, ILiteral, IStatement, ITerm } from "./ir.ts";
import { Variable } from "./ir.ts";
import { declaredNames, visitBodyVars, visitVars } from "./names.ts";
import { addImplicitVariables, TermResolver } from "./resolve.ts";
import { resolveWith } from "./resolve-with.ts";
import { Scope } from "./scope.ts";
import type { Definition } from "./tree.ts";

export class BodyResolver extends TermResolver {
  /** @param extra - terms outside the body that see its variables: the head of a comprehension, say */
  override body(source: Body, scope: Scope, extra: readonly Term[] = []): IBody {
    addImplicitVariables(this.env, scope, (visit) => {
      visitBodyVars(source, visit);
      for (const term of extra) visitVars(term, visit);
    });
    const literals = source.map((literal) => this.#literal(literal, scope));
    return { literals, free: scope.free };
  }

  /** Reports declarations that nothing reads, once all that can see them is resolved. */
  reportUnused(scope: Scope): void {
    for (const variable of scope.declared) {
      if (!variable.used && variable.loc.row > 0) {
        this.env.problems.warn("unused_variable", `declared var ${variable.name} unused`, variable.loc);
      }
    }
  }

  #literal(literal: Literal, scope: Scope): ILiteral {
    const withs = literal.withs.flatMap((modifier) => resolveWith(this, modifier, scope) ?? []);
    if (literal.negated && literal.statement.kind === "assign") {
      this.error("cannot assign vars inside negated expression", literal.loc);
    }
    const statement = this.#statement(literal.statement, scope);
    return { statement, negated: literal.negated, withs, loc: literal.loc, source: literal };
  }

  #statement(statement: Statement, scope: Scope): IStatement {
    switch (statement.kind) {
      case "expr":
        return this.#expression(statement.term, scope);
      case "unify":
        return {
          k: "unify",
          left: this.term(statement.left, scope),
          right: this.term(statement.right, scope),
        };
      case "assign":
        return this.#assign(statement, scope);
      case "some":
        for (const { name, loc: at } of statement.vars) this.declare(name, "declared", at, scope);
        return { k: "nothing" };
      case "someIn":
        return this.#someIn(statement, scope);
      case "every":
        return this.#every(statement, scope);
      case "block":
        return { k: "block", body: this.#nested(statement.body, scope) };
      default:
        return this.#logic(statement, scope);
    }
  }

  #logic(statement: LogicStatement, scope: Scope): IStatement {
    const operand = (literal: Literal): IBody => {
      const block = literal.statement.kind === "block" && !literal.negated && literal.withs.length === 0;
      return this.#nested(
        block && literal.statement.kind === "block" ? literal.statement.body : [literal],
        scope,
      );
    };
    return {
      k: "logic",
      operator: statement.kind,
      left: operand(statement.left),
      right: operand(statement.right),
    };
  }

  #nested(body: Body, scope: Scope): IBody {
    const inner = new Scope(scope, declaredNames(body));
    const resolved = this.body(body, inner);
    this.reportUnused(inner);
    return resolved;
  }

  #expression(term: Term, scope: Scope): IStatement {
    if (term.kind !== "call") return { k: "term", term: this.term(term, scope) };
    const name = operatorName(term.operator);
    if (name === "print" && this.env.global("print") === undefined) {
      return { k: "print", args: term.args.map((arg) => this.collect(arg, scope)) };
    }
    const [first, second] = term.args;
    if (name === "eq" && first !== undefined && second !== undefined && term.args.length === 2) {
      return { k: "unify", left: this.term(first, scope), right: this.term(second, scope) };
    }
    const call = this.call(term, scope, true);
    if (call === undefined) return { k: "nothing" };
    const { callee, args } = call;
    const output = args.at(-1);
    const arity =
      callee.kind === "builtin"
        ? callee.builtin.arity
        : callee.kind === "host"
          ? callee.host.arity
          : callee.arity;
    if (args.length === arity || output === undefined) return { k: "term", term: call };
    const inner = { ...call, args: args.slice(0, -1) };
    if (callee.kind === "builtin" && callee.builtin.relation === true)
      return { k: "relation", call: inner, output };
    return { k: "unify", left: inner, right: output };
  }

  #assign(statement: UnifyStatement, scope: Scope): IStatement {
    const right = this.term(statement.right, scope);
    const { left } = statement;
    if (left.kind !== "var" && left.kind !== "array" && left.kind !== "object") {
      this.error(`cannot assign to ${assignable(left)}`, left.loc);
    }
    return { k: "unify", left: this.#pattern(left, scope, "assigned"), right };
  }

  /** Declares the variables of a pattern; whatever else stands in it is compared. */
  #pattern(term: Term, scope: Scope, occurrence: "assigned" | "declared"): ITerm {
    switch (term.kind) {
      case "var":
        return this.#declaredVar(term, scope, occurrence);
      case "array":
        return {
          t: "array",
          items: term.items.map((item) => this.#pattern(item, scope, occurrence)),
          loc: term.loc,
        };
      case "object": {
        const entries = term.entries.map(
          ([name, value]) => [this.term(name, scope), this.#pattern(value, scope, occurrence)] as const,
        );
        return { t: "object", entries, loc: term.loc };
      }
      default:
        if (occurrence === "assigned") this.#warnPattern(term);
        return this.term(term, scope);
    }
  }

  #warnPattern(term: Term): void {
    if (term.kind === "scalar") {
      this.env.problems.warn(
        "constant_in_pattern",
        `cannot assign to ${assignable(term)}: it is compared`,
        term.loc,
      );
    } else this.error(`cannot assign to ${assignable(term)}`, term.loc);
  }

  #declaredVar(term: VarTerm, scope: Scope, occurrence: "assigned" | "declared"): ITerm {
    if (term.name === "_") return { t: "var", variable: new Variable("_", term.loc, true), loc: term.loc };
    return { t: "var", variable: this.declare(term.name, occurrence, term.loc, scope), loc: term.loc };
  }

  declare(name: string, occurrence: "assigned" | "declared" | "arg", loc: Location, scope: Scope): Variable {
    if (!this.env.isV0 && (name === "input" || name === "data")) {
      const what = occurrence === "arg" ? "args" : "variables";
      this.error(`${what} must not shadow ${name} (use a different variable name)`, loc);
    }
    return scope.declare(name, occurrence, loc, this.env.problems);
  }

  #someIn(statement: SomeInStatement, scope: Scope): IStatement {
    const collection = this.term(statement.collection, scope);
    const key = statement.key === undefined ? undefined : this.#pattern(statement.key, scope, "declared");
    const value = this.#pattern(statement.value, scope, "declared");
    return { k: "someIn", key, value, collection };
  }

  #every(statement: EveryStatement, scope: Scope): IStatement {
    const domain = this.term(statement.domain, scope);
    const names = [statement.key, statement.value].filter((v) => v !== undefined).map((v) => v.name);
    const heads = new Scope(scope, new Set(names.filter((name) => name !== "_")));
    const key = statement.key === undefined ? undefined : this.#everyVar(statement.key, heads);
    const value = this.#everyVar(statement.value, heads);
    const inner = new Scope(heads, declaredNames(statement.body));
    const body = this.body(statement.body, inner);
    this.reportUnused(inner);
    return { k: "every", key, value, domain, body: { literals: body.literals, free: heads.free } };
  }

  #everyVar(term: VarTerm, scope: Scope): Variable {
    if (term.name === "_") return new Variable("_", term.loc, true);
    return this.declare(term.name, "declared", term.loc, scope);
  }

  /** One definition with all its branches. Each branch has its own variables; the parameters are shared by name. */
  clauses(definition: Definition): IClause[] {
    const { rule } = definition;
    const bodies = [rule.body ?? [], ...rule.chained];
    return bodies.map((body, at) => this.#clause(definition, body, at === 0));
  }

  #clause(definition: Definition, body: Body, isFirst: boolean): IClause {
    const { rule, loc, path, kind } = definition;
    const scope = this.#ruleScope(body);
    const args = this.#args(definition, scope);
    const heads = [...definition.suffix, ...this.#valueTerms(definition)];
    const resolved = this.body(body, scope, heads);
    const suffix = definition.suffix.map((step) => this.term(step, scope));
    const valueTerm = definition.element ?? rule.head.value;
    const value = valueTerm === undefined ? undefined : this.term(valueTerm, scope);
    this.reportUnused(scope);
    const branches: IBranch[] = [{ body: resolved, value, loc, plan: undefined }];
    if (isFirst) for (const clause of rule.elses) branches.push(this.#elseBranch(clause, scope));
    return {
      rule,
      file: loc.file,
      loc,
      path,
      kind,
      args,
      argPatterns: [],
      suffix,
      isDefault: rule.isDefault,
      branches,
    };
  }

  #ruleScope(body: Body): Scope {
    return new Scope(undefined, declaredNames(body));
  }

  #valueTerms(definition: Definition): readonly Term[] {
    const term = definition.element ?? definition.rule.head.value;
    return term === undefined ? [] : [term];
  }

  #args(definition: Definition, scope: Scope): ITerm[] {
    return definition.args.map((arg) => this.#argument(arg, scope));
  }

  /** A parameter may repeat: `f(x, x)` matches equal arguments. */
  #argument(term: Term, scope: Scope): ITerm {
    if (term.kind === "var" && term.name !== "_") {
      const known = scope.argument(term.name);
      const variable = known ?? this.declare(term.name, "arg", term.loc, scope);
      variable.used = true;
      return { t: "var", variable, loc: term.loc };
    }
    if (term.kind === "array") {
      return {
        t: "array",
        items: term.items.map((item) => this.#argument(item, scope)),
        loc: term.loc,
      };
    }
    if (term.kind === "object") {
      const entries = term.entries.map(
        ([name, value]) => [this.term(name, scope), this.#argument(value, scope)] as const,
      );
      return { t: "object", entries, loc: term.loc };
    }
    if (term.kind === "call") this.error("rule arguments cannot contain calls", term.loc);
    return this.term(term, scope);
  }

  /** An `else` sees the parameters and nothing else of the branches before it. */
  #elseBranch(clause: ElseClause, first: Scope): IBranch {
    const scope = first.elseScope(declaredNames(clause.body ?? []));
    const heads = clause.value === undefined ? [] : [clause.value];
    const body = this.body(clause.body ?? [], scope, heads);
    const value = clause.value === undefined ? undefined : this.term(clause.value, scope);
    this.reportUnused(scope);
    return { body, value, loc: clause.loc, plan: undefined };
  }
}

function assignable(term: Term): string {
  if (term.kind !== "scalar") return term.kind === "arrayCompr" ? "array comprehension" : term.kind;
  if (term.value === null) return "null";
  return typeof term.value === "bigint" ? "number" : typeof term.value;
}
