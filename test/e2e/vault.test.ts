import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Product, product } from "../support/product.ts";
import { testAuthority } from "../support/tls-certificates.ts";
import { VaultServer } from "../support/vault-server.ts";

const PATH = "default/disk/passphrase";

describe("a server whose secrets are in Vault", () => {
  let vault: VaultServer;
  let server: Product;

  beforeAll(async () => {
    const authority = await testAuthority();
    const [own, client] = await Promise.all([authority.issue("vault"), authority.issue("keywarden")]);
    vault = await VaultServer.start({ tls: { ...own, ca: authority.pem } });
    vault.mount("secret", 2);
    vault.policy("kbs", [{ prefix: "secret/", capabilities: ["read", "update", "list", "delete"] }]);
    const role = vault.appRole("kbs", ["kbs"]);
    server = await product({
      vendor: false,
      files: {
        "vault-ca.pem": authority.pem,
        "client.pem": client.cert,
        "client.key": client.key,
        "secret-id": role.secretId,
      },
      sections: `secrets:
  driver: vault
  vault:
    address: ${vault.address}
    login: { appRole: { roleId: ${role.roleId}, secretId: { file: secret-id } } }
    tls: { certificateAuthorities: vault-ca.pem, certificate: client.pem, privateKey: { file: client.key } }
    path: "kbs/{repository}/{type}/{tag}"
    timeoutSeconds: 1
`,
    });
  });

  afterAll(async () => {
    await server?.close();
    await vault?.stop();
  });

  test("keeps what administrators store, and releases it to guests", async () => {
    await server.provision(PATH, "correct horse");
    expect(await server.guestGet(PATH, ["--tee", "sample"])).toMatchObject({
      code: 0,
      out: Buffer.from("correct horse"),
    });
    expect((await server.administer(["resource", "list"])).out.toString()).toBe(`${PATH}\n`);
    expect(vault.requests).toContain("POST /v1/secret/data/kbs/default/disk/passphrase");
    expect((await server.send("GET", "/readyz")).status).toBe(200);
  });

  test("says what is wrong while Vault is sealed or gone, is not ready, and goes on without a restart", async () => {
    vault.sealed = true;
    const sealed = await server.guestGet(PATH, ["--tee", "sample"]);
    expect(sealed.code).toBe(1);
    expect(sealed.err).toMatch(/503.*The secret store is sealed/s);
    expect((await server.send("GET", "/readyz")).status).toBe(503);
    vault.sealed = false;
    const { port } = vault;
    await vault.stop();
    expect((await server.guestGet(PATH, ["--tee", "sample"])).err).toMatch(
      /503.*The secret store cannot be reached/s,
    );
    await vault.listen(port);
    vault.hanging = true;
    expect((await server.guestGet(PATH, ["--tee", "sample"])).err).toMatch(
      /503.*The secret store did not answer in time/s,
    );
    vault.hanging = false;
    vault.revokeAll();
    expect(await server.guestGet(PATH, ["--tee", "sample"])).toMatchObject({ code: 0 });
    const metrics = (await server.send("GET", "/metrics")).text;
    for (const reason of ["sealed", "unreachable", "timeout"])
      expect(metrics).toMatch(new RegExp(`kbs_vault_failures_total{reason="${reason}"} [1-9]`));
  });

  test("does not talk to a Vault whose certificate is by somebody else", async () => {
    const stranger = await testAuthority();
    const other = await VaultServer.start({ tls: await stranger.issue("vault") });
    const authority = await testAuthority();
    const trusting = await product({
      vendor: false,
      files: { "ca.pem": authority.pem, token: other.root },
      sections: `secrets: { driver: vault, vault: { address: ${other.address}, login: { token: { file: token } }, tls: { certificateAuthorities: ca.pem } } }\n`,
    });
    try {
      const answer = await trusting.admin("POST", `/kbs/v0/resource/${PATH}`, "x");
      expect(answer).toMatchObject({ status: 503, json: { reason: "certificate" } });
      expect(other.requests).toEqual([]);
    } finally {
      await trusting.close();
      await other.stop();
    }
  });
});
