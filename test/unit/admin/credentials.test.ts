import { generateKeyPairSync } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { authenticateAdmin } from "../../../src/admin/authenticate.ts";
import { type AdminTokenRequest, generateAdminKey, signAdminToken } from "../../../src/admin/credentials.ts";
import { loadIdentityProviders } from "../../../src/admin/identity-providers.ts";
import { temporaryFolder } from "../../support/folder.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z");

let folder: string;
let dispose: () => Promise<void>;
let files: { privateKey: string; publicKey: string };
beforeEach(async () => {
  ({ path: folder, dispose } = await temporaryFolder());
  files = { privateKey: join(folder, "new", "admin.pem"), publicKey: join(folder, "new", "admin.pub.pem") };
});
afterEach(() => dispose());

function request(change: Partial<AdminTokenRequest> = {}): AdminTokenRequest {
  return {
    privateKeyFile: files.privateKey,
    issuer: "ops",
    audience: "kw",
    role: "admin",
    ttlSeconds: 600,
    now: NOW,
    ...change,
  };
}

async function authenticate(
  token: string,
  algorithm: "EdDSA" | "ES256" | "ES384" | "RS256" = "EdDSA",
  publicKey = files.publicKey,
) {
  const providers = await loadIdentityProviders([
    { issuer: "ops", audience: "kw", algorithms: [algorithm], publicKey },
  ]);
  return authenticateAdmin(`Bearer ${token}`, { providers, now: () => NOW, leewaySeconds: 60 });
}

describe("admin keygen and token", () => {
  test("a new key signs a token that the server accepts", async () => {
    await generateAdminKey(files);
    expect((await stat(files.privateKey)).mode & 0o777).toBe(0o600);
    const token = await signAdminToken(request({ subject: "alice" }));
    expect(await authenticate(token)).toEqual({ subject: "alice", role: "admin", provider: "ops" });
  });

  test("existing files are never replaced, and no half of a pair is left", async () => {
    await generateAdminKey(files);
    const before = await readFile(files.privateKey, "utf8");
    await expect(generateAdminKey(files)).rejects.toMatchObject({ code: "conflict" });
    expect(await readFile(files.privateKey, "utf8")).toBe(before);
    const half = { privateKey: join(folder, "other.pem"), publicKey: files.publicKey };
    await expect(generateAdminKey(half)).rejects.toMatchObject({ code: "conflict" });
    await expect(stat(half.privateKey)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test.each([
    ["ES256", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["ES384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["RS256", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ] as const)("a key of one's own signs %s", async (algorithm, make) => {
    const { privateKey, publicKey } = make();
    const own = { privateKey: join(folder, "own.pem"), publicKey: join(folder, "own.pub.pem") };
    await writeFile(own.privateKey, privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(own.publicKey, publicKey.export({ type: "spki", format: "pem" }));
    const token = await signAdminToken(request({ privateKeyFile: own.privateKey }));
    expect(await authenticate(token, algorithm, own.publicKey)).toMatchObject({
      role: "admin",
      subject: "admin",
    });
  });

  test("refuses empty claims, lifetimes out of bounds, and keys that cannot sign such tokens", async () => {
    await generateAdminKey(files);
    const changes: Partial<AdminTokenRequest>[] = [
      { issuer: "" },
      { audience: "" },
      { role: "" },
      { ttlSeconds: 0 },
      { ttlSeconds: 1.5 },
      { ttlSeconds: Number.NaN },
      { ttlSeconds: 10 ** 9 },
      { privateKeyFile: join(folder, "nowhere") },
      { privateKeyFile: files.publicKey },
    ];
    const odd = join(folder, "odd.pem");
    await writeFile(
      odd,
      generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey.export({
        type: "pkcs8",
        format: "pem",
      }),
    );
    for (const change of [...changes, { privateKeyFile: odd }])
      await expect(signAdminToken(request(change))).rejects.toMatchObject({ code: "malformed-request" });
  });
});
