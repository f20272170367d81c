import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { attest } from "../../src/cli/guest/client.ts";
import { TOKEN_ENCODINGS, TOKEN_PROFILES } from "../../src/tokens/forms.ts";
import { generateSigningKey } from "../../src/tokens/signer-files.ts";
import { FakeVault } from "../support/fake-vault.ts";
import { type Product, product } from "../support/product.ts";

/** Looks at names of the dotted form, whatever form the token has. */
const AFFIRMED = `package policy
default allow := false
allow if {
	input.submods.cpu0["ear.status"] != "none"
	input.submods.cpu0["ear.appraisal-policy-id"] == "default"
	input.submods.cpu0["ear.veraison.annotated-evidence"].sample
}
`;
const SECRET = "default/key/one";

let server: Product | undefined;
let vault: FakeVault | undefined;
afterEach(async () => {
  await server?.close();
  await vault?.stop();
  server = undefined;
  vault = undefined;
});

async function start(attestation: string, files: Record<string, string> = {}): Promise<Product> {
  server = await product({ vendor: false, attestation, files });
  await server.provision(SECRET, "secret", AFFIRMED);
  return server;
}

/** What a token opens, when it is sent as others would send it. */
async function opens(token: string): Promise<number | undefined> {
  return (
    await server?.send("GET", `/kbs/v0/resource/${SECRET}`, { headers: { authorization: `Bearer ${token}` } })
  )?.status;
}

async function tokenOf(from: Product): Promise<string> {
  return (await attest(from.guest())).token;
}

async function publishedKids(from: Product): Promise<unknown[]> {
  const { json } = await from.send("GET", "/.well-known/jwks.json");
  return (json["keys"] as { readonly kid: string }[]).map(({ kid }) => kid);
}

const pem = (algorithm: "ES256" | "ES384" | "EdDSA") =>
  String(generateSigningKey(algorithm).export({ type: "pkcs8", format: "pem" }));

describe("forms of tokens on a listening server", () => {
  const forms = TOKEN_ENCODINGS.flatMap((encoding) =>
    TOKEN_PROFILES.map((profile) => [encoding, profile] as const),
  );

  test.each(forms)(
    "AS-049 AS-050 %s in the profile %s opens what its policy grants",
    async (encoding, profile) => {
      const live = await start(`token: { encoding: ${encoding}, profile: ${profile} }`);
      const token = await tokenOf(live);
      expect(token.includes(".")).toBe(encoding === "jwt");
      expect(await opens(token)).toBe(200);
      expect(await opens(`${token.slice(0, -8)}AAAAAAAA`)).toBe(401);
    },
  );

  test.each(["ES384", "EdDSA"] as const)(
    "AS-046 %s where it is configured, and discovery says so",
    async (algorithm) => {
      const live = await start(`token: { algorithm: ${algorithm} }`);
      expect(await opens(await tokenOf(live))).toBe(200);
      const { json } = await live.send("GET", "/.well-known/openid-configuration");
      expect(json["id_token_signing_alg_values_supported"]).toEqual([algorithm]);
    },
  );
});

describe("rotation on a listening server", () => {
  const KEY = "token: { signer: { key: { file: signer.pem } }, checkSeconds: 3600, publishBeforeUseSeconds";

  test("a new key is published first; tokens of the old one go on counting", async () => {
    const live = await start(`${KEY}: 300 }`, { "signer.pem": pem("ES256") });
    const before = await publishedKids(live);
    const old = await tokenOf(live);
    rmSync(join(live.folder, "signer.pem"));
    writeFileSync(join(live.folder, "signer.pem"), pem("ES256"));
    await live.reload();
    const between = await publishedKids(live);
    expect(between).toHaveLength(2);
    expect(between[0]).toBe(before[0]);
    const still = JSON.parse(Buffer.from((await tokenOf(live)).split(".")[0] ?? "", "base64url").toString());
    expect(still.kid).toBe(before[0]);
    expect(await opens(old)).toBe(200);
  });

  test("where nobody waits the new key signs at once", async () => {
    const live = await start(`${KEY}: 0 }`, { "signer.pem": pem("ES256") });
    const [before] = await publishedKids(live);
    const old = await tokenOf(live);
    rmSync(join(live.folder, "signer.pem"));
    writeFileSync(join(live.folder, "signer.pem"), pem("ES256"));
    await live.reload();
    const [signing, previous] = await publishedKids(live);
    expect(previous).toBe(before);
    const token = await tokenOf(live);
    const header = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
    expect(header.kid).toBe(signing);
    expect([await opens(old), await opens(token)]).toEqual([200, 200]);
  });

  test("a damaged key file leaves the server as it was", async () => {
    const live = await start(`${KEY}: 0 }`, { "signer.pem": pem("ES256") });
    const before = await publishedKids(live);
    writeFileSync(join(live.folder, "signer.pem"), "nothing of use");
    await live.reload();
    expect(await publishedKids(live)).toEqual(before);
    expect(await opens(await tokenOf(live))).toBe(200);
  });

  test("AS-046 a key of another curve than the algorithm's keeps the server from starting", async () => {
    await expect(start(`${KEY}: 0 }`, { "signer.pem": pem("ES384") })).rejects.toMatchObject({
      code: "internal",
      detail: expect.stringContaining("attestation.token.signer.key"),
    });
  });
});

test("tokens signed by Vault open secrets; without Vault attestation is refused with 503, and old tokens count on", async () => {
  vault = await FakeVault.start("ecdsa-p256", Date.now);
  const settings = `address: ${vault.address}, dangerouslyAllowPlainHttp: true, key: signer, token: { file: vault.token }`;
  const live = await start(`token: { signer: { vault: { ${settings} } } }`, {
    "vault.token": `${vault.token}\n`,
  });
  const token = await tokenOf(live);
  expect(await opens(token)).toBe(200);
  vault.sealed = true;
  await expect(attest(live.guest())).rejects.toMatchObject({ status: 503 });
  expect(await opens(token)).toBe(200);
});
