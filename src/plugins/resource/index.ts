import { KbsError } from "../../errors.ts";
import { parseResourcePath, type ResourcePath } from "../../protocol/resource-path.ts";
import type { SecretStore } from "../../secrets/secret-store.ts";
import type { Plugin, PluginAnswer, PluginRequest } from "../plugin.ts";

const DONE: PluginAnswer = { body: new Uint8Array(0), contentType: undefined, encrypted: false };

type Operation = (
  store: SecretStore,
  path: ResourcePath,
  body: Uint8Array,
  signal: AbortSignal,
) => Promise<PluginAnswer>;

const OPERATIONS: Readonly<Partial<Record<PluginRequest["method"], Operation>>> = {
  GET: async (store, path, _, signal) => {
    const body = await store.get(path, signal);
    if (body === undefined) throw notFound();
    return { body, contentType: "application/octet-stream", encrypted: true };
  },
  POST: async (store, path, body, signal) => {
    await store.put(path, body, { overwrite: true }, signal);
    return DONE;
  },
  DELETE: async (store, path, _, signal) => {
    if (!(await store.delete(path, signal))) throw notFound();
    return DONE;
  },
};

/**
 * `/kbs/v0/resource/<repository>/<type>/<tag>`: guests get, administrators set and delete (KBS protocol 0.4.0
 * §6.1). Bytes are kept and given back as they came.
 */
export function resourcePlugin(store: SecretStore): Plugin {
  return {
    name: "resource",
    access: (method) => (method === "GET" ? "token" : "admin"),
    async handle({ method, path, body }, signal) {
      const operation = OPERATIONS[method];
      if (operation === undefined)
        throw new KbsError("method-not-allowed", "A resource takes GET, POST and DELETE.");
      return operation(store, parseResourcePath(path), body, signal);
    },
  };
}

function notFound(): KbsError {
  return new KbsError("not-found", "There is no resource at this path.");
}
