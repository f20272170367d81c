import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type PeerCertificate } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { CertificateWatch, loadTls, tlsFiles } from "../../../src/http/tls.ts";
import { createLogger } from "../../../src/observability/logger.ts";
import { AUTH_BODY, startServer, type TestServer } from "../../support/http-server.ts";
import { testAuthority } from "../../support/tls-certificates.ts";

let authority: Awaited<ReturnType<typeof testAuthority>>;
let folder: string;
let server: TestServer;
const certPath = () => join(folder, "server.pem");
const keyPath = () => join(folder, "server.key");

async function place(commonName: string): Promise<void> {
  const { key, cert } = await authority.issue(commonName);
  await writeFile(`${keyPath()}.new`, key);
  await writeFile(`${certPath()}.new`, cert);
  await rename(`${keyPath()}.new`, keyPath());
  await rename(`${certPath()}.new`, certPath());
}

beforeAll(async () => {
  authority = await testAuthority();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keywarden-tls-"));
  await place("first");
  const tls = await loadTls(tlsFiles(certPath(), keyPath()));
  server = await startServer({ options: { tls, publicScheme: "https" } });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Protocol and certificate name of a handshake, or the failure's code. */
function handshake(options: ConnectionOptions = {}): Promise<{ protocol: string; name: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: "127.0.0.1", port: server.port, ca: authority.pem, servername: "localhost", ...options },
      () => {
        const certificate: PeerCertificate = socket.getPeerCertificate();
        resolve({ protocol: socket.getProtocol() ?? "", name: String(certificate.subject.CN) });
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

const watch = () =>
  new CertificateWatch({
    source: tlsFiles(certPath(), keyPath()),
    intervalMilliseconds: 3_600_000,
    replace: (material) => server.server.replaceCertificate(material),
    log: createLogger({ level: "silent", destination: { write: () => undefined } }),
    metrics: server.metrics,
  });

describe("TLS", () => {
  test("P1 serves the protocol over TLS 1.2 and 1.3 with a certificate that the client's root vouches for", async () => {
    expect(await handshake({ minVersion: "TLSv1.3" })).toMatchObject({ protocol: "TLSv1.3", name: "first" });
    expect(await handshake({ maxVersion: "TLSv1.2" })).toMatchObject({ protocol: "TLSv1.2", name: "first" });
    const answer = await new Promise<{ status: number; cookie: string }>((resolve, reject) => {
      const request = httpsRequest(
        {
          host: "127.0.0.1",
          port: server.port,
          ca: authority.pem,
          method: "POST",
          path: "/kbs/v0/auth",
          agent: false,
        },
        (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, cookie: response.headers["set-cookie"]?.[0] ?? "" });
        },
      );
      request.on("error", reject);
      request.end(AUTH_BODY);
    });
    expect(answer.status).toBe(200);
    expect(answer.cookie).toMatch(/; Secure$/);
  });

  test("P1 older versions are refused", async () => {
    const old: ConnectionOptions = {
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    };
    await expect(handshake(old)).rejects.toMatchObject({ code: expect.stringMatching(/ERR_SSL|ECONNRESET/) });
  });

  test("a client without the root does not get through", async () => {
    await expect(handshake({ ca: [] })).rejects.toMatchObject({
      code: expect.stringMatching(/VERIFY|SIGNED/),
    });
  });

  test("a new certificate is served without a restart", async () => {
    const watched = watch();
    await watched.start();
    expect(await watched.check()).toBe(false);
    await place("second");
    expect(await watched.check()).toBe(true);
    expect((await handshake()).name).toBe("second");
    watched.stop();
  });

  test("a certificate that cannot serve leaves the old one in place, and is tried again", async () => {
    const watched = watch();
    await watched.start();
    await writeFile(certPath(), "half a certif");
    expect(await watched.check()).toBe(false);
    expect((await handshake()).name).toBe("first");
    await place("third");
    expect(await watched.check()).toBe(true);
    expect((await handshake()).name).toBe("third");
    watched.stop();
  });

  test("a key that belongs to another certificate is refused by name", async () => {
    await writeFile(keyPath(), (await authority.issue("other")).key);
    await expect(loadTls(tlsFiles(certPath(), keyPath()))).rejects.toThrow(/is not the private key of/);
  });

  test.each([
    ["a missing certificate", () => rm(certPath()), /server\.pem cannot be read/],
    ["a certificate that is none", () => writeFile(certPath(), "x"), /server\.pem is not a certificate/],
    ["a key that is none", () => writeFile(keyPath(), "x"), /server\.key is not an unencrypted private key/],
  ])("%s is refused by name", async (_, spoil, message) => {
    await spoil();
    await expect(loadTls(tlsFiles(certPath(), keyPath()))).rejects.toThrow(message);
  });
});
