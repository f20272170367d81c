import type { JsonObject } from "../json/value.ts";
import type { AuditEvent } from "../observability/audit-record.ts";
import { shortened } from "../observability/printable.ts";
import type {
  AdminAnswer,
  AdminCall,
  AdminIdentity,
  AdminOperation,
  AdminPort,
  RequestContext,
} from "./ports.ts";
import { toKbsError } from "./problem.ts";
import { RateLimiter } from "./rate-limit.ts";

/** Where audit records go. @throws KbsError `audit-unavailable`: then nothing may be done */
export interface AuditSink {
  record(event: AuditEvent): Promise<void>;
}

/**
 * Refused strangers on record, all together: whoever can reach the server can be refused, and must not be able to
 * fill the disk without which nothing is released. The log of the server has every one of them.
 */
const STRANGERS = { perSecond: 0.2, burst: 1_000, maxPrefixes: 1 };
/** Longest path in a record, in characters. */
const MAX_PATH = 600;

/** An admin port that records an operation before it is done, and that it failed if it failed. */
export class AuditedAdmin implements AdminPort {
  readonly #inner: AdminPort;
  readonly #audit: AuditSink;
  readonly #strangers: RateLimiter;
  #unrecorded = 0;

  /** @param monotonic - milliseconds, never running backwards */
  constructor(inner: AdminPort, audit: AuditSink, monotonic: () => number) {
    this.#inner = inner;
    this.#audit = audit;
    this.#strangers = new RateLimiter({ ...STRANGERS, monotonic });
  }

  async authorize(call: AdminCall, context: RequestContext, signal: AbortSignal): Promise<AdminIdentity> {
    try {
      return await this.#inner.authorize(call, context, signal);
    } catch (error) {
      await this.#recordRefusal(call, context, toKbsError(error).code);
      throw error;
    }
  }

  async #recordRefusal(call: AdminCall, context: RequestContext, outcome: string): Promise<void> {
    if (outcome === "unauthenticated" && !this.#strangers.allow("")) {
      this.#unrecorded++;
      return;
    }
    const { operation, method } = call;
    const missed = this.#unrecorded === 0 ? {} : { unrecordedRefusals: this.#unrecorded };
    this.#unrecorded = 0;
    const event = { event: "admin", operation, method, path: shortened(call.path, MAX_PATH) };
    await this.#audit.record({ ...event, ...origin(context), ...missed, outcome }).catch(() => undefined);
  }

  async perform(
    operation: AdminOperation,
    administrator: AdminIdentity,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<AdminAnswer> {
    const event = adminEvent(operation, administrator, context);
    await this.#audit.record({ ...event, outcome: "accepted" });
    try {
      const answer = await this.#inner.perform(operation, administrator, context, signal);
      // It is done and its acceptance is on record; failing now would say the opposite of what happened.
      await this.#audit.record({ ...event, ...answer.audit, outcome: "done" }).catch(() => undefined);
      return answer;
    } catch (error) {
      await this.#audit.record({ ...event, outcome: toKbsError(error).code }).catch(() => undefined);
      throw error;
    }
  }
}

function origin(context: RequestContext): JsonObject {
  return { requestId: context.requestId, client: context.client };
}

function adminEvent(
  operation: AdminOperation,
  administrator: AdminIdentity,
  context: RequestContext,
): AuditEvent {
  const { operation: name, plugin, method, path } = operation;
  const { name: who, role } = administrator;
  return {
    event: "admin",
    operation: name,
    method,
    path: shortened([plugin, ...path].join("/"), MAX_PATH),
    administrator: who,
    role,
    ...origin(context),
  };
}
