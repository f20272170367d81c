import { createHash, X509Certificate } from "node:crypto";
import { equalBytes } from "../crypto/bytes.ts";
import { KbsError } from "../errors.ts";
import type { AdminCall, AdminIdentity, AdminPort, RequestContext } from "../http/ports.ts";

/** What a caller may do at the attestation service's interfaces; `administer` includes reading. */
export type Permission = "evaluate" | "read-reference-values" | "administer";

export interface StaticToken {
  readonly name: string;
  /** SHA-256 of the token, so that the token itself is not kept. */
  readonly digest: Buffer;
  readonly may: readonly Permission[];
}

export interface KnownClient {
  /** DNS name, URI or common name that the client's certificate must have. */
  readonly name: string;
  readonly may: readonly Permission[];
}

export interface CallersOptions {
  readonly tokens: readonly StaticToken[];
  readonly clients: readonly KnownClient[];
  /** Administrators by their own tokens; asked for whatever no static token is. */
  readonly admin: Pick<AdminPort, "authorize">;
  readonly anonymousEvaluation: boolean;
  readonly anonymousAdministration: boolean;
}

/** What a call shows. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** DER of a certificate that chains to the configured roots and is valid now. */
  readonly certificate: Buffer | undefined;
}

/** What is asked for: by what fixed permission, and as which administrative call. */
export interface Asked extends Omit<AdminCall, "authorization"> {
  readonly permission: Permission;
}

const MIN_TOKEN_LENGTH = 32;

/** @param what - YAML path, for the sentence @throws KbsError `internal` for a token that can be guessed */
export function staticToken(
  { name, may }: Omit<StaticToken, "digest">,
  token: string,
  what: string,
): StaticToken {
  if (!/^[\x21-\x7e]+$/.test(token) || token.length < MIN_TOKEN_LENGTH)
    throw new KbsError(
      "internal",
      `${what}: a token has at least ${MIN_TOKEN_LENGTH} printable characters and no spaces.`,
    );
  return { name, may, digest: digestOf(token) };
}

/**
 * Who may use the attestation service. A credential that is shown must count: a wrong one is refused even where
 * nobody needs any, so that a mistake in a client's configuration is seen.
 */
export class Callers {
  readonly #options: CallersOptions;

  constructor(options: CallersOptions) {
    this.#options = options;
  }

  /** @throws KbsError `unauthenticated`, `admin-forbidden` */
  async authorize(
    asked: Asked,
    { authorization, certificate }: Credentials,
    context: RequestContext,
    signal: AbortSignal,
  ): Promise<AdminIdentity> {
    if (authorization !== undefined) {
      const holder = this.#holderOf(authorization);
      if (holder !== undefined) return permitted(holder, "token", asked);
      return this.#options.admin.authorize({ ...asked, authorization }, context, signal);
    }
    const client = certificate === undefined ? undefined : this.#clientOf(new X509Certificate(certificate));
    if (client !== undefined) return permitted(client, "client-certificate", asked);
    if (this.#mayBeAnonymous(asked.permission)) return { name: "anonymous", role: "anonymous" };
    throw new KbsError("unauthenticated", certificate === undefined ? NO_CREDENTIALS : UNKNOWN_CERTIFICATE);
  }

  /** Every token is compared, so that time does not tell which one was nearly right. */
  #holderOf(authorization: string): StaticToken | undefined {
    const shown = /^bearer +([\x21-\x7e]+)$/i.exec(authorization.trim())?.[1];
    if (shown === undefined) return undefined;
    const digest = digestOf(shown);
    let found: StaticToken | undefined;
    for (const token of this.#options.tokens) if (equalBytes(token.digest, digest)) found = token;
    return found;
  }

  #clientOf(certificate: X509Certificate): KnownClient | undefined {
    return this.#options.clients.find(({ name }) => hasName(certificate, name));
  }

  #mayBeAnonymous(permission: Permission): boolean {
    const { anonymousEvaluation, anonymousAdministration } = this.#options;
    return permission === "evaluate" ? anonymousEvaluation : anonymousAdministration;
  }
}

const NO_CREDENTIALS =
  "Credentials are missing: send `authorization: Bearer <token>`, or show a client certificate that attestationService.authentication names.";
const UNKNOWN_CERTIFICATE =
  "The client certificate has none of the names in attestationService.authentication.clientCertificates.";

function permitted({ name, may }: KnownClient | StaticToken, role: string, asked: Asked): AdminIdentity {
  const { permission } = asked;
  const allowed =
    may.includes(permission) || (permission === "read-reference-values" && may.includes("administer"));
  if (allowed) return { name, role };
  throw new KbsError(
    "admin-forbidden",
    `${JSON.stringify(name)} may not ${permission.replaceAll("-", " ")}; attestationService.authentication decides.`,
  );
}

/**
 * Whether the certificate was made for `name`: a DNS name or URI in subjectAltName, or the common name of one that
 * has no subjectAltName (RFC 6125 §6.4.4). Wildcards do not count: they name nobody.
 */
function hasName(certificate: X509Certificate, name: string): boolean {
  const { subjectAltName } = certificate;
  if (subjectAltName === undefined) return certificate.toLegacyObject().subject.CN === name;
  // Node quotes entries with commas in them; a text with quotes could be read in two ways, so it is not read.
  if (!subjectAltName.includes('"') && subjectAltName.split(", ").includes(`URI:${name}`)) return true;
  return certificate.checkHost(name, { subject: "never", wildcards: false }) !== undefined;
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
