import type { JsonObject, JsonValue } from "../../../../json/value.ts";
import { readBootOrder, readLoadOption, readPartitionTable, versionText } from "../decode/boot.ts";
import { fileOf } from "../decode/device-path.ts";
import { utf8Text } from "../decode/efi.ts";
import { readVariable } from "../decode/variable.ts";
import type { LogEvent } from "../event-log.ts";
import { EV, isKnownType } from "../event-types.ts";
import { belongsTo } from "../registers.ts";
import { isGoodSeparator } from "../separators.ts";
import { BoundedList, type CoveredEvent, type FactCollector } from "./collector.ts";

const EXIT_BOOT_SERVICES = "Exit Boot Services Returned with Success";
const [FIRMWARE, CONFIGURATION, BOOT_CONFIGURATION] = [0, 1, 5];
/** Firmware: version, boot variables, partitions, separators, the end of boot services. */
export class PlatformFacts implements FactCollector {
  readonly #separators = new Set<number>();
  readonly #separatorErrors = new BoundedList<JsonValue>({ reason: "more" });
  readonly #unknownTypes = new Set<number>();
  readonly #bootEntries = new BoundedList<JsonValue>({ name: "", description: "", path: "" });
  readonly #tables = new BoundedList<JsonValue>({ disk_guid: "", partitions: [] });
  #bootOrder: readonly string[] | undefined;
  #version: string | undefined;
  #exited = false;

  add(covered: CoveredEvent): void {
    const { event, bound, kind } = covered;
    if (event.kind !== "pcclient") return;
    if (!isKnownType(event.type) && this.#unknownTypes.size < 100) this.#unknownTypes.add(event.type);
    if (event.type === EV.separator) this.#separator(event);
    if (!bound) return;
    if (event.type === EV.crtmVersion && belongsTo(event, FIRMWARE, kind))
      this.#version ??= versionText(event.data);
    if (event.type === EV.efiGptEvent && belongsTo(event, BOOT_CONFIGURATION, kind))
      this.#partitions(event.data);
    if (event.type === EV.efiAction && belongsTo(event, BOOT_CONFIGURATION, kind))
      this.#exited ||= utf8Text(event.data)?.replace(/\0$/, "") === EXIT_BOOT_SERVICES;
    const isBoot = event.type === EV.efiVariableBoot || event.type === EV.efiVariableBoot2;
    if (isBoot && belongsTo(event, CONFIGURATION, kind)) this.#bootVariable(event.data);
  }

  /** A separator says that firmware is done with the register; it comes once, and its value says how it went. */
  #separator({ register, data, index }: LogEvent): void {
    if (this.#separators.has(register))
      this.#separatorErrors.add({ register, event: index, reason: "second separator" });
    this.#separators.add(register);
    if (!isGoodSeparator(data))
      this.#separatorErrors.add({
        register,
        event: index,
        reason: `value ${data.subarray(0, 16).toString("hex")}`,
      });
  }

  #partitions(data: Buffer): void {
    const table = readPartitionTable(data);
    if (table === undefined) return;
    const partitions = table.partitions.map(({ type, guid, firstLba, lastLba, name }) => ({
      type,
      guid,
      first_lba: firstLba,
      last_lba: lastLba,
      name,
    }));
    this.#tables.add({ disk_guid: table.diskGuid, partitions });
  }

  #bootVariable(bytes: Buffer): void {
    const variable = readVariable(bytes);
    if (variable === undefined) return;
    if (variable.name === "BootOrder") this.#bootOrder ??= readBootOrder(variable.data);
    const option = /^Boot[0-9A-F]{4}$/i.test(variable.name) ? readLoadOption(variable.data) : undefined;
    if (option === undefined) return;
    const path = fileOf(option.path) ?? option.path.join("/");
    this.#bootEntries.add({
      name: variable.name,
      description: option.description,
      active: option.active,
      path,
    });
  }

  facts(): JsonObject {
    return {
      ...(this.#version === undefined ? {} : { crtm_version: this.#version }),
      ...(this.#bootOrder === undefined ? {} : { boot_order: this.#bootOrder }),
      ...(this.#bootEntries.empty ? {} : { boot_entries: this.#bootEntries.items }),
      ...(this.#tables.empty ? {} : { gpt: this.#tables.items }),
      exit_boot_services: this.#exited,
      separator_errors: this.#separatorErrors.items,
      unknown_types: [...this.#unknownTypes],
    };
  }
}
