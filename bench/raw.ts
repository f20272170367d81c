import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from "node:crypto";

export interface RawCost {
  readonly operation: string;
  /** CPU milliseconds for one, in this process, in this run. */
  readonly milliseconds: number;
}

const MESSAGE = randomBytes(1184);

/** What the very same cryptographic operations cost with nothing around them. */
export function rawCosts(): readonly RawCost[] {
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  // Uncompressed point, the last 65 bytes of the DER.
  const point = p256.publicKey.export({ type: "spki", format: "der" }).subarray(-65);
  const ephemeral = createECDH("prime256v1");
  const signature256 = sign("sha256", MESSAGE, { key: p256.privateKey, dsaEncoding: "ieee-p1363" });
  const signature384 = sign("sha384", MESSAGE, { key: p384.privateKey, dsaEncoding: "ieee-p1363" });
  const cek = randomBytes(32);
  return [
    cost("ES256 sign (token)", 2000, () =>
      sign("sha256", MESSAGE, { key: p256.privateKey, dsaEncoding: "ieee-p1363" }),
    ),
    cost("ES256 verify (token)", 2000, () =>
      verify("sha256", MESSAGE, { key: p256.publicKey, dsaEncoding: "ieee-p1363" }, signature256),
    ),
    cost("ES384 verify (SNP report)", 500, () =>
      verify("sha384", MESSAGE, { key: p384.publicKey, dsaEncoding: "ieee-p1363" }, signature384),
    ),
    cost("P-256 ephemeral key + ECDH", 1000, () => {
      ephemeral.generateKeys();
      return ephemeral.computeSecret(point);
    }),
    cost("RSA-OAEP-256 encrypt", 1000, () =>
      publicEncrypt(
        { key: rsa.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
        cek,
      ),
    ),
    cost("A256GCM of 64 bytes + SHA-384", 2000, () => {
      createHash("sha384").update(point).digest();
      const cipher = createCipheriv("aes-256-gcm", cek, randomBytes(12));
      return Buffer.concat([cipher.update(MESSAGE.subarray(0, 64)), cipher.final(), cipher.getAuthTag()]);
    }),
  ];
}

function cost(operation: string, times: number, run: () => unknown): RawCost {
  for (let i = 0; i < times / 4; i++) run();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) run();
  const { user, system } = process.cpuUsage(before);
  return { operation, milliseconds: (user + system) / 1000 / times };
}
