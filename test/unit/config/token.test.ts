import { expect, test } from "@jest/globals";
import { dangerousSwitches } from "../../../src/config/dangerous.ts";
import { loadConfig } from "../../../src/config/load.ts";

const VAULT = "address: https://vault.example.org:8200, key: signer, token: { file: t }";
const load = (token: string) => loadConfig(`attestation: { token: ${token} }`);
const paths = (token: string) => load(token).faults.map(({ path }) => path);
const SIGNER = "attestation.token.signer";

test("AS-041 the form of tokens is that of the Confidential Containers clients unless somebody says otherwise", () => {
  expect(load("{}").config?.attestation.token).toMatchObject({
    encoding: "jwt",
    profile: "trustee",
    algorithm: "ES256",
    publishBeforeUseSeconds: 300,
  });
});

test.each([
  ["{ signer: { key: { file: a }, ephemeral: true } }", [SIGNER]],
  ["{ signer: {} }", [SIGNER]],
  ["{ signer: { ephemeral: false } }", [`${SIGNER}.ephemeral`]],
  [`{ signer: { vault: { ${VAULT}, mount: ../sys } } }`, [`${SIGNER}.vault.mount`]],
  [`{ signer: { vault: { ${VAULT.replace("key: signer", "key: a/b")} } } }`, [`${SIGNER}.vault.key`]],
  [`{ signer: { vault: { ${VAULT.replace("https:", "http:")} } } }`, [`${SIGNER}.vault.address`]],
  [`{ signer: { vault: { ${VAULT.replace("vault.", "user:pass@vault.")} } } }`, [`${SIGNER}.vault.address`]],
  ["{ algorithm: HS256 }", ["attestation.token.algorithm"]],
  ["{ algorithm: none }", ["attestation.token.algorithm"]],
  ["{ encoding: xml }", ["attestation.token.encoding"]],
  ["{ signer: { ephemeral: true }, certificates: a.pem }", ["attestation.token.certificates"]],
  ["{ certificatesUrl: https://kbs.example.org/c.pem }", ["attestation.token.certificatesUrl"]],
])("%s is refused", (token, expected) => {
  expect(paths(token)).toEqual(expected);
});

test("a Vault over plain http, and anchors that are no roots, are said at start", () => {
  const { config } = loadConfig(
    `attestation: { token: { signer: { vault: { ${VAULT.replace("https:", "http:")}, dangerouslyAllowPlainHttp: true } } } }
tokens: { trustedIssuers: [{ issuer: a, certificates: c.pem, dangerouslyAllowIntermediateAnchors: true }] }`,
  );
  if (config === undefined) throw new Error("the configuration is good");
  const said = dangerousSwitches(config).map(({ path }) => path);
  expect(said).toContain(`${SIGNER}.vault.dangerouslyAllowPlainHttp`);
  expect(said).toContain("tokens.trustedIssuers[0].dangerouslyAllowIntermediateAnchors");
});
