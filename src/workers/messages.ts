/** What passes between the pool and its threads: plain data, errors included. */

import type {
  EventLogAppraisal,
  EventLogJob,
  ImaAppraisal,
  ImaJob,
} from "../attestation/formats/eventlog/appraise-log.ts";
import { EventLogError } from "../attestation/formats/eventlog/event-log.ts";
import { ReplayImpossible } from "../attestation/formats/eventlog/replay.ts";
import { ImaPolicyError } from "../attestation/formats/ima/policy-error.ts";

export type Job =
  | { readonly kind: "event-log"; readonly job: EventLogJob }
  | { readonly kind: "ima"; readonly job: ImaJob };

export interface JobMessage {
  readonly id: number;
  readonly job: Job;
}

export type Answer =
  | { readonly kind: "event-log"; readonly value: EventLogAppraisal }
  | { readonly kind: "ima"; readonly value: ImaAppraisal }
  | { readonly kind: "error"; readonly error: CarriedError };

export interface AnswerMessage {
  readonly id: number;
  readonly answer: Answer;
}

/** The errors that appraisals speak of; a clone of an Error would lose its class. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly position: number;
}

export function carry(error: unknown): CarriedError {
  if (error instanceof EventLogError)
    return { name: error.name, message: error.what, position: error.position };
  if (error instanceof Error) return { name: error.name, message: error.message, position: 0 };
  return { name: "Error", message: String(error), position: 0 };
}

export function uncarry({ name, message, position }: CarriedError): Error {
  if (name === "EventLogError") return new EventLogError(message, position);
  if (name === "ReplayImpossible") return new ReplayImpossible(message);
  return name === "ImaPolicyError" ? new ImaPolicyError(message) : new Error(message);
}
