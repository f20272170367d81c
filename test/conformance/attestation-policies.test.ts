import { describe, expect, test } from "@jest/globals";
import { statusOf, TRUST_CLAIMS } from "../../src/attestation/trust-vector.ts";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";
import { evaluate, shippedPolicy } from "../support/shipped-policies.ts";

const CPU = shippedPolicy("attestation/default_cpu");

type Verdict = readonly [executables: number, hardware: number, configuration: number];

async function verdict(
  policy: typeof CPU,
  input: JsonObject,
  values: Readonly<Record<string, JsonValue>> = {},
): Promise<Verdict> {
  const outcome = await evaluate(policy, "data.policy.trust_claims", input, values);
  if (outcome.kind !== "value") throw new Error(JSON.stringify(outcome));
  const claims = outcome.value as Record<string, number>;
  return [claims["executables"] ?? -1, claims["hardware"] ?? -1, claims["configuration"] ?? -1];
}

/** `a.b`, or `a|b.c` where a name holds a dot. */
function steps(path: string): readonly string[] {
  return path.split(path.includes("|") ? "|" : ".");
}

/** Copy of `root` with the member at `path` replaced; `undefined` removes it. */
function replaced(root: JsonValue, path: readonly string[], value: JsonValue | undefined): JsonValue {
  const [name, ...rest] = path;
  if (name === undefined) return value ?? null;
  const object = { ...(root as Record<string, JsonValue>) };
  if (rest.length === 0 && value === undefined) delete object[name];
  else object[name] = rest.length === 0 ? (value ?? null) : replaced(object[name] ?? {}, rest, value);
  return object;
}

/** One condition of a row of the decision tables: a claim, or the reference value it is compared with. */
interface Row {
  readonly name: string;
  readonly policy: typeof CPU;
  readonly input: JsonObject;
  readonly values: Readonly<Record<string, JsonValue>>;
  readonly good: Verdict;
  /** Claim paths, and what the verdict becomes when the claim is another one or missing. */
  readonly claims: readonly (readonly [path: string, other: JsonValue, verdict: Verdict])[];
  /** Reference values, and what the verdict becomes without them. */
  readonly absent: readonly (readonly [name: string, verdict: Verdict])[];
}

const TDX_EVENTS = [
  {
    type_name: "EV_EFI_BOOT_SERVICES_APPLICATION",
    digests: [
      { alg: "SHA-384", digest: "00" },
      { alg: "SHA-384", digest: "aa" },
    ],
    details: { device_paths: ["VenMedia(x)", "File(kernel)"] },
  },
  {
    type_name: "EV_EVENT_TAG",
    digests: [{ alg: "SHA-384", digest: "bb" }],
    details: { string: "LOADED_IMAGE::LoadOptions" },
  },
];

const CHAIN = { "x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "good" };

function rim(kind: string): Record<string, boolean> {
  return Object.fromEntries(
    ["fetched", "measurements-available", "schema-validated", "signature-verified", "version-match"].map(
      (property) => [`x-nvidia-${kind}-rim-${property}`, true],
    ),
  );
}

function nvidia(kind: "gpu" | "switch"): Record<string, JsonValue> {
  return {
    [`x-nvidia-${kind}-attestation-report-cert-chain`]: CHAIN,
    [`x-nvidia-${kind}-attestation-report-cert-chain-fwid-match`]: true,
    [`x-nvidia-${kind}-attestation-report-parsed`]: true,
    [`x-nvidia-${kind}-attestation-report-signature-verified`]: true,
    [`x-nvidia-${kind}-arch-check`]: true,
    secboot: true,
    dbgstat: "disabled",
    measres: "success",
  };
}

const SNP: Row = {
  name: "snp",
  policy: CPU,
  input: {
    snp: {
      measurement: "m",
      reported_tcb_bootloader: 4,
      reported_tcb_microcode: 213,
      reported_tcb_snp: 22,
      reported_tcb_tee: 0,
      policy_debug_allowed: false,
      policy_migrate_ma: false,
      platform_smt_enabled: true,
      platform_tsme_enabled: false,
      policy_abi_major: 1,
      policy_abi_minor: 31,
      policy_single_socket: false,
      policy_smt_allowed: true,
    },
  },
  values: {
    snp_launch_measurement: ["x", "m"],
    snp_bootloader: [4],
    snp_microcode: [213],
    snp_snp_svn: [22],
    snp_tee_svn: [0],
    snp_smt_enabled: true,
    snp_tsme_enabled: false,
    snp_guest_abi_major: 1,
    snp_guest_abi_minor: 31,
    snp_single_socket: false,
    snp_smt_allowed: true,
  },
  good: [3, 2, 2],
  claims: [
    ["snp.measurement", "other", [33, 2, 2]],
    ["snp.reported_tcb_bootloader", 5, [3, 97, 2]],
    ["snp.reported_tcb_microcode", 214, [3, 97, 2]],
    ["snp.reported_tcb_snp", 23, [3, 97, 2]],
    ["snp.reported_tcb_tee", 1, [3, 97, 2]],
    ["snp.policy_debug_allowed", true, [3, 2, 36]],
    ["snp.policy_migrate_ma", true, [3, 2, 36]],
    ["snp.platform_smt_enabled", false, [3, 2, 3]],
    ["snp.platform_tsme_enabled", true, [3, 2, 3]],
    ["snp.policy_abi_major", 0, [3, 2, 3]],
    ["snp.policy_abi_minor", 30, [3, 2, 3]],
    ["snp.policy_single_socket", true, [3, 2, 3]],
    ["snp.policy_smt_allowed", false, [3, 2, 3]],
  ],
  absent: [
    ["snp_launch_measurement", [33, 2, 2]],
    ["snp_bootloader", [3, 97, 2]],
    ["snp_microcode", [3, 97, 2]],
    ["snp_snp_svn", [3, 97, 2]],
    ["snp_tee_svn", [3, 97, 2]],
    ["snp_smt_enabled", [3, 2, 3]],
    ["snp_tsme_enabled", [3, 2, 3]],
    ["snp_guest_abi_major", [3, 2, 3]],
    ["snp_guest_abi_minor", [3, 2, 3]],
    ["snp_single_socket", [3, 2, 3]],
    ["snp_smt_allowed", [3, 2, 3]],
  ],
};

const TDX: Row = {
  name: "tdx",
  policy: CPU,
  input: {
    tdx: {
      quote: {
        header: { tee_type: "81000000", vendor_id: "939a7233f79c4ca9940a0db3957f0607" },
        body: { mr_td: "t", rtmr_1: "1", rtmr_2: "2", xfam: "f" },
      },
      td_attributes: { debug: false },
      tcb_status: "UpToDate",
      collateral_expiration_status: "0",
      uefi_event_logs: TDX_EVENTS,
    },
  },
  values: {
    mr_td: ["t"],
    rtmr_1: ["1"],
    rtmr_2: ["2"],
    xfam: ["f"],
    tdvfkernel: "aa",
    tdvfkernelparams: "bb",
  },
  good: [3, 2, 2],
  claims: [
    ["tdx.quote.body.rtmr_1", "x", [33, 2, 2]],
    ["tdx.quote.body.rtmr_2", "x", [33, 2, 2]],
    ["tdx.uefi_event_logs", [], [4, 2, 2]],
    ["tdx.uefi_event_logs", TDX_EVENTS.slice(0, 1), [4, 2, 2]],
    ["tdx.uefi_event_logs", TDX_EVENTS.slice(1), [4, 2, 2]],
    ["tdx.quote.header.tee_type", "00000000", [3, 97, 2]],
    ["tdx.quote.header.vendor_id", "00", [3, 97, 2]],
    ["tdx.quote.body.mr_td", "x", [3, 97, 2]],
    ["tdx.tcb_status", "OutOfDate", [3, 97, 2]],
    ["tdx.collateral_expiration_status", "1", [3, 97, 2]],
    ["tdx.td_attributes.debug", true, [3, 2, 36]],
    ["tdx.quote.body.xfam", "x", [3, 2, 36]],
  ],
  absent: [
    ["rtmr_1", [33, 2, 2]],
    ["rtmr_2", [33, 2, 2]],
    ["tdvfkernel", [4, 2, 2]],
    ["tdvfkernelparams", [4, 2, 2]],
    ["mr_td", [3, 97, 2]],
    ["xfam", [3, 2, 36]],
  ],
};

const ROWS: readonly Row[] = [
  {
    name: "sample",
    policy: CPU,
    input: {
      sample: { svn: "1", launch_digest: "abcde", debug: false, platform_version: { major: 1, minor: 4 } },
    },
    values: { launch_digest: ["abcde"], svn: ["1"], major_version: 1, minimum_minor_version: 4 },
    good: [3, 2, 2],
    claims: [
      ["sample.launch_digest", "x", [33, 2, 2]],
      ["sample.svn", "2", [3, 97, 2]],
      ["sample.platform_version.major", 2, [3, 97, 2]],
      ["sample.platform_version.minor", 3, [3, 97, 2]],
      ["sample.debug", true, [3, 2, 36]],
    ],
    absent: [
      ["launch_digest", [33, 2, 2]],
      ["svn", [3, 97, 2]],
      ["major_version", [3, 97, 2]],
      ["minimum_minor_version", [3, 97, 2]],
    ],
  },
  SNP,
  TDX,
  {
    name: "az-snp-vtpm",
    policy: CPU,
    input: {
      "az-snp-vtpm": {
        measurement: "bQ==",
        tpm: { pcr11: "p" },
        reported_tcb_bootloader: "4",
        reported_tcb_microcode: "213",
        reported_tcb_snp: "22",
        reported_tcb_tee: "0",
        policy_debug_allowed: "false",
        platform_smt_enabled: "true",
        platform_tsme_enabled: "false",
        policy_abi_major: "1",
        policy_abi_minor: "31",
        policy_single_socket: "false",
        policy_smt_allowed: "true",
      },
    },
    values: {
      measurement: ["bQ=="],
      snp_pcr11: ["p"],
      tcb_bootloader: ["4"],
      tcb_microcode: ["213"],
      tcb_snp: ["22"],
      tcb_tee: ["0"],
      smt_enabled: ["true"],
      tsme_enabled: ["false"],
      abi_major: ["1"],
      abi_minor: ["31"],
      single_socket: ["false"],
      smt_allowed: ["true"],
    },
    good: [3, 2, 2],
    claims: [
      ["az-snp-vtpm.measurement", "x", [33, 2, 2]],
      ["az-snp-vtpm.tpm.pcr11", "x", [33, 2, 2]],
      ["az-snp-vtpm.reported_tcb_bootloader", "5", [3, 97, 2]],
      ["az-snp-vtpm.reported_tcb_microcode", "5", [3, 97, 2]],
      ["az-snp-vtpm.reported_tcb_snp", "5", [3, 97, 2]],
      ["az-snp-vtpm.reported_tcb_tee", "5", [3, 97, 2]],
      ["az-snp-vtpm.platform_smt_enabled", "x", [3, 2, 36]],
      ["az-snp-vtpm.platform_tsme_enabled", "x", [3, 2, 36]],
      ["az-snp-vtpm.policy_abi_major", "x", [3, 2, 36]],
      ["az-snp-vtpm.policy_abi_minor", "x", [3, 2, 36]],
      ["az-snp-vtpm.policy_single_socket", "x", [3, 2, 36]],
      ["az-snp-vtpm.policy_smt_allowed", "x", [3, 2, 36]],
    ],
    absent: [
      ["measurement", [33, 2, 2]],
      ["snp_pcr11", [33, 2, 2]],
      ["tcb_tee", [3, 97, 2]],
      ["smt_allowed", [3, 2, 36]],
    ],
  },
  {
    name: "az-tdx-vtpm",
    policy: CPU,
    input: {
      "az-tdx-vtpm": {
        quote: {
          header: { tee_type: "81000000", vendor_id: "939a7233f79c4ca9940a0db3957f0607" },
          body: { mr_td: "t", xfam: "f" },
        },
        tcb_status: "UpToDate",
        tpm: { pcr11: "p" },
      },
    },
    values: { tdx_pcr11: ["p"], mr_td: ["t"], xfam: ["f"] },
    good: [3, 2, 2],
    claims: [
      ["az-tdx-vtpm.tpm.pcr11", "x", [33, 2, 2]],
      ["az-tdx-vtpm.quote.header.tee_type", "x", [3, 97, 2]],
      ["az-tdx-vtpm.quote.header.vendor_id", "x", [3, 97, 2]],
      ["az-tdx-vtpm.quote.body.mr_td", "x", [3, 97, 2]],
      ["az-tdx-vtpm.tcb_status", "OutOfDate", [3, 97, 2]],
      ["az-tdx-vtpm.quote.body.xfam", "x", [3, 2, 36]],
    ],
    absent: [
      ["tdx_pcr11", [33, 2, 2]],
      ["mr_td", [3, 97, 2]],
      ["xfam", [3, 2, 36]],
    ],
  },
  {
    name: "tpm",
    policy: CPU,
    input: { tpm: { pcr11: "p", ak_public: "k" } },
    values: { tpm_pcr11: ["p"], trusted_aks: ["k"] },
    good: [3, 2, 0],
    claims: [
      ["tpm.pcr11", "x", [33, 2, 0]],
      ["tpm.ak_public", "x", [33, 2, 0]],
    ],
    absent: [
      ["tpm_pcr11", [33, 2, 0]],
      ["trusted_aks", [33, 2, 0]],
    ],
  },
  {
    name: "sgx",
    policy: CPU,
    input: {
      sgx: {
        header: { vendor_id: "939a7233f79c4ca9940a0db3957f0607" },
        body: { mr_enclave: "e", mr_signer: "s", "attributes.flags": "05" },
        tcb_status: "UpToDate",
        collateral_expiration_status: "0",
        debug: false,
      },
    },
    values: { sgx_mr_enclave: ["e"], sgx_tcb_statuses: ["UpToDate"], sgx_attributes_flags: ["05"] },
    good: [3, 2, 2],
    claims: [
      ["sgx.body.mr_enclave", "x", [33, 2, 2]],
      ["sgx.header.vendor_id", "x", [3, 97, 2]],
      ["sgx.tcb_status", "OutOfDate", [3, 97, 2]],
      ["sgx.collateral_expiration_status", "1", [3, 97, 2]],
      ["sgx|body|attributes.flags", "07", [3, 2, 36]],
      ["sgx.debug", true, [3, 2, 36]],
    ],
    absent: [
      ["sgx_mr_enclave", [33, 2, 2]],
      ["sgx_tcb_statuses", [3, 97, 2]],
      ["sgx_attributes_flags", [3, 2, 36]],
    ],
  },
  {
    name: "cca",
    policy: CPU,
    input: {
      cca: {
        realm: { "cca-realm-initial-measurement": "r" },
        platform: {
          "cca-platform-implementation-id": "i",
          "cca-platform-lifecycle": 0x3003,
          "cca-platform-config": "c",
        },
      },
    },
    values: {
      cca_realm_initial_measurement: ["r"],
      cca_implementation_ids: ["i"],
      cca_platform_configs: ["c"],
    },
    good: [3, 2, 2],
    claims: [
      ["cca.realm.cca-realm-initial-measurement", "x", [33, 2, 2]],
      ["cca.platform.cca-platform-implementation-id", "x", [3, 97, 2]],
      ["cca.platform.cca-platform-lifecycle", 0x4000, [3, 2, 36]],
      ["cca.platform.cca-platform-config", "x", [3, 2, 36]],
    ],
    absent: [
      ["cca_realm_initial_measurement", [33, 2, 2]],
      ["cca_implementation_ids", [3, 97, 2]],
      ["cca_platform_configs", [3, 2, 36]],
    ],
  },
  {
    name: "csv",
    policy: CPU,
    input: { csv: { measure: "m", serial_number: "n", policy: { nodbg: 1 } } },
    values: { csv_measure: ["m"], csv_serial_numbers: ["n"], csv_policies: [{ nodbg: 1 }, { nodbg: 0 }] },
    good: [3, 2, 2],
    claims: [
      ["csv.measure", "x", [33, 2, 2]],
      ["csv.serial_number", "x", [3, 97, 2]],
      ["csv.policy.nodbg", 0, [3, 2, 36]],
    ],
    absent: [
      ["csv_measure", [33, 2, 2]],
      ["csv_serial_numbers", [3, 97, 2]],
      ["csv_policies", [3, 2, 36]],
    ],
  },
  {
    name: "gpu",
    policy: shippedPolicy("attestation/default_gpu"),
    input: {
      nvidia: {
        ...nvidia("gpu"),
        "x-nvidia-gpu-vbios-version": "v",
        "x-nvidia-gpu-driver-version": "d",
        "x-nvidia-gpu-vbios-rim-cert-chain": CHAIN,
        ...rim("gpu-driver"),
        ...rim("gpu-vbios"),
      },
    },
    values: { allowed_vbios_versions: ["v"], allowed_driver_versions: ["d"] },
    good: [3, 2, 2],
    claims: [
      ["nvidia.x-nvidia-gpu-attestation-report-cert-chain.x-nvidia-cert-status", "expired", [3, 97, 2]],
      ["nvidia.x-nvidia-gpu-attestation-report-cert-chain.x-nvidia-cert-ocsp-status", "revoked", [3, 97, 2]],
      ["nvidia.x-nvidia-gpu-attestation-report-cert-chain-fwid-match", false, [3, 97, 2]],
      ["nvidia.x-nvidia-gpu-attestation-report-parsed", false, [3, 97, 2]],
      ["nvidia.x-nvidia-gpu-attestation-report-signature-verified", false, [3, 97, 2]],
      ["nvidia.x-nvidia-gpu-arch-check", false, [3, 97, 2]],
      ["nvidia.secboot", false, [3, 2, 36]],
      ["nvidia.dbgstat", "enabled", [3, 2, 36]],
      ["nvidia.x-nvidia-gpu-vbios-version", "x", [3, 2, 3]],
      ["nvidia.x-nvidia-gpu-driver-version", "x", [3, 2, 3]],
      ["nvidia.x-nvidia-gpu-vbios-rim-cert-chain.x-nvidia-cert-status", "x", [33, 2, 2]],
      ["nvidia.measres", "failure", [33, 2, 2]],
      ...Object.keys({ ...rim("gpu-driver"), ...rim("gpu-vbios") }).map(
        (claim) => [`nvidia.${claim}`, false, [33, 2, 2]] as const,
      ),
    ],
    absent: [
      ["allowed_vbios_versions", [3, 2, 3]],
      ["allowed_driver_versions", [3, 2, 3]],
    ],
  },
  {
    name: "switch",
    policy: shippedPolicy("attestation/default_switch"),
    input: {
      nvidia: {
        ...nvidia("switch"),
        "x-nvidia-switch-bios-version": "b",
        "x-nvidia-switch-bios-rim-cert-chain": CHAIN,
        ...rim("switch-bios"),
      },
    },
    values: { allowed_switch_bios_versions: ["b"] },
    good: [3, 2, 2],
    claims: [
      ["nvidia.x-nvidia-switch-attestation-report-cert-chain.x-nvidia-cert-status", "x", [3, 97, 2]],
      ["nvidia.x-nvidia-switch-attestation-report-cert-chain-fwid-match", false, [3, 97, 2]],
      ["nvidia.x-nvidia-switch-attestation-report-parsed", false, [3, 97, 2]],
      ["nvidia.x-nvidia-switch-attestation-report-signature-verified", false, [3, 97, 2]],
      ["nvidia.x-nvidia-switch-arch-check", false, [3, 97, 2]],
      ["nvidia.secboot", false, [3, 2, 36]],
      ["nvidia.dbgstat", "x", [3, 2, 36]],
      ["nvidia.x-nvidia-switch-bios-version", "x", [3, 2, 3]],
      ["nvidia.x-nvidia-switch-bios-rim-cert-chain.x-nvidia-cert-ocsp-status", "x", [33, 2, 2]],
      ["nvidia.measres", "x", [33, 2, 2]],
      ...Object.keys(rim("switch-bios")).map((claim) => [`nvidia.${claim}`, false, [33, 2, 2]] as const),
    ],
    absent: [["allowed_switch_bios_versions", [3, 2, 3]]],
  },
  {
    name: "dcu (AS-029)",
    policy: shippedPolicy("attestation/default_dcu"),
    input: { hygondcu: { body: { chip_id: "c", measure: "m" } } },
    values: { dcu_chip_ids: ["c"], dcu_measurements: ["m"] },
    good: [3, 2, 36],
    claims: [
      ["hygondcu.body.chip_id", "x", [3, 97, 36]],
      ["hygondcu.body.measure", "x", [33, 2, 36]],
    ],
    absent: [["dcu_chip_ids", [3, 97, 36]]],
  },
  {
    name: "nvidia-dpu (AS-029)",
    policy: shippedPolicy("attestation/default_nvidia-dpu"),
    input: { "nvidia-dpu": { device_serial: "s", accumulated_fwid: "f" } },
    values: { dpu_serials: ["s"], dpu_firmware_ids: ["f"] },
    good: [3, 2, 36],
    claims: [
      ["nvidia-dpu.device_serial", "x", [3, 97, 36]],
      ["nvidia-dpu.accumulated_fwid", "x", [33, 2, 36]],
    ],
    absent: [["dpu_serials", [3, 97, 36]]],
  },
];

describe.each(ROWS)("AS-069 $name", ({ policy, input, values, good, claims, absent }) => {
  test("all conditions hold", async () => {
    expect(await verdict(policy, input, values)).toEqual(good);
  });

  test.each(claims)("%s is %j", async (path, other, expected) => {
    const changed = replaced(input, steps(path), other) as JsonObject;
    expect(await verdict(policy, changed, values)).toEqual(expected);
  });

  test.each(claims)("A15 B6 without %s nothing is better", async (path) => {
    const changed = replaced(input, steps(path), undefined) as JsonObject;
    const got = await verdict(policy, changed, values);
    for (const [at, value] of got.entries()) expect(value).toBeGreaterThanOrEqual(good[at] ?? 0);
  });

  test.each(absent)("without reference value %s", async (name, expected) => {
    const { [name]: _, ...rest } = values;
    expect(await verdict(policy, input, rest)).toEqual(expected);
  });
});

describe("rows told in words", () => {
  test("AS-070 snp: one scalar that differs gives configuration 3, debug 36", async () => {
    expect(await verdict(CPU, SNP.input, { ...SNP.values, snp_smt_allowed: false })).toEqual([3, 2, 3]);
    const debugged = replaced(SNP.input, ["snp", "policy_debug_allowed"], true) as JsonObject;
    expect(await verdict(CPU, debugged, SNP.values)).toEqual([3, 2, 36]);
  });

  test("AS-069 se: what its verifier accepted is affirming", async () => {
    expect(await verdict(CPU, { se: {} })).toEqual([3, 2, 2]);
  });

  test("AS-071 tdx: without an event log executables are 4, with one that names kernel and parameters 3", async () => {
    const without = replaced(TDX.input, ["tdx", "uefi_event_logs"], undefined) as JsonObject;
    expect(await verdict(CPU, without, TDX.values)).toEqual([4, 2, 2]);
    expect(await verdict(CPU, TDX.input, TDX.values)).toEqual([3, 2, 2]);
  });

  test.each([
    ["tcb_status", "OutOfDate"],
    ["collateral_expiration_status", "1"],
  ])("AS-072 tdx: with %s %s hardware stays 97", async (member, value) => {
    const other = replaced(TDX.input, ["tdx", member], value) as JsonObject;
    expect(await verdict(CPU, other, TDX.values)).toEqual([3, 97, 2]);
  });

  test("AS-073 az-snp-vtpm: numbers do not match texts", async () => {
    const row = ROWS.find(({ name }) => name === "az-snp-vtpm");
    const numbers = {
      ...row?.values,
      tcb_bootloader: [4],
      tcb_microcode: [213],
      tcb_snp: [22],
      tcb_tee: [0],
    };
    expect(await verdict(CPU, row?.input ?? {}, numbers)).toEqual([3, 97, 2]);
  });

  test("AS-074 a scalar for a list and a list for a scalar never match", async () => {
    expect(await verdict(CPU, SNP.input, { ...SNP.values, snp_launch_measurement: "m" })).toEqual([33, 2, 2]);
    expect(await verdict(CPU, SNP.input, { ...SNP.values, snp_smt_allowed: [true] })).toEqual([3, 2, 3]);
  });

  test("AS-075 sample: a minimum that is no number is no minimum at all", async () => {
    const row = ROWS.find(({ name }) => name === "sample");
    for (const minimum of [null, true, "4", [4]])
      expect(
        await verdict(CPU, row?.input ?? {}, { ...row?.values, minimum_minor_version: minimum }),
      ).toEqual([3, 97, 2]);
  });

  test("AS-077 claims of the local NVIDIA verifier, and sampledevice, stay contraindicated", async () => {
    const gpu = shippedPolicy("attestation/default_gpu");
    const local = { nvidia: { arch: "HOPPER", uuid: "u", measurements: { "1": "00" }, config: {} } };
    expect(await verdict(gpu, local)).toEqual([33, 97, 36]);
    expect(await verdict(gpu, { sampledevice: { svn: "2" } }, { device_svn: ["2"] })).toEqual([33, 97, 36]);
  });

  test("AS-078 ppcie: configuration 2, all others 0, affirming", async () => {
    const policy = shippedPolicy("attestation/default_ppcie");
    const outcome = await evaluate(policy, "data.policy.trust_claims", {
      nvidia: { switch_count: 4, gpu_count: 8 },
    });
    const others = TRUST_CLAIMS.filter((claim) => claim !== "configuration");
    expect(outcome).toMatchObject({
      kind: "value",
      value: { configuration: 2, ...Object.fromEntries(others.map((claim) => [claim, 0])) },
    });
    expect(outcome.kind === "value" && statusOf(outcome.value as Record<string, number>)).toBe("affirming");
  });

  test.each(["sgx", "cca", "csv", "sample", "snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm"])(
    "B28 %s without any reference value is contraindicated",
    async (tee) => {
      expect(await verdict(CPU, { [tee]: {} })).toEqual([33, 97, 36]);
    },
  );
});

describe("AS-076 the identifiers of the agent policy", () => {
  const of = async (initDataClaims: JsonValue | undefined) => {
    const input = initDataClaims === undefined ? { snp: {} } : { snp: {}, init_data_claims: initDataClaims };
    const outcome = await evaluate(CPU, "data.policy.extensions", input);
    return outcome.kind === "value" ? outcome.value : outcome;
  };
  const extension = (validated: JsonValue) => [
    { name: "ear.trustee.identifiers", key: -18, value: { validated } },
  ];
  const container = (image: string | undefined, uid: number | undefined) => ({
    OCI: {
      ...(image === undefined ? {} : { Annotations: { "io.kubernetes.cri.image-name": image } }),
      ...(uid === undefined ? {} : { Process: { User: { UID: uid } } }),
    },
  });

  test.each([undefined, null, {}, { agent_policy_claims: {} }, { agent_policy_claims: { containers: [] } }])(
    "none: %j",
    async (claims) => {
      expect(await of(claims)).toEqual(extension({}));
    },
  );

  test("images and users in the order of the containers, twice when they are there twice", async () => {
    const containers = [
      container("b:1", 1),
      container(undefined, 0),
      container("a:1", undefined),
      container("b:1", 1),
    ];
    expect(await of({ agent_policy_claims: { containers } })).toEqual(
      extension({ container_images: ["b:1", "a:1", "b:1"], container_uids: [1, 0, 1] }),
    );
  });
});
