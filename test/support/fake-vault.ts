import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A stand-in for Vault's transit engine with real keys: answers in the form of its HTTP API, and of the recorded
 * answers of a compatible server where it refuses (403 `permission denied`, 404 with an empty list, 503 sealed).
 */
export type TransitType = "ecdsa-p256" | "ecdsa-p384" | "ed25519";

interface Version {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  readonly created: string;
}

const HASHES: Readonly<Record<string, string>> = { "sha2-256": "sha256", "sha2-384": "sha384" };

export class FakeVault {
  token = "s.a-token-that-nobody-must-ever-see";
  sealed = false;
  minDecryptionVersion = 1;
  /** Never answers; for deadlines. */
  silent = false;
  /** Changes an answer before it leaves. */
  tamper: (data: Record<string, unknown>) => Record<string, unknown> = (data) => data;
  readonly requests: {
    readonly path: string;
    readonly token: string | undefined;
    readonly namespace: unknown;
  }[] = [];
  readonly #versions: Version[] = [];
  readonly #server: Server;
  readonly #now: () => number;

  readonly type: TransitType;

  private constructor(type: TransitType, now: () => number) {
    this.type = type;
    this.#now = now;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(type: TransitType, now: () => number): Promise<FakeVault> {
    const vault = new FakeVault(type, now);
    vault.rotate();
    await new Promise<void>((resolve) => vault.#server.listen(0, "127.0.0.1", resolve));
    return vault;
  }

  get address(): string {
    // A listening TCP server has such an address.
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `POST transit/keys/:name/rotate`. */
  rotate(): void {
    this.#versions.push({ ...newKey(this.type), created: new Date(this.#now()).toISOString() });
  }

  publicKey(version: number): KeyObject {
    return this.#version(version).publicKey;
  }

  #version(version: number): Version {
    const found = this.#versions[version - 1];
    if (found === undefined) throw new Error(`no version ${version}`);
    return found;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? "";
    const token = request.headers["x-vault-token"];
    this.requests.push({ path, token: String(token), namespace: request.headers["x-vault-namespace"] });
    if (this.silent) return;
    if (this.sealed) return send(response, 503, { errors: ["Vault is sealed"] });
    if (token !== this.token) return send(response, 403, { errors: ["permission denied"] });
    if (path === "/v1/auth/token/lookup-self")
      return send(response, 200, envelope({ ttl: 0, renewable: false }));
    if (path === "/v1/transit/keys/signer") return send(response, 200, envelope(this.tamper(this.#key())));
    const signing = /^\/v1\/transit\/sign\/signer(?:\/(sha2-\d+))?$/.exec(path);
    if (signing === null || request.method !== "POST") return send(response, 404, { errors: [] });
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    send(response, 200, envelope(this.tamper(this.#sign(body, signing[1]))));
  }

  #key(): Record<string, unknown> {
    const keys = this.#versions.map(({ publicKey, created }, at) => [
      at + 1,
      {
        creation_time: created,
        name: this.type === "ed25519" ? "ed25519" : "P",
        public_key: printed(publicKey),
      },
    ]);
    return {
      name: "signer",
      type: this.type,
      keys: Object.fromEntries(keys.slice(this.minDecryptionVersion - 1)),
      latest_version: this.#versions.length,
      min_available_version: 0,
      min_decryption_version: this.minDecryptionVersion,
      min_encryption_version: 0,
      exportable: false,
      supports_signing: true,
    };
  }

  #sign(body: Record<string, unknown>, hash: string | undefined): Record<string, unknown> {
    const version = Number(body["key_version"]);
    const { privateKey } = this.#version(version);
    const input = Buffer.from(String(body["input"]), "base64");
    const jws = body["marshaling_algorithm"] === "jws";
    const name = hash === undefined ? null : (HASHES[hash] ?? "sha256");
    const signature = sign(name, input, {
      key: privateKey,
      ...(this.type === "ed25519" ? {} : { dsaEncoding: jws ? "ieee-p1363" : "der" }),
    });
    const text = jws ? signature.toString("base64url") : signature.toString("base64");
    return { key_version: version, signature: `vault:v${version}:${text}` };
  }
}

function newKey(type: TransitType): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (type === "ed25519") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("ec", { namedCurve: type === "ecdsa-p256" ? "P-256" : "P-384" });
}

/** PEM; the bare key in base64 for Ed25519. */
function printed(key: KeyObject): string {
  if (key.asymmetricKeyType !== "ed25519") return String(key.export({ type: "spki", format: "pem" }));
  return key.export({ type: "spki", format: "der" }).subarray(-32).toString("base64");
}

function envelope(data: Record<string, unknown>): object {
  return {
    request_id: createHash("sha256").update(JSON.stringify(data)).digest("hex").slice(0, 36),
    lease_id: "",
    renewable: false,
    lease_duration: 0,
    data,
    wrap_info: null,
    warnings: null,
    auth: null,
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
