import { createHash, generateKeyPairSync, type KeyObject, privateEncrypt, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  appraiseIma,
  ImaPolicyError,
  type ImaReport,
  matchIma,
  parseImaLog,
  parseImaPolicy,
  replayIma,
} from "../../../../src/attestation/formats/ima/index.ts";
import { verifyEcdsaDigest } from "../../../../src/crypto/ecdsa-prehashed.ts";
import { u32 } from "../../../support/event-logs.ts";

interface Measurement {
  readonly template?: "ima-ng" | "ima-sig" | "ima-buf";
  readonly path: string;
  readonly content?: string;
  readonly extra?: Buffer;
  readonly violation?: boolean;
  readonly hash?: "sha1";
}

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest();
const field = (bytes: Buffer) => Buffer.concat([u32(bytes.length), bytes]);

/** A binary list as kernels write it. */
function listOf(measurements: readonly Measurement[], padTo = 0): Buffer {
  return Buffer.concat(
    measurements.map(
      ({ template = "ima-ng", path, content = path, extra, violation = false, hash = "sha256" }) => {
        const of = template === "ima-buf" && extra !== undefined ? extra : Buffer.from(content);
        const digest = violation ? Buffer.alloc(32) : createHash(hash).update(of).digest();
        const fields = [
          field(Buffer.concat([Buffer.from(`${hash}:\0`), digest])),
          field(Buffer.from(`${path}\0`)),
        ];
        if (template !== "ima-ng") fields.push(field(extra ?? Buffer.alloc(0)));
        const data = Buffer.concat(fields);
        const templateHash = violation ? Buffer.alloc(20) : createHash("sha1").update(data).digest();
        const name = Buffer.from(template);
        return Buffer.concat([u32(10), templateHash, field(name), field(data), Buffer.alloc(padTo)]);
      },
    ),
  );
}

function appraise(measurements: readonly Measurement[], policy?: object | string): ImaReport {
  const log = parseImaLog(listOf(measurements));
  const document = typeof policy === "object" ? JSON.stringify({ version: 1, ...policy }) : policy;
  return appraiseIma(log, {
    algorithm: "sha256",
    quoted: replayIma(log, "sha256"),
    ...(document === undefined ? {} : { policy: parseImaPolicy(Buffer.from(document)) }),
  });
}

const reasonsOf = (report: ImaReport) => report.failures.map(({ path, reason }) => `${path}: ${reason}`);
const hex = (content: string) => sha256(content).toString("hex");

describe("a list against its register", () => {
  const log = parseImaLog(listOf([{ path: "/a" }, { path: "/b" }, { path: "/c" }]));

  test("attests what was measured when it was signed, and nothing later", () => {
    const before = parseImaLog(listOf([{ path: "/a" }, { path: "/b" }]));
    const report = appraiseIma(log, {
      algorithm: "sha256",
      quoted: replayIma(before, "sha256"),
      policy: parseImaPolicy(
        Buffer.from(JSON.stringify({ version: 1, files: { "/a": [hex("/a")], "/b": [hex("/b")] } })),
      ),
    });
    expect(report).toMatchObject({ ok: true, records: 3, attested: 2, failed: 0 });
  });

  test("a register of zeros attests no record, and does not match", () => {
    expect(matchIma(log, "sha256", Buffer.alloc(32))).toMatchObject({ matched: false, attested: 0 });
  });

  test("an older kernel extended other banks with the SHA-1 hash and zeros", () => {
    let value = Buffer.alloc(32);
    for (const { templateHash } of log)
      value = sha256(Buffer.concat([value, templateHash, Buffer.alloc(12)]));
    expect(matchIma(log, "sha256", value)).toMatchObject({
      matched: true,
      attested: 3,
      extension: "padded-sha1",
    });
  });

  test("a violation extended ones", () => {
    const violated = parseImaLog(listOf([{ path: "/a", violation: true }]));
    expect(replayIma(violated, "sha256")).toEqual(
      sha256(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 0xff)])),
    );
  });

  test("records of another register are not judged, for nothing vouches for them", () => {
    const other = listOf([{ path: "/a" }]);
    const elsewhere = listOf([{ path: "/evil" }]);
    elsewhere.writeUInt32LE(11, 0);
    const both = parseImaLog(Buffer.concat([elsewhere, other]));
    const quoted = replayIma(parseImaLog(other), "sha256");
    const policy = parseImaPolicy(Buffer.from(`${hex("/a")}  /a\n`));
    expect(appraiseIma(both, { algorithm: "sha256", quoted, policy })).toMatchObject({ ok: true, failed: 0 });
  });
});

describe("the boot aggregate", () => {
  const pcrs = new Map(Array.from({ length: 10 }, (_, i) => [i, Buffer.alloc(32, i)] as const));
  const aggregate = (count: number) => Buffer.concat([...pcrs.values()].slice(0, count));
  const measured = (content: Buffer): Buffer => {
    const digest = sha256(content);
    const data = Buffer.concat([
      field(Buffer.concat([Buffer.from("sha256:\0"), digest])),
      field(Buffer.from("boot_aggregate\0")),
    ]);
    return Buffer.concat([
      u32(10),
      createHash("sha1").update(data).digest(),
      field(Buffer.from("ima-ng")),
      field(data),
    ]);
  };
  const judge = (list: Buffer, banks = new Map([["sha256", pcrs] as const])) =>
    appraiseIma(parseImaLog(list), {
      algorithm: "sha256",
      quoted: replayIma(parseImaLog(list), "sha256"),
      banks,
    });

  test.each([8, 10])("is that of the first %d PCRs", (count) => {
    expect(judge(measured(aggregate(count)))).toMatchObject({ ok: true, bootAggregateOk: true });
  });

  test("of other PCRs is refused", () => {
    const report = judge(measured(aggregate(9)));
    expect([report.ok, report.bootAggregateOk, reasonsOf(report)]).toEqual([
      false,
      false,
      ["boot_aggregate: boot-aggregate"],
    ]);
  });

  test("of a second kernel counts as well", () => {
    const report = judge(Buffer.concat([measured(aggregate(10)), measured(aggregate(9))]));
    expect(report.bootAggregateOk).toBe(false);
  });

  test("cannot be told when its PCRs are not signed", () => {
    pcrs.delete(4);
    expect(judge(measured(aggregate(8))).bootAggregateOk).toBeUndefined();
    pcrs.set(4, Buffer.alloc(32, 4));
  });

  test("a later record of that name is judged like any file when its PCRs are not signed", () => {
    const list = parseImaLog(
      listOf([
        { path: "boot_aggregate", content: "firmware" },
        { path: "/a" },
        { path: "boot_aggregate", content: "evil" },
      ]),
    );
    const judged = (files: object) =>
      appraiseIma(list, {
        algorithm: "sha256",
        quoted: replayIma(list, "sha256"),
        policy: parseImaPolicy(Buffer.from(JSON.stringify({ version: 1, files }))),
      });
    const report = judged({ "/a": [hex("/a")] });
    expect([report.ok, reasonsOf(report)]).toEqual([false, ["boot_aggregate: boot-aggregate"]]);
    const listed = judged({ "/a": [hex("/a")], boot_aggregate: [hex("firmware"), hex("evil")] });
    expect([listed.ok, listed.bootAggregateOk]).toEqual([true, true]);
  });
});

describe("a template's name is not measured, so it cannot give a field another meaning", () => {
  const pretended = Buffer.concat([Buffer.from("\x03:sha256:\0"), sha256("good")]);
  // What the kernel measured with ima-sig: a file that was replaced, and a signature that looks like a digest.
  const data = Buffer.concat([
    field(Buffer.concat([Buffer.from("sha256:\0"), sha256("evil")])),
    field(Buffer.from("/usr/bin/tool\0")),
    field(pretended),
  ]);
  const list = (template: string) =>
    Buffer.concat([
      u32(10),
      createHash("sha1").update(data).digest(),
      field(Buffer.from(template)),
      field(data),
    ]);
  const policy = parseImaPolicy(
    Buffer.from(JSON.stringify({ version: 1, files: { "/usr/bin/tool": [hex("good")] } })),
  );

  test("as what it is, the record fails", () => {
    const log = parseImaLog(list("ima-sig"));
    const report = appraiseIma(log, { algorithm: "sha256", quoted: replayIma(log, "sha256"), policy });
    expect(reasonsOf(report)).toEqual(["/usr/bin/tool: digest-differs"]);
  });

  test.each(["d-ng|n-ng|d-ng", "d-ng|n-ng|d-ngv2", "d-ng|n-ng|n-ng", "d-ng|n-ng|sig|sig"])(
    "B23 %s is no template",
    (template) => expect(() => parseImaLog(list(template))).toThrow("a template that is not known"),
  );
});

describe("a policy", () => {
  test("of checksums, as sha256sum prints them", () => {
    const list = `${hex("/a")}  /a\n${hex("b")} *\\/b\n\\${hex("c")}  /c\\nd\nSHA256 (/e) = ${hex("/e")}\n# remark\n`;
    const report = appraise([{ path: "/a" }, { path: "/c\nd", content: "c" }, { path: "/e" }], list);
    expect([report.ok, reasonsOf(report)]).toEqual([true, []]);
    expect(reasonsOf(appraise([{ path: "/a", content: "changed" }], list))).toEqual(["/a: digest-differs"]);
    expect(reasonsOf(appraise([{ path: "/new" }], list))).toEqual(["/new: not-listed"]);
  });

  test("of our own form", () => {
    const policy = { files: { "/a": [`sha256:${hex("/a")}`] }, exclude: ["/tmp/"] };
    expect(appraise([{ path: "/a" }, { path: "/tmp/x" }], policy).ok).toBe(true);
    expect(reasonsOf(appraise([{ path: "/a" }, { path: "/var/tmp/x" }], policy))).toEqual([
      "/var/tmp/x: not-listed",
    ]);
  });

  test("may allow violations, and does not unless it says so", () => {
    expect(reasonsOf(appraise([{ path: "/a", violation: true }], {}))).toEqual(["/a: violation"]);
    const report = appraise([{ path: "/a", violation: true }], { allowViolations: true });
    expect([report.ok, report.violations]).toEqual([true, 1]);
  });

  test("lists buffers and keys of keyrings", () => {
    const cmdline = {
      template: "ima-buf",
      path: "kexec-cmdline",
      extra: Buffer.from("root=/dev/vda1"),
    } as const;
    const key = { template: "ima-buf", path: ".ima", extra: Buffer.from("no certificate") } as const;
    expect(appraise([cmdline], { buffers: { "kexec-cmdline": [hex("root=/dev/vda1")] } }).ok).toBe(true);
    expect(reasonsOf(appraise([cmdline], {}))).toEqual(["kexec-cmdline: not-listed"]);
    expect(reasonsOf(appraise([key], {}))).toEqual([".ima: keyring-key"]);
    expect(reasonsOf(appraise([key], { keyrings: { ".ima": [hex("no certificate")] } }))).toEqual([
      ".ima: keyring-key",
    ]);
    expect(appraise([key], { ignoredKeyrings: ["*"] }).ok).toBe(true);
    expect(reasonsOf(appraise([cmdline], { ignoredKeyrings: ["*"] }))).toEqual(["kexec-cmdline: not-listed"]);
  });

  test.each([
    ["{", "is no JSON"],
    ['{"version": 2}', "version"],
    ['{"version": 1, "file": {}}', "unknown member"],
    ['{"version": 1, "files": {"/a": ["xyz"]}}', "no digest"],
    ['{"version": 1, "files": {"/a": ["sha256:00"]}}', "no digest"],
    ['{"version": 1, "exclude": ["(?=x)"]}', "pattern"],
    ['{"version": 1, "exclude": [")("]}', "pattern"],
    ['{"version": 1, "keys": ["-----BEGIN CERTIFICATE-----"]}', "key"],
    ['{"meta": {"version": 2}}', "meta.version"],
    ['{"meta": {"version": 1}, "ima": {"dm_policy": {}}}', "dm_policy"],
    ["no checksum", "line 1"],
    ["", "empty"],
  ])("%s is refused", (document) => {
    expect(() => parseImaPolicy(Buffer.from(document))).toThrow(ImaPolicyError);
  });

  test("patterns cost time linear in the path", () => {
    const policy = { exclude: ["(a+)+$", "(/x|/x)*y"] };
    const report = appraise([{ path: `/${"a".repeat(4000)}!` }, { path: `${"/x".repeat(4000)}!` }], policy);
    expect(report.failed).toBe(2);
  });
});

describe("signed files", () => {
  const digestInfo = Buffer.from("3031300d060960864801650304020105000420", "hex");

  function idOf(key: KeyObject): Buffer {
    const spki = key.export({ type: "spki", format: "der" });
    // The bits behind the header of the SubjectPublicKeyInfo: as long as the key in PKCS #1, or an EC point.
    const bits =
      key.asymmetricKeyType === "rsa"
        ? key.export({ type: "pkcs1", format: "der" })
        : spki.subarray(key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? -97 : -65);
    return createHash("sha1").update(bits).digest().subarray(-4);
  }

  function header(key: KeyObject, signature: Buffer, algorithm = 4): Buffer {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(signature.length);
    return Buffer.concat([Buffer.from([3, 2, algorithm]), idOf(key), length, signature]);
  }

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();

  const signedRsa = (content: string) =>
    header(rsa.publicKey, privateEncrypt(rsa.privateKey, Buffer.concat([digestInfo, sha256(content)])));
  const signedEc = ({ publicKey, privateKey }: typeof p256, content: string) =>
    header(publicKey, sign("sha256", Buffer.from(content), privateKey));

  test.each([
    ["RSA", rsa.publicKey, signedRsa],
    ["ECDSA P-256", p256.publicKey, (content: string) => signedEc(p256, content)],
    ["ECDSA P-384", p384.publicKey, (content: string) => signedEc(p384, content)],
  ])("%s: good, of another file, of another key, altered", (_, key, signed) => {
    const policy = { keys: [pem(key)] };
    const file = (extra: Buffer) => [{ template: "ima-sig", path: "/a", content: "a", extra } as const];
    expect(appraise(file(signed("a")), policy).ok).toBe(true);
    expect(reasonsOf(appraise(file(signed("b")), policy))).toEqual(["/a: signature-invalid"]);
    expect(reasonsOf(appraise(file(signed("a")), {}))).toEqual(["/a: signature-unknown-key"]);
    const altered = signed("a");
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1;
    expect(reasonsOf(appraise(file(altered), policy))).toEqual(["/a: signature-invalid"]);
  });

  test("versions and algorithms that are not supported, and SHA-1", () => {
    const policy = { keys: [pem(rsa.publicKey)] };
    const verity = signedRsa("a");
    verity[0] = 6;
    const version3 = signedRsa("a");
    version3[1] = 3;
    const sha1 = header(rsa.publicKey, signedRsa("a").subarray(9), 2);
    for (const extra of [verity, version3, sha1])
      expect(reasonsOf(appraise([{ template: "ima-sig", path: "/a", content: "a", extra }], policy))).toEqual(
        ["/a: signature-unsupported"],
      );
  });

  test("an empty signature is none", () => {
    const file = { template: "ima-sig", path: "/a" } as const;
    expect(reasonsOf(appraise([file], {}))).toEqual(["/a: not-listed"]);
  });

  test("ECDSA over a digest: every altered bit of digest and signature is refused", () => {
    const digest = sha256("data");
    const signature = sign("sha256", Buffer.from("data"), p256.privateKey);
    expect(verifyEcdsaDigest(p256.publicKey, digest, signature)).toBe(true);
    for (let bit = 0; bit < 8 * digest.length; bit += 5)
      expect(verifyEcdsaDigest(p256.publicKey, flipped(digest, bit), signature)).toBe(false);
    for (let bit = 0; bit < 8 * signature.length; bit += 5)
      expect(verifyEcdsaDigest(p256.publicKey, digest, flipped(signature, bit))).toBe(false);
    expect(verifyEcdsaDigest(rsa.publicKey, digest, signature)).toBe(false);
    expect(verifyEcdsaDigest(p384.publicKey, digest, signature)).toBe(false);
    expect(verifyEcdsaDigest(p256.publicKey, Buffer.alloc(32), signature)).toBe(false);
  });
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const out = Buffer.from(bytes);
  out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return out;
}
