/** Intel's provisioning certification service (PCS API v4), and caches of the operator's that speak like it (PCCS). */
import type { PckCertificateQuery } from "../formats/dcap/collateral.ts";
import type { HttpAnswer, HttpExtras } from "./https-get.ts";
import type { PieceName, RawPiece } from "./intel-pieces.ts";
import type { IntelUpdateType } from "./intel-settings.ts";
import { Upstream, type UpstreamLimits, type UpstreamWorld, unavailable } from "./upstream.ts";

interface IntelServiceOptions {
  /** For sentences: "Intel's provisioning certification service". */
  readonly name: string;
  /** Origin of everything but perhaps the root's revocation list. */
  readonly baseUrl: string;
  /** Absent: a PCCS, which has the list at a path of its own. */
  readonly rootCrlUrl?: string;
  readonly apiVersion: "v3" | "v4";
  readonly updateType: IntelUpdateType;
  /** Whether certificates of platforms can be asked for, and how platforms are named. */
  readonly pckCertificates: "by-encrypted-ppid" | "by-qe-id" | "no";
  readonly limits: Omit<UpstreamLimits, "maxBytes" | "notFound">;
  readonly extras: HttpExtras;
}

/** Lists grow with every revoked platform; TCB info takes some ten kilobytes. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Unknown or malformed, not there, withdrawn; 461 and 462 are a PCCS's: unknown platform, no certificate. */
const NOT_FOUND = [400, 404, 410, 461, 462];
/** The service has its own deadline; whoever waits gives up by themselves. */
const NEVER = new AbortController().signal;

const CHAIN_HEADERS: Readonly<Record<PieceName["kind"], readonly string[]>> = {
  "tcb-info": ["tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"],
  "qe-identity": ["sgx-enclave-identity-issuer-chain"],
  "pck-crl": ["sgx-pck-crl-issuer-chain"],
  "root-ca-crl": [],
};
const PCK_CHAIN_HEADERS = ["sgx-pck-certificate-issuer-chain"];

/** One service at one or two fixed origins. What it answers is nobody's statement until it verified. */
export class IntelService {
  readonly name: string;
  readonly #options: IntelServiceOptions;
  readonly #statements: Upstream;
  readonly #rootList: Upstream;
  /**
   * Certificates are asked for on behalf of quotes that nobody verified yet. Such requests have their own turns and
   * their own breaker, so that made-up platforms cannot stand between genuine ones and their collateral.
   */
  readonly #certificates: Upstream;

  constructor(options: IntelServiceOptions, world: UpstreamWorld) {
    const { name, baseUrl, rootCrlUrl, extras } = options;
    const limits = { ...options.limits, maxBytes: MAX_ANSWER_BYTES, notFound: NOT_FOUND };
    this.name = name;
    this.#options = options;
    this.#statements = new Upstream(name, baseUrl, limits, world, extras);
    // The key belongs to the service, not to the host that has the list.
    this.#rootList =
      rootCrlUrl === undefined
        ? this.#statements
        : new Upstream(`${name} (root list)`, new URL(rootCrlUrl).origin, limits, world);
    this.#certificates = new Upstream(`${name} (PCK certificates)`, baseUrl, limits, world, extras);
  }

  /**
   * @returns undefined when the service does not have it
   * @throws KbsError `collateral-unavailable`
   */
  async piece(name: PieceName): Promise<RawPiece | undefined> {
    const answer = await this.#upstream(name).ask(this.#path(name), NEVER);
    if (answer === undefined) return undefined;
    const headers = CHAIN_HEADERS[name.kind];
    const issuerChain = headers.length === 0 ? Buffer.alloc(0) : chainIn(answer, headers);
    if (issuerChain !== undefined) return { body: answer.body, issuerChain };
    const why = `it answered without ${headers[0]}`;
    this.disappointed(name, why);
    throw unavailable(this.name, why);
  }

  /** Remembers that an answer was of no use, so that it is not asked for again at once. */
  disappointed(name: PieceName, why: string): void {
    this.#upstream(name).disappointed(this.#path(name), why);
  }

  /**
   * @returns the PEM of leaf and issuers; undefined when the service does not know the platform or cannot be asked
   * @throws KbsError `collateral-unavailable`
   */
  async pckCertificateChain(query: PckCertificateQuery, signal: AbortSignal): Promise<Buffer | undefined> {
    const path = this.#pckPath(query);
    if (path === undefined) return undefined;
    const answer = await this.#certificates.ask(path, signal);
    if (answer === undefined) return undefined;
    const issuers = chainIn(answer, PCK_CHAIN_HEADERS);
    if (issuers === undefined) throw unavailable(this.name, `it answered without ${PCK_CHAIN_HEADERS[0]}`);
    return Buffer.concat([answer.body, Buffer.from("\n"), issuers]);
  }

  #upstream({ kind }: PieceName): Upstream {
    return kind === "root-ca-crl" ? this.#rootList : this.#statements;
  }

  #path(name: PieceName): string {
    const { apiVersion, updateType, rootCrlUrl } = this.#options;
    const update = apiVersion === "v3" ? "" : `update=${updateType}`;
    switch (name.kind) {
      case "tcb-info":
        return `/${name.tee}/certification/${apiVersion}/tcb?fmspc=${name.fmspc}${update && `&${update}`}`;
      case "qe-identity":
        return `/${name.tee}/certification/${apiVersion}/qe/identity${update && `?${update}`}`;
      case "pck-crl":
        return `/sgx/certification/${apiVersion}/pckcrl?ca=${name.ca}&encoding=der`;
      case "root-ca-crl":
        return rootCrlUrl === undefined ? `/sgx/certification/${apiVersion}/rootcacrl` : pathOf(rootCrlUrl);
    }
  }

  #pckPath(query: PckCertificateQuery): string | undefined {
    const { apiVersion, pckCertificates } = this.#options;
    const platform = pckCertificates === "no" ? undefined : platformOf(query, pckCertificates);
    if (platform === undefined) return undefined;
    return `/sgx/certification/${apiVersion}/pckcert?${platform}&${tcbOf(query)}`;
  }
}

/** @returns undefined when the header is missing or malformed */
function chainIn({ headers }: HttpAnswer, names: readonly string[]): Buffer | undefined {
  const value = names.map((name) => headers[name]).find((header) => header !== undefined);
  const chain = typeof value === "string" ? decoded(value) : undefined;
  return chain === undefined ? undefined : Buffer.from(chain, "utf8");
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

function decoded(header: string): string | undefined {
  try {
    return decodeURIComponent(header);
  } catch {
    return undefined;
  }
}

function platformOf(
  { encryptedPpid, qeId }: PckCertificateQuery,
  how: "by-encrypted-ppid" | "by-qe-id",
): string | undefined {
  const ppid = encryptedPpid === undefined ? undefined : `encrypted_ppid=${encryptedPpid.toString("hex")}`;
  if (how === "by-encrypted-ppid") return ppid;
  return [`qeid=${qeId.toString("hex")}`, ...(ppid === undefined ? [] : [ppid])].join("&");
}

/** CPUSVN, PCESVN (little-endian) and PCEID, as the parameters are written. */
function tcbOf({ cpuSvn, pceSvn, pceId }: PckCertificateQuery): string {
  const svn = Buffer.alloc(2);
  svn.writeUInt16LE(pceSvn);
  return `cpusvn=${cpuSvn.toString("hex")}&pcesvn=${svn.toString("hex")}&pceid=${pceId}`;
}
