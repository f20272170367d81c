import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sampleAttester, sampleDeviceAttester } from "../../src/cli/guest/attester.ts";
import { getResource, getResourceByToken } from "../../src/cli/guest/client.ts";
import { GENERATIONS } from "../../src/cli/guest/generation.ts";
import { Refused } from "../../src/cli/guest/refusal.ts";
import { generateTeeKey } from "../../src/cli/guest/tee-key.ts";
import { commandLine } from "../support/command-line.ts";
import {
  ALLOW_ALL,
  attestOutcome,
  DENY_ALL,
  openHandshake,
  outcomeOf,
  type Product,
  product,
} from "../support/product.ts";

/** The composed product on a real listener: nothing in it is replaced. */
let server: Product;

beforeAll(async () => {
  server = await product();
});
afterAll(() => server.close());

const PATH = "default/key/one";

async function attestWith(cookie: string, body: string) {
  return server.send("POST", "/kbs/v0/attest", { body, headers: { cookie } });
}

describe("a fresh install", () => {
  test("C7 refuses every administrative call without credentials, and nothing changes", async () => {
    for (const [method, path] of [
      ["POST", `/kbs/v0/resource/${PATH}`],
      ["DELETE", `/kbs/v0/resource/${PATH}`],
      ["GET", "/kbs/v0/resource"],
      ["POST", "/kbs/v0/resource-policy"],
      ["GET", "/kbs/v0/resource-policy"],
      ["POST", "/kbs/v0/attestation-policy"],
      ["POST", "/kbs/v0/reference-value"],
      ["GET", "/kbs/v0/reference-value/x"],
      ["DELETE", "/kbs/v0/reference-value/x"],
    ] as const) {
      const { status, json } = await server.send(method, path, method === "GET" ? {} : { body: "x" });
      expect([method, path, status, json["code"]]).toEqual([method, path, 401, "unauthenticated"]);
    }
    expect((await server.admin("GET", "/kbs/v0/resource")).text).toBe("[]");
  });

  test("D6 releases nothing to a guest that attested, not even what exists", async () => {
    await server.admin("POST", `/kbs/v0/resource/${PATH}`, "secret");
    const refusal = await outcomeOf(server.guest({ attester: await server.snp() }), PATH);
    expect(refusal).toMatchObject({ step: "resource", status: 403 });
  });
});

describe("release", () => {
  beforeAll(() => server.provision(PATH, "attested secret"));

  test.each(["p256", "p521", "rsa"] as const)(
    "P50 P51 P38 a guest with a %s key gets the secret",
    async (keyKind) => {
      for (const attester of [sampleAttester, await server.snp()])
        expect(String(await getResource(server.guest({ keyKind, attester }), PATH))).toBe("attested secret");
    },
  );

  test.each(GENERATIONS)("P11 P57 a guest of protocol %s gets the secret", async (generation) => {
    const keyKind = generation.startsWith("0.1") ? "rsa1_5" : "p256";
    const guest = server.guest({ generation, keyKind });
    expect(String(await getResource(guest, PATH))).toBe("attested secret");
    expect(String(await getResourceByToken(guest, PATH))).toBe("attested secret");
  });

  test.each([0, 1, 1 << 20])("P58 P65 %d random bytes come back as they went in", async (size) => {
    const bytes = randomBytes(size);
    await server.admin("POST", "/kbs/v0/resource/default/blob/b", bytes);
    expect(Buffer.compare(await getResource(server.guest(), "default/blob/b"), bytes)).toBe(0);
  });

  test("P68 the query reaches the policy and not the look-up", async () => {
    const policy = 'package policy\ndefault allow := false\nallow if data.query.purpose == "boot"\n';
    await server.provision(PATH, "attested secret", policy);
    expect(String(await getResource(server.guest(), `${PATH}?purpose=boot`))).toBe("attested secret");
    expect(await outcomeOf(server.guest(), `${PATH}?purpose=other`)).toMatchObject({ status: 403 });
    await server.provision(PATH, "attested secret");
  });

  test("P67 a deleted secret is 404, which guests do not retry", async () => {
    await server.admin("POST", "/kbs/v0/resource/default/gone/x", "x");
    expect((await server.admin("DELETE", "/kbs/v0/resource/default/gone/x")).status).toBe(200);
    const steps: string[] = [];
    const guest = server.guest({ onStep: (step) => steps.push(step) });
    expect(await outcomeOf(guest, "default/gone/x")).toMatchObject({ status: 404 });
    expect(steps).toEqual(["resource", "auth", "attest", "resource"]);
  });

  test("P46 the shipped policy for affirming guests refuses sample evidence, whatever else it says", async () => {
    const affirming = readFileSync(new URL("../../policies/release/affirming.rego", import.meta.url), "utf8");
    await server.provision(PATH, "attested secret", affirming);
    expect(await outcomeOf(server.guest(), PATH)).toMatchObject({
      status: 403,
      answer: { code: "policy-denied" },
    });
    await server.provision(PATH, "attested secret");
  });

  test("P35 B22 with a device: it must verify, and it must not be changed on the way", async () => {
    const guest = server.guest({ devices: [sampleDeviceAttester] });
    expect(String(await getResource(guest, PATH))).toBe("attested secret");
    const wrong = { ...sampleDeviceAttester, collect: async () => ({ svn: "2", report_data: "AAAA" }) };
    expect(await attestOutcome(server.guest({ devices: [wrong] }))).toMatchObject({
      step: "attest",
      status: 401,
    });
    const handshake = await openHandshake(server);
    const body = JSON.parse(await handshake.body());
    body["tee-evidence"].additional_evidence = '{"sampledevice":{}}';
    expect((await attestWith(handshake.cookie, JSON.stringify(body))).status).toBe(401);
  });
});

describe("storage under load", () => {
  test("P69 concurrent writers of one secret never leave a mixture", async () => {
    const values = Array.from({ length: 6 }, (_, at) => Buffer.alloc(200_000, at + 1));
    const path = "/kbs/v0/resource/default/race/x";
    await server.admin("POST", path, values[0]);
    const writers = [...values, ...values].map((value) => server.admin("POST", path, value));
    const readers = Array.from({ length: 12 }, () => getResource(server.guest(), "default/race/x"));
    for (const answer of await Promise.all(writers)) expect(answer.status).toBe(200);
    for (const read of [...(await Promise.all(readers)), await getResource(server.guest(), "default/race/x")])
      expect(values.some((value) => Buffer.compare(value, read) === 0)).toBe(true);
  });

  test("P49 a denied guest learns nothing of what is stored: present and absent look the same", async () => {
    await server.provision(PATH, "attested secret", DENY_ALL);
    const [present, absent] = [
      await outcomeOf(server.guest(), PATH),
      await outcomeOf(server.guest(), "default/no/such"),
    ];
    expect(present).toMatchObject({ status: 403 });
    expect(absent).toMatchObject({ status: 403 });
    await server.provision(PATH, "attested secret");
  });
});

describe("refusals say why", () => {
  test("P34 the answer to refused evidence names check, expectation and what was seen, in members of their own", async () => {
    const refusal = await attestOutcome(server.guest({ attester: await server.snp({ debug: true }) }));
    if (!(refusal instanceof Refused)) throw new Error("a debug guest was accepted");
    expect(refusal.answer).toMatchObject({
      code: "evidence-rejected",
      tee: "snp",
      check: expect.stringContaining("debug"),
    });
    for (const name of ["expected", "seen", "source", "type", "detail", "instance"])
      expect(refusal.answer[name]).toEqual(expect.stringMatching(/./));
  });

  test("D10 a policy that is false, undefined, not boolean or failing denies, and says which", async () => {
    const cases: readonly (readonly [string, string])[] = [
      ["default allow := false", "false"],
      ["allow if input.nowhere", "undefined"],
      ['allow := "yes"', "not-boolean"],
      ["allow if to_number(input.iss) == 1", "evaluation-error"],
    ];
    for (const [rule, reason] of cases) {
      await server.provision(PATH, "attested secret", `package policy\n${rule}\n`);
      const refusal = await outcomeOf(server.guest(), PATH);
      expect(refusal).toMatchObject({ status: 403, answer: { reason } });
    }
    await server.provision(PATH, "attested secret");
  });

  test("D9 an endless policy is cut off and denies, and others are served meanwhile", async () => {
    const policy = `package policy
allow if {
	some a in numbers.range(1, 2000)
	some b in numbers.range(1, 2000)
	a + b == 0
}`;
    await server.provision(PATH, "attested secret", policy);
    expect(await outcomeOf(server.guest(), PATH)).toMatchObject({
      status: 403,
      answer: { reason: "budget-exceeded" },
    });
    await server.provision(PATH, "attested secret");
  });

  test("P70 a policy with a mistake is told where, and the old one stays", async () => {
    const policy = Buffer.from("package policy\nallow if {\n  x == 1\n}\n").toString("base64url");
    const answer = await server.admin("POST", "/kbs/v0/resource-policy", JSON.stringify({ policy }));
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: "policy-invalid", findings: [{ row: 3, severity: "error" }] });
    expect(String(await getResource(server.guest(), PATH))).toBe("attested secret");
  });
});

describe("sessions", () => {
  test("A3 a recorded handshake, replayed in a new session, is refused", async () => {
    const first = await openHandshake(server);
    const body = await first.body();
    expect((await attestWith(first.cookie, body)).status).toBe(200);
    const second = await openHandshake(server);
    expect((await attestWith(second.cookie, body)).status).toBe(401);
  });

  test("A4 of parallel attests with one session and different keys, exactly one wins", async () => {
    const { cookie, nonce } = await openHandshake(server);
    const rivals = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const key = generateTeeKey("p256");
        const { runtimeDataDigest, printAttestation } = await import("../../src/cli/guest/generation.ts");
        const reportData = runtimeDataDigest("sha384", nonce, key.jwk, "");
        const evidence = await sampleAttester.collect({ reportData, initDataDigest: undefined });
        return printAttestation("0.4.0", {
          nonce,
          teeKey: key.jwk,
          evidence,
          additionalEvidence: "",
          initData: undefined,
        });
      }),
    );
    const answers = await Promise.all(rivals.map((body) => attestWith(cookie, body)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, json } of answers)
      if (status !== 200) expect(json["code"]).toBe("session-completed");
  });

  test("A5 P33 the identical request gets the identical token, any other is refused", async () => {
    const handshake = await openHandshake(server);
    const body = await handshake.body();
    const [first, second] = [
      await attestWith(handshake.cookie, body),
      await attestWith(handshake.cookie, body),
    ];
    expect(second.json["token"]).toBe(first.json["token"]);
    expect((await attestWith(handshake.cookie, `${body} `)).json["code"]).toBe("session-completed");
  });

  test("A12 A14 the key cannot be swapped for another after the evidence was made", async () => {
    const handshake = await openHandshake(server, await server.snp());
    const body = await handshake.body({ key: generateTeeKey("p256") });
    expect((await attestWith(handshake.cookie, body)).json).toMatchObject({ code: "evidence-rejected" });
  });

  test("B21 P56 a point off the curve is refused before anything else is looked at", async () => {
    const handshake = await openHandshake(server);
    const body = JSON.parse(await handshake.body());
    body["runtime-data"]["tee-pubkey"].y = body["runtime-data"]["tee-pubkey"].x;
    const answer = await attestWith(handshake.cookie, JSON.stringify(body));
    expect(answer).toMatchObject({ status: 401, json: { code: "tee-key-rejected" } });
  });
});

describe("registration", () => {
  test("B20 nobody introduces a key, a host or a workload by being the first to call", async () => {
    const key = JSON.stringify({ key: generateTeeKey("p256").jwk, workload_id: "w", passphrase: "x" });
    for (const path of ["register_workload", "tpm/enroll", "key/w", "resource/default/key/mine"]) {
      const answer = await server.send("POST", `/kbs/v0/${path}`, { body: key });
      expect([401, 404]).toContain(answer.status);
    }
    expect((await server.admin("GET", "/kbs/v0/resource")).text).not.toContain("mine");
  });
});

describe("tokens", () => {
  test("C1 C2 a token whose key it names itself, or without a real signature, opens nothing", async () => {
    const attested = await attestOutcome(server.guest());
    if (attested instanceof Refused) throw attested;
    const [, payload, signature] = attested.token.split(".");
    for (const header of [
      { alg: "none" },
      { alg: "HS256" },
      { alg: "ES256", jwk: generateTeeKey("p256").jwk },
      { alg: "ES256", jku: "http://127.0.0.1:1/keys" },
    ]) {
      const forged = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}.${signature}`;
      const answer = await server.send("GET", `/kbs/v0/resource/${PATH}`, {
        headers: { authorization: `Bearer ${forged}` },
      });
      expect(answer).toMatchObject({ status: 401, json: { code: "token-rejected" } });
    }
  });

  test("P36 the token carries status, evidence and the guest's own key; its signer is published", async () => {
    const attested = await attestOutcome(server.guest({ attester: await server.snp() }));
    if (attested instanceof Refused) throw attested;
    const claims = JSON.parse(Buffer.from(attested.token.split(".")[1] ?? "", "base64url").toString());
    const evidence = claims.submods.cpu0["ear.veraison.annotated-evidence"];
    expect(evidence.runtime_data_claims["tee-pubkey"]).toEqual(attested.teeKey.jwk);
    expect(evidence.snp.measurement).toMatch(/^[0-9a-f]{96}$/);
    expect(claims.exp).toBeGreaterThan(claims.iat);
    const { createRemoteJWKSet, jwtVerify } = await import("jose");
    const keys = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`));
    await expect(jwtVerify(attested.token, keys, { algorithms: ["ES256"] })).resolves.toBeDefined();
  });

  test("D13 P71 an attestation policy takes effect at the next attestation", async () => {
    const text = 'package policy\ntrust_claims := {"hardware": 96}\n';
    const policy = Buffer.from(text).toString("base64url");
    const set = await server.admin(
      "POST",
      "/kbs/v0/attestation-policy",
      JSON.stringify({ type: "rego", policy_id: "default_cpu", policy }),
    );
    expect(set.status).toBe(200);
    const attested = await attestOutcome(server.guest());
    if (attested instanceof Refused) throw attested;
    const claims = JSON.parse(Buffer.from(attested.token.split(".")[1] ?? "", "base64url").toString());
    expect(claims.submods.cpu0["ear.status"]).toBe("contraindicated");
    expect((await server.admin("DELETE", "/kbs/v0/attestation-policy/default_cpu")).status).toBe(200);
  });
});

describe("the record", () => {
  test("A7 P80 no secret, token, nonce, session id or key is in the audit log", async () => {
    await server.provision(PATH, "attested secret", ALLOW_ALL);
    const handshake = await openHandshake(server);
    const { json } = await attestWith(handshake.cookie, await handshake.body());
    await server.send("GET", `/kbs/v0/resource/${PATH}`, { headers: { cookie: handshake.cookie } });
    const audit = readFileSync(join(server.folder, "data/audit.ndjson"), "utf8");
    expect(audit).toContain('"outcome":"released"');
    for (const secret of [
      "attested secret",
      String(json["token"]),
      handshake.nonce,
      handshake.cookie.slice(15),
      server.adminToken,
    ])
      expect(audit).not.toContain(secret);
  });

  test("E13 every decision is there: released, denied, administered", async () => {
    await server.provision(PATH, "attested secret", DENY_ALL);
    await outcomeOf(server.guest(), PATH);
    const outcomes = readFileSync(join(server.folder, "data/audit.ndjson"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const has = (event: string, outcome: string) =>
      outcomes.some(
        (record) =>
          JSON.stringify(record).includes(`"event":"${event}"`) &&
          JSON.stringify(record).includes(`"outcome":"${outcome}"`),
      );
    expect([has("release", "released"), has("release", "denied"), has("admin", "done")]).toEqual([
      true,
      true,
      true,
    ]);
    const { code } = await commandLine(["audit", "verify", join(server.folder, "data/audit.ndjson")]);
    expect(code).toBe(0);
  });
});

describe("bad input", () => {
  const hostile: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["half a document", '{"version":'],
    ["10,000 levels", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["a member twice", '{"version":"0.4.0","version":"0.4.0","tee":"sample","extra-params":""}'],
    ["numbers out of range", '{"version":1e999}'],
    ["an array", "[]"],
    ["bytes that are no text", "\ufffd\u0000"],
    ["prototype members", '{"__proto__":{"version":"0.4.0"},"constructor":1}'],
  ];

  test.each(hostile)("B29 B30 %s: a stable code, a sentence, no stack", async (_, body) => {
    const { cookie } = await openHandshake(server);
    for (const path of ["auth", "attest", "resource-policy", "attestation-policy", "reference-value"]) {
      const headers =
        path === "auth" || path === "attest" ? { cookie } : { authorization: `Bearer ${server.adminToken}` };
      const answer = await server.send("POST", `/kbs/v0/${path}`, { body, headers });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      for (const name of ["type", "title", "detail", "code", "instance"])
        expect(answer.json[name]).toEqual(expect.stringMatching(/./));
      expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
    }
    expect((await server.send("GET", "/healthz")).status).toBe(200);
  });
});
