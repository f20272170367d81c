import { readTemplateData, templateFields } from "../ima/template.ts";
import { readBootOrder, readLoadOption, readPartitionTable, versionText } from "./decode/boot.ts";
import { utf8Text } from "./decode/efi.ts";
import { authorityCertificate, readSignatureLists } from "./decode/signature-list.ts";
import { INITRD_TAG, LOAD_OPTIONS_TAG, readAgentEvent, readTag } from "./decode/tag.ts";
import { iplText, type TextSource, tdPayloadInfo } from "./decode/text.ts";
import { type EfiVariable, readVariable } from "./decode/variable.ts";
import { readSipaEvents } from "./decode/windows.ts";
import { imagePath } from "./details.ts";
import { EventLogError, type LogEvent } from "./event-log.ts";
import { EV } from "./event-types.ts";

type Explain = (data: Buffer) => string | undefined;

/** Longest sentence: event data may hold whole GRUB menus. */
const MOST_CHARACTERS = 200;

/** One line for a person: what was measured. It repeats what the log says, whether or not the digest covers it. */
export function eventMeaning(event: LogEvent): string {
  const text = event.text ?? explain(event) ?? GENERAL.get(event.type) ?? "not described";
  const line = text.replace(/\p{Cc}+/gu, " ").trim();
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}

function explain(event: LogEvent): string | undefined {
  if (event.kind === "ima") return `measured by IMA: ${imaPath(event) ?? "?"}`;
  if (event.kind !== "pcclient") return "content of a kind that is not described";
  return EXPLAINERS.get(event.type)?.(event.data);
}

function imaPath({ template, data, position }: LogEvent): string | undefined {
  const fields = templateFields(template ?? "");
  try {
    return fields && readTemplateData(fields, data, position).path;
  } catch (error) {
    if (error instanceof EventLogError) return undefined;
    throw error;
  }
}

/** What a type means when its data says no more. */
const GENERAL: ReadonlyMap<number, string> = new Map([
  [EV.prebootCert, "certificate of the host platform"],
  [EV.postCode, "firmware code"],
  [EV.noAction, "remark, not measured"],
  [EV.crtmContents, "code that started the measuring"],
  [EV.crtmVersion, "firmware version"],
  [EV.cpuMicrocode, "processor microcode"],
  [EV.platformConfigFlags, "platform configuration"],
  [EV.tableOfDevices, "table of devices"],
  [EV.compactHash, "operating system loader's value"],
  [EV.ipl, "boot loader"],
  [EV.nonhostInfo, "code outside the host processor"],
  [EV.omitBootDeviceEvents, "boot devices are not measured"],
  [EV.efiBootServicesApplication, "UEFI application loaded"],
  [EV.efiBootServicesDriver, "UEFI driver loaded"],
  [EV.efiRuntimeServicesDriver, "UEFI run-time driver loaded"],
  [EV.efiGptEvent, "partition table"],
  [EV.efiFirmwareBlob, "firmware volume"],
  [EV.efiFirmwareBlob2, "firmware volume"],
  [EV.efiHandoffTables, "tables handed to the operating system"],
  [EV.efiHandoffTables2, "tables handed to the operating system"],
  [EV.eventTag, "tagged event"],
]);

const EXPLAINERS: ReadonlyMap<number, Explain> = new Map<number, Explain>([
  [EV.noAction, remark],
  [EV.separator, separator],
  [EV.postCode, named("firmware code")],
  [EV.action, named("action")],
  [EV.efiAction, named("action")],
  [EV.platformConfigFlags, platformFlags],
  [EV.crtmVersion, (data) => `firmware version ${versionText(data)}`],
  [EV.ipl, ipl],
  [EV.eventTag, tagged],
  [EV.efiVariableDriverConfig, variable],
  [EV.efiVariableBoot, variable],
  [EV.efiVariableBoot2, variable],
  [EV.efiVariableAuthority, authority],
  [EV.efiBootServicesApplication, image("UEFI application")],
  [EV.efiBootServicesDriver, image("UEFI driver")],
  [EV.efiRuntimeServicesDriver, image("UEFI run-time driver")],
  [EV.efiGptEvent, partitions],
  [EV.efiFirmwareBlob2, described("firmware volume")],
  [EV.efiHandoffTables2, described("table handed over:")],
]);

function named(what: string): Explain {
  return (data) => {
    const text = utf8Text(data);
    return text === undefined || text.includes("\u0001") ? undefined : `${what}: ${text}`;
  };
}

function described(what: string): Explain {
  return (data) => {
    const text = utf8Text(data.subarray(1, Math.max(1, data[0] ?? 0)));
    return text === undefined ? undefined : `${what} ${text}`;
  };
}

function image(what: string): Explain {
  return (data) => {
    const path = imagePath(data);
    return path === undefined ? undefined : `${what} ${path.join("/")}`;
  };
}

const REMARKS: readonly (readonly [start: string, meaning: string])[] = [
  ["StartupLocality\0", "locality at which the TPM was started"],
  ["SP800-155 Event", "reference to the manufacturer's reference values"],
  ["Spec ID Event", "header of a log"],
];

function remark(data: Buffer): string | undefined {
  const text = data.toString("latin1", 0, 16);
  const found = REMARKS.find(([start]) => text.startsWith(start));
  if (found === undefined) return undefined;
  return text.startsWith("StartupLocality") ? `${found[1]}: ${data[16] ?? "?"}` : `${found[1]}, not measured`;
}

function separator(data: Buffer): string {
  const hex = data.toString("hex", 0, 16);
  return hex === "00000000" || hex === "ffffffff"
    ? "separator: firmware is done with this register"
    : `separator that reports an error: ${hex}`;
}

function platformFlags(data: Buffer): string | undefined {
  const payload = tdPayloadInfo(data);
  if (payload !== undefined) return `kernel command line from td-shim: ${payload.text}`;
  const end = data.indexOf(0);
  const text = utf8Text(end < 0 ? data : data.subarray(0, end));
  return text === undefined || text === "" ? undefined : `platform configuration: ${text}`;
}

const TEXTS: Readonly<Record<TextSource, string>> = {
  "grub-command": "GRUB command:",
  "grub-kernel-cmdline": "kernel command line from GRUB:",
  "grub-module-cmdline": "module command line from GRUB:",
  "stub-section": "section of a unified kernel image:",
  "stub-text": "text from the boot stub:",
  label: "read by the boot loader:",
};

function ipl(data: Buffer): string | undefined {
  const said = iplText(data);
  if (said === undefined) return undefined;
  if (/^MokList/.test(said.text)) return `shim's ${said.text}`;
  return `${TEXTS[said.source]} ${said.text}`;
}

/** What systemd tags (systemd, src/fundamental/tpm2-pcr.h). */
const TAGS: ReadonlyMap<number, string> = new Map([
  [INITRD_TAG, "initial RAM disk"],
  [LOAD_OPTIONS_TAG, "kernel command line as handed over"],
  [0xf5bc582a, "systemd-boot's loader.conf"],
  [0x6c46f751, "device tree add-on"],
  [0x49dffe0f, "initial RAM disk add-on"],
  [0xdac08e1a, "microcode add-on"],
  [0x13aed6db, "profile of the unified kernel image"],
  [0xd5cb7cbc, "SMBIOS system information"],
  [0xe0d47bc8, "SMBIOS baseboard information"],
  [0xc0b3bd23, "SMBIOS OEM strings"],
]);

function tagged(data: Buffer): string | undefined {
  const agent = readAgentEvent(data);
  if (agent !== undefined) {
    const { domain, operation, content } = agent;
    const text =
      typeof content === "string" ? content : data.subarray(8).toString("utf8").split(" ").slice(2).join(" ");
    return `attestation agent: ${domain} ${operation} ${text}`;
  }
  const events = readSipaEvents(data);
  if (events !== undefined) return `Windows: ${events.length} measurements`;
  const tag = readTag(data);
  return tag === undefined ? undefined : (TAGS.get(tag.id) ?? `tag 0x${tag.id.toString(16)}`);
}

function variable(data: Buffer): string | undefined {
  const found = readVariable(data);
  if (found === undefined) return undefined;
  const value = variableValue(found);
  return value === undefined ? `UEFI variable ${found.name}` : `UEFI variable ${found.name}: ${value}`;
}

const SWITCHES: ReadonlySet<string> = new Set(["SecureBoot", "SetupMode", "AuditMode", "DeployedMode"]);

function variableValue({ name, data }: EfiVariable): string | undefined {
  if (SWITCHES.has(name) && data.length === 1) return data[0] === 1 ? "on" : "off";
  if (["PK", "KEK", "db", "dbx"].includes(name)) return data.length === 0 ? "empty" : database(data);
  if (name === "BootOrder") return readBootOrder(data)?.join(", ");
  return /^Boot[0-9A-F]{4}$/i.test(name) ? readLoadOption(data)?.description : undefined;
}

function database(data: Buffer): string | undefined {
  const entries = readSignatureLists(data);
  if (entries === undefined) return undefined;
  const certificates = entries.filter(({ kind }) => kind === "x509").length;
  return `${certificates} certificates, ${entries.length - certificates} hashes`;
}

function authority(data: Buffer): string | undefined {
  const found = readVariable(data);
  if (found === undefined) return undefined;
  if (found.name === "SbatLevel") return `shim's revocation level: ${found.data.toString("latin1")}`;
  const certificate = authorityCertificate(found.data);
  return certificate === undefined
    ? `trusted by ${found.name}`
    : `image admitted by ${found.name}: ${certificate.subject}`;
}

function partitions(data: Buffer): string | undefined {
  const table = readPartitionTable(data);
  return table && `partition table of disk ${table.diskGuid}: ${table.partitions.length} partitions`;
}
