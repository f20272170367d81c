import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import {
  authoritiesFromPem,
  CertificateChainError,
} from "../../../src/attestation/formats/tpm2/certificate-chain.ts";
import {
  activateCredential,
  credentialFile,
  makeCredential,
  readCredentialFile,
} from "../../../src/attestation/formats/tpm2/credential.ts";
import { verifyEndorsementCertificate } from "../../../src/attestation/formats/tpm2/key-certificates.ts";
import { keyFingerprint, readSpki } from "../../../src/attestation/formats/tpm2/keys.ts";
import {
  attestationKeyFault,
  endorsementKeyFault,
  objectName,
  publicKeyOf,
  readPublicArea,
} from "../../../src/attestation/formats/tpm2/public-area.ts";
import { describeShared, sharedPath } from "../../support/shared.ts";

const FOLDER = "fixtures/tpm/enrol";
const file = (name: string) => readFileSync(sharedPath(FOLDER, name));
// The data is made by hand and read by these tests only; its members are the ones used below.
const json = (name: string) => JSON.parse(file(name).toString("utf8"));
const hex = (text: string) => Buffer.from(text, "hex");
const base64 = (text: string) => Buffer.from(text, "base64");

describeShared("enrolment of a real TPM", FOLDER, () => {
  const areas = Object.entries(json("public-areas.json") as Record<string, Record<string, string>>);

  test.each(areas)(
    "the public area of %s",
    (name, { tpmt_public = "", name: id = "", spki = "", attributes = "" }) => {
      const area = readPublicArea(base64(tpmt_public));
      expect(objectName(area).toString("hex")).toBe(id);
      expect(area.attributes).toBe(Number(attributes));
      if (spki !== "") expect(keyFingerprint(publicKeyOf(area))).toBe(keyFingerprint(readSpki(base64(spki))));
      expect(attestationKeyFault(area)).toBe(
        name.startsWith("ak-")
          ? undefined
          : name === "unrestricted"
            ? "restricted is not set"
            : "sign is not set",
      );
      expect(endorsementKeyFault(area) === undefined).toBe(name.startsWith("ek-"));
    },
  );

  test.each(json("makecredential-vectors.json") as Record<string, string>[])(
    "MakeCredential vector $kind",
    (vector) => {
      const ek = readPublicArea(base64(vector["ek_tpmt_public"] ?? ""));
      const key = createPrivateKey(vector["ek_private_pem"] ?? "");
      const name = hex(vector["object_name"] ?? "");
      const credential = {
        credentialBlob: hex(vector["tpm2b_id_object"] ?? ""),
        encryptedSecret: hex(vector["tpm2b_encrypted_secret"] ?? ""),
      };
      const secret = hex(vector["credential"] ?? "");
      expect(activateCredential(ek, key, name, credential)).toEqual(secret);
      // With the vector's own seed the outer parts come out byte for byte.
      if (ek.type === "rsa") {
        const made = makeCredential({
          endorsementKey: ek,
          objectName: name,
          secret,
          random: () => hex(vector["seed"] ?? ""),
        });
        expect(made.credentialBlob).toEqual(credential.credentialBlob);
      }
    },
  );

  test.each(json("activated-live.json") as Record<string, string>[])("credential file for $ek", (live) => {
    const bytes = base64(live["tpm2tools_blob"] ?? "");
    expect(credentialFile(readCredentialFile(bytes))).toEqual(bytes);
  });

  test.each(["rsa", "ecc"])("the EK certificate (%s) up to the root", (kind) => {
    const authorities = authoritiesFromPem([file("ca-root.pem").toString("utf8")]);
    const leaf = file(`ek-cert-${kind}.der`);
    const intermediate = authoritiesFromPem([file("ca-intermediate.pem").toString("utf8")]).pinned[0]?.der;
    if (intermediate === undefined) throw new Error("no intermediate");
    const options = { now: Date.parse("2026-11-25T00:00:00Z") };
    const verified = verifyEndorsementCertificate([leaf, intermediate], authorities, options);
    const area = readPublicArea(base64(json("public-areas.json")[`ek-${kind}`].tpmt_public));
    expect(verified.ekFingerprint).toBe(keyFingerprint(publicKeyOf(area)));
    expect(verified).toMatchObject({ manufacturer: "id:00001014", model: "swtpm" });
    expect(() => verifyEndorsementCertificate([leaf], authorities, options)).toThrow(CertificateChainError);
    const padded = Buffer.concat([leaf, Buffer.alloc(100, 0xff)]);
    expect(verifyEndorsementCertificate([padded, intermediate], authorities, options)).toEqual(verified);
  });

  test("a platform certificate is no EK certificate", () => {
    const authorities = authoritiesFromPem([file("ca-root.pem").toString("utf8")]);
    expect(() =>
      verifyEndorsementCertificate([file("platform-cert.der")], authorities, { now: Date.now() }),
    ).toThrow(CertificateChainError);
  });
});
