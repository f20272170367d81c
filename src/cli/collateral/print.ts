/** Rows about statements, for people and for programs. */
import { type Bundle, printBundle } from "../../attestation/endorsements/bundle.ts";
import type { JsonObject } from "../../json/value.ts";
import { writeJson } from "../../json/write.ts";
import type { Statement } from "./statements.ts";

const DAY_MILLISECONDS = 86_400_000;

export type State = "good" | "expiring" | "expired" | "not-yet" | "forged";

/** @param withinMilliseconds - how soon before its end a statement is said to be expiring */
export function stateOf(
  { fault, issuedAt, expiresAt }: Statement,
  at: number,
  withinMilliseconds = 0,
): State {
  if (fault !== undefined || issuedAt === undefined || expiresAt === undefined) return "forged";
  if (at < issuedAt) return "not-yet";
  if (at > expiresAt) return "expired";
  return expiresAt - at <= withinMilliseconds ? "expiring" : "good";
}

const MARKS: Readonly<Record<State, string>> = {
  good: "ok",
  expiring: "!!",
  expired: "NO",
  "not-yet": "NO",
  forged: "NO",
};

/** One line per statement, the one that ends first on top. */
export function tableOf(statements: readonly Statement[], at: number, withinMilliseconds = 0): string {
  const width = Math.max(0, ...statements.map(({ title }) => title.length));
  return byEnd(statements)
    .map((statement) => {
      const mark = MARKS[stateOf(statement, at, withinMilliseconds)];
      return `${mark}  ${statement.title.padEnd(width)}  ${periodOf(statement, at)}\n`;
    })
    .join("");
}

function byEnd(statements: readonly Statement[]): Statement[] {
  return [...statements].sort((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0));
}

function periodOf({ fault, issuedAt, expiresAt, number }: Statement, at: number): string {
  if (fault !== undefined || issuedAt === undefined || expiresAt === undefined) return fault ?? "";
  const parts = [`${dayOf(issuedAt)} to ${dayOf(expiresAt)}`, left(issuedAt, expiresAt, at), number];
  return parts.filter((part) => part !== "").join(", ");
}

function left(issuedAt: number, expiresAt: number, at: number): string {
  if (at < issuedAt) return "does not count yet";
  const days = Math.floor(Math.abs(expiresAt - at) / DAY_MILLISECONDS);
  if (at > expiresAt) return `ended ${days} days ago`;
  // Certificates live for decades, of which nobody counts the days.
  return days > 3650 ? "" : `${days} days left`;
}

function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ");
}

/** The same for programs. */
export function jsonOf(statements: readonly Statement[], at: number, withinMilliseconds = 0): JsonObject[] {
  return byEnd(statements).map((statement) => ({
    title: statement.title,
    state: stateOf(statement, at, withinMilliseconds),
    ...("intel" in statement.entry ? { vendor: "intel", ...statement.entry.intel.name } : { vendor: "amd" }),
    ...timeOf("issuedAt", statement.issuedAt),
    ...timeOf("expiresAt", statement.expiresAt),
    ...(statement.number === "" ? {} : { number: statement.number }),
    ...(statement.fault === undefined ? {} : { fault: statement.fault }),
  }));
}

function timeOf(name: string, at: number | undefined): JsonObject {
  return at === undefined ? {} : { [name]: new Date(at).toISOString() };
}

/** The text of a bundle of genuine statements. */
export function bundleText(statements: readonly Statement[], at: number): string {
  const bundle: Bundle = {
    createdAt: new Date(at).toISOString(),
    intel: statements.flatMap(({ entry }) => ("intel" in entry ? [entry.intel] : [])),
    amd: statements.flatMap(({ entry }) => ("amd" in entry ? [entry.amd] : [])),
  };
  return `${writeJson(printBundle(bundle))}\n`;
}
