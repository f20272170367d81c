/** Why Vault did not do what it was asked. */
export type VaultReason =
  | "sealed"
  | "standby"
  | "denied"
  | "login-refused"
  | "not-found"
  | "check-and-set"
  | "rejected"
  | "rate-limited"
  | "timeout"
  | "unreachable"
  | "certificate"
  | "malformed"
  | "failed";

const SENTENCES: Readonly<Record<VaultReason, string>> = {
  sealed: "Vault is sealed; somebody has to unseal it",
  standby:
    "Vault answers from a standby node that forwards nothing; the address must be that of the active one",
  denied: "Vault denies this to the token in use; its policy has to permit it",
  "login-refused": "Vault refuses the login; role and credentials have to be looked at",
  "not-found": "there is nothing at this path of Vault",
  "check-and-set": "somebody else wrote in between",
  rejected: "Vault rejects the request",
  "rate-limited": "Vault limits requests; its quota is used up",
  timeout: "Vault does not answer in time",
  unreachable: "Vault cannot be reached",
  certificate:
    "Vault's certificate is not to be trusted; it has to be issued by a configured authority, for this host",
  malformed: "Vault's answer cannot be read",
  failed: "Vault failed",
};

/**
 * The only error that leaves this folder. It is made here from status and code alone: the library's own errors carry
 * the whole request, the token with it, so they are neither kept as a cause nor printed.
 */
export class VaultFault extends Error {
  readonly reason: VaultReason;
  /** HTTP status; `undefined` when there was no answer. */
  readonly status: number | undefined;
  /** Sentences of Vault, cut; they hold paths, never values. */
  readonly said: string;

  constructor(reason: VaultReason, status?: number, said = "") {
    super(said === "" ? `${SENTENCES[reason]}.` : `${SENTENCES[reason]} (${said}).`);
    this.name = "VaultFault";
    this.reason = reason;
    this.status = status;
    this.said = said;
  }
}

const MAX_SAID = 200;

/** @param errors - the list `errors` of an answer, or what stands in its place */
export function faultOf(status: number, errors: readonly string[]): VaultFault {
  const said = errors
    .join("; ")
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_SAID);
  return new VaultFault(reasonOf(status, said), status, said);
}

function reasonOf(status: number, said: string): VaultReason {
  if (status === 404) return "not-found";
  if (status === 403) return "denied";
  if (status === 400 && /check-and-set/.test(said)) return "check-and-set";
  if (status === 429) return "rate-limited";
  if (status === 503) return "sealed";
  if (status === 472 || status === 473 || (status >= 300 && status < 400)) return "standby";
  return status >= 400 && status < 500 ? "rejected" : "failed";
}
