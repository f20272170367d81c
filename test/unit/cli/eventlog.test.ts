import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parseEventLog, replay } from "../../../src/attestation/formats/eventlog/index.ts";
import { parseImaLog, replayIma } from "../../../src/attestation/formats/ima/index.ts";
import { commandLine } from "../../support/command-line.ts";
import { agileLog, grub, secureBoot, separator } from "../../support/event-logs.ts";
import { temporaryFolder } from "../../support/folder.ts";

const LOG = agileLog(
  ["sha1", "sha256"],
  [secureBoot(true), separator(7), grub(8, "kernel_cmdline: ", "/vmlinuz ro\u001b[2J")],
);
const VALUES = replay(parseEventLog(LOG), "sha256");
const INLINE = [...VALUES].map(([register, value]) => `${register}=${value.toString("hex")}`).join(",");
const IMA = Buffer.from(imaLine("/bin/sh"));
const PCR10 = replayIma(parseImaLog(IMA), "sha256").toString("hex");

function imaLine(path: string): string {
  const digest = createHash("sha256").update(path).digest();
  const length = (bytes: Buffer) => {
    const out = Buffer.alloc(4);
    out.writeUInt32LE(bytes.length);
    return Buffer.concat([out, bytes]);
  };
  const fields = [Buffer.concat([Buffer.from("sha256:\0"), digest]), Buffer.from(`${path}\0`)];
  const hash = createHash("sha1")
    .update(Buffer.concat(fields.map(length)))
    .digest("hex");
  return `10 ${hash} ima-ng sha256:${digest.toString("hex")} ${path}\n`;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const file = (name: string) => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(file("boot.bin"), LOG);
  await writeFile(file("ima.txt"), IMA);
  await writeFile(file("policy.txt"), `${createHash("sha256").update("/bin/sh").digest("hex")}  /bin/sh\n`);
  await writeFile(file("other.txt"), `${createHash("sha256").update("/bin/sh").digest("hex")}  /bin/bash\n`);
  await writeFile(file("garbage.bin"), "no log");
});
afterAll(() => folder.dispose());

describe("keywarden eventlog show", () => {
  test("says what was measured and what registers then hold", async () => {
    const { code, out } = await commandLine(["eventlog", "show", file("boot.bin")]);
    const text = out.toString();
    expect(code).toBe(0);
    expect(text).toContain("tcg2, 3 events, digests sha1, sha256");
    expect(text).toMatch(/ 0 {3}7 = EFI_VARIABLE_DRIVER_CONFIG +UEFI variable SecureBoot: on\n/);
    for (const [register, value] of VALUES) expect(text).toContain(`${register}  ${value.toString("hex")}`);
    // A guest's text must not steer the terminal.
    expect(text).not.toContain("\u001b");
  });

  test("as JSON has events, facts and registers", async () => {
    const { out } = await commandLine(["eventlog", "show", file("boot.bin"), "--json", "--bank", "sha1"]);
    expect(JSON.parse(out.toString())).toMatchObject({
      format: "tcg2",
      bank: "sha1",
      registers: { "7": expect.stringMatching(/^[0-9a-f]{40}$/), "8": expect.any(String) },
      eventlog: { secure_boot: { enabled: true } },
    });
  });

  test("shows IMA lists", async () => {
    const { out } = await commandLine(["eventlog", "show", file("ima.txt")]);
    expect(out.toString()).toContain("/bin/sh");
    expect(out.toString()).toContain(`10  ${PCR10}`);
  });

  test("a file that is no log is misuse", async () => {
    const { code, err } = await commandLine(["eventlog", "show", file("garbage.bin")]);
    expect([code, err]).toEqual([2, expect.stringContaining("This is no event log")]);
  });
});

describe("keywarden eventlog verify", () => {
  test("matches registers written on the command line", async () => {
    const { code, out } = await commandLine(["eventlog", "verify", file("boot.bin"), "--registers", INLINE]);
    expect([code, out.toString()]).toEqual([0, expect.stringContaining("matches (sha256)")]);
  });

  test.each([
    ["JSON by bank", JSON.stringify({ sha256: { "7": VALUES.get(7)?.toString("hex") } })],
    ["JSON by register", JSON.stringify({ "7": VALUES.get(7)?.toString("hex") })],
    ["what tpm2_pcrread prints", `  sha256:\n    7 : 0x${VALUES.get(7)?.toString("hex").toUpperCase()}\n`],
  ])("matches registers in a file: %s", async (_, content) => {
    await writeFile(file("registers"), content);
    const { code } = await commandLine([
      "eventlog",
      "verify",
      file("boot.bin"),
      "--registers",
      file("registers"),
    ]);
    expect(code).toBe(0);
  });

  test("names the event that is not in the register", async () => {
    const before = replay(parseEventLog(agileLog(["sha256"], [secureBoot(true)])), "sha256")
      .get(7)
      ?.toString("hex");
    const argv = ["eventlog", "verify", file("boot.bin"), "--registers", `7=${before}`];
    const { code, out } = await commandLine([...argv, "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(out.toString())).toMatchObject({
      outcome: "mismatch",
      replayed: { "7": "mismatch", "8": "not_covered" },
      mismatches: [{ register: 7, event: 1 }],
    });
    expect((await commandLine([...argv, "--prefix", "7"])).code).toBe(0);
  });

  test.each([
    [["--registers", "7"], "cannot be read"],
    [["--registers", "7=00"], "no value in hexadecimal"],
    [["--registers", `${INLINE},${INLINE}`], "two values"],
    [["--registers", INLINE, "--bank", "sha384"], "no register values of the bank"],
    [["--registers", INLINE, "--prefix", "x"], "--prefix"],
    [["--registers", INLINE, "--policy", "x"], "cannot be read|--policy is for IMA"],
  ])("%j is misuse", async (options, message) => {
    const { code, err } = await commandLine(["eventlog", "verify", file("boot.bin"), ...options]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test("appraises an IMA list by a policy", async () => {
    const verify = (policy: string) =>
      commandLine([
        "eventlog",
        "verify",
        file("ima.txt"),
        "--registers",
        `10=${PCR10}`,
        "--policy",
        file(policy),
        "--json",
      ]);
    const good = await verify("policy.txt");
    expect([good.code, JSON.parse(good.out.toString())]).toMatchObject([
      0,
      { outcome: "accepted", ima: { attested: 1 } },
    ]);
    const bad = await verify("other.txt");
    expect([bad.code, JSON.parse(bad.out.toString())]).toMatchObject([
      1,
      { outcome: "refused", ima: { failures: [{ path: "/bin/sh", reason: "not-listed" }] } },
    ]);
  });
});
