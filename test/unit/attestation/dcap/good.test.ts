import { describe, expect, test } from "@jest/globals";
import { SGX_CHECKS } from "../../../../src/attestation/verifiers/sgx/checks.ts";
import { TDX_CHECKS } from "../../../../src/attestation/verifiers/tdx/checks.ts";
import { type Story, tell } from "../../../support/fake-intel/index.ts";

const STORIES: readonly (readonly [string, Story])[] = [
  ["TDX, version 4", {}],
  ["TDX, version 5, TD 1.0", { version: 5 }],
  ["TDX, version 5, TD 1.5", { td15: true }],
  ["SGX, version 3", { tee: "sgx" }],
  ["SGX, version 4", { tee: "sgx", version: 4 }],
  ["SGX, version 5", { tee: "sgx", version: 5 }],
  ["Processor CA", { ca: "processor" }],
  ["QE authentication data of length 0", { quote: { qeAuthData: Buffer.alloc(0) } }],
  ["QE authentication data of 1000 bytes", { quote: { qeAuthData: Buffer.alloc(1000, 1) } }],
  ["padding that is not zero", { quote: { trailing: Buffer.alloc(39, 0x11) } }],
];

describe("genuine quotes", () => {
  test.each(STORIES)("%s: every check of the published list, in its order", async (_name, story) => {
    const { checks } = await tell(story);
    const names = Object.keys(story.tee === "sgx" ? SGX_CHECKS : TDX_CHECKS);
    expect(checks.map(({ check }) => check)).toEqual(names);
    const unchecked = checks.filter(({ outcome }) => outcome === "not-checked").map(({ check }) => check);
    expect(unchecked).toEqual(story.tee === "sgx" ? [] : ["event-log"]);
  });
});
