/**
 * A stand-in for Vault that answers as the recorded real server does (a test holds the two against one another): both
 * key/value engines, tokens that end, AppRole, Kubernetes and JWT logins, response wrapping, namespaces, sealing.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

interface Token {
  readonly id: string;
  readonly policies: readonly string[];
  expiresAt: number;
  readonly ttl: number;
  readonly renewable: boolean;
  readonly role: string;
}

interface Version {
  readonly data: unknown;
  readonly created: string;
  deleted: string;
  destroyed: boolean;
}

interface Rule {
  readonly prefix: string;
  readonly capabilities: readonly string[];
}

class Refusal {
  readonly status: number;
  readonly body: Json;
  constructor(status: number, ...errors: string[]) {
    this.status = status;
    this.body = { errors };
  }
}

export interface VaultServerOptions {
  /** Seconds that tokens of logins live. */
  readonly tokenTtl?: number;
  readonly renewable?: boolean;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

export class VaultServer {
  sealed = false;
  /** Answers nothing, so that deadlines can be seen. */
  hanging = false;
  /** Answers every request so instead. */
  answer:
    | { readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
    | undefined;
  now: () => number = Date.now;
  readonly requests: string[] = [];
  readonly root = "root";
  readonly #options: VaultServerOptions;
  readonly #server: Server;
  readonly #mounts = new Map<string, 1 | 2>();
  readonly #auths = new Set<string>();
  readonly #kv1 = new Map<string, Json>();
  readonly #kv2 = new Map<string, Version[]>();
  readonly #tokens = new Map<string, Token>();
  readonly #policies = new Map<string, readonly Rule[]>();
  readonly #roles = new Map<
    string,
    { readonly roleId: string; readonly secretIds: Set<string>; readonly policies: readonly string[] }
  >();
  readonly #wrapped = new Map<string, Json>();
  readonly #jwts = new Map<string, readonly string[]>();

  private constructor(options: VaultServerOptions) {
    this.#options = options;
    const handler = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response);
    this.#server =
      options.tls === undefined
        ? createServer(handler)
        : createTlsServer(
            {
              ...options.tls,
              requestCert: options.tls.ca !== undefined,
              rejectUnauthorized: options.tls.ca !== undefined,
            },
            handler,
          );
  }

  static async start(options: VaultServerOptions = {}): Promise<VaultServer> {
    const server = new VaultServer(options);
    await server.listen(0);
    return server;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // a TCP listener has an AddressInfo
  }

  get address(): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  mount(name: string, version: 1 | 2): void {
    this.#mounts.set(name, version);
  }

  policy(name: string, rules: readonly Rule[]): void {
    this.#policies.set(name, rules);
  }

  /** @returns what an AppRole logs in with */
  appRole(name: string, policies: readonly string[]): { roleId: string; secretId: string; wrap(): string } {
    this.#auths.add("approle");
    const role = { roleId: randomUUID(), secretIds: new Set<string>(), policies };
    this.#roles.set(name, role);
    const secretId = () => {
      const id = randomUUID();
      role.secretIds.add(id);
      return id;
    };
    return { roleId: role.roleId, secretId: secretId(), wrap: () => this.#wrap({ secret_id: secretId() }) };
  }

  /** Accepts this JWT at `auth/<mount>/login`. */
  acceptJwt(mount: string, jwt: string, policies: readonly string[]): void {
    this.#auths.add(mount);
    this.#jwts.set(`${mount} ${jwt}`, policies);
  }

  token(policies: readonly string[], ttl = 3600): string {
    return this.#issue(policies, ttl, "").id;
  }

  revoke(token: string): void {
    this.#tokens.delete(token);
  }

  revokeAll(): void {
    this.#tokens.clear();
  }

  /** Puts a value there as somebody else would have, past all checks. */
  plant(mount: string, place: string, data: Json): void {
    if (this.#mounts.get(mount) === 1) this.#kv1.set(`${mount}/${place}`, data);
    else this.#kv2.set(`${mount}/${place}`, [this.#version(data)]);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url}`);
    if (this.hanging) return;
    if (this.answer !== undefined) {
      response.writeHead(this.answer.status, this.answer.headers).end(this.answer.body);
      return;
    }
    const body = await readJson(request);
    const outcome = this.#outcome(method, url, body, request);
    const text = outcome.body === undefined ? "" : `${JSON.stringify(outcome.body)}\n`;
    response
      .writeHead(outcome.status, {
        "content-type": "application/json",
        "cache-control": "no-store",
        ...outcome.headers,
      })
      .end(text);
  }

  #outcome(
    method: string,
    url: string,
    body: Json,
    request: IncomingMessage,
  ): { status: number; body: unknown; headers?: Record<string, string> } {
    try {
      const answer = this.#route(method, url, body, request);
      return answer === undefined ? { status: 204, body: undefined } : { status: 200, body: answer };
    } catch (refusal) {
      if (refusal instanceof Redirect)
        return { status: 307, body: undefined, headers: { location: refusal.to } };
      if (refusal instanceof Deleted) return { status: 404, body: refusal.body };
      if (!(refusal instanceof Refusal)) throw refusal;
      return { status: refusal.status, body: refusal.body };
    }
  }

  #route(method: string, url: string, body: Json, request: IncomingMessage): Json | undefined {
    const { pathname, searchParams } = new URL(url, "http://vault");
    // Node's parser knows no LIST; Vault takes this for the same.
    if (method === "GET" && searchParams.get("list") === "true")
      return this.#route("LIST", pathname, body, request);
    if (pathname.includes("//")) throw new Redirect(pathname.replaceAll("//", "/"));
    const path = pathname.replace(/^\/v1\//, "");
    if (path === "sys/health")
      throw Object.assign(new Refusal(this.sealed ? 503 : 200), { body: health(this.sealed) });
    if (this.sealed) throw new Refusal(503, "Vault is sealed");
    if (request.headers["x-vault-namespace"] !== undefined) throw new Refusal(404, "namespace not found");
    if (path.startsWith("auth/") && path.endsWith("/login")) return this.#login(path.slice(5, -6), body);
    const token = this.#authenticated(String(request.headers["x-vault-token"] ?? ""), path);
    if (path.startsWith("auth/token/")) return this.#tokenCall(path.slice(11), token);
    if (path.startsWith("sys/") || path.startsWith("auth/"))
      return this.#administer(method, path, body, request);
    return this.#keyValue(method, path, searchParams, body, token);
  }

  #authenticated(id: string, path: string): Token {
    if (id === this.root)
      return {
        id,
        policies: ["root"],
        expiresAt: Number.POSITIVE_INFINITY,
        ttl: 0,
        renewable: false,
        role: "",
      };
    if (path === "sys/wrapping/unwrap" && this.#wrapped.has(id))
      return { id, policies: [], expiresAt: Number.POSITIVE_INFINITY, ttl: 0, renewable: false, role: "" };
    const token = this.#tokens.get(id);
    if (token === undefined || token.expiresAt <= this.now()) {
      this.#tokens.delete(id);
      if (path === "sys/wrapping/unwrap")
        throw new Refusal(400, "wrapping token is not valid or does not exist");
      throw new Refusal(403, "permission denied");
    }
    return token;
  }

  #permitted(token: Token, path: string, capability: string): boolean {
    if (token.policies.includes("root")) return true;
    const rules = token.policies.flatMap((policy) => this.#policies.get(policy) ?? []);
    return rules.some(
      ({ prefix, capabilities }) => path.startsWith(prefix) && capabilities.includes(capability),
    );
  }

  #login(mount: string, body: Json): Json {
    if (mount === "approle" && this.#auths.has("approle")) {
      const found = [...this.#roles].find(
        ([, role]) => role.roleId === body["role_id"] && role.secretIds.has(String(body["secret_id"])),
      );
      if (found === undefined) throw new Refusal(400, "invalid role or secret ID");
      return this.#granted(found[1].policies, found[0]);
    }
    const policies = this.#jwts.get(`${mount} ${body["jwt"]}`);
    if (policies === undefined) throw new Refusal(403, "permission denied");
    return this.#granted(policies, String(body["role"]));
  }

  #granted(policies: readonly string[], role: string): Json {
    return envelope({
      data: null,
      auth: this.#auth(this.#issue(policies, this.#options.tokenTtl ?? 60, role)),
    });
  }

  #issue(policies: readonly string[], ttl: number, role: string): Token {
    const id = `s.${randomUUID().replaceAll("-", "").slice(0, 24)}`;
    const renewable = this.#options.renewable ?? true;
    const token = { id, policies, ttl, renewable, role, expiresAt: this.now() + ttl * 1000 };
    this.#tokens.set(id, token);
    return token;
  }

  #auth({ id, policies, ttl, renewable, role }: Token): Json {
    return {
      client_token: id,
      accessor: "accessor",
      policies: ["default", ...policies],
      token_policies: ["default", ...policies],
      metadata: { role_name: role },
      lease_duration: ttl,
      renewable,
      entity_id: "entity",
      token_type: "service",
      orphan: true,
      mfa_requirement: null,
      num_uses: 0,
    };
  }

  #tokenCall(call: string, token: Token): Json | undefined {
    if (call === "revoke-self") {
      this.#tokens.delete(token.id);
      return undefined;
    }
    if (call === "renew-self") {
      if (!token.renewable) throw new Refusal(400, "lease is not renewable");
      token.expiresAt = this.now() + token.ttl * 1000;
      return envelope({ data: null, auth: this.#auth(token) });
    }
    const left = token.ttl === 0 ? 0 : Math.floor((token.expiresAt - this.now()) / 1000);
    return envelope({
      data: {
        accessor: "accessor",
        creation_time: 0,
        creation_ttl: token.ttl,
        display_name: "approle",
        entity_id: "entity",
        expire_time: "2026-01-01T00:00:00Z",
        explicit_max_ttl: 0,
        id: token.id,
        issue_time: "2026-01-01T00:00:00Z",
        meta: { role_name: token.role },
        num_uses: 0,
        orphan: true,
        path: "auth/approle/login",
        policies: ["default", ...token.policies],
        renewable: token.renewable,
        ttl: left,
        type: "service",
      },
    });
  }

  #wrap(data: Json): string {
    const id = `s.${randomUUID()}`;
    this.#wrapped.set(id, data);
    return id;
  }

  #administer(method: string, path: string, body: Json, request: IncomingMessage): Json | undefined {
    const options = body["options"] as Json | undefined; // as the client of the recording sends it
    if (path === "sys/wrapping/unwrap") {
      const id = String(request.headers["x-vault-token"]);
      const data = this.#wrapped.get(id);
      this.#wrapped.delete(id);
      return envelope({ data });
    }
    if (path.startsWith("sys/mounts/"))
      return void this.mount(path.slice(11), options?.["version"] === "2" ? 2 : 1);
    if (path.startsWith("sys/policy/")) {
      const rules = String(body["rules"]).matchAll(/path "([^"*]*)\*?" \{ capabilities=(\[[^\]]*\])/g);
      this.policy(
        path.slice(11),
        [...rules].map(([, prefix = "", list = "[]"]) => ({ prefix, capabilities: JSON.parse(list) })),
      );
      return envelope({
        data: null,
        warnings: [
          "'rules' is deprecated, please use 'policy' instead",
          "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
        ],
      });
    }
    if (path === "sys/seal") {
      this.sealed = true;
      return undefined;
    }
    if (path.startsWith("sys/auth/")) return void this.#auths.add(path.slice(9));
    if (path === "auth/kubernetes/config")
      throw new Refusal(400, "kubernetes_ca_cert must be given when disable_local_ca_jwt is true");
    const [, , , role = "", what] = path.split("/");
    if (path.startsWith("auth/approle/role/")) return this.#roleCall(role, what, body, method, request);
    return undefined;
  }

  #roleCall(
    name: string,
    what: string | undefined,
    body: Json,
    method: string,
    request: IncomingMessage,
  ): Json | undefined {
    if (what === undefined && method === "POST") {
      const policies = String(body["policies"] ?? body["token_policies"]).split(",");
      this.#roles.set(name, { roleId: randomUUID(), secretIds: new Set(), policies });
      return undefined;
    }
    const role = this.#roles.get(name);
    if (role === undefined) throw new Refusal(404);
    if (what === "role-id") return envelope({ data: { role_id: role.roleId } });
    const id = randomUUID();
    role.secretIds.add(id);
    const data = { secret_id: id, secret_id_accessor: "accessor", secret_id_num_uses: 0, secret_id_ttl: 0 };
    if (request.headers["x-vault-wrap-ttl"] === undefined) return envelope({ data });
    const wrap_info = {
      token: this.#wrap(data),
      accessor: "accessor",
      ttl: 60,
      creation_time: "2026-01-01T00:00:00Z",
      creation_path: "auth/approle/role/kbs/secret-id",
      wrapped_accessor: "accessor",
    };
    return envelope({ data: null, wrap_info, request_id: "" });
  }

  #keyValue(
    method: string,
    path: string,
    query: URLSearchParams,
    body: Json,
    token: Token,
  ): Json | undefined {
    const mount = [...this.#mounts.keys()].find((name) => path === name || path.startsWith(`${name}/`));
    const capability = { GET: "read", LIST: "list", DELETE: "delete" }[method] ?? "update";
    if (!this.#permitted(token, path, capability))
      throw new Refusal(403, "1 error occurred:\n\t* permission denied\n\n");
    if (mount === undefined) throw new Refusal(404, `no handler for route "${path}". route entry not found.`);
    const rest = path.slice(mount.length + 1);
    if (this.#mounts.get(mount) === 1) return this.#version1(method, mount, rest, body);
    const [kind = "", ...place] = rest.split("/");
    return this.#version2(method, kind, `${mount}/${place.join("/")}`, query, body);
  }

  #version1(method: string, mount: string, place: string, body: Json): Json | undefined {
    const key = `${mount}/${place}`;
    if (method === "LIST") return listing([...this.#kv1.keys()], key.replace(/\/$/, ""));
    if (method === "DELETE") return void this.#kv1.delete(key);
    if (method !== "GET") return void this.#kv1.set(key, body);
    const data = this.#kv1.get(key);
    if (data === undefined) throw new Refusal(404);
    return envelope({ data, lease_duration: 2764800 });
  }

  #version2(method: string, kind: string, key: string, query: URLSearchParams, body: Json): Json | undefined {
    const versions = this.#kv2.get(key);
    if (kind === "metadata") return this.#metadata(method, key, versions);
    if (kind === "undelete" || kind === "destroy") {
      for (const at of (body["versions"] as number[]) ?? []) {
        const version = versions?.[at - 1];
        if (version !== undefined)
          Object.assign(version, kind === "undelete" ? { deleted: "" } : { destroyed: true });
      }
      return undefined;
    }
    const newest = versions?.at(-1);
    if (method === "DELETE") {
      if (newest !== undefined && newest.deleted === "") newest.deleted = new Date(this.now()).toISOString();
      return undefined;
    }
    if (method === "GET")
      return this.#readVersion(versions, Number(query.get("version") ?? versions?.length ?? 0));
    const { cas } = (body["options"] ?? {}) as { cas?: number };
    if (cas !== undefined && cas !== (versions?.length ?? 0))
      throw new Refusal(400, "check-and-set parameter did not match the current version");
    const added = this.#version(body["data"]);
    this.#kv2.set(key, [...(versions ?? []), added]);
    return envelope({ data: metadata(added, (versions?.length ?? 0) + 1) });
  }

  #version(data: unknown): Version {
    return { data, created: new Date(this.now()).toISOString(), deleted: "", destroyed: false };
  }

  #readVersion(versions: readonly Version[] | undefined, at: number): Json {
    const version = versions?.[at - 1];
    if (version === undefined) throw new Refusal(404);
    const gone = version.destroyed || version.deleted !== "";
    const answer = envelope({ data: { data: gone ? null : version.data, metadata: metadata(version, at) } });
    if (gone) throw new Deleted(answer);
    return answer;
  }

  #metadata(method: string, key: string, versions: readonly Version[] | undefined): Json | undefined {
    if (method === "LIST") return listing([...this.#kv2.keys()], key.replace(/\/$/, ""));
    if (method === "DELETE") return void this.#kv2.delete(key);
    if (versions === undefined) throw new Refusal(404);
    const all = versions.map(({ created, deleted, destroyed }, at) => [
      String(at + 1),
      { created_time: created, deletion_time: deleted, destroyed },
    ]);
    return envelope({
      data: {
        cas_required: false,
        created_time: versions[0]?.created,
        current_metadata_version: 0,
        current_version: versions.length,
        custom_metadata: null,
        delete_version_after: "0s",
        max_versions: 0,
        metadata_cas_required: false,
        oldest_version: 0,
        updated_time: versions.at(-1)?.created,
        versions: Object.fromEntries(all),
      },
    });
  }
}

class Redirect {
  readonly to: string;
  constructor(to: string) {
    this.to = to;
  }
}
class Deleted {
  readonly body: Json;
  constructor(body: Json) {
    this.body = body;
  }
}

function envelope(over: Json): Json {
  return {
    request_id: randomUUID(),
    lease_id: "",
    renewable: false,
    lease_duration: 0,
    wrap_info: null,
    warnings: null,
    auth: null,
    ...over,
  };
}

function metadata({ created, deleted, destroyed }: Version, version: number): Json {
  return { created_time: created, custom_metadata: null, deletion_time: deleted, destroyed, version };
}

function listing(keys: readonly string[], folder: string): Json {
  const below = keys.filter((key) => key.startsWith(`${folder}/`)).map((key) => key.slice(folder.length + 1));
  const names = [
    ...new Set(below.map((key) => (key.includes("/") ? key.slice(0, key.indexOf("/") + 1) : key))),
  ].sort();
  if (names.length === 0) throw new Refusal(404);
  return envelope({ data: { keys: names } });
}

function health(sealed: boolean): Json {
  return {
    initialized: true,
    sealed,
    standby: sealed,
    performance_standby: false,
    replication_performance_mode: "unknown",
    replication_dr_mode: "unknown",
    server_time_utc: 0,
    version: "2.0.0-HEAD",
  };
}

async function readJson(request: IncomingMessage): Promise<Json> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer); // no encoding was set
  const text = Buffer.concat(parts).toString();
  return text === "" || !text.startsWith("{") ? {} : JSON.parse(text);
}
