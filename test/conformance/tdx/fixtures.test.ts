import { expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../src/attestation/verifier.ts";
import { readAgentLog } from "../../../src/attestation/verifiers/tdx/agent-log.ts";
import {
  type DcapCase,
  dcapCases,
  dcapFile,
  dcapVerifier,
  expectOutcome,
  outcomeOf,
  runCase,
} from "../../support/dcap-cases.ts";
import { describeShared } from "../../support/shared.ts";

/** The data's names for fields of a TD report, and the claims'. */
const BODY: Readonly<Record<string, string>> = {
  teeTcbSvn: "tcb_svn",
  mrSeam: "mr_seam",
  mrSignerSeam: "mrsigner_seam",
  seamAttributes: "seam_attributes",
  tdAttributes: "td_attributes",
  xfam: "xfam",
  mrTd: "mr_td",
  mrConfigId: "mr_config_id",
  mrOwner: "mr_owner",
  mrOwnerConfig: "mr_owner_config",
  rtmr0: "rtmr_0",
  rtmr1: "rtmr_1",
  rtmr2: "rtmr_2",
  rtmr3: "rtmr_3",
  reportData: "report_data",
  teeTcbSvn2: "tee_tcb_svn2",
  mrServiceTd: "mr_servicetd",
};

interface TdClaims {
  readonly quote: { readonly header: Record<string, string>; readonly body: Record<string, string> };
  readonly td_attributes: { readonly debug: boolean };
  readonly uefi_event_logs?: readonly { readonly digest_matches_event: boolean; readonly bound: boolean }[];
}

function claimsOf(outcome: Awaited<ReturnType<typeof runCase>>): TdClaims {
  if (outcome instanceof EvidenceRejected) throw outcome;
  return outcome.results[0]?.claims as unknown as TdClaims;
}

function expectBody({ values }: DcapCase, claims: TdClaims): void {
  const { debug, ...fields } = values?.body ?? {};
  const { body, header } = claims.quote;
  expect(Object.fromEntries(Object.entries(fields).map(([name]) => [name, body[BODY[name] ?? ""]]))).toEqual(
    fields,
  );
  expect(claims.td_attributes.debug).toBe(debug);
  expect(header).toMatchObject({
    version: `0${values?.quote_version}00`,
    tee_type: "81000000",
    vendor_id: "939a7233f79c4ca9940a0db3957f0607",
    user_data: values?.user_data,
  });
}

describeShared("TDX quotes of others", "fixtures/tdx", () => {
  const cases = dcapCases("tdx");

  test("there are cases", () => expect(cases.length).toBeGreaterThan(100));

  test.each(cases.filter(({ event_log_expect }) => event_log_expect === undefined))(
    "$id: $expect",
    async (one) => {
      const outcome = await runCase("tdx", one, "quote");
      expectOutcome(one, outcome);
      if (one.expect === "accept") expectBody(one, claimsOf(outcome));
    },
  );

  test.each(cases.filter(({ evidence, kind }: DcapCase & { kind?: string }) => evidence && kind === "real"))(
    "$id: the JSON form gives the same outcome",
    async (one) => {
      const [quote, evidence] = await Promise.all([
        runCase("tdx", one, "quote"),
        runCase("tdx", one, "evidence"),
      ]);
      if (quote instanceof EvidenceRejected) expect(evidence).toMatchObject({ check: quote.check });
      else expect(evidence).toEqual(quote);
    },
  );
});

describeShared("TDX event logs of others", "fixtures/tdx", () => {
  const cases = dcapCases("tdx").filter(({ event_log_expect }) => event_log_expect !== undefined);

  test.each(cases)("$id: $expect", async (one) => {
    const outcome = await runCase("tdx", one, "evidence");
    expectOutcome(one, outcome);
    const expected = one.event_log_expect;
    if (one.expect === "reject") return;
    const claims = claimsOf(outcome);
    if (expected === null) expect(claims).not.toHaveProperty("uefi_event_logs");
    else expectLog(claims, expected as Record<string, unknown>);
  });

  test("the event whose text was changed refuses where the settings say so", async () => {
    const one = cases.find(({ id }) => id === "e03-log-data");
    if (one?.evidence === undefined) throw new Error("the case is gone");
    const verifier = dcapVerifier("tdx", one, { refuseContradictedEvents: true });
    const nothing = { runtimeDataDigest: undefined, initDataDigest: undefined };
    const run = verifier.verifyText(dcapFile("tdx", one.evidence), nothing, AbortSignal.timeout(10_000));
    expect(await outcomeOf(run)).toMatchObject({ check: "event-log" });
  });
});

function expectLog(claims: TdClaims, expected: Record<string, unknown>): void {
  const events = claims.uefi_event_logs ?? [];
  if (typeof expected["events"] === "number") expect(events).toHaveLength(expected["events"]);
  const replay = (expected["replay"] ?? {}) as Record<string, string>;
  for (const [register, value] of Object.entries(replay))
    expect(claims.quote.body[register.replace("rtmr", "rtmr_")]).toBe(value);
  const event = events[Number(expected["event_index"] ?? -1)];
  if (expected["event_index"] !== undefined)
    expect(event).toMatchObject({ digest_matches_event: false, bound: false });
}

describeShared("B23 logs of older agents", "fixtures/tdx/aael-legacy", () => {
  const { aael_legacy } = JSON.parse(dcapFile("tdx", "cases.json").toString("utf8")) as {
    aael_legacy: readonly { file: string; rtmr3: string }[];
  };

  test.each(aael_legacy)("$file replays to RTMR3", ({ file, rtmr3 }) => {
    const log = readAgentLog(dcapFile("tdx", file).toString("utf8"));
    if (typeof log === "string") throw new Error(log);
    expect(log.register.toString("hex")).toBe(rtmr3);
    expect(log.events[0]).toMatchObject({ operation: "CreateContainer" });
  });
});
