import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  AUTH_BODY,
  answersIn,
  attest,
  attestBody,
  authenticate,
  startServer,
  type TestServer,
} from "../support/http-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ logLevel: "error" });
});
afterAll(() => server.close());

/** Writes bytes, says that no more will come, and gives back what the server said. */
function talk(bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(server.port, "127.0.0.1", () => socket.end(bytes));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  });
}

/** Every answer must be a whole one; a refusal must be JSON with the members that clients read. */
function expectOrderly(text: string): void {
  for (const { status, body } of answersIn(text)) {
    expect(status).toBeLessThan(500);
    if (status >= 400)
      expect(JSON.parse(body)).toMatchObject({
        type: expect.stringMatching(/./),
        detail: expect.stringMatching(/./),
      });
  }
}

const REQUEST = Buffer.from(
  `POST /kbs/v0/auth?a=%41 HTTP/1.1\r\nHost: a\r\nCookie: kbs-session-id=abc\r\nConnection: close\r\nContent-Length: ${AUTH_BODY.length}\r\n\r\n${AUTH_BODY}`,
);

describe("whatever bytes arrive", () => {
  test("E9 random bytes are refused in order or cut off", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => expectOrderly(await talk(bytes))),
      { numRuns: 150 },
    );
  });

  test("E9 a good request with any bytes changed is answered in order or cut off", async () => {
    const change = fc.tuple(fc.nat(REQUEST.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(REQUEST);
        for (const [at, value] of changes) bytes[at] = value;
        expectOrderly(await talk(bytes));
      }),
      { numRuns: 300 },
    );
  });

  test("E9 a good request cut anywhere is answered in order or cut off", async () => {
    for (let length = 0; length < REQUEST.length; length += 3)
      expectOrderly(await talk(REQUEST.subarray(0, length)));
  });

  test("no JSON document makes /auth fail", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (body) => {
        const answer = await server.call("POST", "/kbs/v0/auth", { body });
        expect([400, 401]).toContain(answer.status);
        expect(answer.json()).toMatchObject({ detail: expect.stringMatching(/./) });
      }),
      { numRuns: 100 },
    );
  });

  test("A15 no value in any place of an /attest body makes it fail, or do more than an honest one", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    const before = server.attestation.appraised.length;
    const places = [
      "init-data",
      "runtime-data",
      "tee-evidence",
      "runtime-data.nonce",
      "runtime-data.tee-pubkey",
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        fc.option(fc.jsonValue(), { nil: undefined }),
        async (place, value) => {
          const body = JSON.parse(attestBody(nonce));
          const [outer = "", inner] = place.split(".");
          // A nonce that is right by chance, or absent init-data, is an honest body.
          if (outer === "init-data" && (value === undefined || value === null)) return;
          if (inner === undefined) body[outer] = value;
          else body[outer][inner] = value;
          const answer = await attest(server.port, cookie, JSON.stringify(body));
          expect([400, 401]).toContain(answer.status);
        },
      ),
      { numRuns: 150 },
    );
    expect(server.attestation.appraised).toHaveLength(before);
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(200);
  });

  test("the server is still there, and nothing unforeseen is in its log", async () => {
    expect((await server.call("GET", "/readyz")).status).toBe(200);
    expect(server.logged).toEqual([]);
  });
});
