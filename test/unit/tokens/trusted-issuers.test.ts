import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { writePem } from "../../../src/crypto/pem.ts";
import { PROFILE_TAGS } from "../../../src/tokens/forms.ts";
import { openTrustedIssuers, type TrustedIssuerConfig } from "../../../src/tokens/trusted-issuers.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { type Issued, issueCertificate } from "../../support/certificates.ts";
import { compact, NOW, signAs, tokenClaims } from "../../support/tokens.ts";

const REJECTED = expect.objectContaining({ code: "token-rejected" });
const SIGNAL = new AbortController().signal;
const SERVER = "1.3.6.1.5.5.7.3.1";
let folder = "";
let intermediate: Issued;
let leaf: Issued;
let server: Issued;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "issuers-"));
  const root = await issueCertificate({ name: "root", ca: true });
  intermediate = await issueCertificate({ name: "intermediate", ca: true, issuer: root });
  leaf = await issueCertificate({ name: "leaf", issuer: intermediate });
  server = await issueCertificate({ name: "server", issuer: intermediate, usages: [SERVER] });
  await writeFile(anchors(), writePem("CERTIFICATE", intermediate.certificate.der));
});
afterAll(() => rm(folder, { recursive: true }));

const anchors = () => join(folder, "anchors.pem");

async function verify(signer: Issued, changes: Partial<TrustedIssuerConfig>, claims = tokenClaims()) {
  const config = { issuer: "verifier", algorithms: ["ES256" as const], certificates: anchors(), ...changes };
  const issuers = await openTrustedIssuers([config], { now: () => NOW, onFailure: () => {} });
  const header = { alg: "ES256", x5c: [signer.certificate.der.toString("base64")] };
  const token = compact(header, claims, signAs("ES256", signer.privateKey));
  return new TokenVerifier({ issuers, now: () => NOW }).verify(token, SIGNAL);
}

test("C3 an anchor that is no root keeps the server from starting, and the option is named", async () => {
  await expect(verify(leaf, {})).rejects.toMatchObject({
    code: "internal",
    detail: expect.stringMatching(/^tokens\.trustedIssuers\[0\]: .*root/),
  });
  await expect(verify(leaf, { dangerouslyAllowIntermediateAnchors: true })).resolves.toBeDefined();
});

test("C3 a certificate for servers signs no token unless the operator names that usage", async () => {
  const allowed = { dangerouslyAllowIntermediateAnchors: true };
  await expect(verify(server, allowed)).rejects.toEqual(REJECTED);
  await expect(verify(server, { ...allowed, certificateUsages: [SERVER] })).resolves.toBeDefined();
  await expect(verify(leaf, { ...allowed, certificateUsages: [SERVER] })).rejects.toEqual(REJECTED);
});

test.each([
  ["verifier", "verifier"],
  ["self", "tokens.trustedIssuers[0]"],
  ["attestation-service", "tokens.trustedIssuers[0]"],
])("C4 an issuer whose iss is %s is called %s: none passes for this server", async (issuer, name) => {
  const changes = { issuer, dangerouslyAllowIntermediateAnchors: true };
  await expect(verify(leaf, changes, tokenClaims({ iss: issuer }))).resolves.toMatchObject({ issuer: name });
});

test("profiles that are listed are the ones that count", async () => {
  const allowed = { dangerouslyAllowIntermediateAnchors: true, profiles: [PROFILE_TAGS.veraison] };
  await expect(verify(leaf, allowed)).rejects.toEqual(REJECTED);
  await expect(
    verify(leaf, allowed, tokenClaims({ eat_profile: PROFILE_TAGS.veraison })),
  ).resolves.toBeDefined();
});
