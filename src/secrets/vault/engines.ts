/** The two versions of Vault's key/value engine (Vault API, secret/kv). */
import type { JsonObject } from "../../json/value.ts";
import { isObject, member } from "../../json/write.ts";
import type { VaultClient } from "../../vault/client.ts";
import { VaultFault } from "../../vault/fault.ts";

export interface KeyValueEngine {
  /** @returns the secret's members, `undefined` when there is none */
  read(place: string, signal: AbortSignal): Promise<JsonObject | undefined>;
  /** @returns false when something is there already and must stay */
  write(place: string, data: JsonObject, overwrite: boolean, signal: AbortSignal): Promise<boolean>;
  /** @returns whether it was there */
  delete(place: string, signal: AbortSignal): Promise<boolean>;
  /** Whether a place that a listing names holds a secret; its value is not read for that. */
  exists(place: string, signal: AbortSignal): Promise<boolean>;
  list(place: string, signal: AbortSignal): Promise<readonly string[]>;
}

/** Writers that come between reading a version and writing the next are let go first, so often. */
const MAX_RACES = 8;

async function orAbsent<T>(ask: Promise<T>): Promise<T | undefined> {
  try {
    return await ask;
  } catch (error) {
    // A mount or a namespace that is not there is the same status with a sentence, and is no absence.
    if (error instanceof VaultFault && error.reason === "not-found" && error.said === "") return undefined;
    throw error;
  }
}

/**
 * Version 1 has neither history nor check-and-set: whether something is there is asked before it is written. Within this
 * process writers take turns, so the question holds; between servers it need not.
 */
export function keyValue1(client: VaultClient, mount: string): KeyValueEngine {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work, work);
    last = done.catch(() => undefined);
    return done;
  };
  const read = async (place: string, signal: AbortSignal) => {
    const answer = await orAbsent(client.read(`${mount}/${place}`, signal));
    const data = answer === undefined ? undefined : member(answer, "data");
    return isObject(data) ? data : undefined;
  };
  return {
    read,
    write: (place, data, overwrite, signal) =>
      inTurn(async () => {
        if (!overwrite && (await read(place, signal)) !== undefined) return false;
        await client.write(`${mount}/${place}`, data, signal);
        return true;
      }),
    delete: (place, signal) =>
      inTurn(async () => {
        if ((await read(place, signal)) === undefined) return false;
        await client.delete(`${mount}/${place}`, signal);
        return true;
      }),
    // This version lists nothing that is not there.
    exists: async () => true,
    list: (place, signal) => client.list(join(mount, place), signal),
  };
}

/** Version 2 keeps history: writing and deleting add to it, and check-and-set decides between writers. */
export function keyValue2(client: VaultClient, mount: string): KeyValueEngine {
  const state = async (place: string, signal: AbortSignal) => {
    const answer = await orAbsent(client.read(`${mount}/metadata/${place}`, signal));
    return versionOf(answer === undefined ? undefined : member(answer, "data"));
  };
  const put = async (place: string, data: JsonObject, cas: number, signal: AbortSignal): Promise<boolean> => {
    try {
      await client.write(`${mount}/data/${place}`, { data, options: { cas } }, signal);
      return true;
    } catch (error) {
      if (error instanceof VaultFault && error.reason === "check-and-set") return false;
      throw error;
    }
  };
  return {
    read: async (place, signal) => {
      const answer = await orAbsent(client.read(`${mount}/data/${place}`, signal));
      const outer = answer === undefined ? undefined : member(answer, "data");
      const data = isObject(outer) ? member(outer, "data") : undefined;
      return isObject(data) ? data : undefined;
    },
    // With check-and-set even when overwriting: a mount may require it, and it costs one question more.
    write: async (place, data, overwrite, signal) => {
      for (let race = 0; race < MAX_RACES; race++) {
        const { current, exists } = await state(place, signal);
        if (exists && !overwrite) return false;
        if (await put(place, data, current, signal)) return true;
      }
      throw new VaultFault("check-and-set");
    },
    delete: async (place, signal) => {
      const { exists } = await state(place, signal);
      if (exists) await client.delete(`${mount}/data/${place}`, signal);
      return exists;
    },
    exists: async (place, signal) => (await state(place, signal)).exists,
    list: (place, signal) => client.list(join(`${mount}/metadata`, place), signal),
  };
}

/** A secret whose newest version was deleted or destroyed is not there, and its number still counts. */
function versionOf(metadata: unknown): { readonly current: number; readonly exists: boolean } {
  const found = isObject(metadata as JsonObject) ? (metadata as JsonObject) : {}; // JSON, or undefined
  const current = member(found, "current_version");
  const versions = member(found, "versions");
  if (typeof current !== "number" || current === 0) return { current: 0, exists: false };
  const newest = isObject(versions) ? member(versions, String(current)) : undefined;
  if (!isObject(newest)) throw new VaultFault("malformed", 200, "metadata without the current version");
  const gone = member(newest, "destroyed") === true || member(newest, "deletion_time") !== "";
  return { current, exists: !gone };
}

function join(mount: string, place: string): string {
  return place === "" ? mount : `${mount}/${place}`;
}
