import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import {
  ccelRegisters,
  checkReplay,
  type HashName,
  parseEventLog,
  replay,
} from "../../../src/attestation/formats/eventlog/index.ts";
import {
  appraiseIma,
  type ImaLog,
  type ImaReport,
  matchIma,
  parseImaLog,
  parseImaPolicy,
  replayIma,
} from "../../../src/attestation/formats/ima/index.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const FOLDER = "fixtures/ima";
const read = (name: string): Buffer => readFileSync(sharedPath(FOLDER, name));
const list = (name: string): ImaLog => parseImaLog(read(name));

/** The table of the fixtures' README: records and PCR 10 of three banks. */
const ROWS: readonly (readonly [
  file: string,
  records: number,
  sha1: string,
  sha256: string,
  sha384: string,
])[] = [
  [
    "ima-ng-sha1-400.txt",
    400,
    "e608cf02eed24756a432fbfecf78755b98d95a90",
    "043733541f8688fea3932cba10f79aa3301158ac966dabdf10263be017efc1ec",
    "7cb627d58498aa6c37ad6d8c5ef0361a98b3845b5e105682bf9d9148d5e125bb33f11c92fca9a8f3465b28c30b291694",
  ],
  [
    "ima-ng-sha1-400.bin",
    400,
    "e608cf02eed24756a432fbfecf78755b98d95a90",
    "043733541f8688fea3932cba10f79aa3301158ac966dabdf10263be017efc1ec",
    "7cb627d58498aa6c37ad6d8c5ef0361a98b3845b5e105682bf9d9148d5e125bb33f11c92fca9a8f3465b28c30b291694",
  ],
  [
    "ima-sig-keylime.txt",
    5,
    "357ad3dba1f24238f7818d82e4049a642854d17a",
    "54da63e10f8256b6f2ab85200a5a875a313b7b9e75ec9d4444f6b93efcc5dd8e",
    "283f966f136527248b61e5566931f222e8bf2efdf3f8c4379bc241ae4971da42a96cfb3c59438d2feb2d5c421fc6c114",
  ],
  [
    "ima-buf-keyring-keylime.txt",
    1,
    "e654f343e8f86bd20bc8a0b4c3df3a86801a35ac",
    "e569a5f6957aaa3226ac74f1210d88abfafa563f310f422eb6bf72a39d4a522a",
    "89aa7e0c2086d226a49a204fb17ab229c8bd7cc08fed4e9fea81eb5b294185503095a24a57a72a6ff104bcb2d6b320b2",
  ],
  ...["mixed.txt", "mixed.bin", "mixed-sha256-list.txt", "mixed-sha256-list.bin"].map(
    (file) =>
      [
        file,
        17,
        "4b5c1baf74f179adb925fa2d091127e6977806d6",
        "5deb5eb7e58dbb3b3b6c113374004cc5a244fe6b786f7e782c5b7c0e222bae06",
        "891172cd98457042a8ca34382aa435d4e8618d213f4e5373bc1214d2471d2e5a5b1cf88167ce54141c441b9f55bed3ab",
      ] as const,
  ),
];

const MIXED_SHA256 = Buffer.from("5deb5eb7e58dbb3b3b6c113374004cc5a244fe6b786f7e782c5b7c0e222bae06", "hex");

function reasons(report: ImaReport): string[] {
  return report.failures.map(({ path, reason }) => `${path}: ${reason}`);
}

describeShared("IMA lists", FOLDER, () => {
  test.each(ROWS)("ima/%s replays to PCR 10 of every bank", (file, records, sha1, sha256, sha384) => {
    const log = list(file);
    expect(log.count).toBe(records);
    const banks = { sha1, sha256, sha384 } satisfies Partial<Record<HashName, string>>;
    for (const [bank, value] of Object.entries(banks)) {
      expect(replayIma(log, bank as HashName).toString("hex")).toBe(value);
      const match = matchIma(log, bank as HashName, Buffer.from(value, "hex"));
      expect([match.matched, match.attested]).toEqual([true, records]);
    }
  });

  test.each(["ima-ng-sha1-400.txt", "ima-sig-keylime.txt", "ima-buf-keyring-keylime.txt", "legacy-ima.txt"])(
    "ima/%s: every template hash is right",
    (file) => {
      expect(appraiseIma(list(file), { algorithm: "sha256" })).toMatchObject({ ok: true, failures: [] });
    },
  );

  test("ima/mixed.txt and its other forms hold the same records", () => {
    const plain = (log: ImaLog) =>
      Array.from(log, ({ template, data, fields, violation }) => ({
        template,
        path: fields.path,
        data: violation ? "" : data.toString("hex"),
        violation,
      }));
    const first = plain(list("mixed.txt"));
    for (const file of ["mixed.bin", "mixed-sha256-list.txt", "mixed-sha256-list.bin"])
      expect(plain(list(file))).toEqual(first);
    expect(first.filter(({ violation }) => violation)).toHaveLength(1);
    expect(first.map(({ path }) => path)).toContain("/opt/a dir with spaces/tool");
  });

  test("ima/mixed-sha256-list: the size of template hashes is found", () => {
    expect(list("mixed-sha256-list.bin").algorithm).toBe("sha256");
    expect(list("mixed.bin").algorithm).toBe("sha1");
  });

  test("ima/ima-sig-keylime-bad.txt: the template hash is not that of the data", () => {
    const report = appraiseIma(list("ima-sig-keylime-bad.txt"), { algorithm: "sha256" });
    expect([report.ok, reasons(report)]).toEqual([false, ["/usr/bin/zmore: template-hash"]]);
  });

  test("ima/tampered-path.txt: refused, and the record named", () => {
    const log = list("tampered-path.txt");
    const report = appraiseIma(log, { algorithm: "sha256", quoted: MIXED_SHA256 });
    expect(report).toMatchObject({ ok: false, attested: 0, firstSuspectRecord: 5 });
    expect(reasons(appraiseIma(log, { algorithm: "sha256" }))).toContain("/usr/bin/progXX: template-hash");
  });

  test("ima/reordered.txt: every record is right, and the order is not", () => {
    const log = list("reordered.txt");
    const alone = appraiseIma(log, { algorithm: "sha256" });
    expect(alone.failures.map(({ reason }) => reason)).toEqual(["violation"]);
    const report = appraiseIma(log, { algorithm: "sha256", quoted: MIXED_SHA256 });
    expect(report).toMatchObject({ ok: false, attested: 0, match: { matched: false } });
  });

  test("ima/runtime-policy-keylime.json: what is neither listed nor signed fails", () => {
    const report = appraiseIma(list("mixed.txt"), {
      algorithm: "sha256",
      quoted: MIXED_SHA256,
      policy: parseImaPolicy(read("runtime-policy-keylime.json")),
    });
    expect(reasons(report)).toEqual([
      "/usr/bin/signed-rsa: signature-unknown-key",
      "/usr/bin/signed-ec: signature-unknown-key",
      "/usr/bin/unsigned: not-listed",
      "/var/log/open-writer: violation",
    ]);
    expect(report).toMatchObject({ attested: 17, bootAggregateOk: true, violations: 1 });
  });

  test.each([
    ["ima-rsa.crt.pem", "/usr/bin/signed-rsa"],
    ["ima-ec.crt.pem", "/usr/bin/signed-ec"],
  ])("ima/%s verifies the file that it signed", (key, path) => {
    const document = JSON.parse(read("runtime-policy-keylime.json").toString("utf8")) as Record<
      string,
      unknown
    >;
    document["verification-keys"] = read(key).toString("utf8");
    const policy = parseImaPolicy(Buffer.from(JSON.stringify(document)));
    const report = appraiseIma(list("mixed.bin"), { algorithm: "sha256", quoted: MIXED_SHA256, policy });
    expect(report.failures.map((failure) => failure.path)).not.toContain(path);
    expect(report.failed).toBe(3);
  });

  test("eventlog/ccel/evidence-api-ima.txt: RTMR2 is the CCEL's value and one record of IMA", () => {
    const folder = "fixtures/eventlog";
    const expected = JSON.parse(readFileSync(sharedPath(folder, "expected.json"), "utf8"));
    const quoted = expected["ccel/evidence-api-tdx.bin"].td_quote_rtmrs.map((hex: string) =>
      Buffer.from(hex, "hex"),
    );
    const ccel = parseEventLog(readFileSync(sharedPath(folder, "ccel/evidence-api-tdx.bin")));
    const report = checkReplay(ccel, ccelRegisters(quoted), "sha384", { kind: "cc" });
    expect(report.mismatches.map(({ register }) => register)).toEqual([3]);
    const log = parseImaLog(readFileSync(sharedPath(folder, "ccel/evidence-api-ima.txt")));
    const initial = replay(ccel, "sha384", { kind: "cc" }).get(3);
    const options = { algorithm: "sha384", quoted: quoted[2], register: 2 } as const;
    expect(appraiseIma(log, { ...options, ...(initial && { initial }) })).toMatchObject({
      ok: true,
      attested: 1,
    });
    expect(appraiseIma(log, options)).toMatchObject({ ok: false, attested: 0 });
  });
});
