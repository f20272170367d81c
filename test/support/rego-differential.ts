/** One generated module in both engines, and what they disagree about. */
import { compilePolicy, type Finding, type Outcome, type Policy } from "../../src/policy/rego/index.ts";
import {
  whyAccepted,
  whyAnswerDiffers,
  whyRefused,
  whyStrictDiffers,
} from "../conformance/rego-known-differences.ts";
import { agree } from "./opa-answers.ts";
import type { OpaAnswer, OpaServer } from "./opa-server.ts";
import { BASE, type GeneratedCase, PACKAGE } from "./rego-generator/index.ts";

export interface Difference {
  readonly seed: number;
  /** `module`, or the rule, the number of the input and the mode. */
  readonly where: string;
  readonly ours: string;
  readonly opa: string;
}

/** What a comparison came to; the counts show that the test compares something. */
export interface Tally {
  modules: number;
  accepted: number;
  refused: number;
  values: number;
  undefineds: number;
  errors: number;
  readonly known: Map<string, number>;
  readonly differences: Difference[];
}

export function newTally(): Tally {
  return {
    modules: 0,
    accepted: 0,
    refused: 0,
    values: 0,
    undefineds: 0,
    errors: 0,
    known: new Map(),
    differences: [],
  };
}

/** A slow machine is no difference. */
const LIMITS = { wallClockMilliseconds: 20_000 };

/** Adds to `tally` what both engines make of the module. */
export async function compareCase(opa: OpaServer, made: GeneratedCase, tally: Tally): Promise<void> {
  tally.modules += 1;
  const { policy, findings } = compilePolicy([{ file: "module.rego", text: made.text }]);
  const errors = await opa.putModule(made.text);
  if (policy !== undefined && errors === undefined) {
    tally.accepted += 1;
    await compareAnswers(opa, made, policy, tally);
    return;
  }
  if (policy === undefined && errors !== undefined) {
    tally.refused += 1;
    return;
  }
  const why = errors === undefined ? whyRefused(findings) : whyAccepted(errors);
  if (why !== undefined) count(tally, why);
  else {
    const ours = policy === undefined ? firstError(findings) : "accepted";
    const theirs = errors?.map(({ code, message, location }) => `${location?.row}: ${code}: ${message}`);
    tally.differences.push({ seed: made.seed, where: "module", ours, opa: theirs?.join("; ") ?? "accepted" });
  }
}

function firstError(findings: readonly Finding[]): string {
  const first = findings.find(({ severity }) => severity === "error");
  return `${first?.row}: ${first?.code}: ${first?.message}`;
}

function count(tally: Tally, why: string): void {
  tally.known.set(why, (tally.known.get(why) ?? 0) + 1);
}

async function compareAnswers(
  opa: OpaServer,
  made: GeneratedCase,
  policy: Policy,
  tally: Tally,
): Promise<void> {
  for (const [at, input] of made.inputs.entries()) {
    const place = (path: string, mode: string) => ({
      seed: made.seed,
      where: `${path} input ${at} ${mode}`,
    });
    const whole = evaluate(policy, PACKAGE, input, false);
    judge(whole, await opa.evaluate(PACKAGE, input, false), tally, place(PACKAGE, "lenient"));
    for (const rule of made.rules) {
      const path = `${PACKAGE}.${rule}`;
      const lenient = evaluate(policy, path, input, false);
      judge(lenient, await opa.evaluate(slashed(path), input, false), tally, place(path, "lenient"));
      const strict = evaluate(policy, path, input, true);
      const theirs = await opa.evaluate(slashed(path), input, true);
      const why = whyStrictDiffers(strict, lenient, theirs);
      if (why === undefined) judge(strict, theirs, tally, place(path, "strict"));
      else count(tally, why);
    }
  }
}

function evaluate(policy: Policy, path: string, input: unknown, strict: boolean): Outcome {
  const document = input === undefined ? {} : { input };
  return policy.evaluate(`data.${path}`, { ...document, data: { base: BASE }, strict, limits: LIMITS });
}

/** `h.a["x-y"]` as a path of the data API. */
function slashed(path: string): string {
  return path.replace(/\["([^"]+)"\]/g, "/$1").replaceAll(".", "/");
}

interface Place {
  readonly seed: number;
  readonly where: string;
}

function judge(ours: Outcome, theirs: OpaAnswer, tally: Tally, { seed, where }: Place): void {
  if (!agree(ours, theirs)) {
    const why = whyAnswerDiffers(theirs);
    if (why !== undefined) {
      count(tally, why);
      return;
    }
    tally.differences.push({ seed, where, ours: showOutcome(ours), opa: showAnswer(theirs) });
  } else if (ours.kind === "value") tally.values += 1;
  else if (ours.kind === "undefined") tally.undefineds += 1;
  else tally.errors += 1;
}

function showOutcome(outcome: Outcome): string {
  if (outcome.kind === "value") return show(outcome.value);
  return outcome.kind === "undefined" ? "undefined" : `${outcome.error.code}: ${outcome.error.message}`;
}

function showAnswer(answer: OpaAnswer): string {
  if (answer.kind === "value") return show(answer.value);
  if (answer.kind === "undefined") return "undefined";
  return answer.errors.map(({ code, message }) => `${code}: ${message}`).join("; ");
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? `${member}n` : member));
}
