import { readPartitionTable } from "../decode/boot.ts";
import { GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE, readVariable, SHIM_LOCK } from "../decode/variable.ts";
import { EV } from "../event-types.ts";
import type { CoveredEvent } from "./collector.ts";

const VENDORS: readonly string[] = [GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE, SHIM_LOCK];
const MOST_ACTION_CHARACTERS = 128;

/**
 * Whether the event is certainly no code: bound, and of a form that no executable has. The type alone says nothing, for it
 * is not part of the digest: a loaded image could be called an action, with the image itself for data.
 */
export function isNoCode({ event, bound }: CoveredEvent): boolean {
  if (!bound || event.kind !== "pcclient") return false;
  const { type, data } = event;
  if (type === EV.separator) return data.length === 4;
  if (type === EV.efiAction || type === EV.action)
    return data.length <= MOST_ACTION_CHARACTERS && /^[\x20-\x7e]*\0?$/.test(data.toString("latin1"));
  if (type === EV.efiGptEvent) return readPartitionTable(data) !== undefined;
  // Of known vendors only: these GUIDs are no beginning of an executable.
  const variable = readVariable(data);
  return variable !== undefined && VENDORS.includes(variable.guid);
}
