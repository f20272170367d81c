import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  equalBytes,
  fromBase64,
  fromBase64Url,
  fromHex,
  isZero,
  resize,
  toHex,
} from "../../../src/crypto/bytes.ts";
import { verifyP384 } from "../../../src/crypto/ecdsa.ts";
import { looksLikePem, readPem, writePem } from "../../../src/crypto/pem.ts";

describe("bytes", () => {
  test("equal means equal in length and content", () => {
    expect(equalBytes(Buffer.from([1, 2]), Buffer.from([1, 2]))).toBe(true);
    expect(equalBytes(Buffer.from([1, 2]), Buffer.from([1, 3]))).toBe(false);
    expect(equalBytes(Buffer.from([1, 2]), Buffer.from([1, 2, 0]))).toBe(false);
    expect(equalBytes(Buffer.alloc(0), Buffer.alloc(0))).toBe(true);
  });

  test("hexadecimal is read whole or not at all", () => {
    expect(fromHex("00fF")).toEqual(Buffer.from([0, 255]));
    expect(fromHex("")).toEqual(Buffer.alloc(0));
    for (const text of ["0", "0g", "zz", "00 ff", "0x00"]) expect(fromHex(text)).toBeUndefined();
  });

  test("base64 is read in the one form an encoder writes", () => {
    expect(fromBase64("AP/+")).toEqual(Buffer.from([0, 255, 254]));
    expect(fromBase64("AA==")).toEqual(Buffer.from([0]));
    for (const text of ["AA", "AA=", "AB==", "A", "AP_-", "AP/+\n", " AP/+", "AA==AA=="])
      expect(fromBase64(text)).toBeUndefined();
  });

  test("URL-safe base64 is read with its padding or without any", () => {
    for (const text of ["AA", "AA=="]) expect(fromBase64Url(text)).toEqual(Buffer.from([0]));
    expect(fromBase64Url("AP_-")).toEqual(Buffer.from([0, 255, 254]));
    expect(fromBase64Url("")).toEqual(Buffer.alloc(0));
    for (const text of ["AA=", "AA===", "AB", "A", "AP/+", "AP_-=", "!", "AA\n"])
      expect(fromBase64Url(text)).toBeUndefined();
  });

  test("resize pads with zeros or cuts", () => {
    expect(toHex(resize(Buffer.from([1, 2]), 4))).toBe("01020000");
    expect(toHex(resize(Buffer.from([1, 2, 3]), 2))).toBe("0102");
    expect(isZero(resize(Buffer.alloc(0), 8))).toBe(true);
    expect(isZero(Buffer.from([0, 0, 1]))).toBe(false);
  });
});

describe("PEM", () => {
  test("finds every block, whatever its line ends and the text around", () => {
    const text = `intro\r\n${writePem("CERTIFICATE", Buffer.alloc(100, 1)).replaceAll("\n", "\r\n")}x${writePem("X509 CRL", Buffer.from([2]))}`;
    expect(readPem(text).map(({ label, der }) => [label, der.length])).toEqual([
      ["CERTIFICATE", 100],
      ["X509 CRL", 1],
    ]);
  });

  test("a block whose end has another label is none", () => {
    expect(readPem("-----BEGIN CERTIFICATE-----\nAA==\n-----END KEY-----\n")).toEqual([]);
  });

  test("is told from DER by its first bytes", () => {
    expect(looksLikePem(Buffer.from("-----BEGIN CERTIFICATE-----"))).toBe(true);
    expect(looksLikePem(Buffer.from([0x30, 0x82]))).toBe(false);
    expect(looksLikePem(Buffer.alloc(0))).toBe(false);
  });
});

describe("P-384 signatures", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const data = Buffer.from("data");
  const signature = sign("sha384", data, { key: privateKey, dsaEncoding: "ieee-p1363" });

  test("verify over exactly their data", () => {
    expect(verifyP384(publicKey, data, signature)).toBe(true);
    expect(verifyP384(publicKey, Buffer.from("dat"), signature)).toBe(false);
  });

  test("B21 zero, the order and lengths other than 96 bytes are refused", () => {
    const order =
      "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
    expect(verifyP384(publicKey, data, Buffer.alloc(96))).toBe(false);
    expect(verifyP384(publicKey, data, Buffer.from(order + order, "hex"))).toBe(false);
    expect(verifyP384(publicKey, data, Buffer.alloc(96, 0xff))).toBe(false);
    expect(verifyP384(publicKey, data, signature.subarray(1))).toBe(false);
  });

  test("B13 a key on another curve verifies nothing", () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const by256 = sign("sha384", data, { key: other.privateKey, dsaEncoding: "ieee-p1363" });
    expect(verifyP384(other.publicKey, data, by256)).toBe(false);
    expect(verifyP384(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey, data, signature)).toBe(
      false,
    );
  });
});
