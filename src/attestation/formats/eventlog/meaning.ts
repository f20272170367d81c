import type { LogEvent } from "./event-log.ts";

/** One sentence for a person: what was measured. */
export function eventMeaning(event: LogEvent): string {
  return event.text ?? event.typeName;
}
