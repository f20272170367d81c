import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type DevVendor, openDevVendor, snpDevAttester } from "../../../../src/cli/guest/snp-dev.ts";
import { writeJson } from "../../../../src/json/write.ts";
import { verifySnp } from "../../../../src/verifiers.ts";
import { commandLine } from "../../../support/command-line.ts";

const NOW = Date.now();
const REPORT_DATA = Buffer.alloc(48, 7);
let root: string;
let folder: string;
let made: DevVendor;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "keywarden-dev-"));
  folder = join(root, "vendor");
  made = await openDevVendor(folder, NOW);
}, 60_000);
afterAll(() => rmSync(root, { recursive: true }));

function verify(evidence: string, trustAnchorsPem: readonly string[] | undefined) {
  return verifySnp(evidence, {
    reportData: REPORT_DATA,
    at: new Date(NOW),
    ...(trustAnchorsPem === undefined ? {} : { trustAnchorsPem }),
  });
}

async function evidenceOf(debug: boolean, measurement?: Uint8Array): Promise<string> {
  const attester = snpDevAttester(made.vendor, { debug, measurement });
  return writeJson(await attester.collect({ reportData: REPORT_DATA, initDataDigest: undefined }));
}

test("keys are readable by their owner only; the trust anchors by everybody", () => {
  expect(made.made).toBe(true);
  expect(statSync(join(folder, "vendor.json")).mode & 0o777).toBe(0o600);
  expect(readFileSync(made.trustAnchorsFile, "utf8")).not.toContain("PRIVATE");
});

test("the folder keeps the vendor: a later guest is believed under the same anchors", async () => {
  const again = await openDevVendor(folder, NOW);
  expect(again.made).toBe(false);
  expect(again.vendor.trustAnchorsPem).toBe(readFileSync(made.trustAnchorsFile, "utf8"));
});

test("the real verifier accepts its guests under its anchors, and under no others", async () => {
  const evidence = await evidenceOf(false);
  const { results } = await verify(evidence, [made.vendor.trustAnchorsPem]);
  expect(results).toHaveLength(1);
  await expect(verify(evidence, undefined)).rejects.toMatchObject({ code: "evidence-rejected" });
});

test("a debug guest is refused by the check that names it", async () => {
  await expect(verify(await evidenceOf(true), [made.vendor.trustAnchorsPem])).rejects.toMatchObject({
    code: "evidence-rejected",
    check: expect.stringContaining("debug"),
  });
});

test("a chosen measurement is what the verifier claims", async () => {
  const measurement = Buffer.alloc(48, 0xab);
  const { results } = await verify(await evidenceOf(false, measurement), [made.vendor.trustAnchorsPem]);
  expect(JSON.stringify(results)).toContain(measurement.toString("hex"));
});

test("a folder with a broken vendor is misuse and is left as it is", async () => {
  const broken = join(root, "broken");
  const first = await commandLine(["guest", "dev-pki", broken]);
  expect([first.code, first.out.toString()]).toEqual([0, `${join(broken, "trust-anchors.pem")}\n`]);
  writeFileSync(join(broken, "vendor.json"), "{}");
  expect((await commandLine(["guest", "dev-pki", broken])).code).toBe(2);
  expect(readFileSync(join(broken, "vendor.json"), "utf8")).toBe("{}");
}, 60_000);
