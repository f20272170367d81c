import { readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";
import { isArray } from "../json/write.ts";
import type { HttpAnswer } from "./http-client.ts";
import { refused } from "./world.ts";

/** @throws CommandFailure (refused) when the server's answer is not JSON */
export function readAnswer(answer: HttpAnswer): JsonValue {
  try {
    return readJson(answer.body);
  } catch {
    throw refused("The server's answer is not JSON; is --url the address of a Keywarden server?");
  }
}

/** @throws CommandFailure (refused) when the server's answer is not a list of strings */
export function readStringList(answer: HttpAnswer): readonly string[] {
  const value = readAnswer(answer);
  if (!isArray(value)) throw unexpected();
  return value.map((item) => {
    if (typeof item !== "string") throw unexpected();
    return item;
  });
}

function unexpected(): Error {
  return refused("The server's answer is not a list of names; is --url the address of a Keywarden server?");
}
