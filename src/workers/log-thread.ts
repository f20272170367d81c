/** A thread that appraises logs, one after the other. */
import { parentPort } from "node:worker_threads";
import {
  appraiseEventLog,
  appraiseImaLog,
  PolicyCache,
} from "../attestation/formats/eventlog/appraise-log.ts";
import { type Answer, type AnswerMessage, carry, type Job, type JobMessage } from "./messages.ts";

const policies = new PolicyCache();

function answer({ kind, job }: Job): Answer {
  try {
    return kind === "ima"
      ? { kind, value: appraiseImaLog(job, policies) }
      : { kind, value: appraiseEventLog(job) };
  } catch (error) {
    return { kind: "error", error: carry(error) };
  }
}

parentPort?.on("message", ({ id, job }: JobMessage) => {
  const message: AnswerMessage = { id, answer: answer(job) };
  parentPort?.postMessage(message);
});
