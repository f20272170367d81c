import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { HttpAnswer, HttpClient } from "../http-client.ts";
import type { Attester } from "./attester.ts";
import { CookieJar } from "./cookie-jar.ts";
import { openLegacyResponse, openResponse } from "./decrypt.ts";
import {
  type Generation,
  type InitData,
  initDataDigest,
  printAttestation,
  runtimeDataDigest,
  TRAITS,
} from "./generation.ts";
import { type Refused, readRefusal, type Step } from "./refusal.ts";
import type { TeeKey } from "./tee-key.ts";

/** The broker's answer does not follow the protocol, so the guest cannot go on. */
export class ProtocolFault extends Error {
  constructor(step: Step, reason: string) {
    super(`The broker's answer at step ${step} does not follow the protocol: ${reason}.`);
    this.name = "ProtocolFault";
  }
}

export interface GuestOptions {
  /** Address of the broker, before `/kbs/v0`. */
  readonly url: URL;
  readonly http: HttpClient;
  readonly attester: Attester;
  readonly devices?: readonly Attester[];
  readonly generation: Generation;
  readonly initData?: InitData;
  /** Asked once per handshake. */
  readonly teeKey: () => TeeKey;
  /** Milliseconds since the epoch, for the expiry of cookies. */
  readonly now: () => number;
  /** Told of each step, in order; for people who watch. */
  readonly onStep?: (step: Step, status: number) => void;
}

export interface Attested {
  readonly token: string;
  readonly teeKey: TeeKey;
}

/** Tries per resource, as the deployed guests count them. */
const MAX_TRIES = 3;
const JSON_BODY = { "content-type": "application/json" };

/**
 * Fetches a resource as the deployed attestation agents do: ask first, attest on 401, ask again, three times in
 * all; the session cookie carries the result.
 *
 * @param path - `repository/type/tag`, with or without a query
 * @throws Refused, TransportError, ProtocolFault, ResponseUnreadable
 */
export async function getResource(options: GuestOptions, path: string): Promise<Buffer> {
  const jar = new CookieJar(options.now);
  const url = resourceUrl(options.url, path);
  let teeKey: TeeKey | undefined;
  let refusal: Refused | undefined;
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const answer = await ask(options, url, cookieHeader(jar, url));
    if (answer.status === 200) return open(options, answer, teeKey);
    refusal = readRefusal("resource", answer.status, answer.body);
    if (answer.status !== 401) break;
    ({ teeKey } = await handshake(options, jar));
  }
  throw refusal ?? new ProtocolFault("resource", "no answer");
}

/**
 * Fetches a resource as the deployed data hubs do: another process attests for a token, this one shows it as
 * Bearer and knows no cookie; on 401 a new token (and a new key) is made, three times in all.
 *
 * @throws as `getResource`
 */
export async function getResourceByToken(
  options: GuestOptions,
  path: string,
  first?: Attested,
): Promise<Buffer> {
  const url = resourceUrl(options.url, path);
  let attested = first ?? (await attest(options));
  let refusal: Refused | undefined;
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const answer = await ask(options, url, { authorization: `Bearer ${attested.token}` });
    if (answer.status === 200) return open(options, answer, attested.teeKey);
    refusal = readRefusal("resource", answer.status, answer.body);
    if (answer.status !== 401) break;
    attested = await attest(options);
  }
  throw refusal ?? new ProtocolFault("resource", "no answer");
}

/** One handshake for the sake of its token. @throws as `getResource` */
export function attest(options: GuestOptions): Promise<Attested> {
  return handshake(options, new CookieJar(options.now));
}

async function handshake(options: GuestOptions, jar: CookieJar): Promise<Attested> {
  const challenge = await authenticate(options, jar);
  const teeKey = options.teeKey();
  const body = await answerChallenge(options, challenge, teeKey);
  const url = endpoint(options.url, "attest");
  if (cookieHeader(jar, url) === undefined)
    throw new ProtocolFault("auth", "it set no cookie that this guest may send to /attest");
  const answer = await post(options, jar, "attest", body);
  const token = member(jsonObject("attest", answer), "token");
  if (typeof token !== "string" || !(isCompactJws(token) || isCwt(token)))
    throw new ProtocolFault("attest", "`token` is not a signed token in three parts");
  return { token, teeKey };
}

interface Challenge {
  readonly nonce: string;
  readonly hash: string;
}

async function authenticate(options: GuestOptions, jar: CookieJar): Promise<Challenge> {
  const request = {
    version: options.generation,
    tee: options.attester.tee,
    "extra-params": TRAITS[options.generation].extraParams,
  };
  const challenge = jsonObject("auth", await post(options, jar, "auth", writeJson(request)));
  const nonce = member(challenge, "nonce");
  const extra = member(challenge, "extra-params");
  if (typeof nonce !== "string") throw new ProtocolFault("auth", "`nonce` is missing or no string");
  if (extra === undefined) throw new ProtocolFault("auth", "`extra-params` is missing");
  return { nonce, hash: selectedHash(extra) };
}

function selectedHash(extra: JsonValue): string {
  const selected = isObject(extra) ? member(extra, "selected-hash-algorithm") : undefined;
  if (selected === undefined) return "sha384";
  const name = typeof selected === "string" ? selected.toLowerCase() : "";
  if (/^(sha256|sha384|sha512|sm3)$/.test(name)) return name;
  throw new ProtocolFault("auth", "`selected-hash-algorithm` is no algorithm that a guest knows");
}

async function answerChallenge(
  options: GuestOptions,
  { nonce, hash }: Challenge,
  teeKey: TeeKey,
): Promise<string> {
  const additionalEvidence = await deviceEvidence(
    options,
    runtimeDataDigest(hash, nonce, teeKey.jwk, undefined),
  );
  const bound = TRAITS[options.generation].composite ? additionalEvidence : undefined;
  const evidence = await options.attester.collect({
    reportData: runtimeDataDigest(hash, nonce, teeKey.jwk, bound),
    initDataDigest: options.initData === undefined ? undefined : initDataDigest(options.initData),
  });
  return printAttestation(options.generation, {
    nonce,
    teeKey: teeKey.jwk,
    evidence,
    additionalEvidence,
    initData: options.initData,
  });
}

async function deviceEvidence(options: GuestOptions, reportData: Uint8Array): Promise<string> {
  const entries: Record<string, JsonValue> = {};
  for (const device of options.devices ?? [])
    entries[device.tee] = await device.collect({ reportData, initDataDigest: undefined });
  return Object.keys(entries).length === 0 ? "" : writeJson(entries);
}

async function post(
  options: GuestOptions,
  jar: CookieJar,
  step: "auth" | "attest",
  body: string,
): Promise<HttpAnswer> {
  const url = endpoint(options.url, step);
  const headers = { ...JSON_BODY, ...cookieHeader(jar, url) };
  const answer = await options.http.send({ method: "POST", url, headers, body });
  options.onStep?.(step, answer.status);
  jar.store(url, answer.headers);
  if (answer.status !== 200) throw readRefusal(step, answer.status, answer.body);
  return answer;
}

async function ask(
  options: GuestOptions,
  url: URL,
  headers: Record<string, string> | undefined,
): Promise<HttpAnswer> {
  const answer = await options.http.send({ method: "GET", url, headers: headers ?? {} });
  options.onStep?.("resource", answer.status);
  return answer;
}

function open(options: GuestOptions, answer: HttpAnswer, teeKey: TeeKey | undefined): Buffer {
  if (teeKey === undefined)
    throw new ProtocolFault("resource", "it answered 200 before this guest had attested");
  return TRAITS[options.generation].legacyAnswer
    ? openLegacyResponse(answer.body, teeKey)
    : openResponse(answer.body, teeKey);
}

function jsonObject(step: Step, answer: HttpAnswer): JsonObject {
  try {
    const value = readJson(answer.body);
    if (isObject(value)) return value;
  } catch {
    // Said below: what else the body is does not matter.
  }
  throw new ProtocolFault(step, "the body is not a JSON object");
}

/** Guests read the payload of the token, so all three parts must be base64url and the second one JSON. */
function isCompactJws(token: string): boolean {
  const [, payload, ...more] = token.split(".");
  if (payload === undefined || more.length !== 1 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return false;
  try {
    return isObject(readJson(Buffer.from(payload, "base64url")));
  } catch {
    return false;
  }
}

/** Where the operator chose that form: base64url of a tagged COSE_Sign1 array, whose first part is a byte string. */
function isCwt(token: string): boolean {
  return /^0oR[\w-]+$/.test(token);
}

function cookieHeader(jar: CookieJar, url: URL): { cookie: string } | undefined {
  const cookie = jar.header(url);
  return cookie === undefined ? undefined : { cookie };
}

function resourceUrl(base: URL, path: string): URL {
  return endpoint(base, `resource/${path.replace(/^\/+/, "")}`);
}

/** The guests cut trailing slashes of the base address before they append. */
function endpoint(base: URL, path: string): URL {
  return new URL(`${base.href.replace(/\/+$/, "")}/kbs/v0/${path}`);
}
