import { type Command, Option } from "commander";
import type { JsonObject } from "../json/value.ts";
import { readNamedFile } from "./files.ts";
import { readRefusal } from "./guest/refusal.ts";
import { createHttpClient, type HttpAnswer, type HttpClient, type HttpExchange } from "./http-client.ts";
import { misuse, refused, type World } from "./world.ts";

const DEFAULT_URL = "http://127.0.0.1:8080";
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

export interface ConnectionOptions {
  readonly url: string;
  readonly ca?: string;
  readonly timeout: string;
}

export interface AdminOptions extends ConnectionOptions {
  readonly adminTokenFile?: string;
}

/** Options of every command that speaks to a server. */
export function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--url <url>", "address of the server, before /kbs/v0")
        .env("KEYWARDEN_URL")
        .default(DEFAULT_URL),
    )
    .addOption(
      new Option(
        "--ca <pem>",
        "file of the only root certificates to trust; a server under any other root is refused",
      ).env("KEYWARDEN_CA"),
    )
    .option("--timeout <seconds>", "give up on a request after this long", "60");
}

/** Options of every command that administers a server. */
export function addAdminOptions(command: Command): Command {
  return addConnectionOptions(command).addOption(
    new Option("--admin-token-file <file>", "file with the administrator's token").env(
      "KEYWARDEN_ADMIN_TOKEN_FILE",
    ),
  );
}

/** @throws CommandFailure (misuse) */
export function parseServerUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw misuse(`--url ${text} is not an http or https address.`);
  if (url.username !== "" || url.password !== "")
    throw misuse("--url must not carry a user name or password; use --admin-token-file.");
  return url;
}

/** @throws CommandFailure (misuse) */
export async function openConnection(options: ConnectionOptions, userAgent: string): Promise<HttpClient> {
  const url = parseServerUrl(options.url);
  if (options.ca !== undefined && url.protocol !== "https:")
    throw misuse("--ca pins a server's certificate, which plain http does not have; use an https address.");
  const seconds = Number(options.timeout);
  if (!(seconds > 0 && seconds <= 3600))
    throw misuse("--timeout is a number of seconds from above 0 to 3600.");
  const ca = options.ca === undefined ? undefined : await readRoots(options.ca);
  return createHttpClient({
    deadlineMs: seconds * 1000,
    maxResponseBytes: MAX_RESPONSE_BYTES,
    userAgent,
    ...(ca === undefined ? {} : { ca }),
  });
}

async function readRoots(path: string): Promise<string> {
  const text = (await readNamedFile(path, "root certificate file")).toString();
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw misuse(`${path} holds no PEM certificate.`);
  return text;
}

export interface AdminRequest {
  readonly method: HttpExchange["method"];
  /** Below `/kbs/v0/`, segments already percent-encoded. */
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly contentType?: string;
  /** What else a person should read of a refusal's members; lines to put below its sentence. */
  readonly explain?: (answer: JsonObject) => readonly string[];
}

/**
 * One call to the administration API.
 *
 * @returns the answer, always with status 200
 * @throws CommandFailure (refused) with the server's own sentence, TransportError
 */
export async function callAdminApi(options: AdminOptions, request: AdminRequest): Promise<HttpAnswer> {
  const base = parseServerUrl(options.url);
  const token = await readAdminToken(options, base);
  const http = await openConnection(options, "keywarden-cli");
  try {
    const answer = await http.send({
      method: request.method,
      url: new URL(`${base.href.replace(/\/+$/, "")}/kbs/v0/${request.path}`),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(request.contentType === undefined ? {} : { "content-type": request.contentType }),
      },
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    if (answer.status === 200) return answer;
    const refusal = readRefusal("resource", answer.status, answer.body);
    const more = request.explain?.(refusal.answer) ?? [];
    throw refused([`${answer.status}: ${refusal.message}`, ...more].join("\n"), {
      outcome: "refused",
      status: answer.status,
      ...refusal.answer,
    });
  } finally {
    http.close();
  }
}

async function readAdminToken(options: AdminOptions, url: URL): Promise<string | undefined> {
  if (options.adminTokenFile === undefined) return undefined;
  if (url.protocol === "http:" && !isLoopback(url))
    throw misuse("An administrator's token is not sent over plain http to another machine; use https.");
  const token = (await readNamedFile(options.adminTokenFile, "administrator's token file")).toString().trim();
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw misuse(`${options.adminTokenFile} does not hold a token as \`keywarden admin token\` makes it.`);
  return token;
}

function isLoopback(url: URL): boolean {
  return url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d+){3}$/.test(url.hostname);
}

/** Prints what a command found: JSON where asked for, lines for people otherwise. */
export function printResult(world: World, json: boolean | undefined, value: object, lines: string): void {
  world.out(json ? `${JSON.stringify(value)}\n` : lines);
}
