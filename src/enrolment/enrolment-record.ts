/** What is kept of one enrolment: a key of one TPM, and who let it in. */
import type { EnrolledAk, EnrolmentStatus } from "../attestation/formats/tpm2/ak-registry.ts";
import type { ClockInfo } from "../attestation/formats/tpm2/attest.ts";
import { JsonSyntaxError, readJson } from "../json/read.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { isObject, member, writeJson } from "../json/write.ts";

/** Everything but the counters, which change with every quote and rest apart. */
export interface Enrolment extends Omit<EnrolledAk, "lastClock"> {
  /** The key itself, DER SubjectPublicKeyInfo in base64, as the list `trusted_aks` holds keys. */
  readonly akSpki: string;
  /** RFC 3339, UTC. */
  readonly enrolledAt: string;
  /** Who decided last: an administrator's name, or what the program calls itself. */
  readonly decidedBy: string;
  readonly decidedAt: string;
}

const STATUSES: readonly EnrolmentStatus[] = ["approved", "pending", "revoked"];
const TEXTS = [
  "akFingerprint",
  "akName",
  "akSpki",
  "ekFingerprint",
  "host",
  "enrolledAt",
  "decidedBy",
  "decidedAt",
] as const;
const IDENTITY = ["manufacturer", "model", "firmwareVersion"] as const;

export function enrolmentJson(enrolment: Enrolment): JsonObject {
  const { status, ekTrust } = enrolment;
  const identity = IDENTITY.flatMap((name) => {
    const value = enrolment[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    status,
    ekTrust,
    ...Object.fromEntries(TEXTS.map((name) => [name, enrolment[name]])),
    ...Object.fromEntries(identity),
  };
}

/** @throws Error saying what is wrong: a record that cannot be read must not be taken for an absent one */
export function readEnrolment(text: string): Enrolment {
  const json = readObject(text);
  const [akFingerprint, akName, akSpki, ekFingerprint, host, enrolledAt, decidedBy, decidedAt] = TEXTS.map(
    (name) => textOf(json, name),
  ) as [string, string, string, string, string, string, string, string]; // one text for each name of TEXTS
  const status = STATUSES.find((one) => one === member(json, "status"));
  const ekTrust = (["certificate", "listed"] as const).find((one) => one === member(json, "ekTrust"));
  if (status === undefined || ekTrust === undefined) throw new Error("status or ekTrust is unknown");
  const identity = Object.fromEntries(
    IDENTITY.filter((name) => Object.hasOwn(json, name)).map((name) => [name, textOf(json, name)]),
  );
  return {
    status,
    ekTrust,
    akFingerprint,
    akName,
    akSpki,
    ekFingerprint,
    host,
    enrolledAt,
    decidedBy,
    decidedAt,
    ...identity,
  };
}

/** Counters of the last quote that verified. */
export function printClock({ clock, resetCount, restartCount, safe }: ClockInfo): string {
  return writeJson({ clock, resetCount, restartCount, safe });
}

/** @throws Error saying what is wrong */
export function readClock(text: string): ClockInfo {
  const json = readObject(text);
  const clock = member(json, "clock");
  const [resetCount, restartCount] = [member(json, "resetCount"), member(json, "restartCount")];
  const safe = member(json, "safe");
  if ((typeof clock !== "number" && typeof clock !== "bigint") || typeof safe !== "boolean")
    throw new Error("clock or safe is malformed");
  if (typeof resetCount !== "number" || typeof restartCount !== "number")
    throw new Error("resetCount or restartCount is malformed");
  return { clock: BigInt(clock), resetCount, restartCount, safe };
}

function readObject(text: string): JsonObject {
  const json: JsonValue = parse(text);
  if (!isObject(json)) throw new Error("not a JSON object");
  return json;
}

function parse(text: string): JsonValue {
  try {
    return readJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonSyntaxError)) throw cause;
    throw new Error(`not JSON: ${cause.message}`, { cause });
  }
}

function textOf(json: JsonObject, name: string): string {
  const value = member(json, name);
  if (typeof value !== "string" || value === "") throw new Error(`${name} is missing`);
  return value;
}
