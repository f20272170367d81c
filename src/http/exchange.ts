import type { IncomingMessage, ServerResponse } from "node:http";
import { KbsError } from "../errors.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { shortened } from "../observability/printable.ts";
import { readBody } from "./body.ts";
import type { Deadlines, Due } from "./deadlines.ts";
import type { BudgetAccount, MemoryBudget } from "./memory-budget.ts";
import type { RequestContext } from "./ports.ts";
import { isServerFault, PROBLEM_TYPE, problemBody, toKbsError } from "./problem.ts";

/** What the log line about a request says beside time, id and outcome. Never a token, nonce or evidence. */
export interface Decision {
  event: string;
  path?: string;
  tee?: string;
  session?: string;
  administrator?: string;
}

export interface ExchangeEnvironment {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Milliseconds, never running backwards. */
  readonly monotonic: () => number;
  readonly deadlineMilliseconds: number;
  readonly deadlines: Deadlines;
  /** For the bodies of all requests. */
  readonly memory: MemoryBudget;
  /** Whether connections are to be closed after their answer. */
  readonly draining: () => boolean;
}

/**
 * One request and its answer: deadline, the one log line, the metrics. The first answer counts; whatever comes
 * after it, say from work that outlived the deadline, is dropped.
 */
export class Exchange implements RequestContext, Due {
  readonly requestId: string;
  readonly client: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly dueAt: number;
  readonly decision: Decision = { event: "request" };
  readonly #environment: ExchangeEnvironment;
  readonly #controller = new AbortController();
  readonly #startedAt: number;
  readonly #memory: BudgetAccount;
  #answered = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    client: string,
    environment: ExchangeEnvironment,
  ) {
    this.request = request;
    this.response = response;
    this.requestId = requestId;
    this.client = client;
    this.#environment = environment;
    this.#startedAt = environment.monotonic();
    this.dueAt = this.#startedAt + environment.deadlineMilliseconds;
    this.#memory = environment.memory.open();
    environment.deadlines.add(this);
    environment.metrics.httpActive.inc();
    response.on("close", () => this.#close());
  }

  /** Aborts at the deadline and when the client leaves. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** @throws KbsError, see `readBody` */
  body(maxBytes: number): Promise<Buffer> {
    return readBody(this.request, maxBytes, this.#memory);
  }

  /** @param headers - names and values in turn, beyond content type and length */
  answer(status: number, contentType: string, body: string | Buffer, headers: readonly string[] = []): void {
    if (!this.#begin()) return;
    this.#write(status, contentType, body, headers);
    this.#note("ok", undefined);
  }

  /** Answers with a refusal. @param detail - in place of the error's own sentence, where clients know another */
  refuse(thrown: unknown, headers: readonly string[] = []): void {
    if (!this.#begin()) return;
    const error = toKbsError(thrown);
    const retry =
      error.retryAfterSeconds === undefined
        ? []
        : ["retry-after", String(Math.ceil(error.retryAfterSeconds))];
    this.#write(error.status, PROBLEM_TYPE, problemBody(error, this.requestId), [...headers, ...retry]);
    this.#environment.metrics.problems.inc({ code: error.code });
    this.#note(error.code, error);
  }

  #begin(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#environment.deadlines.remove(this);
    return true;
  }

  #write(status: number, contentType: string, body: string | Buffer, headers: readonly string[]): void {
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const head = ["content-length", String(length), "cache-control", "no-store", ...headers];
    if (contentType !== "") head.push("content-type", contentType);
    if (this.#environment.draining()) this.response.shouldKeepAlive = false;
    this.response.writeHead(status, head).end(body);
    this.#environment.metrics.httpResponseSize.observe(length);
  }

  #note(outcome: string, error: KbsError | undefined): void {
    const { log, monotonic } = this.#environment;
    const entry = {
      requestId: this.requestId,
      client: this.client,
      ...this.decision,
      outcome,
      durationMs: Math.round((monotonic() - this.#startedAt) * 1000) / 1000,
    };
    if (error === undefined) log.info(entry);
    else if (isServerFault(error.code)) log.error({ ...entry, reason: error.detail, err: error });
    else log.info({ ...entry, ...reasonOf(error) });
  }

  /** The deadline has come. */
  expire(): void {
    this.#controller.abort(new Error("the request's deadline passed"));
    this.refuse(
      new KbsError(
        "overloaded",
        "The request was not finished within the server's deadline; try again later.",
        {
          retryAfterSeconds: 5,
        },
      ),
    );
  }

  #close(): void {
    this.#environment.deadlines.remove(this);
    this.#memory.close();
    const { metrics, monotonic } = this.#environment;
    metrics.httpActive.dec();
    metrics.httpDuration.observe((monotonic() - this.#startedAt) / 1000);
    if (this.#answered) return;
    this.#answered = true;
    this.#controller.abort(new Error("the client left"));
    this.#note("client-left", undefined);
  }
}

/** The sentence that explains a refusal; behind a reworded one stands the original. */
function reasonOf(error: KbsError): { reason: string; check?: string } {
  const original = error.cause instanceof KbsError ? error.cause : error;
  const check = original.extra?.["check"];
  return { reason: shortened(original.detail), ...(typeof check === "string" ? { check } : {}) };
}
