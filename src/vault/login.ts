/** How this server shows Vault who it is. */
import type { JsonObject } from "../json/value.ts";
import { isObject, member } from "../json/write.ts";
import { VaultFault } from "./fault.ts";

/** A token, and for how long it lives. */
export interface Lease {
  readonly token: string;
  /** Seconds; 0: for ever. */
  readonly seconds: number;
  readonly renewable: boolean;
}

/** A call to Vault, with a token or none. @throws VaultFault */
export type VaultCall = (
  request: {
    readonly method: "GET" | "POST" | "DELETE";
    /** Below `/v1/`. */
    readonly path: string;
    readonly body?: JsonObject;
    readonly token?: string | undefined;
  },
  signal: AbortSignal,
) => Promise<JsonObject>;

export interface Login {
  /** Word for logs and metrics. */
  readonly kind: string;
  /** @throws VaultFault, or whatever the credential's reader throws */
  login(call: VaultCall, signal: AbortSignal): Promise<Lease>;
}

/** Reads a credential where it rests, each time anew: agents and kubelets replace files. */
export type ReadCredential = () => Promise<string>;

/** A token that somebody else made: from a file that an agent keeps fresh, say. */
export function tokenLogin(read: ReadCredential): Login {
  const lookUp = async (token: string, call: VaultCall, signal: AbortSignal): Promise<Lease> => {
    if (token === "") throw new VaultFault("login-refused", undefined, "the token is empty");
    const data = member(await call({ method: "GET", path: "auth/token/lookup-self", token }, signal), "data");
    return { token, ...lifetime(isObject(data) ? data : {}, "ttl") };
  };
  return {
    kind: "token",
    login: async (call, signal) => {
      const token = (await read()).trim();
      try {
        return await lookUp(token, call, signal);
      } catch (error) {
        if (!(error instanceof VaultFault) || error.reason !== "denied") throw error;
        // An agent may have put a fresh one there in between; the old one is not tried twice.
        const other = (await read()).trim();
        if (other === token)
          throw new VaultFault("login-refused", error.status, "the token has ended or was revoked");
        return await lookUp(other, call, signal);
      }
    },
  };
}

export interface AppRole {
  readonly mount: string;
  readonly roleId: string;
  readonly readSecretId: ReadCredential;
  /** What is read is a wrapping token, to be exchanged for the secret id once (response wrapping). */
  readonly wrapped: boolean;
}

export function appRoleLogin({ mount, roleId, readSecretId, wrapped }: AppRole): Login {
  let unwrapped: { readonly from: string; readonly secretId: string } | undefined;
  const secretId = async (call: VaultCall, signal: AbortSignal): Promise<string> => {
    const read = (await readSecretId()).trim();
    if (!wrapped) return read;
    // A wrapping token works once; what was in it is kept for the next login.
    if (unwrapped?.from !== read) unwrapped = { from: read, secretId: await unwrap(call, read, signal) };
    return unwrapped.secretId;
  };
  return {
    kind: "approle",
    login: async (call, signal) =>
      authenticate(call, mount, { role_id: roleId, secret_id: await secretId(call, signal) }, signal),
  };
}

async function unwrap(call: VaultCall, token: string, signal: AbortSignal): Promise<string> {
  const answer = await call({ method: "POST", path: "sys/wrapping/unwrap", token }, signal).catch(
    (error: unknown) => {
      if (!(error instanceof VaultFault) || error.status === undefined || error.status >= 500) throw error;
      throw new VaultFault(
        "login-refused",
        error.status,
        "the wrapped secret id was used already, or is too old",
      );
    },
  );
  const data = member(answer, "data");
  const secretId = isObject(data) ? member(data, "secret_id") : undefined;
  if (typeof secretId !== "string")
    throw new VaultFault("malformed", undefined, "what was wrapped is no secret id");
  return secretId;
}

/** A Kubernetes service account, or any other JWT: the two logins take the same members. */
export function jwtLogin(
  kind: "kubernetes" | "jwt",
  {
    mount,
    role,
    readJwt,
  }: { readonly mount: string; readonly role: string; readonly readJwt: ReadCredential },
): Login {
  return {
    kind,
    login: async (call, signal) => authenticate(call, mount, { role, jwt: (await readJwt()).trim() }, signal),
  };
}

/** The certificate of the connection itself. */
export function certificateLogin({
  mount,
  role,
}: {
  readonly mount: string;
  readonly role: string | undefined;
}): Login {
  return {
    kind: "certificate",
    login: (call, signal) => authenticate(call, mount, role === undefined ? {} : { name: role }, signal),
  };
}

async function authenticate(
  call: VaultCall,
  mount: string,
  body: JsonObject,
  signal: AbortSignal,
): Promise<Lease> {
  const answer = await call({ method: "POST", path: `auth/${mount}/login`, body }, signal).catch(
    (error: unknown) => {
      // Wrong credentials are 400 here and 403 there; a mount that is not there is 404.
      if (
        error instanceof VaultFault &&
        error.status !== undefined &&
        [400, 401, 403, 404].includes(error.status)
      )
        throw new VaultFault("login-refused", error.status, error.said);
      throw error;
    },
  );
  return leaseOf(answer);
}

/** @throws VaultFault when the answer grants nothing */
export function leaseOf(answer: JsonObject): Lease {
  const auth = member(answer, "auth");
  const token = isObject(auth) ? member(auth, "client_token") : undefined;
  if (!isObject(auth) || typeof token !== "string" || token === "")
    throw new VaultFault("malformed", undefined, "a login without a token");
  return { token, ...lifetime(auth, "lease_duration") };
}

function lifetime(answer: JsonObject, name: string): Pick<Lease, "seconds" | "renewable"> {
  const seconds = member(answer, name);
  return {
    seconds: typeof seconds === "number" && seconds > 0 ? seconds : 0,
    renewable: member(answer, "renewable") === true,
  };
}
