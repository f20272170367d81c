/**
 * The decision tables of the shipped appraisal as data, written down apart from the policies: golden vectors have to
 * agree with both. First row that holds wins; no row, the initial value.
 */
import { isDeepStrictEqual } from "node:util";
import type { JsonObject, JsonValue } from "../../src/json/value.ts";

export type ReferenceValues = Readonly<Record<string, JsonValue>>;

interface Condition {
  readonly holds: (claims: JsonObject, values: ReferenceValues) => boolean;
  /** The reference value that makes it hold for these claims, where there is one. */
  readonly seen?: (claims: JsonObject) => readonly [name: string, value: JsonValue];
}

interface Row {
  readonly claim: "executables" | "hardware" | "configuration";
  readonly value: number;
  readonly all: readonly Condition[];
}

/** Members joined with `/`, as names may hold dots. */
function at(claims: JsonValue | undefined, path: string): JsonValue | undefined {
  return path.split("/").reduce<JsonValue | undefined>((value, name) => {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject && Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined;
  }, claims);
}

/** Claim ∈ list. */
function isIn(path: string, name: string): Condition {
  return {
    holds: (claims, values) => {
      const list = values[name];
      const value = at(claims, path);
      return (
        value !== undefined && Array.isArray(list) && list.some((each) => isDeepStrictEqual(each, value))
      );
    },
    seen: (claims) => [name, [at(claims, path) ?? null]],
  };
}

/** Claim = single value. */
function equals(path: string, name: string): Condition {
  return {
    holds: (claims, values) => {
      const value = at(claims, path);
      return value !== undefined && Object.hasOwn(values, name) && isDeepStrictEqual(values[name], value);
    },
    seen: (claims) => [name, at(claims, path) ?? null],
  };
}

function is(path: string, value: JsonValue): Condition {
  return { holds: (claims) => isDeepStrictEqual(at(claims, path), value) };
}

function isNot(path: string, value: JsonValue): Condition {
  return { holds: (claims) => !isDeepStrictEqual(at(claims, path), value) };
}

const INTEL = "939a7233f79c4ca9940a0db3957f0607";

const intelTdx = [is("quote/header/tee_type", "81000000"), is("quote/header/vendor_id", INTEL)];

const snpClosed = [is("policy_debug_allowed", false), is("policy_migrate_ma", false)];

const snpTcb = (prefix: string, names: readonly [string, string, string, string]) =>
  (["bootloader", "microcode", "snp", "tee"] as const).map((part, index) =>
    isIn(`reported_tcb_${part}`, `${prefix}${names[index] ?? ""}`),
  );

/** Boot events of a kernel that the firmware loads itself. */
function event(type: string, name: string, kind: (details: JsonObject) => boolean): Condition {
  const found = (claims: JsonObject) => {
    const events = at(claims, "uefi_event_logs");
    return Array.isArray(events)
      ? events.filter(
          (each) => at(each, "type_name") === type && kind((at(each, "details") ?? {}) as JsonObject),
        )
      : [];
  };
  const digests = (claims: JsonObject) =>
    found(claims).flatMap((each) => {
      const list = at(each, "digests");
      return Array.isArray(list) ? list.map((digest) => at(digest, "digest")) : [];
    });
  return {
    holds: (claims, values) =>
      digests(claims).some((digest) => digest !== undefined && digest === values[name]),
    seen: (claims) => [name, digests(claims)[0] ?? null],
  };
}

const tdxRegisters = [isIn("quote/body/rtmr_1", "rtmr_1"), isIn("quote/body/rtmr_2", "rtmr_2")];

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  sample: [
    { claim: "executables", value: 3, all: [isIn("launch_digest", "launch_digest")] },
    {
      claim: "hardware",
      value: 2,
      all: [
        isIn("svn", "svn"),
        equals("platform_version/major", "major_version"),
        // The golden files provision the very version that was seen, the least that the minimum allows.
        equals("platform_version/minor", "minimum_minor_version"),
      ],
    },
    { claim: "configuration", value: 2, all: [is("debug", false)] },
  ],
  snp: [
    { claim: "executables", value: 3, all: [isIn("measurement", "snp_launch_measurement")] },
    { claim: "hardware", value: 2, all: snpTcb("snp_", ["bootloader", "microcode", "snp_svn", "tee_svn"]) },
    {
      claim: "configuration",
      value: 2,
      all: [
        ...snpClosed,
        equals("platform_smt_enabled", "snp_smt_enabled"),
        equals("platform_tsme_enabled", "snp_tsme_enabled"),
        equals("policy_abi_major", "snp_guest_abi_major"),
        equals("policy_abi_minor", "snp_guest_abi_minor"),
        equals("policy_single_socket", "snp_single_socket"),
        equals("policy_smt_allowed", "snp_smt_allowed"),
      ],
    },
    { claim: "configuration", value: 3, all: snpClosed },
  ],
  tdx: [
    {
      claim: "executables",
      value: 3,
      all: [
        ...tdxRegisters,
        event("EV_EFI_BOOT_SERVICES_APPLICATION", "tdvfkernel", (details) => {
          const paths = details["device_paths"];
          return Array.isArray(paths) && paths.includes("File(kernel)");
        }),
        event(
          "EV_EVENT_TAG",
          "tdvfkernelparams",
          (details) => details["string"] === "LOADED_IMAGE::LoadOptions",
        ),
      ],
    },
    { claim: "executables", value: 4, all: tdxRegisters },
    {
      claim: "hardware",
      value: 2,
      all: [
        ...intelTdx,
        isIn("quote/body/mr_td", "mr_td"),
        is("tcb_status", "UpToDate"),
        is("collateral_expiration_status", "0"),
      ],
    },
    {
      claim: "configuration",
      value: 2,
      all: [is("td_attributes/debug", false), isIn("quote/body/xfam", "xfam")],
    },
  ],
  "az-snp-vtpm": [
    {
      claim: "executables",
      value: 3,
      all: [isIn("measurement", "measurement"), isIn("tpm/pcr11", "snp_pcr11")],
    },
    { claim: "hardware", value: 2, all: snpTcb("tcb_", ["bootloader", "microcode", "snp", "tee"]) },
    {
      claim: "configuration",
      value: 2,
      all: [
        // Not in the tables of the reference implementation, which lets a debugger pass.
        is("policy_debug_allowed", "false"),
        isIn("platform_smt_enabled", "smt_enabled"),
        isIn("platform_tsme_enabled", "tsme_enabled"),
        isIn("policy_abi_major", "abi_major"),
        isIn("policy_abi_minor", "abi_minor"),
        isIn("policy_single_socket", "single_socket"),
        isIn("policy_smt_allowed", "smt_allowed"),
      ],
    },
  ],
  "az-tdx-vtpm": [
    { claim: "executables", value: 3, all: [isIn("tpm/pcr11", "tdx_pcr11")] },
    {
      claim: "hardware",
      value: 2,
      all: [
        ...intelTdx,
        isIn("quote/body/mr_td", "mr_td"),
        is("tcb_status", "UpToDate"),
        // Not in the tables of the reference implementation either.
        isNot("collateral_expiration_status", "1"),
      ],
    },
    {
      claim: "configuration",
      value: 2,
      all: [isNot("td_attributes/debug", true), isIn("quote/body/xfam", "xfam")],
    },
  ],
  tpm: [
    { claim: "executables", value: 3, all: [isIn("pcr11", "tpm_pcr11"), isIn("ak_public", "trusted_aks")] },
    { claim: "hardware", value: 2, all: [] },
    { claim: "configuration", value: 0, all: [] },
  ],
  sgx: [
    { claim: "executables", value: 3, all: [isIn("body/mr_enclave", "sgx_mr_enclave")] },
    {
      claim: "hardware",
      value: 2,
      all: [
        is("header/vendor_id", INTEL),
        isIn("tcb_status", "sgx_tcb_statuses"),
        is("collateral_expiration_status", "0"),
      ],
    },
    {
      claim: "configuration",
      value: 2,
      all: [is("debug", false), isIn("body/attributes.flags", "sgx_attributes_flags")],
    },
  ],
  se: [
    { claim: "executables", value: 3, all: [] },
    { claim: "hardware", value: 2, all: [] },
    { claim: "configuration", value: 2, all: [] },
  ],
};

/** A device without hardware has no rows: it is never better than this. */
const INITIAL = { executables: 33, hardware: 97, configuration: 36 };

function rowsOf(tee: string): readonly Row[] {
  if (tee === "sampledevice") return [];
  const rows = TABLES[tee];
  if (rows === undefined) throw new Error(`write down the decision table of ${tee}`);
  return rows;
}

/** @param claims - below the TEE's name */
export function tableVector(
  tee: string,
  claims: JsonObject,
  values: ReferenceValues,
): Record<string, number> {
  const vector: Record<string, number> = {
    "instance-identity": 0,
    "file-system": 0,
    "runtime-opaque": 0,
    "storage-opaque": 0,
    "sourced-data": 0,
    ...INITIAL,
  };
  for (const { claim, value, all } of [...rowsOf(tee)].reverse())
    if (all.every(({ holds }) => holds(claims, values))) vector[claim] = value;
  return vector;
}

/** What an operator would register who wants just this evidence. */
export function valuesSeen(tee: string, claims: JsonObject): ReferenceValues {
  const entries = rowsOf(tee).flatMap(({ all }) => all.flatMap(({ seen }) => (seen ? [seen(claims)] : [])));
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}
