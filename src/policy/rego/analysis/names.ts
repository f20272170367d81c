/** Which names a body mentions itself, and which it declares: both leave out the bodies nested in it. */
import { type Body, type Literal, operatorName, type Term, type VarTerm, type WithModifier } from "../ast.ts";

/** Calls `visit` for every variable of the term that is not inside a comprehension. Call operators are not variables. */
export function visitVars(term: Term, visit: (variable: VarTerm) => void): void {
  switch (term.kind) {
    case "var":
      visit(term);
      break;
    case "ref":
      visitVars(term.head, visit);
      for (const step of term.path) visitVars(step, visit);
      break;
    case "call":
      for (const arg of term.args) visitVars(arg, visit);
      break;
    case "array":
    case "set":
      for (const item of term.items) visitVars(item, visit);
      break;
    case "object":
      for (const [name, value] of term.entries) {
        visitVars(name, visit);
        visitVars(value, visit);
      }
      break;
    default:
      break;
  }
}

function statementTerms(literal: Literal): readonly Term[] {
  const { statement } = literal;
  switch (statement.kind) {
    case "expr":
      // The arguments of `print` are small bodies of their own.
      if (statement.term.kind === "call" && operatorName(statement.term.operator) === "print") return [];
      return [statement.term];
    case "assign":
    case "unify":
      return [statement.left, statement.right];
    case "someIn":
      return statement.key === undefined
        ? [statement.value, statement.collection]
        : [statement.key, statement.value, statement.collection];
    case "every":
      return [statement.domain];
    default:
      return [];
  }
}

export function visitBodyVars(body: Body, visit: (variable: VarTerm) => void): void {
  for (const literal of body) {
    for (const term of statementTerms(literal)) visitVars(term, visit);
    for (const modifier of literal.withs) if (!namesFunction(modifier)) visitVars(modifier.value, visit);
  }
}

/** In `with f as g`, g may name a function; where it is a variable the rest of the body mentions it. */
function namesFunction({ target, value }: WithModifier): boolean {
  const head = target.kind === "var" ? target : target.head;
  if (head.kind === "var" && (head.name === "input" || head.name === "data")) return false;
  return value.kind === "var" || (value.kind === "ref" && operatorName(value) !== undefined);
}

/** Names declared by `some`, `some … in` and `:=`. */
export function declaredNames(body: Body): Set<string> {
  const names = new Set<string>();
  const add = (variable: VarTerm): void => {
    if (variable.name !== "_") names.add(variable.name);
  };
  for (const { statement } of body) {
    if (statement.kind === "some") for (const variable of statement.vars) add(variable);
    if (statement.kind === "assign") visitPattern(statement.left, add);
    if (statement.kind === "someIn") {
      if (statement.key !== undefined) visitPattern(statement.key, add);
      visitPattern(statement.value, add);
    }
  }
  return names;
}

/** Variables in the places of a pattern that take a value: not object keys, not steps of references. */
export function visitPattern(term: Term, visit: (variable: VarTerm) => void): void {
  if (term.kind === "var") visit(term);
  else if (term.kind === "array") for (const item of term.items) visitPattern(item, visit);
  else if (term.kind === "object") for (const [, value] of term.entries) visitPattern(value, visit);
}
