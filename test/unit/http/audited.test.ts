import { describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import { AuditedAdmin } from "../../../src/http/audited.ts";
import type { AdminCall, AdminPort } from "../../../src/http/ports.ts";
import type { AuditEvent } from "../../../src/observability/audit-record.ts";

const CONTEXT = { requestId: "r", client: "192.0.2.1" };
const signal = new AbortController().signal;
const call = (over: Partial<AdminCall> = {}): AdminCall => ({
  operation: "plugin",
  method: "DELETE",
  path: "/kbs/v0/resource/a/b/c",
  authorization: undefined,
  ...over,
});

/** Everybody is refused with `code`; what was recorded is kept. */
function refusing(code: "unauthenticated" | "admin-forbidden") {
  const clock = { milliseconds: 0 };
  const records: AuditEvent[] = [];
  const inner: AdminPort = {
    authorize: async () => {
      throw new KbsError(code, "no.");
    },
    perform: async () => ({}),
  };
  const audit = { record: async (event: AuditEvent) => void records.push(event) };
  const admin = new AuditedAdmin(inner, audit, () => clock.milliseconds);
  const refuse = (over?: Partial<AdminCall>) =>
    admin.authorize(call(over), CONTEXT, signal).catch(() => undefined);
  return { admin, clock, records, refuse };
}

describe("audit of administration", () => {
  test("E13 E1 strangers cannot fill the audit log with refusals; how many are missing is on record", async () => {
    const { clock, records, refuse } = refusing("unauthenticated");
    for (let count = 0; count < 5_000; count++) await refuse();
    expect(records).toHaveLength(1_000);
    clock.milliseconds = 5_000;
    await refuse();
    expect(records.at(-1)).toMatchObject({ unrecordedRefusals: 4_000, outcome: "unauthenticated" });
  });

  test("every refusal of a known administrator is on record", async () => {
    const { records, refuse } = refusing("admin-forbidden");
    for (let count = 0; count < 1_500; count++) await refuse();
    expect(records).toHaveLength(1_500);
  });

  test("E13 a path as long as a request head is shortened in records", async () => {
    const { admin, records, refuse } = refusing("unauthenticated");
    const long = "\u0001".repeat(350_000);
    await refuse({ path: `/kbs/v0/resource/${long}` });
    const operation = { operation: "plugin", plugin: "resource", method: "POST", path: [long] } as const;
    const rest = { id: long, query: {}, body: Buffer.alloc(0) };
    await admin.perform({ ...operation, ...rest }, { name: "ops", role: "admin" }, CONTEXT, signal);
    expect(records).toHaveLength(3);
    for (const record of records) expect(String(record["path"]).length).toBeLessThan(700);
  });
});
