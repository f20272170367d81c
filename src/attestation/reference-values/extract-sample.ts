import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { isObject } from "../../json/write.ts";
import { Collected, type Extraction, malformed } from "./manifest.ts";

/** Type `sample`: a JSON object from names to values. Nothing in it is signed. @throws KbsError */
export function extractSample(payload: Buffer): Extraction {
  const value = readPayloadJson(payload);
  if (!isObject(value))
    throw malformed("payload-malformed", "the payload must be a JSON object from names to values");
  const collected = new Collected();
  for (const [name, each] of Object.entries(value)) collected.add(name, each);
  return collected.finish();
}

/** @throws KbsError `reference-value-invalid` with the position */
export function readPayloadJson(payload: Buffer): JsonValue {
  try {
    return readJson(payload);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw malformed(
      "payload-malformed",
      `the payload is not acceptable JSON: ${error.message}`,
      placeIn(payload.toString("utf8"), error.position),
    );
  }
}

/** `line 3, column 7`; both count from 1. */
export function placeIn(text: string, position: number): string {
  const before = text.slice(0, position).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}
