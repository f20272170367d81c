import { CommandFailure, EXIT } from "../world.ts";
import type { LocalError } from "./load.ts";

/** One line for each error on stderr, the whole list for scripts. */
export function failed(errors: readonly LocalError[]): CommandFailure {
  return new CommandFailure(EXIT.refused, errors.map(errorText).join("\n"), { errors });
}

/** `file:row:col: code: message`. */
export function errorText({ code, message, location }: LocalError): string {
  if (location === undefined) return `${code}: ${message}`;
  const { file, row, col } = location;
  return `${file === "" ? "query" : file}:${row}:${col}: ${code}: ${message}`;
}
