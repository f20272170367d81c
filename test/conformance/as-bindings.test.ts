import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { EvidenceRejected, type Expected, type Verification } from "../../src/attestation/verifier.ts";
import * as amd from "../support/fake-amd/index.ts";
import * as intel from "../support/fake-intel/index.ts";
import * as tpm from "../support/software-tpm/index.ts";

/** Evidence that is right for its usual binding, judged for another one. */
type Tell = (expected: Partial<Expected>) => Promise<Verification>;

interface Kind {
  readonly name: string;
  readonly tell: Tell;
  readonly reportData: Buffer;
  readonly initData: Buffer;
  /** Bytes of the field that holds the init-data digest. */
  readonly field: number;
}

const KINDS: readonly Kind[] = [
  {
    name: "snp",
    tell: (expected) => amd.tell({ expected }),
    reportData: amd.REPORT_DATA,
    initData: amd.INIT_DATA,
    field: 32,
  },
  {
    name: "tdx",
    tell: (expected) => intel.tell({ expected }),
    reportData: intel.REPORT_DATA,
    initData: intel.INIT_DATA,
    field: 48,
  },
];

/** Name of the check that refused; empty when the evidence was accepted. */
async function refusedBy(run: Promise<Verification>): Promise<string> {
  return run.then(
    () => "",
    (error: unknown) => {
      if (error instanceof EvidenceRejected) return error.check;
      throw error;
    },
  );
}

describe.each(KINDS)("$name", ({ tell, reportData, initData, field }) => {
  const bound = (runtimeDataDigest: Uint8Array) => refusedBy(tell({ runtimeDataDigest }));

  test("AS-014 a shorter binding is compared with zeros behind it, exactly", async () => {
    expect(await bound(reportData)).toBe("");
    expect(await bound(Buffer.concat([reportData, Buffer.alloc(64 - reportData.length)]))).toBe("");
    expect(await bound(reportData.subarray(0, -1))).toBe("report-data");
    expect(await bound(Buffer.concat([reportData, Buffer.from([1])]))).toBe("report-data");
    expect(await bound(Buffer.alloc(0))).toBe("report-data");
  });

  test("AS-014 a binding longer than the field is refused, not cut", async () => {
    const long = Buffer.concat([reportData, Buffer.alloc(65 - reportData.length)]);
    expect(await bound(long)).toBe("report-data");
  });

  test("AS-015 the init-data digest is padded or cut to the field", async () => {
    const named = async (initDataDigest: Uint8Array) => (await refusedBy(tell({ initDataDigest }))) === "";
    expect(await named(initData)).toBe(true);
    const byte = initData[0] ?? 0;
    for (const length of [48, 64].filter((each) => each >= field))
      expect(await named(Buffer.alloc(length, byte))).toBe(true);
    expect(await named(Buffer.alloc(field - 1, byte))).toBe(false);
    const other = Buffer.from(initData);
    other.writeUInt8(byte ^ 1, field - 1);
    expect(await named(other)).toBe(false);
    // Behind the end of the field nothing is compared; B24: and nothing is no wildcard.
    expect(await named(Buffer.concat([initData.subarray(0, field), Buffer.alloc(16, 9)]))).toBe(true);
    expect(await named(Buffer.alloc(0))).toBe(false);
  });
});

test("AS-015 sgx: CONFIGID is compared as a whole", async () => {
  const named = async (initDataDigest: Uint8Array) =>
    (await refusedBy(intel.tell({ tee: "sgx", expected: { initDataDigest } }))) === "";
  const right = intel.INIT_DATA;
  expect(await named(right)).toBe(true);
  expect(await named(Buffer.concat([right, Buffer.alloc(16)]))).toBe(true);
  expect(await named(Buffer.concat([right, Buffer.alloc(16, 9)]))).toBe(false);
  expect(await named(right.subarray(0, 32))).toBe(false);
});

test("AS-014 sgx: a shorter binding is compared with zeros behind it, exactly", async () => {
  const bound = (runtimeDataDigest: Uint8Array) =>
    refusedBy(intel.tell({ tee: "sgx", expected: { runtimeDataDigest } }));
  expect(await bound(intel.REPORT_DATA)).toBe("");
  expect(await bound(intel.REPORT_DATA.subarray(0, -1))).toBe("report-data");
});

describe("vTPM", () => {
  test("AS-016 PCR 8 is SHA-256 over 32 zeros and the digest", async () => {
    const register = createHash("sha256").update(Buffer.alloc(32)).update(tpm.INIT_DATA).digest();
    const pcrs = (bank: string, pcr: number) =>
      bank === "sha256" && pcr === 8
        ? register
        : Buffer.alloc(bank === "sha1" ? 20 : bank === "sha384" ? 48 : 32, pcr);
    const { results } = await tpm.tellTpm({ pcrs });
    expect(results[0]?.claims).toMatchObject({ init_data: register.toString("hex") });
    const other = (bank: string, pcr: number) =>
      bank === "sha256" && pcr === 8 ? tpm.INIT_DATA : pcrs(bank, pcr);
    expect(await refusedBy(tpm.tellTpm({ pcrs: other }))).toBe("init-data");
  });

  test.each([0, 20, 31, 33, 48, 64])(
    "AS-017 a digest of %i bytes is refused, and nothing crashes",
    async (length) => {
      const expected = { initDataDigest: Buffer.alloc(length, 0x1d) };
      expect(await refusedBy(tpm.tellTpm({ expected }))).toBe("init-data");
    },
  );
});
