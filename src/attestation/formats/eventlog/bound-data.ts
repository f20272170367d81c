/**
 * Which data an event's digest covers. The registers vouch for digests; what stands beside them is the guest's word
 * unless the digest is computed from it.
 */
import { digestHex } from "../../../crypto/digest.ts";
import type { HashName } from "./algorithms.ts";
import { isAael } from "./decode/tag.ts";
import { boundText, tdPayloadInfo } from "./decode/text.ts";
import { readVariable, SHIM_LOCK } from "./decode/variable.ts";
import type { LogEvent } from "./event-log.ts";
import { EV } from "./event-types.ts";
import { digestFor } from "./replay.ts";

export interface DigestFault {
  readonly event: number;
  readonly register: number;
  readonly typeName: string;
  readonly reason: string;
}

/** Types whose digest is by definition that of their data (PC Client Platform Firmware Profile §10.4.1). */
const OF_THEIR_DATA: ReadonlySet<number> = new Set([
  EV.separator,
  EV.action,
  EV.efiAction,
  EV.efiVariableDriverConfig,
  EV.efiVariableBoot,
  EV.efiVariableBoot2,
  EV.efiVariableAuthority,
  EV.efiGptEvent,
]);

/**
 * Whether the digest of bank `algorithm` is that of the event's data, or of the part of it that the type says. What is
 * not bound must not be believed.
 */
export function isBound(event: LogEvent, algorithm: HashName): boolean {
  return boundPart(event, algorithm) !== undefined;
}

/** The bytes that the digest is of: the event's data, a part of it, or what its text stands for. */
export function boundPart(event: LogEvent, algorithm: HashName): Buffer | undefined {
  const digest = digestFor(event, algorithm);
  if (digest === undefined) return undefined;
  const hex = digest.toString("hex");
  if (digestHex(algorithm, event.data) === hex) return event.data;
  return otherData(event).find((data) => digestHex(algorithm, data) === hex);
}

/** Data that a type's digest covers instead of the whole. */
function otherData(event: LogEvent): readonly Buffer[] {
  switch (event.type) {
    // Older firmware measures a boot variable without its name; older shim its own certificate.
    case EV.efiVariableBoot:
    case EV.efiVariableAuthority:
      return variableData(event.data);
    case EV.action:
    case EV.efiAction:
      return event.data.at(-1) === 0 ? [event.data.subarray(0, -1)] : [];
    case EV.ipl:
      return boundText(event.data).map(({ covered }) => covered);
    case EV.platformConfigFlags:
      return payloadData(event.data);
    default:
      return [];
  }
}

function payloadData(bytes: Buffer): Buffer[] {
  const payload = tdPayloadInfo(bytes);
  return payload === undefined ? [] : [payload.covered];
}

function variableData(bytes: Buffer): Buffer[] {
  const variable = readVariable(bytes);
  if (variable === undefined) return [];
  // Older shim counted one byte too few when it measured the certificate that it carries.
  return variable.guid === SHIM_LOCK ? [variable.data, bytes.subarray(0, -1)] : [variable.data];
}

/** An event whose type says what the digest is, and whose digest is something else. */
export function digestFault(event: LogEvent, algorithm: HashName): DigestFault | undefined {
  if (!demandsOwnDigest(event) || isBound(event, algorithm)) return undefined;
  const { index, register, typeName } = event;
  const reason = `event ${index} (${typeName}) has a digest that is not that of its data`;
  return { event: index, register, typeName, reason };
}

function demandsOwnDigest(event: LogEvent): boolean {
  if (event.kind === "ima" || event.kind === "cos") return true;
  if (event.kind !== "pcclient") return false;
  return OF_THEIR_DATA.has(event.type) || (event.type === EV.eventTag && isAael(event.data));
}
