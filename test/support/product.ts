import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Attester, sampleAttester } from "../../src/cli/guest/attester.ts";
import { type Attested, attest, type GuestOptions, getResource } from "../../src/cli/guest/client.ts";
import { printAttestation, runtimeDataDigest } from "../../src/cli/guest/generation.ts";
import { Refused } from "../../src/cli/guest/refusal.ts";
import { openDevVendor, snpDevAttester } from "../../src/cli/guest/snp-dev.ts";
import { generateTeeKey, type TeeKey, type TeeKeyKind } from "../../src/cli/guest/tee-key.ts";
import { createHttpClient, type HttpClient } from "../../src/cli/http-client.ts";
import { type LiveServer, type LiveServerOptions, liveServer } from "./live-server.ts";

type RequestBody = NonNullable<RequestInit["body"]>;

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: Record<string, unknown>;
  readonly cookie: string | undefined;
  readonly headers: Headers;
}

/** The composed server, with what tests need to talk to it below the level of the client. */
export interface Product extends LiveServer {
  readonly http: HttpClient;
  readonly adminToken: string;
  send(
    method: string,
    path: string,
    options?: { body?: RequestBody; headers?: Record<string, string> },
  ): Promise<Answer>;
  admin(method: string, path: string, body?: RequestBody): Promise<Answer>;
  /** Provisions a secret and the release policy. */
  provision(path: string, secret: string | Uint8Array, policy?: string): Promise<void>;
  guest(over?: Partial<GuestOptions> & { readonly keyKind?: TeeKeyKind }): GuestOptions;
  snp(options?: { readonly debug?: boolean; readonly measurement?: Uint8Array }): Promise<Attester>;
}

export const ALLOW_ALL = 'package policy\ndefault allow := false\nallow if data.plugin == "resource"\n';
export const DENY_ALL = "package policy\ndefault allow := false\n";

export async function product(options: LiveServerOptions = {}): Promise<Product> {
  const live = await liveServer(options);
  const http = createHttpClient({ deadlineMs: 20_000, maxResponseBytes: 1 << 24, userAgent: "test" });
  const adminToken = readFileSync(join(live.folder, "admin.token"), "utf8").trim();
  const send: Product["send"] = async (method, path, { body, headers } = {}) => {
    const answer = await fetch(`${live.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      text,
      json: parsed(text),
      cookie: answer.headers.getSetCookie()[0]?.split(";")[0],
      headers: answer.headers,
    };
  };
  const admin: Product["admin"] = (method, path, body) =>
    send(method, path, {
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { body }),
    });
  return {
    ...live,
    http,
    adminToken,
    send,
    admin,
    provision: async (path, secret, policy = ALLOW_ALL) => {
      const stored = await admin(
        "POST",
        `/kbs/v0/resource/${path}`,
        typeof secret === "string" ? secret : new Uint8Array(secret),
      );
      const set = await admin(
        "POST",
        "/kbs/v0/resource-policy",
        JSON.stringify({ policy: Buffer.from(policy).toString("base64url") }),
      );
      if (stored.status !== 200 || set.status !== 200) throw new Error(`${stored.text} ${set.text}`);
    },
    guest: ({ keyKind = "p256", ...over } = {}) => ({
      url: new URL(live.url),
      http,
      attester: sampleAttester,
      generation: "0.4.0",
      teeKey: () => generateTeeKey(keyKind),
      now: Date.now,
      ...over,
    }),
    snp: async ({ debug = false, measurement } = {}) => {
      const { vendor } = await openDevVendor(join(live.folder, "vendor"), Date.now());
      return snpDevAttester(vendor, { debug, measurement });
    },
    close: async () => {
      http.close();
      await live.close();
    },
  };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** What a guest's request ended with: the secret, or the refusal. */
export async function outcomeOf(options: GuestOptions, path: string): Promise<Buffer | Refused> {
  return getResource(options, path).catch(orRefusal);
}

export function attestOutcome(options: GuestOptions): Promise<Attested | Refused> {
  return attest(options).catch(orRefusal);
}

function orRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error;
  throw error;
}

/** A handshake by hand, so that any of its parts can be replaced. */
export interface Handshake {
  readonly nonce: string;
  readonly cookie: string;
  readonly key: TeeKey;
  /** Body of `/attest`; `over` replaces parts of the JSON. */
  body(over?: { nonce?: string; key?: TeeKey; evidence?: unknown; additional?: string }): Promise<string>;
}

export async function openHandshake(
  server: Product,
  attester: Attester = sampleAttester,
  extraParams: unknown = "",
): Promise<Handshake> {
  const request = JSON.stringify({ version: "0.4.0", tee: attester.tee, "extra-params": extraParams });
  const { json, cookie = "" } = await server.send("POST", "/kbs/v0/auth", { body: request });
  const nonce = String(json["nonce"]);
  const key = generateTeeKey("p256");
  return {
    nonce,
    cookie,
    key,
    body: async (over = {}) => {
      const reportData = runtimeDataDigest("sha384", nonce, key.jwk, over.additional ?? "");
      const text = printAttestation("0.4.0", {
        nonce: over.nonce ?? nonce,
        teeKey: (over.key ?? key).jwk,
        evidence: await attester.collect({ reportData, initDataDigest: undefined }),
        additionalEvidence: over.additional ?? "",
        initData: undefined,
      });
      if (over.evidence === undefined) return text;
      const body = JSON.parse(text);
      body["tee-evidence"].primary_evidence = over.evidence;
      return JSON.stringify(body);
    },
  };
}
