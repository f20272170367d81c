import { lookup as systemLookup } from "node:dns";
import { type RequestOptions, request } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { isPublicAddress } from "./address-guard.ts";

/** Fetches small documents from addresses that the operator configured. */
export interface DocumentFetcher {
  /** @throws Error on anything but a complete 200 answer within the limits */
  get(url: string, signal: AbortSignal): Promise<Buffer>;
}

export interface HttpsDocumentsOptions {
  /** Hosts (as in the URL) that may have a private address, because the operator says so. */
  readonly privateHosts?: readonly string[];
  /** PEM roots in place of the system's. */
  readonly certificateAuthorities?: string;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
  /** Name resolution; tests replace it. */
  readonly lookup?: LookupFunction;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_BYTES = 512 * 1024;

/**
 * GET over https for key sets. Made against being used to reach into the operator's network: https only, no
 * redirects, no credentials in the URL, no private address — checked on the very address that is connected to,
 * so that a name cannot answer differently the second time —, a deadline for the whole and a bound on the size.
 */
export class HttpsDocuments implements DocumentFetcher {
  readonly #options: HttpsDocumentsOptions;

  constructor(options: HttpsDocumentsOptions = {}) {
    this.#options = options;
  }

  async get(url: string, signal: AbortSignal): Promise<Buffer> {
    const target = new URL(url);
    if (target.protocol !== "https:") throw new Error("only https URLs are fetched");
    if (target.username !== "" || target.password !== "") throw new Error("a URL with credentials");
    const deadline = AbortSignal.any([
      signal,
      AbortSignal.timeout(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    ]);
    return await fetchBody(
      this.#requestOptions(target, deadline),
      this.#options.maxBytes ?? DEFAULT_MAX_BYTES,
    );
  }

  #requestOptions(target: URL, signal: AbortSignal): RequestOptions {
    // IPv6 literals stand in brackets in URLs only.
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    const allowPrivate = (this.#options.privateHosts ?? []).some((each) => each.toLowerCase() === host);
    // Node resolves no address literals, so `lookup` never sees them.
    if (isIP(host) !== 0 && !allowPrivate && !isPublicAddress(host))
      throw new Error("an address that is not public");
    const lookup = this.#options.lookup ?? systemLookup;
    return {
      host,
      port: target.port === "" ? 443 : Number(target.port),
      path: target.pathname + target.search,
      headers: { accept: "application/json" },
      agent: false,
      // Written out, because the environment can switch verification off for whoever leaves it open.
      rejectUnauthorized: true,
      lookup: allowPrivate ? lookup : guarded(lookup),
      signal,
      ...(this.#options.certificateAuthorities === undefined
        ? {}
        : { ca: this.#options.certificateAuthorities }),
    };
  }
}

/** Resolution that fails when any of the addresses is not public. */
function guarded(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses = typeof found === "string" ? [{ address: found, family: isIP(found) }] : found;
      const [first] = addresses ?? [];
      if (error !== null) return callback(error, "");
      if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address)))
        return callback(new Error("the host has an address that is not public"), "");
      if (options.all === true) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

function fetchBody(options: RequestOptions, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      // Redirects land here too: a 3xx is no document.
      if (response.statusCode !== 200) {
        outgoing.destroy(new Error(`the answer has status ${response.statusCode}`));
        return;
      }
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) outgoing.destroy(new Error(`the answer is longer than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => resolve(Buffer.concat(chunks)));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
