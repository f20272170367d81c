import { describe } from "@jest/globals";
import { opaProgram } from "./opa-server.ts";

/** A suite against OPA; without the program it is skipped by name. */
export function describeOpa(name: string, body: (program: string) => void): void {
  const program = opaProgram();
  if (program !== undefined) describe(name, () => body(program));
  else describe.skip(`${name} (SKIPPED: no OPA; .ci/run installs it)`, () => body(""));
}
