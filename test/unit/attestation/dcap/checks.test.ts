import { describe, expect, test } from "@jest/globals";
import { EvidenceRejected } from "../../../../src/attestation/verifier.ts";
import { SGX_CHECKS, type SgxCheck } from "../../../../src/attestation/verifiers/sgx/checks.ts";
import { TDX_CHECKS, type TdxCheck } from "../../../../src/attestation/verifiers/tdx/checks.ts";
import { type Story, tell } from "../../../support/fake-intel/index.ts";
import {
  CHAINS,
  ENCLAVE_QUOTES,
  QUOTES,
  SIGNATURES,
  TD_QUOTES,
  type Told,
} from "../../../support/fake-intel/stories-evidence.ts";
import {
  ENCLAVE_PLATFORM,
  LISTS,
  STATEMENTS,
  TCB,
  TD_PLATFORM,
} from "../../../support/fake-intel/stories-platform.ts";

const SHARED: readonly Told[] = [...QUOTES, ...CHAINS, ...SIGNATURES, ...LISTS, ...STATEMENTS, ...TCB];
const TD_STORIES: readonly Told<TdxCheck>[] = [...SHARED, ...TD_QUOTES, ...TD_PLATFORM];
const ENCLAVE_STORIES: readonly Told<SgxCheck>[] = [...SHARED, ...ENCLAVE_QUOTES, ...ENCLAVE_PLATFORM];

async function refusalOf(story: Story): Promise<EvidenceRejected> {
  const outcome: unknown = await tell(story).then(
    () => "accepted",
    (error: unknown) => error,
  );
  if (outcome instanceof EvidenceRejected) return outcome;
  throw outcome;
}

async function expectRefusal(story: Story, check: string): Promise<void> {
  const refusal = await refusalOf(story);
  expect([refusal.check, refusal.detail]).toEqual([check, expect.any(String)]);
  expect(refusal.checks.at(-1)).toMatchObject({ check, outcome: "failed" });
  expect(refusal.checks.slice(0, -1).every(({ outcome }) => outcome !== "failed")).toBe(true);
}

describe("tdx: each check refuses when just its truth is gone", () => {
  test.each(TD_STORIES)("%s → %s", (_name, check, story) => expectRefusal(story, check));

  test("every check of the list has a story", () => {
    const told = new Set<string>(TD_STORIES.map(([, check]) => check));
    expect(Object.keys(TDX_CHECKS).filter((check) => !told.has(check))).toEqual([]);
  });
});

describe("sgx: each check refuses when just its truth is gone", () => {
  test.each(ENCLAVE_STORIES)("%s → %s", (_name, check, story) =>
    expectRefusal({ ...story, tee: "sgx" }, check),
  );

  test("every check of the list has a story", () => {
    const told = new Set<string>(ENCLAVE_STORIES.map(([, check]) => check));
    expect(Object.keys(SGX_CHECKS).filter((check) => !told.has(check))).toEqual([]);
  });
});
