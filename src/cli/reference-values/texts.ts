import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member, writeJson } from "../../json/write.ts";
import { escapeActiveCharacters } from "../../observability/printable.ts";
import { refused } from "../world.ts";

/** Answers of the administration API about reference values, as lines for a person. */

const MAX_SHOWN_NAMES = 20;

/** What became of a registration; only a Keywarden server tells, and only where it was asked to. */
export function registrationText(answer: JsonValue | undefined, fallback: string): string {
  if (!isObject(answer)) return `${fallback}\n`;
  const names = textsOf(member(answer, "names"));
  const lines = [
    `Registered ${counted(names.length)} until ${text(answer, "expiresAt")}; ${vouchedFor(answer)}:`,
  ];
  for (const name of names.slice(0, MAX_SHOWN_NAMES)) lines.push(`  ${printable(name)}`);
  if (names.length > MAX_SHOWN_NAMES) lines.push(`  and ${names.length - MAX_SHOWN_NAMES} more`);
  for (const remark of textsOf(member(answer, "remarks"))) lines.push(`note: ${printable(remark)}`);
  return `${lines.join("\n")}\n`;
}

/** Everything known about a value, one fact a line. */
export function descriptionText(value: JsonObject): string {
  const facts = [
    ["name", text(value, "name")],
    ["value", writeJson(member(value, "value") ?? null)],
    [
      "expires",
      `${text(value, "expiresAt")}${member(value, "expired") === true ? " (expired: policies see null)" : ""}`,
    ],
    [
      "set",
      `${text(value, "at")} by ${text(value, "by")}, version ${String(member(value, "version") ?? "")}`,
    ],
    ...provenanceFacts(value),
    ["used by", textsOf(member(value, "usedBy")).join(", ") || "no policy in force"],
  ];
  return facts.map(([name = "", fact = ""]) => `${`${name}:`.padEnd(14)}${printable(fact)}\n`).join("");
}

/** One value a line: name, expiry, who vouches, where from, which policies ask for it. */
export function listText(values: readonly JsonObject[]): string {
  const rows = values.map((value) => [
    printable(text(value, "name")),
    `${text(value, "expiresAt")}${member(value, "expired") === true ? " EXPIRED" : ""}`,
    voucherOf(value),
    provenanceOf(value, "source"),
    textsOf(member(value, "usedBy")).join(",") || "-",
  ]);
  const all = [["NAME", "EXPIRES", "VOUCHED FOR BY", "FROM", "USED BY"], ...rows];
  const widths = [0, 1, 2, 3].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** @throws CommandFailure (refused) when the answer is not a list of named values */
export function listOf(answer: JsonValue): readonly JsonObject[] {
  const items = isArray(answer) ? answer : [undefined];
  return items.map((item) => {
    if (isObject(item) && typeof member(item, "name") === "string") return item;
    throw refused("The server's answer is not a list of reference values.");
  });
}

function counted(count: number): string {
  return count === 1 ? "1 value" : `${count} values`;
}

function vouchedFor(answer: JsonObject): string {
  return `${voucherOf(answer)} vouches for ${textsOf(member(answer, "names")).length === 1 ? "it" : "them"}`;
}

function voucherOf(value: JsonObject): string {
  const signer = provenanceOf(value, "signer");
  if (signer !== "") return `signer ${printable(signer)}`;
  const administrator = provenanceOf(value, "administrator") || text(value, "by");
  return administrator === "" ? "nobody known" : `administrator ${printable(administrator)}`;
}

function provenanceFacts(value: JsonObject): readonly (readonly string[])[] {
  const facts = [
    ["vouched by", voucherOf(value)],
    ["signer's key", provenanceOf(value, "signerKey")],
    ["sent by", provenanceOf(value, "signer") === "" ? "" : provenanceOf(value, "administrator")],
    ["from", provenanceOf(value, "source")],
    ["payload", provenanceOf(value, "payloadDigest")],
    ["made", provenanceOf(value, "issuedAt")],
  ];
  return facts.filter(([, fact]) => fact !== "");
}

function provenanceOf(value: JsonObject, name: string): string {
  const provenance = member(value, "provenance");
  return isObject(provenance) ? text(provenance, name) : "";
}

function text(object: JsonObject, name: string): string {
  const value = member(object, name);
  return typeof value === "string" ? value : "";
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** What a terminal would act upon is shown as an escape; names may hold such characters, and servers may lie. */
function printable(value: string): string {
  return escapeActiveCharacters(value.replaceAll(/\p{Cc}/gu, " "));
}
