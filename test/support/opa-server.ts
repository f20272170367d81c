/** A real OPA, where continuous integration has installed one: the reference our engine is compared with. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readJsonText } from "../../src/policy/rego/index.ts";

/** Path of the program, or undefined: `KEYWARDEN_OPA` when it is set, else where `.ci/run` installs it. */
export function opaProgram(): string | undefined {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const path = process.env["KEYWARDEN_OPA"] ?? join(cache, "keywarden", "bin", "opa");
  return existsSync(path) ? path : undefined;
}

export interface OpaError {
  readonly code: string;
  readonly message: string;
  readonly location?: { readonly row: number; readonly col: number };
}
/** What a request to OPA came to. */
export type OpaAnswer =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "undefined" }
  | { readonly kind: "error"; readonly errors: readonly OpaError[] };

const START_ATTEMPTS = 200;

/** OPA's server on a socket in a folder of its own: no port to choose and none to guess. */
export class OpaServer {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #agent: Agent = new Agent({ keepAlive: true });

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  /** @throws Error when it does not answer within ten seconds */
  static async start(program: string): Promise<OpaServer> {
    const folder = mkdtempSync(join(tmpdir(), "keywarden-opa-"));
    const flags = ["--disable-telemetry", "--log-level=error", "--addr", `unix://${join(folder, "socket")}`];
    const child = spawn(program, ["run", "--server", ...flags], { stdio: "ignore" });
    const server = new OpaServer(child, folder);
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
      if (await server.#isUp()) return server;
      await sleep(50);
    }
    server.stop();
    throw new Error("OPA does not start");
  }

  stop(): void {
    this.#agent.destroy();
    this.#child.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #isUp(): Promise<boolean> {
    try {
      await this.#send("GET", "/health", "");
      return true;
    } catch {
      return false;
    }
  }

  /** @param value - put at `data.<name>` */
  async putData(name: string, value: unknown): Promise<void> {
    await this.#send("PUT", `/v1/data/${name}`, jsonText(value));
  }

  /** Replaces the one module of this server. Undefined when OPA accepts it. */
  async putModule(text: string): Promise<readonly OpaError[] | undefined> {
    return errorsOf(await this.#send("PUT", "/v1/policies/module.rego", text));
  }

  /** @param path - below `data`, with slashes */
  async evaluate(path: string, input: unknown, strict: boolean): Promise<OpaAnswer> {
    const body = input === undefined ? "{}" : `{"input": ${jsonText(input)}}`;
    const answer = await this.#send("POST", `/v1/data/${path}?strict-builtin-errors=${strict}`, body);
    const errors = errorsOf(answer);
    if (errors !== undefined) return { kind: "error", errors };
    const document = answer as { readonly result?: unknown }; // OPA's own answer: an object
    return "result" in document ? { kind: "value", value: document.result } : { kind: "undefined" };
  }

  #send(method: string, path: string, body: string): Promise<unknown> {
    const options = { socketPath: join(this.#folder, "socket"), method, path, agent: this.#agent };
    return new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve(read(Buffer.concat(chunks).toString("utf8"))));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

function read(text: string): unknown {
  return text.trim() === "" ? {} : readJsonText(text);
}

function errorsOf(answer: unknown): readonly OpaError[] | undefined {
  const document = answer as { code?: string; message?: string; errors?: readonly OpaError[] }; // OPA's own
  if (document.errors !== undefined && document.errors.length > 0) return document.errors;
  if (typeof document.code !== "string") return undefined;
  return [{ code: document.code, message: document.message ?? "" }];
}

/** JSON with integers of any size. */
export function jsonText(value: unknown): string {
  const big = new Map<string, string>();
  const text = JSON.stringify(value, (_, member: unknown) => {
    if (typeof member !== "bigint") return member;
    const mark = `\u0000big${big.size}`;
    big.set(JSON.stringify(mark), String(member));
    return mark;
  });
  return [...big].reduce((all, [mark, digits]) => all.replace(mark, digits), text);
}
