/** An appraisal as a person reads it: status, then claim by claim the value, and why. */
import type { Submodule } from "../../attestation/appraise.ts";
import { writeJson } from "../../json/write.ts";
import type { ClaimReport, ConditionReport, DefinitionReport } from "./appraise-explain.ts";
import { claimAbout, valueMeaning } from "./claim-meanings.ts";

export interface ExplainedSubmodule {
  readonly submodule: Submodule;
  /** File of the policy that judged it. */
  readonly policy: string;
  readonly claims: readonly ClaimReport[];
}

export function appraisalText({ submodule, policy, claims }: ExplainedSubmodule): string {
  const { name, tee, status, policyHash } = submodule;
  const head = `${name} (${tee}): ${status}, judged by ${policy} (SHA-384 ${policyHash.slice(0, 16)}…)\n`;
  return head + claims.map(claimText).join("") + extensionText(submodule);
}

function claimText(report: ClaimReport): string {
  const { claim, value, tier } = report;
  const meaning = valueMeaning(claim, value);
  const said = `${claimAbout(claim)}: ${meaning ?? "a value of this policy's own"}`;
  return `\n  ${claim.padEnd(18)} ${String(value).padStart(4)}  ${tier.padEnd(16)} ${said}\n${originText(report)}`;
}

function originText(report: ClaimReport): string {
  const { source, place, rule, definitions, otherKinds } = report;
  if (source === "constant") return `      ${place ?? ""}: the policy always says so\n`;
  if (source === "expression") return `      ${place ?? ""}: computed by the policy\n`;
  const first =
    source === "default"
      ? `      ${place ?? "no definition"}: the default of ${rule ?? "the rule"}, because nothing else applied\n`
      : "";
  const rest = otherKinds === 0 ? "" : `      ${definitionCount(otherKinds)} about other kinds of evidence\n`;
  return first + definitions.map(definitionText).join("") + rest;
}

function definitionCount(count: number): string {
  return count === 1 ? "1 definition is" : `${count} definitions are`;
}

function definitionText({ place, result, conditions }: DefinitionReport): string {
  return `      ${place}: ${result}\n${conditions.map(conditionText).join("")}`;
}

function conditionText({ place, text, holds, seen, referenceValues }: ConditionReport): string {
  const line = place.slice(place.lastIndexOf(":") + 1);
  const values = seen.map(({ what, value }) => `            ${what} is ${value}\n`);
  const unknown = referenceValues.flatMap(({ name, state, expiresAt }) => {
    if (state === "registered") return [];
    const why = state === "expired" ? `expired at ${expiresAt ?? ""}` : "nobody registered it";
    return [`            no reference value ${name}: ${why}\n`];
  });
  return `        ${holds ? "ok" : "NO"}  line ${line}: ${text}\n${values.join("")}${unknown.join("")}`;
}

function extensionText({ extensions }: Submodule): string {
  const members = Object.entries(extensions).map(([name, value]) => `  ${name}: ${writeJson(value)}\n`);
  return members.length === 0 ? "" : `\n${members.join("")}`;
}
