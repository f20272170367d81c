/** A machine with a TPM in software, as it enrols. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { activateCredential, readCredentialFile } from "../../../src/attestation/formats/tpm2/credential.ts";
import { sized } from "../../../src/attestation/formats/tpm2/cursor.ts";
import { keyFingerprint } from "../../../src/attestation/formats/tpm2/keys.ts";
import { objectName, readPublicArea } from "../../../src/attestation/formats/tpm2/public-area.ts";
import { enrolmentProof } from "../../../src/enrolment/tpm-enrolment.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { EK_USAGE, issue, KeyUsageFlags } from "./certificates.ts";
import { AK_ATTRIBUTES, EK_ATTRIBUTES, keyOf, vendors } from "./index.ts";
import { printPublicArea } from "./structures.ts";

/** A machine with its two keys. */
export class Machine {
  readonly ek: KeyObject;
  readonly ak: KeyObject;
  readonly ekArea: Buffer;
  readonly akArea: Buffer;

  constructor(which = "", attributes: { ek?: number; ak?: number } = {}) {
    this.ek = keyOf("RSA-2048, RSASSA, SHA-256", `ek${which}`);
    this.ak = keyOf("P-256, SHA-256", `ak${which}`);
    this.ekArea = printPublicArea(this.ek, {
      attributes: attributes.ek ?? EK_ATTRIBUTES,
      symmetricBits: 128,
    });
    this.akArea = printPublicArea(this.ak, {
      attributes: attributes.ak ?? AK_ATTRIBUTES,
      scheme: { name: "ecdsa", hash: "sha256" },
    });
  }

  get akName(): Buffer {
    return objectName(readPublicArea(this.akArea));
  }
  get akFingerprint(): string {
    return keyFingerprint(createPublicKey(this.ak));
  }
  get ekFingerprint(): string {
    return keyFingerprint(createPublicKey(this.ek));
  }

  async certificate(over: Partial<Parameters<typeof issue>[0]> = {}): Promise<Buffer> {
    const { vendor } = await vendors();
    return issue({
      subject: "an endorsement key",
      issuer: vendor.name,
      key: this.ek,
      signingKey: vendor.key,
      keyUsage: KeyUsageFlags.keyEncipherment,
      extendedUsage: [EK_USAGE],
      tpm: "2.23.133.2.1=id:00001014, 2.23.133.2.2=swtpm, 2.23.133.2.3=id:20191023",
      ...over,
    });
  }

  request(over: Record<string, unknown> = {}): Buffer {
    return Buffer.from(
      JSON.stringify({
        host: "node-1",
        ek_public: sized(this.ekArea).toString("base64"),
        ak_public: sized(this.akArea).toString("base64"),
        ...over,
      }),
    );
  }

  /** What the TPM gives back, or what a machine without it would make up. */
  proof(challenge: JsonObject): Buffer {
    const file = Buffer.from(String(challenge["credential_file"]), "base64");
    const secret = activateCredential(
      readPublicArea(this.ekArea),
      this.ek,
      this.akName,
      readCredentialFile(file),
    );
    return enrolmentProof(secret, String(challenge["enrolment"]), this.akName);
  }
}

export const proofBody = (proof: Buffer) => Buffer.from(JSON.stringify({ proof: proof.toString("base64") }));
