import { readJson } from "../../json/read.ts";
import type { JsonObject } from "../../json/value.ts";
import { isObject, member } from "../../json/write.ts";

/** At which step of the conversation the broker said no. */
export type Step = "auth" | "attest" | "resource";

/** The broker answered, and the answer is no. */
export class Refused extends Error {
  readonly step: Step;
  readonly status: number;
  /** Members of the answer; empty when it held no JSON object. */
  readonly answer: JsonObject;

  constructor(step: Step, status: number, answer: JsonObject, message: string) {
    super(message);
    this.name = "Refused";
    this.step = step;
    this.status = status;
    this.answer = answer;
  }
}

/**
 * Reads a refusal as the deployed guests do: `type` and `detail` must both be strings, or the reason is lost.
 */
export function readRefusal(step: Step, status: number, body: Uint8Array): Refused {
  const answer = objectIn(body);
  const type = answer === undefined ? undefined : member(answer, "type");
  const detail = answer === undefined ? undefined : member(answer, "detail");
  if (answer === undefined || typeof type !== "string" || typeof detail !== "string")
    return new Refused(
      step,
      status,
      {},
      `The broker answered ${status} without a reason that a guest can read.`,
    );
  return new Refused(step, status, answer, detail);
}

function objectIn(body: Uint8Array): JsonObject | undefined {
  try {
    const value = readJson(body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
