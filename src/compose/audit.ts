import type { AuditSink } from "../broker/release.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { AuditLog } from "../observability/audit-log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { World } from "./world.ts";

export interface Audit {
  readonly log: AuditLog;
  readonly sink: AuditSink;
}

/** @throws KbsError `audit-unavailable` */
export async function openAudit(
  { audit }: KeywardenConfig,
  { now, log }: World,
  metrics: Metrics,
): Promise<Audit> {
  const auditLog = await AuditLog.open({
    path: audit.file,
    now,
    onWritten: (records) => metrics.auditRecords.inc(records),
    onFailure: (err) => {
      metrics.auditFailures.inc();
      log.error({ event: "audit-failed", err });
    },
  });
  if (audit.failClosed) return { log: auditLog, sink: auditLog };
  // The operator chose to go on; what could not be recorded is logged and counted above.
  return { log: auditLog, sink: { record: (event) => auditLog.record(event).catch(() => undefined) } };
}
