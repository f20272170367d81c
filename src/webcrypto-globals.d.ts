import type { webcrypto } from "node:crypto";

/**
 * The types of @peculiar/x509 speak of WebCrypto as browsers do, by global names. Node has the same things in
 * one module; the DOM library would bring the rest of the browser along.
 */
declare global {
  type Algorithm = webcrypto.Algorithm;
  type AlgorithmIdentifier = webcrypto.AlgorithmIdentifier;
  type BufferSource = webcrypto.BufferSource;
  type Crypto = webcrypto.Crypto;
  type CryptoKey = webcrypto.CryptoKey;
  type CryptoKeyPair = webcrypto.CryptoKeyPair;
  type EcKeyGenParams = webcrypto.EcKeyGenParams;
  type EcKeyImportParams = webcrypto.EcKeyImportParams;
  type EcdsaParams = webcrypto.EcdsaParams;
  type HashAlgorithmIdentifier = webcrypto.HashAlgorithmIdentifier;
  type KeyUsage = webcrypto.KeyUsage;
  type RsaHashedImportParams = webcrypto.RsaHashedImportParams;
  type RsaHashedKeyGenParams = webcrypto.RsaHashedKeyGenParams;
  type SubtleCrypto = webcrypto.SubtleCrypto;
}
