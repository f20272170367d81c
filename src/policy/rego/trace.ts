/** Every step of an evaluation as lines of text. */
import type { DocNode } from "./compile/docs.ts";
import { shorten } from "./errors.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import { textAt } from "./explain.ts";
import type { Policy } from "./policy.ts";
import { type LiteralSite, SilentProbe } from "./probe.ts";
import { type EvaluationRequest, evaluateRule, type Outcome } from "./run.ts";
import { sourceForm } from "./text.ts";
import type { Value } from "./value.ts";

const MAX_LINES = 1_000;

export interface Trace {
  readonly outcome: Outcome;
  /** Indented by nesting; at most a thousand. */
  readonly lines: readonly string[];
  readonly complete: boolean;
}

/** @throws NeedHostValue; nothing else */
export function traceEvaluation(policy: Policy, rulePath: string, request: EvaluationRequest = {}): Trace {
  const writer = new TraceWriter(policy);
  const outcome = evaluateRule(policy, rulePath, { ...request, probe: writer });
  return { outcome, lines: writer.lines, complete: writer.lines.length < MAX_LINES };
}

/** Literals that began and did not succeed yet, for one running rule. */
interface Running {
  pending: LiteralSite[];
  last: number;
}

class TraceWriter extends SilentProbe {
  readonly lines: string[] = [];
  readonly #policy: Policy;
  readonly #running: Running[] = [];

  constructor(policy: Policy) {
    super();
    this.#policy = policy;
  }

  #write(event: string, text: string): void {
    if (this.lines.length >= MAX_LINES) return;
    this.lines.push(`${"| ".repeat(Math.min(this.#running.length, 20))}${event} ${text}`);
  }

  override enterRule(rule: DocNode): void {
    this.#write("Enter", rule.name);
    this.#running.push({ pending: [], last: -1 });
  }

  override exitRule(rule: DocNode, value: Value | undefined): void {
    const run = this.#running.at(-1);
    if (run !== undefined) this.#failBack(run, -1);
    this.#running.pop();
    this.#write(
      "Exit",
      `${rule.name} = ${value === undefined ? "undefined" : shorten(sourceForm(value), 200)}`,
    );
  }

  override enterBranch(): void {
    const run = this.#running.at(-1);
    if (run === undefined) return;
    this.#failBack(run, -1);
    run.last = -1;
  }

  override enterLiteral(site: LiteralSite, frame: Frame, e: Evaluation): void {
    const run = this.#running.at(-1);
    if (run === undefined) return;
    this.#failBack(run, site.index);
    this.#write(site.index <= run.last ? "Redo" : "Eval", this.#text(site) + values(site, frame, e));
    run.last = site.index;
    run.pending.push(site);
  }

  override exitLiteral(site: LiteralSite): void {
    const run = this.#running.at(-1);
    if (run !== undefined) run.pending = run.pending.filter((other) => other !== site);
  }

  override note(message: string): void {
    this.#write("Note", shorten(message, 200));
  }

  /** The search went back to an earlier literal: what was still open has failed. */
  #failBack(run: Running, index: number): void {
    for (const site of run.pending.toReversed()) {
      if (site.index < index) break;
      run.pending.pop();
      this.#write("Fail", this.#text(site));
    }
  }

  #text(site: LiteralSite): string {
    const { loc } = site.literal;
    return `${loc.file}:${loc.row} ${textAt(this.#policy.modules, loc)}`;
  }
}

function values(site: LiteralSite, frame: Frame, e: Evaluation): string {
  const seen = site.watched
    .filter(({ text }) => !text.startsWith("data."))
    .map(({ text, value }) => [text, value(frame, e)] as const)
    .filter(([, value]) => value !== undefined)
    .map(([text, value]) => `${text}: ${shorten(sourceForm(value ?? null), 60)}`);
  return seen.length === 0 ? "" : `  {${seen.join(", ")}}`;
}
