import { describe, expect, test } from "@jest/globals";
import {
  converge,
  LEVEL_STATUSES,
  TCB_STATUSES,
} from "../../../../src/attestation/formats/dcap/tcb-status.ts";
import { components, isvLevel, tcbLevel } from "../../../../src/dev/intel-statements.ts";
import type { JsonObject } from "../../../../src/json/value.ts";
import { type Story, tell } from "../../../support/fake-intel/index.ts";

const PERMISSIVE: JsonObject = { allowedTcbStatuses: [...TCB_STATUSES] };

async function claimsOf(story: Story): Promise<JsonObject> {
  const { results } = await tell({ ...story, settings: { ...PERMISSIVE, ...story.settings } });
  return results[0]?.claims ?? {};
}

const component8 = (svn: number) => ({ pck: { components: components(4, 4, 2, 2, 4, 1, 0, svn) } });
const svn = (...bytes: readonly number[]) => Buffer.from(bytes);

describe("TCB levels", () => {
  test.each([
    [4, "UpToDate", ["INTEL-SA-01000"]],
    [3, "SWHardeningNeeded", ["INTEL-SA-01001"]],
    [2, "ConfigurationNeeded", ["INTEL-SA-01002"]],
    [1, "OutOfDate", ["INTEL-SA-01003"]],
    [9, "UpToDate", ["INTEL-SA-01000"]],
  ])("component 8 of %i is %s", async (component, status, advisories) => {
    expect(await claimsOf(component8(component))).toMatchObject({
      tcb_status: status,
      platform_tcb_status: status,
      advisory_ids: advisories,
    });
  });

  test("the first level that fits counts, whatever its date", async () => {
    const levels = [
      tcbLevel("SWHardeningNeeded", components(), components(), { tcbDate: "2020-01-01T00:00:00Z" }),
      tcbLevel("UpToDate", components(), components(), { tcbDate: "2025-01-01T00:00:00Z" }),
    ];
    const claims = await claimsOf({ tcbInfo: (info) => ({ ...info, tcbLevels: levels }) });
    expect(claims).toMatchObject({ tcb_status: "SWHardeningNeeded", tcb_date: "2020-01-01T00:00:00Z" });
  });

  test("version and line of a module with an identity of its own do not count as components", async () => {
    const levels = [tcbLevel("UpToDate", components(), components(200, 200, 3))];
    const story = { tcbInfo: (info: JsonObject) => ({ ...info, tcbLevels: levels }) };
    expect(await claimsOf(story)).toMatchObject({ tcb_status: "UpToDate" });
    await expect(tell({ ...story, td: { teeTcbSvn: svn(6, 0, 3) } })).rejects.toMatchObject({
      check: "tcb-unsupported",
    });
  });

  test("a module of line 0 has no status of its own", async () => {
    const claims = await claimsOf({ td: { teeTcbSvn: svn(5, 0, 3) } });
    expect(claims).toMatchObject({ tcb_status: "UpToDate" });
    expect(claims).not.toHaveProperty("module_tcb_status");
  });

  test.each([
    ["a module out of date", { td: { teeTcbSvn: svn(4, 1, 3) } }, "OutOfDate"],
    [
      "a module out of date on a platform to be configured",
      { ...component8(2), td: { teeTcbSvn: svn(4, 1, 3) } },
      "OutOfDateConfigurationNeeded",
    ],
    ["a quoting enclave out of date", { qe: { isvSvn: svn(7, 0) } }, "OutOfDate"],
    [
      "a quoting enclave out of date on a platform to be configured",
      { ...component8(2), qe: { isvSvn: svn(7, 0) } },
      "OutOfDateConfigurationNeeded",
    ],
    ["B4 a good module does not hide an old platform", component8(1), "OutOfDate"],
  ])("%s → %s", async (_name, story, status) => {
    expect(await claimsOf(story)).toMatchObject({ tcb_status: status });
  });
});

describe("TD 1.5: what runs now", () => {
  const old = { td15: true, td: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(6, 1, 3) } };

  test("a better module runs: the TD should be relaunched", async () => {
    expect(await claimsOf(old)).toMatchObject({
      tcb_status: "TDRelaunchAdvised",
      tcb_status_current: "UpToDate",
      advisory_ids: ["INTEL-SA-01000", "INTEL-SA-91004"],
      advisory_ids_current: ["INTEL-SA-01000"],
    });
  });

  test("and the platform is to be configured", async () => {
    expect(await claimsOf({ ...old, ...component8(2) })).toMatchObject({
      tcb_status: "TDRelaunchAdvisedConfigurationNeeded",
      tcb_status_current: "ConfigurationNeeded",
    });
  });

  test.each([
    ["the quoting enclave is old as well", { ...old, qe: { isvSvn: svn(7, 0) } }],
    ["the platform is old as well", { ...old, ...component8(1) }],
    ["the module that runs is old as well", { ...old, td: { ...old.td, teeTcbSvn2: svn(5, 1, 3) } }],
    ["its other components are old", { ...old, td: { ...old.td, teeTcbSvn2: svn(6, 1, 2) } }],
  ])("no advice where %s", async (_name, story) => {
    expect(await claimsOf(story)).toMatchObject({ tcb_status: "OutOfDate" });
  });

  test("a module of an unknown line that runs now refuses where it would count", async () => {
    const story = { ...old, td: { ...old.td, teeTcbSvn2: svn(6, 9, 3) }, settings: PERMISSIVE };
    await expect(tell(story)).rejects.toMatchObject({ check: "tdx-module" });
  });

  test("where it would not count, there are no claims about what runs now", async () => {
    const claims = await claimsOf({ td15: true, td: { teeTcbSvn2: svn(6, 9, 3) } });
    expect(claims).toMatchObject({ tcb_status: "UpToDate" });
    expect(claims).not.toHaveProperty("tcb_status_current");
  });

  test("a module of line 0 that runs now is compared with the highest level itself", async () => {
    const story = { ...old, td: { ...old.td, teeTcbSvn2: svn(5, 0, 3) } };
    expect(await claimsOf(story)).toMatchObject({ tcb_status: "TDRelaunchAdvised" });
  });
});

describe("convergence of two statuses", () => {
  test("a part up to date changes nothing, a revoked one everything", () => {
    for (const whole of [...TCB_STATUSES, "Revoked"] as const) {
      expect(converge(whole, "UpToDate")).toBe(whole);
      expect(converge(whole, "Revoked")).toBe("Revoked");
      expect(converge("Revoked", "OutOfDate")).toBe("Revoked");
    }
  });

  test("a part out of date makes no whole better", () => {
    const statuses = TCB_STATUSES.map((whole) => converge(whole, "OutOfDate"));
    expect(statuses).toEqual([
      "OutOfDate",
      "OutOfDate",
      "OutOfDateConfigurationNeeded",
      "OutOfDateConfigurationNeeded",
      "OutOfDate",
      "OutOfDateConfigurationNeeded",
      "TDRelaunchAdvised",
      "TDRelaunchAdvisedConfigurationNeeded",
    ]);
    expect(LEVEL_STATUSES).toContain("Revoked");
  });
});

describe("TCB info of version 2 (SGX)", () => {
  const level = (status: string, pcesvn: number) => ({
    tcb: {
      pcesvn,
      ...Object.fromEntries(
        components(4, 4).map((it, i) => [`sgxtcbcomp${String(i + 1).padStart(2, "0")}svn`, it]),
      ),
    },
    tcbDate: "2024-03-13T00:00:00Z",
    tcbStatus: status,
  });
  const version2 = (info: JsonObject): JsonObject => ({
    ...Object.fromEntries(Object.entries(info).filter(([name]) => name !== "id")),
    version: 2,
    tcbLevels: [level("UpToDate", 14), level("SWHardeningNeeded", 13)],
  });

  test("names its components one by one", async () => {
    const claims = await claimsOf({ tee: "sgx", tcbInfo: version2 });
    expect(claims).toMatchObject({ tcb_status: "SWHardeningNeeded" });
  });

  test("B3 one of them missing refuses", async () => {
    const tcbInfo = (info: JsonObject) => ({
      ...version2(info),
      tcbLevels: [{ ...level("UpToDate", 13), tcb: { pcesvn: 13, sgxtcbcomp01svn: 4 } }],
    });
    await expect(tell({ tee: "sgx", tcbInfo })).rejects.toMatchObject({ check: "tcb-info-format" });
  });
});

describe("module identities", () => {
  test("their id is read in either case", async () => {
    const tcbInfo = (info: JsonObject) => ({
      ...info,
      tdxModuleIdentities: [
        {
          id: "tdx_0a",
          mrsigner: "00".repeat(48),
          attributes: "00".repeat(8),
          attributesMask: "ff".repeat(8),
          tcbLevels: [isvLevel("UpToDate", 1)],
        },
      ],
    });
    const claims = await claimsOf({ tcbInfo, td: { teeTcbSvn: svn(1, 10, 3) } });
    expect(claims).toMatchObject({ module_tcb_status: "UpToDate" });
  });
});
