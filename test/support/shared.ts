import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "@jest/globals";

const ROOT = fileURLToPath(new URL("../../../shared/", import.meta.url));

/** Path of a file in the conformance data that may lie beside the checkout. */
export function sharedPath(...parts: readonly string[]): string {
  return ROOT + parts.join("/");
}

/**
 * A suite over data beside the checkout. Without the data it is skipped by name; under CI, where the data
 * must be there, its absence is a failure.
 */
export function describeShared(name: string, folder: string, body: () => void): void {
  if (existsSync(sharedPath(folder))) describe(name, body);
  else if (process.env["CI"] === "true") describe(name, () => missing(folder));
  else describe.skip(`${name} (SKIPPED: ../shared/${folder} is not beside this checkout)`, absent);
}

/** Jest runs the body of a skipped suite to learn its tests, and the real body may read what is not there. */
function absent(): void {
  test("needs that data", () => undefined);
}

function missing(folder: string): never {
  throw new Error(`../shared/${folder} is required in CI and is not there`);
}
