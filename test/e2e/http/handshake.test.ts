import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KbsError } from "../../../src/errors.ts";
import {
  type Answer,
  AUTH_BODY,
  answersIn,
  attest,
  attestBody,
  authenticate,
  raw,
  startServer,
  TEE_KEY,
  type TestServer,
} from "../../support/http-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const auth = (body: unknown) =>
  server.call("POST", "/kbs/v0/auth", { body: typeof body === "string" ? body : JSON.stringify(body) });
const get = (headers: Record<string, string> = {}) =>
  server.call("GET", "/kbs/v0/resource/default/key/1", { headers });
const variant = (answer: Answer) => String(answer.json()["type"]).split("/").at(-1);
const request = { version: "0.4.0", tee: "snp", "extra-params": "" };

async function attested(): Promise<{ cookie: string; nonce: string; token: string }> {
  const { cookie, nonce } = await authenticate(server.port);
  const answer = await attest(server.port, cookie, attestBody(nonce));
  expect(answer.status).toBe(200);
  return { cookie, nonce, token: String(answer.json()["token"]) };
}

describe("/auth", () => {
  test("P11 P13 a valid request gets a nonce and empty extra-params as JSON", async () => {
    const answer = await auth({ ...request, "extra-params": { "supported-hash-algorithms": ["sha512"] } });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.json()["extra-params"]).toBe("");
    expect(Object.keys(answer.json()).sort()).toEqual(["extra-params", "nonce"]);
  });

  test("P12 the nonce is padded base64 of 32 bytes", async () => {
    const nonce = String((await auth(request)).json()["nonce"]);
    expect(nonce).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(Buffer.from(nonce, "base64")).toHaveLength(32);
  });

  test("P12 A1 nonces of 10,000 challenges, before and after a restart, are distinct and of 32 bytes", async () => {
    const head = `POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nContent-Length: ${AUTH_BODY.length}\r\n`;
    const [one, last] = [`${head}\r\n${AUTH_BODY}`, `${head}Connection: close\r\n\r\n${AUTH_BODY}`];
    const nonces = new Set<string>();
    const ask = async (port: number): Promise<void> => {
      for (let round = 0; round < 50; round++)
        for (const { body } of answersIn(await raw(port, one.repeat(99) + last)))
          nonces.add(JSON.parse(body).nonce);
    };
    await ask(server.port);
    const other = await startServer();
    await ask(other.port);
    await other.close();
    expect(nonces.size).toBe(10_000);
    for (const nonce of nonces) expect(Buffer.from(nonce, "base64")).toHaveLength(32);
  }, 120_000);

  test("P14 a verifier's own challenge and hash algorithm reach the guest and the appraisal", async () => {
    const nonce = JSON.stringify({ request_blob: "x".repeat(3000) });
    server.attestation.challengeAnswer = {
      nonce,
      extraParams: { "selected-hash-algorithm": "sha512" },
      hashAlgorithm: "sha512",
    };
    const answer = await auth({ ...request, tee: "se" });
    expect(answer.json()).toEqual({ nonce, "extra-params": { "selected-hash-algorithm": "sha512" } });
    const cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(200);
    expect(server.attestation.appraised[0]).toMatchObject({ tee: "se", nonce, hashAlgorithm: "sha512" });
  });

  test.each(["0.3.0", "0.4.1", "1.0.0"])(
    "P15 version %s is refused in words people search for",
    async (version) => {
      const answer = await auth({ ...request, version });
      expect(answer.status).toBe(401);
      expect(variant(answer)).toBe("AttestationError");
      expect(answer.json()["detail"]).toContain(
        "Attestation error: RCAR handshake Auth failed: KBS Client Protocol Version Mismatch: expect",
      );
    },
  );

  test.each([
    ["P16 a version that is no semantic version", { ...request, version: "0.4" }],
    ["P17 no extra-params", { version: "0.4.0", tee: "snp" }],
    ["P18 an unknown TEE", { ...request, tee: "abacus" }],
  ])("%s is refused with ErrorInformation", async (_, body) => {
    const answer = await auth(body);
    expect(answer.status).toBe(401);
    expect(variant(answer)).toBe("AttestationError");
    expect(answer.json()["detail"]).toMatch(/^Attestation error: RCAR handshake Auth failed: ./);
  });

  test.each([null, "", {}])("P17 extra-params %j is accepted", async (extraParams) => {
    expect((await auth({ ...request, "extra-params": extraParams })).status).toBe(200);
  });

  test.each(["nvidiadpu", "azsnpvtpm", "aztdxvtpm"])("P18 the alias %s is accepted", async (tee) => {
    expect((await auth({ ...request, tee })).status).toBe(200);
  });

  test("P19 unknown keys in extra-params are ignored", async () => {
    expect((await auth({ ...request, "extra-params": { "tee-metadata": {}, other: [1] } })).status).toBe(200);
  });

  test("P20 P21 A6 sets exactly one cookie with the right name, path, flags and lifetime", async () => {
    const answer = await auth(request);
    const cookies = answer.headers["set-cookie"] ?? [];
    expect(cookies).toHaveLength(1);
    const [pair = "", ...attributes] = (cookies[0] ?? "").split("; ");
    expect(pair).toMatch(/^kbs-session-id=[A-Za-z0-9_-]{32,}$/);
    const expires = attributes.find((attribute) => attribute.startsWith("Expires="))?.slice(8) ?? "";
    expect(Math.abs(Date.parse(expires) - (server.clock.now() + 300_000))).toBeLessThanOrEqual(2_000);
    expect(attributes.filter((attribute) => !attribute.startsWith("Expires=")).sort()).toEqual([
      "HttpOnly",
      "Max-Age=300",
      "Path=/kbs/v0",
      "SameSite=Strict",
    ]);
  });

  test("A6 the cookie is Secure where clients speak https", async () => {
    const secure = await startServer({ options: { publicScheme: "https" } });
    const answer = await secure.call("POST", "/kbs/v0/auth", { body: AUTH_BODY });
    expect(answer.headers["set-cookie"]?.[0]).toMatch(/; Secure$/);
    await secure.close();
  });

  test.each([
    "",
    "{",
    "[]",
    '{"version":"0.4.0","version":"0.4.0","tee":"snp","extra-params":""}',
    "\xff\xfe",
  ])("a body that is no request (%j) is refused with a sentence", async (body) => {
    const answer = await auth(Buffer.from(body, "latin1").toString("latin1"));
    expect([400, 401]).toContain(answer.status);
    expect(variant(answer)).toBe("AttestationError");
  });

  test("a body that is not UTF-8 is refused with a sentence", async () => {
    const answer = await server.call("POST", "/kbs/v0/auth", { body: Buffer.from([0xff, 0xfe]) });
    expect(answer.status).toBe(400);
    expect(variant(answer)).toBe("AttestationError");
  });

  test("10,000 levels of nesting are refused", async () => {
    const body = `{"version":"0.4.0","tee":"snp","extra-params":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    expect((await auth(body)).status).toBe(400);
  });
});

describe("/attest", () => {
  test("B29 E9 evidence that is nothing but structure is refused without being read to the end", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    const bomb = Array.from({ length: 100_000 }, () => ({}));
    const inEvidence = { "tee-evidence": { primary_evidence: bomb, additional_evidence: "" } };
    const inDevices = {
      "tee-evidence": { primary_evidence: {}, additional_evidence: JSON.stringify({ tpm: bomb }) },
    };
    for (const more of [inEvidence, inDevices])
      expect([400, 401]).toContain((await attest(server.port, cookie, attestBody(nonce, more))).status);
    expect(server.attestation.appraised).toEqual([]);
  });

  test("P32 success gives the token and the same cookie with the same expiry", async () => {
    const opened = await auth(request);
    const setCookie = opened.headers["set-cookie"]?.[0] ?? "";
    server.clock.advance(10_000);
    const cookie = setCookie.split(";")[0] ?? "";
    const answer = await attest(server.port, cookie, attestBody(String(opened.json()["nonce"])));
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(Object.keys(answer.json())).toEqual(["token"]);
    const again = answer.headers["set-cookie"]?.[0] ?? "";
    expect(again.split(";")[0]).toBe(cookie);
    expect(/Expires=[^;]+/.exec(again)?.[0]).toBe(/Expires=[^;]+/.exec(setCookie)?.[0]);
    expect(again).toContain("Max-Age=290");
  });

  test("passes on what the guest sent and what the session remembers", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    await attest(server.port, cookie, attestBody(nonce, { "init-data": { format: "toml", body: "a" } }));
    expect(server.attestation.appraised).toEqual([
      {
        tee: "snp",
        generation: "0.4",
        hashAlgorithm: "sha384",
        nonce,
        teePublicKey: TEE_KEY,
        primaryEvidence: { svn: "1" },
        additionalEvidence: "",
        additional: [],
        initData: { format: "toml", body: "a" },
      },
    ]);
  });

  test("older generations send no nonce; the session's is used", async () => {
    const { cookie, nonce } = await authenticate(
      server.port,
      JSON.stringify({ ...request, version: "0.2.0" }),
    );
    const body = JSON.stringify({ "tee-pubkey": TEE_KEY, "tee-evidence": {} });
    expect((await attest(server.port, cookie, body)).status).toBe(200);
    expect(server.attestation.appraised[0]).toMatchObject({ generation: "0.2", nonce });
  });

  test("P22 no cookie, an unknown one and an expired one are refused", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    const without = await server.call("POST", "/kbs/v0/attest", { body: attestBody(nonce) });
    const unknown = await attest(server.port, `kbs-session-id=${"0".repeat(32)}`, attestBody(nonce));
    server.clock.advance(300_000);
    const expired = await attest(server.port, cookie, attestBody(nonce));
    for (const answer of [without, unknown, expired]) {
      expect(answer.status).toBe(401);
      expect(variant(answer)).toBe("AttestationError");
      expect(answer.json()["code"]).toBe("session-unknown");
    }
    expect(server.attestation.appraised).toHaveLength(0);
  });

  test("P23 A2 another session's nonce is refused, and the session stays usable", async () => {
    const mine = await authenticate(server.port);
    const other = await authenticate(server.port);
    const answer = await attest(server.port, mine.cookie, attestBody(other.nonce));
    expect(answer.status).toBe(401);
    expect(answer.json()).toMatchObject({ code: "handshake-refused", check: "nonce" });
    expect(server.attestation.appraised).toHaveLength(0);
    expect((await attest(server.port, mine.cookie, attestBody(mine.nonce))).status).toBe(200);
  });

  test("A3 a recorded handshake replayed in a new session is refused", async () => {
    const recorded = await authenticate(server.port);
    const body = attestBody(recorded.nonce);
    await attest(server.port, recorded.cookie, body);
    const fresh = await authenticate(server.port);
    expect((await attest(server.port, fresh.cookie, body)).status).toBe(401);
    server.clock.advance(300_000);
    expect((await attest(server.port, recorded.cookie, body)).status).toBe(401);
  });

  test("P33 A5 a byte-identical repetition gets the same token without a new appraisal", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    const first = await attest(server.port, cookie, attestBody(nonce));
    const second = await attest(server.port, cookie, attestBody(nonce));
    expect(second.status).toBe(200);
    expect(second.json()).toEqual(first.json());
    expect(server.attestation.appraised).toHaveLength(1);
  });

  test("A5 A6 a repetition with anything else, above all another TEE key, is refused", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    await attest(server.port, cookie, attestBody(nonce));
    const stolen = attestBody(nonce, {
      "runtime-data": { nonce, "tee-pubkey": { ...TEE_KEY, x: TEE_KEY.y, y: TEE_KEY.x } },
    });
    for (const body of [stolen, `${attestBody(nonce)} `, "{}", ""]) {
      const answer = await attest(server.port, cookie, body);
      expect(answer.status).toBe(401);
      expect(answer.json()["code"]).toBe("session-completed");
    }
    expect(server.attestation.appraised).toHaveLength(1);
  });

  test("A4 of parallel attests with one session exactly one wins", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    let meet = 0;
    let open: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      open = resolve;
    });
    server.attestation.verdict = async () => {
      // Every one of them has passed all checks before the first is allowed to finish.
      meet++;
      if (meet === 8) open();
      await all;
      return { token: `token.${meet}.x`, tokenExpiresAt: 0 };
    };
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        attest(
          server.port,
          cookie,
          attestBody(nonce, { "init-data": { format: "toml", body: String(index) } }),
        ),
      ),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401, 401, 401, 401, 401, 401]);
    for (const answer of answers)
      if (answer.status === 401) expect(answer.json()["code"]).toBe("session-completed");
  });

  test("P34 a failure says the one sentence, and the explanation in members of its own", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    server.attestation.verdict = async () => {
      throw new KbsError("evidence-rejected", "snp: debug: expected off, saw on", {
        extra: { check: "debug", expected: "off", seen: "on", source: "AMD 56860" },
        cause: new Error("internal address 10.0.0.1"),
      });
    };
    const answer = await attest(server.port, cookie, attestBody(nonce));
    expect(answer.status).toBe(401);
    expect(answer.json()).toMatchObject({
      type: "https://github.com/confidential-containers/kbs/errors/AttestationError",
      detail: "Attestation error: RCAR handshake Attest failed",
      title: "Evidence rejected",
      status: 401,
      code: "evidence-rejected",
      check: "debug",
      expected: "off",
      seen: "on",
      source: "AMD 56860",
    });
    expect(answer.text).not.toContain("10.0.0.1");
  });

  test("P34 the explanation joins the sentence where the operator wants it in guests' logs", async () => {
    const talkative = await startServer({ options: { explainInDetail: true } });
    talkative.attestation.verdict = async () => {
      throw new KbsError("evidence-rejected", "snp: debug: expected off, saw on");
    };
    const { cookie, nonce } = await authenticate(talkative.port);
    const answer = await attest(talkative.port, cookie, attestBody(nonce));
    expect(answer.json()["detail"]).toBe(
      "Attestation error: RCAR handshake Attest failed: snp: debug: expected off, saw on",
    );
    await talkative.close();
  });

  test("a failed attest does not use the session up", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    const { verdict } = server.attestation;
    server.attestation.verdict = async () => {
      throw new KbsError("collateral-unavailable", "The vendor's key service did not answer.");
    };
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(503);
    server.attestation.verdict = verdict;
    expect((await attest(server.port, cookie, attestBody(nonce))).status).toBe(200);
  });

  test("A9 requests that name a victim's session without its evidence change nothing for it", async () => {
    const victim = await authenticate(server.port);
    const { verdict } = server.attestation;
    server.attestation.verdict = async () => {
      throw new KbsError("evidence-rejected", "no");
    };
    await attest(server.port, victim.cookie, attestBody(victim.nonce));
    await attest(server.port, victim.cookie, "{}");
    await server.call("DELETE", "/kbs/v0/attest", { headers: { cookie: victim.cookie } });
    await server.call("POST", "/kbs/v0/auth", { headers: { cookie: victim.cookie }, body: AUTH_BODY });
    await get({ cookie: victim.cookie });
    server.attestation.verdict = verdict;
    expect((await attest(server.port, victim.cookie, attestBody(victim.nonce))).status).toBe(200);
  });

  test("P27 P29 evidence and init-data that the protocol refuses end as AttestationError", async () => {
    const { cookie, nonce } = await authenticate(server.port);
    for (const additional of ["{", "[]", '{"abacus":{}}']) {
      const body = attestBody(nonce, {
        "tee-evidence": { primary_evidence: {}, additional_evidence: additional },
      });
      expect((await attest(server.port, cookie, body)).status).toBe(401);
    }
    const body = attestBody(nonce, { "init-data": { format: "json", body: "{}" } });
    expect((await attest(server.port, cookie, body)).status).toBe(401);
  });
});

describe("a released resource", () => {
  test("P37 without credentials it is refused as the first request of every client must be", async () => {
    const answer = await get();
    expect(answer.status).toBe(401);
    expect(variant(answer)).toBe("TokenNotFound");
    expect(answer.json()["detail"]).toBe("Attestation Token not found");
    expect(answer.json()["instance"]).toEqual(expect.any(String));
  });

  test("P38 the cookie of an attested session opens it with that session's token", async () => {
    const { cookie, token } = await attested();
    expect((await get({ cookie })).status).toBe(200);
    expect(server.release.released[0]).toMatchObject({ token, legacyResponse: false });
  });

  test("P38 the cookie of a session that did not attest does not", async () => {
    const { cookie } = await authenticate(server.port);
    expect(variant(await get({ cookie }))).toBe("TokenNotFound");
  });

  test("P38 a stale or foreign cookie does not hide a Bearer token", async () => {
    const open = await authenticate(server.port);
    const { cookie } = await attested();
    server.clock.advance(300_000);
    for (const stale of [open.cookie, cookie, "kbs-session-id=zzz", "other=1; kbs-session-id="]) {
      await get({ cookie: stale, authorization: "Bearer bearer.token.x" });
      expect(server.release.released.at(-1)?.token).toBe("bearer.token.x");
    }
    expect(server.release.released).toHaveLength(4);
  });

  test("the cookie comes before the Bearer token", async () => {
    const { cookie, token } = await attested();
    await get({ cookie, authorization: "Bearer bearer.token.x" });
    expect(server.release.released[0]?.token).toBe(token);
  });

  test.each(["Bearer", "bearer", "BEARER", "bEaReR"])("P39 the scheme %s is understood", async (scheme) => {
    expect((await get({ authorization: `${scheme} a.b.c` })).status).toBe(200);
    expect(server.release.released[0]?.token).toBe("a.b.c");
  });

  test.each(["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "a.b.c"])(
    "%j is no Bearer token",
    async (value) => {
      expect(variant(await get({ authorization: value }))).toBe("TokenNotFound");
    },
  );

  test("P41 a token that the relying party refuses is TokenVerifierError", async () => {
    server.release.verdict = async () => {
      throw new KbsError("token-rejected", "Token Verifier error");
    };
    const answer = await get({ authorization: "Bearer a.b.c" });
    expect(answer.status).toBe(401);
    expect(variant(answer)).toBe("TokenVerifierError");
  });

  test("P47 a denial is 403 PolicyDeny with the sentence that clients print", async () => {
    server.release.verdict = async () => {
      throw new KbsError("policy-denied", "Access denied by policy", { extra: { findings: ["debug"] } });
    };
    const answer = await get({ authorization: "Bearer a.b.c" });
    expect(answer.status).toBe(403);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.json()).toMatchObject({ detail: "Access denied by policy", findings: ["debug"] });
    expect(variant(answer)).toBe("PolicyDeny");
  });

  test("sessions of protocol 0.1 get their own response format", async () => {
    const { cookie } = await authenticate(server.port, JSON.stringify({ ...request, version: "0.1.1" }));
    const body = JSON.stringify({ "tee-pubkey": TEE_KEY, "tee-evidence": "{}" });
    await attest(server.port, cookie, body);
    await get({ cookie });
    expect(server.release.released[0]?.legacyResponse).toBe(true);
  });

  test("A8 A12 the session's token is that of the key that attested, and the store has only its seal", async () => {
    const { cookie, token } = await attested();
    await get({ cookie });
    expect(server.release.released[0]?.token).toBe(token);
    const session = server.sessions.load(cookie.slice("kbs-session-id=".length));
    const stored = await server.store.load(session.id);
    expect(Buffer.from(stored?.sealedToken ?? []).toString("latin1")).not.toContain(token.slice(0, 10));
  });
});
