import type { JsonObject } from "../json/value.ts";
import type { AuditEvent } from "../observability/audit-record.ts";
import type {
  AdminAnswer,
  AdminCall,
  AdminIdentity,
  AdminOperation,
  AdminPort,
  RequestContext,
} from "./ports.ts";
import { toKbsError } from "./problem.ts";

/** Where audit records go. @throws KbsError `audit-unavailable`: then nothing may be done */
export interface AuditSink {
  record(event: AuditEvent): Promise<void>;
}

/** An admin port that records an operation before it is done, and that it failed if it failed. */
export class AuditedAdmin implements AdminPort {
  readonly #inner: AdminPort;
  readonly #audit: AuditSink;

  constructor(inner: AdminPort, audit: AuditSink) {
    this.#inner = inner;
    this.#audit = audit;
  }

  async authorize(call: AdminCall, context: RequestContext, signal: AbortSignal): Promise<AdminIdentity> {
    try {
      return await this.#inner.authorize(call, context, signal);
    } catch (error) {
      const event = { event: "admin", operation: call.operation, method: call.method, path: call.path };
      await this.#audit
        .record({ ...event, ...origin(context), outcome: toKbsError(error).code })
        .catch(() => undefined);
      throw error;
    }
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
    path: [plugin, ...path].join("/"),
    administrator: who,
    role,
    ...origin(context),
  };
}
