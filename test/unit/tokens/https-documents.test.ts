import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, LookupFunction } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { isPublicAddress } from "../../../src/tokens/address-guard.ts";
import { HttpsDocuments, type HttpsDocumentsOptions } from "../../../src/tokens/https-documents.ts";
import { p256PublicJwk } from "../../../src/tokens/jwk.ts";
import { RemoteKeySet, type RemoteKeySetOptions } from "../../../src/tokens/remote-key-set.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { testAuthority } from "../../support/tls-certificates.ts";
import { compact, NOW, p256, signAs, tokenClaims } from "../../support/tokens.ts";

const signal = new AbortController().signal;
let authority: Awaited<ReturnType<typeof testAuthority>>;
let server: Server;
let answer: RequestListener = (_, response) => response.end("{}");
let requests: string[] = [];
let origin = "";

beforeAll(async () => {
  authority = await testAuthority();
  server = createServer(await authority.issue("localhost"), (request, response) => {
    requests.push(request.url ?? "");
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server's address is an object.
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  requests = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function documents(options: HttpsDocumentsOptions = {}): HttpsDocuments {
  return new HttpsDocuments({
    certificateAuthorities: authority.pem,
    privateHosts: ["127.0.0.1"],
    ...options,
  });
}

describe("C5 addresses", () => {
  test.each([
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001::1",
    "localhost",
    "",
    "1.2.3",
  ])("%s is not public", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(["8.8.8.8", "172.32.0.1", "192.0.1.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])(
    "%s is public",
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
});

describe("C5 fetching", () => {
  test("a document from a host that the operator allowed", async () => {
    answer = (_, response) => response.end('{"keys":[]}');
    await expect(documents().get(`${origin}/jwks?x=1`, signal)).resolves.toEqual(Buffer.from('{"keys":[]}'));
    expect(requests).toEqual(["/jwks?x=1"]);
  });

  test.each(["http://127.0.0.1/", "file:///etc/passwd", "ftp://x/", "data:,x"])(
    "%s is refused",
    async (url) => {
      await expect(documents().get(url, signal)).rejects.toThrow("https");
    },
  );

  test("credentials in the URL", async () => {
    await expect(documents().get(origin.replace("//", "//user:pw@"), signal)).rejects.toThrow("credentials");
  });

  test.each(["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "169.254.169.254"])(
    "a private address as %s is not connected to",
    async (host) => {
      const { port } = new URL(origin);
      await expect(documents({ privateHosts: [] }).get(`https://${host}:${port}/`, signal)).rejects.toThrow(
        "public",
      );
      expect(requests).toEqual([]);
    },
  );

  test("a name that leads to a private address, even beside a public one", async () => {
    for (const addresses of [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], []]) {
      const lookup = jest.fn<LookupFunction>((_name, _options, callback) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        ),
      );
      const { port } = new URL(origin);
      await expect(
        documents({ privateHosts: [], lookup }).get(`https://keys.example:${port}/`, signal),
      ).rejects.toThrow("not public");
      expect(lookup).toHaveBeenCalledTimes(1);
    }
    expect(requests).toEqual([]);
  });

  test("a redirect is not followed", async () => {
    answer = (request, response) => {
      if (request.url === "/target") response.end("{}");
      else response.writeHead(302, { location: `${origin}/target` }).end();
    };
    await expect(documents().get(`${origin}/start`, signal)).rejects.toThrow("302");
    expect(requests).toEqual(["/start"]);
  });

  test("E5 an endless answer is cut off", async () => {
    answer = (_, response) => {
      const write = () => {
        if (!response.destroyed) response.write(Buffer.alloc(1 << 16), () => setImmediate(write));
      };
      write();
    };
    await expect(documents({ maxBytes: 100_000 }).get(origin, signal)).rejects.toThrow("longer");
  });

  test("E4 a server that never answers, and one that drips", async () => {
    answer = () => undefined;
    await expect(documents({ timeoutMs: 50 }).get(origin, signal)).rejects.toBeDefined();
    answer = (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write(" "), 10);
      response.on("close", () => clearInterval(timer));
    };
    await expect(documents({ timeoutMs: 100 }).get(origin, signal)).rejects.toBeDefined();
  });

  test("E7 a certificate by an unknown authority, and one for another name", async () => {
    const other = await testAuthority();
    await expect(documents({ certificateAuthorities: other.pem }).get(origin, signal)).rejects.toBeDefined();
    const lookup: LookupFunction = (_name, options, callback) =>
      options.all === true
        ? callback(null, [{ address: "127.0.0.1", family: 4 }])
        : callback(null, "127.0.0.1", 4);
    const { port } = new URL(origin);
    await expect(
      documents({ privateHosts: ["other.example"], lookup }).get(`https://other.example:${port}/`, signal),
    ).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    expect(requests).toEqual([]);
  });

  test("plain http on the other side is an error, not an answer", async () => {
    const plain = createHttpServer((_, response) => response.end("{}")).listen(0, "127.0.0.1");
    await once(plain, "listening");
    const { port } = plain.address() as AddressInfo;
    await expect(documents().get(`https://127.0.0.1:${port}/`, signal)).rejects.toBeDefined();
    plain.close();
  });
});

describe("AS-058 key sets that are fetched", () => {
  const pair = p256();
  const other = p256();
  const jwk = (key: typeof pair, kid: string) => ({ ...p256PublicJwk(key.publicKey), kid, alg: "ES256" });
  const token = (key: typeof pair, kid: string) =>
    compact({ alg: "ES256", kid }, tokenClaims(), signAs("ES256", key.privateKey));

  function setUp(options: Partial<RemoteKeySetOptions> = {}) {
    const clock = { now: NOW };
    const failures: unknown[] = [];
    const keys = new RemoteKeySet({
      url: `${origin}/jwks`,
      documents: documents(),
      now: () => clock.now,
      refreshAfterMs: 60_000,
      maxAgeMs: 600_000,
      minIntervalMs: 1_000,
      onFailure: (error) => failures.push(error),
      ...options,
    });
    const issuer = {
      name: "as",
      issuer: "verifier",
      audience: undefined,
      algorithms: ["ES256" as const],
      keys,
    };
    const verifier = new TokenVerifier({ issuers: [issuer], now: () => NOW });
    return { clock, failures, keys, verify: (text: string) => verifier.verify(text, signal) };
  }

  const serve = (...keys: readonly object[]) => {
    answer = (_, response) => response.end(JSON.stringify({ keys }));
  };
  const REJECTED = expect.objectContaining({ code: "token-rejected" });

  test("P43 the key under the kid verifies; tokens at the same time share one fetch", async () => {
    serve(jwk(pair, "1"));
    const { verify } = setUp();
    await Promise.all([verify(token(pair, "1")), verify(token(pair, "1")), verify(token(pair, "1"))]);
    expect(requests).toEqual(["/jwks"]);
  });

  test("an unknown kid causes one fetch per interval, however many tokens name it", async () => {
    serve(jwk(pair, "1"));
    const { verify, clock } = setUp();
    for (let count = 0; count < 20; count++)
      await expect(verify(token(other, `x${count}`))).rejects.toEqual(REJECTED);
    expect(requests).toHaveLength(1);
    serve(jwk(pair, "1"), jwk(other, "2"));
    clock.now += 1_000;
    await expect(verify(token(other, "2"))).resolves.toBeDefined();
    expect(requests).toHaveLength(2);
  });

  test("a rotated key no longer counts, not even for tokens verified before", async () => {
    serve(jwk(pair, "1"));
    const { verify, clock, keys } = setUp();
    const old = token(pair, "1");
    await keys.load();
    await verify(old);
    serve(jwk(other, "2"));
    clock.now += 61_000;
    await verify(token(pair, "1")).catch(() => undefined);
    await keys.load();
    await expect(verify(old)).rejects.toEqual(REJECTED);
    await expect(verify(token(other, "2"))).resolves.toBeDefined();
  });

  test("an issuer that is down: its keys count until they are too old", async () => {
    serve(jwk(pair, "1"));
    const { verify, clock, failures } = setUp();
    const text = token(pair, "1");
    await verify(text);
    answer = (_, response) => response.writeHead(500).end();
    clock.now += 599_000;
    await expect(verify(text)).resolves.toBeDefined();
    clock.now += 2_000;
    await expect(verify(text)).rejects.toEqual(REJECTED);
    expect(failures.length).toBeGreaterThan(0);
  });

  test("never fetched, never trusted; readiness says so", async () => {
    answer = (_, response) => response.writeHead(500).end();
    const { verify, keys } = setUp();
    await expect(verify(token(pair, "1"))).rejects.toEqual(REJECTED);
    await expect(keys.load()).rejects.toMatchObject({ code: "collateral-unavailable" });
  });

  test.each(["not json", "{}", '{"keys":[]}', `{"keys":[{"kty":"oct","kid":"1","alg":"HS256","k":"AAAA"}]}`])(
    "%s is no key set",
    async (body) => {
      answer = (_, response) => response.end(body);
      await expect(setUp().verify(token(pair, "1"))).rejects.toEqual(REJECTED);
    },
  );

  test("AS-057 an issuer URL leads over discovery to the key set, by https only", async () => {
    answer = (request, response) => {
      if (request.url === "/realm/.well-known/openid-configuration")
        response.end(JSON.stringify({ jwks_uri: `${origin}/keys` }));
      else if (request.url === "/keys") response.end(JSON.stringify({ keys: [jwk(pair, "1")] }));
      else response.writeHead(404).end();
    };
    await expect(setUp({ url: `${origin}/realm` }).verify(token(pair, "1"))).resolves.toBeDefined();
    answer = (request, response) =>
      request.url?.includes("openid") === true
        ? response.end(JSON.stringify({ jwks_uri: "http://127.0.0.1/keys" }))
        : response.writeHead(404).end();
    await expect(setUp({ url: `${origin}/realm` }).verify(token(pair, "1"))).rejects.toEqual(REJECTED);
    expect(() => setUp({ url: "http://127.0.0.1/jwks" })).toThrow(TypeError);
  });
});
