/**
 * Appraises large logs on threads of their own: a list of a hundred thousand records takes the better part of a second,
 * and every guest would wait for it. Threads, waiting jobs, time and memory of a job are bounded; a job that is given up
 * takes its thread with it.
 */
import { Worker } from "node:worker_threads";
import {
  type EventLogAppraisal,
  type EventLogJob,
  type ImaAppraisal,
  type ImaJob,
  inlineAppraiser,
  type LogAppraiser,
} from "../attestation/formats/eventlog/appraise-log.ts";
import { EventLogError } from "../attestation/formats/eventlog/event-log.ts";
import { KbsError } from "../errors.ts";
import { type Answer, type AnswerMessage, type Job, type JobMessage, uncarry } from "./messages.ts";

export interface LogPoolOptions {
  readonly threads?: number;
  /** Jobs that may wait for a thread. */
  readonly maxWaiting?: number;
  /** From the moment a thread takes a job. */
  readonly deadlineMilliseconds?: number;
  /** Logs shorter than this are appraised at once: passing them on would take longer. */
  readonly inlineBytes?: number;
  /** Heap of one thread. */
  readonly maxHeapMiB?: number;
}

const DEFAULTS = {
  threads: 1,
  maxWaiting: 32,
  deadlineMilliseconds: 10_000,
  inlineBytes: 128 * 1024,
  maxHeapMiB: 512,
};

interface Pending {
  readonly id: number;
  readonly job: Job;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  current: Pending | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class LogPool implements LogAppraiser {
  readonly #options: Required<LogPoolOptions>;
  readonly #inline = inlineAppraiser();
  readonly #threads = new Set<Thread>();
  readonly #waiting: Pending[] = [];
  #nextId = 0;
  #closed = false;

  constructor(options: LogPoolOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  async eventLog(job: EventLogJob, signal: AbortSignal): Promise<EventLogAppraisal> {
    if (job.bytes.byteLength < this.#options.inlineBytes) return await this.#inline.eventLog(job, signal);
    const answer = await this.#run({ kind: "event-log", job: { ...job, bytes: ownCopy(job.bytes) } }, signal);
    if (answer.kind !== "event-log") throw unexpected(answer);
    return answer.value;
  }

  async ima(job: ImaJob, signal: AbortSignal): Promise<ImaAppraisal> {
    if (job.bytes.byteLength < this.#options.inlineBytes) return await this.#inline.ima(job, signal);
    const answer = await this.#run({ kind: "ima", job: { ...job, bytes: ownCopy(job.bytes) } }, signal);
    if (answer.kind !== "ima") throw unexpected(answer);
    return answer.value;
  }

  /** Ends all threads; jobs under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closing());
    const threads = [...this.#threads];
    for (const thread of threads) this.#drop(thread, closing());
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  async #run(job: Job, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    if (this.#closed) throw closing();
    if (this.#waiting.length >= this.#options.maxWaiting)
      throw new KbsError("overloaded", "too many event logs wait to be appraised", { retryAfterSeconds: 1 });
    const { promise, resolve, reject } = deferred<Answer>();
    const pending: Pending = { id: this.#nextId++, job, resolve, reject };
    const abort = () => this.#abandon(pending, signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting.push(pending);
    this.#dispatch();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idleThread();
      const pending = thread === undefined ? undefined : this.#waiting.shift();
      if (thread === undefined || pending === undefined) return;
      this.#start(thread, pending);
    }
  }

  #idleThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.current === undefined) return thread;
    return this.#threads.size < this.#options.threads ? this.#newThread() : undefined;
  }

  #start(thread: Thread, pending: Pending): void {
    const { deadlineMilliseconds } = this.#options;
    thread.current = pending;
    // While it works the thread keeps the process alive, and at no other time.
    thread.worker.ref();
    thread.timer = setTimeout(
      () =>
        this.#drop(thread, new EventLogError(`a log that takes longer than ${deadlineMilliseconds} ms`, 0)),
      deadlineMilliseconds,
    );
    const message: JobMessage = { id: pending.id, job: pending.job };
    // The bytes are this pool's own copy (`ownCopy`), so they can be handed over instead of being copied again; and
    // a buffer made by `new Uint8Array` is an ArrayBuffer, whatever the wider type says.
    thread.worker.postMessage(message, [pending.job.job.bytes.buffer as ArrayBuffer]);
  }

  #newThread(): Thread {
    const worker = new Worker(...threadArguments(this.#options.maxHeapMiB));
    const thread: Thread = { worker, current: undefined, timer: undefined };
    this.#threads.add(thread);
    worker.unref();
    worker.on("message", (message: AnswerMessage) => this.#answered(thread, message));
    worker.on("error", (error) => this.#drop(thread, threadFault(error)));
    worker.on("exit", () => this.#drop(thread, new Error("a thread ended unexpectedly")));
    return thread;
  }

  #answered(thread: Thread, { id, answer }: AnswerMessage): void {
    const pending = thread.current;
    if (pending?.id !== id) return;
    clearTimeout(thread.timer);
    thread.current = undefined;
    thread.worker.unref();
    pending.resolve(answer);
    this.#dispatch();
  }

  #abandon(pending: Pending, reason: unknown): void {
    const at = this.#waiting.indexOf(pending);
    if (at >= 0) this.#waiting.splice(at, 1);
    for (const thread of this.#threads) if (thread.current === pending) this.#drop(thread, reason);
    pending.reject(reason);
  }

  /** A computation cannot be interrupted, so its thread goes. */
  #drop(thread: Thread, reason: unknown): void {
    if (!this.#threads.delete(thread)) return;
    clearTimeout(thread.timer);
    thread.worker.terminate().catch(() => undefined);
    thread.current?.reject(reason);
    thread.current = undefined;
    if (!this.#closed) this.#dispatch();
  }
}

/** A built program starts its thread at once; of sources, something must read TypeScript first. */
function threadArguments(maxHeapMiB: number): ConstructorParameters<typeof Worker> {
  const fromSource = import.meta.url.endsWith(".ts");
  const file = new URL(fromSource ? "./run-source.js" : "./log-thread.js", import.meta.url);
  return [
    file,
    {
      workerData: { module: new URL("./log-thread.ts", import.meta.url).href },
      execArgv: [],
      // Nothing of the server's environment is a thread's business.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB },
    },
  ];
}

function ownCopy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function unexpected(answer: Answer): Error {
  return answer.kind === "error" ? uncarry(answer.error) : new Error("a thread answered another question");
}

function threadFault(error: unknown): unknown {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return code === "ERR_WORKER_OUT_OF_MEMORY"
    ? new EventLogError("a log that needs more memory than it may have", 0)
    : error;
}

function closing(): KbsError {
  return new KbsError("overloaded", "the server is shutting down");
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
