import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import type { HashName } from "../../../../src/attestation/formats/tpm2/algorithms.ts";
import {
  activateCredential,
  credentialFile,
  makeCredential,
  readCredentialFile,
} from "../../../../src/attestation/formats/tpm2/credential.ts";
import { Tpm2FormatError } from "../../../../src/attestation/formats/tpm2/cursor.ts";
import { objectName, readPublicArea } from "../../../../src/attestation/formats/tpm2/public-area.ts";
import { printPublicArea } from "../../../support/software-tpm/structures.ts";

const EK_LOW = 0x000300b2;
const EK_HIGH = 0x000300f2;
const AK = 0x00050072;

interface Kind {
  readonly make: () => { publicKey: KeyObject; privateKey: KeyObject };
  readonly nameAlgorithm: HashName;
  readonly bits: number;
  readonly attributes: number;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "RSA-2048": {
    make: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    nameAlgorithm: "sha256",
    bits: 128,
    attributes: EK_LOW,
  },
  "RSA-3072": {
    make: () => generateKeyPairSync("rsa", { modulusLength: 3072 }),
    nameAlgorithm: "sha384",
    bits: 256,
    attributes: EK_HIGH,
  },
  "P-256": {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    nameAlgorithm: "sha256",
    bits: 128,
    attributes: EK_LOW,
  },
  "P-384": {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
    nameAlgorithm: "sha384",
    bits: 256,
    attributes: EK_HIGH,
  },
  "P-521": {
    make: () => generateKeyPairSync("ec", { namedCurve: "P-521" }),
    nameAlgorithm: "sha512",
    bits: 256,
    attributes: EK_HIGH,
  },
};

function attestationKeyName(): Buffer {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const scheme = { name: "ecdsa", hash: "sha256" } as const;
  return objectName(readPublicArea(printPublicArea(publicKey, { attributes: AK, scheme })));
}

describe.each(Object.entries(KINDS))("a credential for an endorsement key on %s", (_, kind) => {
  const { publicKey, privateKey } = kind.make();
  const { nameAlgorithm, bits: symmetricBits, attributes } = kind;
  const area = readPublicArea(printPublicArea(publicKey, { attributes, nameAlgorithm, symmetricBits }));
  const name = attestationKeyName();
  const secret = randomBytes(32);
  const made = () => makeCredential({ endorsementKey: area, objectName: name, secret, random: randomBytes });

  test("gives its secret to the TPM that holds both keys", () => {
    expect(activateCredential(area, privateKey, name, made())).toEqual(secret);
  });

  test("is another one each time", () => {
    expect(made()).not.toEqual(made());
  });

  test("B18 does not open for another object's name", () => {
    expect(() => activateCredential(area, privateKey, attestationKeyName(), made())).toThrow(Tpm2FormatError);
  });

  test("B18 does not open with another endorsement key", () => {
    expect(() => activateCredential(area, kind.make().privateKey, name, made())).toThrow(Tpm2FormatError);
  });

  test("B1 does not open when any byte of it was changed", () => {
    const { credentialBlob, encryptedSecret } = made();
    for (const [blob, pair] of [
      [credentialBlob, (changed: Buffer) => ({ credentialBlob: changed, encryptedSecret })],
      [encryptedSecret, (changed: Buffer) => ({ credentialBlob, encryptedSecret: changed })],
    ] as const)
      for (let at = 0; at < blob.length; at += 7) {
        const changed = Buffer.from(blob);
        changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
        expect(() => activateCredential(area, privateKey, name, pair(changed))).toThrow(Tpm2FormatError);
      }
  });

  test("survives the file of tpm2-tools", () => {
    const credential = made();
    expect(readCredentialFile(credentialFile(credential))).toEqual(credential);
  });
});

describe("credentials that are not made", () => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const make = (attributes: number, secretBytes = 32, symmetricBits: number | undefined = 128) =>
    makeCredential({
      endorsementKey: readPublicArea(
        printPublicArea(publicKey, { attributes, ...(symmetricBits === 0 ? {} : { symmetricBits }) }),
      ),
      objectName: attestationKeyName(),
      secret: Buffer.alloc(secretBytes, 1),
      random: randomBytes,
    });

  test.each([
    ["a key that is not restricted", () => make(EK_LOW & ~(1 << 16))],
    ["a key that does not decrypt", () => make(EK_LOW & ~(1 << 17))],
    ["a key that signs", () => make(EK_LOW | (1 << 18))],
    ["a key that may leave its TPM", () => make(EK_LOW & ~(1 << 1))],
    ["a key without a symmetric algorithm", () => make(EK_LOW, 32, 0)],
    ["no secret", () => make(EK_LOW, 0)],
    ["a secret longer than the digest", () => make(EK_LOW, 33)],
  ])("for %s", (_, attempt) => {
    expect(attempt).toThrow(Tpm2FormatError);
  });

  test("files that tpm2-tools would not write", () => {
    const good = credentialFile(make(EK_LOW));
    const wrong = [
      good.subarray(1),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.alloc(8),
    ];
    for (const file of wrong) expect(() => readCredentialFile(file)).toThrow(Tpm2FormatError);
  });
});
