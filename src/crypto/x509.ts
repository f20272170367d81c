/**
 * The one door to @peculiar/x509. It needs the metadata reflection to be there before it is loaded, and a
 * WebCrypto provider. Used for making certificates; whoever verifies with it must pass the issuer's key, for
 * `certificate.verify()` without one checks a certificate against itself.
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

export { x509 };
