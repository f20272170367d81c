import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { describeShared, sharedPath } from "../../support/shared.ts";
import { VaultServer } from "../../support/vault-server.ts";

interface Exchange {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly [string, string][];
    readonly body?: string;
  };
  readonly response: {
    readonly status: number;
    readonly headers: readonly [string, string][];
    readonly body: string;
  };
}

/** Members whose values are of the moment, and so may differ; that they are there and of one type must not. */
const VOLATILE =
  /id$|_?time$|token$|accessor|^ttl$|seconds|expire|created|updated|deletion|rules|wrapped|display_name|creation|server_time|warnings/;

describeShared("the stand-in for Vault answers as the recorded server", "fixtures/vault", () => {
  test("every exchange, in order: status, sentences, and every member of the body", async () => {
    const recorded: Exchange[] = JSON.parse(
      readFileSync(sharedPath("fixtures/vault/openbao-node-vault.json"), "utf8"),
    );
    expect(recorded.length).toBeGreaterThan(40);
    const server = await VaultServer.start();
    /** What the recorded server made up → what this one made up for the same. */
    const renamed = new Map<string, string>();
    const rename = (text: string) => [...renamed].reduce((all, [from, to]) => all.replaceAll(from, to), text);
    try {
      for (const [at, { request, response }] of recorded.entries()) {
        const headers = request.headers
          .filter(([name]) => /^x-vault-|content-type/i.test(name))
          .map(([name, value]) => [name, rename(value)] as [string, string]);
        const body = rename(request.body ?? "");
        const isList = request.method === "LIST";
        const answer = await fetch(`${server.address}${request.path}${isList ? "?list=true" : ""}`, {
          method: isList ? "GET" : request.method,
          headers,
          redirect: "manual",
          ...(["GET", "LIST", "DELETE"].includes(request.method) || body === "" ? {} : { body }),
        });
        const text = await answer.text();
        const where = `${at}: ${request.method} ${request.path}`;
        expect([where, answer.status]).toEqual([where, response.status]);
        expect([where, text === ""]).toEqual([where, response.body === ""]);
        if (text === "") continue;
        const [own, theirs] = [JSON.parse(text), JSON.parse(response.body)];
        expect([where, shape(own)]).toEqual([where, shape(theirs)]);
        learn(theirs, own, renamed);
      }
    } finally {
      await server.stop();
    }
  });
});

/** The value with what is of the moment replaced by its type. */
function shape(value: unknown, name = ""): unknown {
  if (Array.isArray(value))
    return name === "policies" || name === "token_policies" ? "policies" : value.map((one) => shape(one));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.keys(value)
        .sort()
        .map((key) => [key, shape(Reflect.get(value, key), key)]),
    );
  return VOLATILE.test(name) && value !== null && value !== "" ? typeof value : value;
}

function learn(theirs: unknown, own: unknown, renamed: Map<string, string>): void {
  if (typeof theirs !== "object" || theirs === null || typeof own !== "object" || own === null) return;
  for (const [name, value] of Object.entries(theirs)) {
    const mine: unknown = Reflect.get(own, name);
    if (
      /^(client_token|secret_id|role_id|token)$/.test(name) &&
      typeof value === "string" &&
      typeof mine === "string"
    )
      renamed.set(value, mine);
    else learn(value, mine, renamed);
  }
}
