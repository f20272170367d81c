import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canonicalJson, writeJson } from "../../../src/json/write.ts";
import { type AloneService, aloneService, SERVICE_TOKEN } from "../../support/attestation-service.ts";
import { grpcClient } from "../../support/grpc-client.ts";

const NONCE = "bm9uY2U=";
const RUNTIME_DATA = { b: 1, nonce: NONCE, a: { z: "ü", y: [] } };

/** One request as both interfaces understand it, before it is dressed for one of them. */
interface Individual {
  readonly tee?: string;
  readonly evidence?: string;
  readonly raw?: string;
  readonly structured?: string;
  readonly digest?: string;
  readonly toml?: string;
  readonly hash?: string;
}

const base64url = (value: string | Uint8Array) => Buffer.from(value).toString("base64url");

function digestOf(hash: string, value: unknown): Buffer {
  // A test's own plain data.
  return createHash(hash)
    .update(canonicalJson(value as never))
    .digest();
}

function evidenceFor(reportData: Uint8Array): string {
  return base64url(writeJson({ svn: "1", report_data: Buffer.from(reportData).toString("base64") }));
}

const GOOD: Individual = {
  tee: "sample",
  evidence: evidenceFor(digestOf("sha384", RUNTIME_DATA)),
  structured: JSON.stringify(RUNTIME_DATA),
};

interface Judged {
  /** `issued`, or the code of the problem table. */
  readonly outcome: string;
  readonly claims: Record<string, never>;
}

let service: AloneService;
let grpc: Awaited<ReturnType<typeof grpcClient>>;
beforeAll(async () => {
  service = await aloneService();
  grpc = await grpcClient(service.grpc, { token: SERVICE_TOKEN });
});
afterAll(async () => {
  grpc.close();
  await service.close();
});

async function overGrpc(requests: readonly Individual[], policyIds: readonly string[]): Promise<Judged> {
  const answer = await grpc.call("attestation", "AttestationEvaluate", {
    verification_requests: requests.map(({ tee, evidence, raw, structured, digest, toml, hash }) => ({
      ...(tee === undefined ? {} : { tee }),
      ...(evidence === undefined ? {} : { evidence }),
      ...(raw === undefined ? {} : { raw_runtime_data: raw }),
      ...(structured === undefined ? {} : { structured_runtime_data: structured }),
      ...(digest === undefined ? {} : { init_data_digest: digest }),
      ...(toml === undefined ? {} : { init_data_toml: toml }),
      ...(hash === undefined ? {} : { runtime_data_hash_algorithm: hash }),
    })),
    policy_ids: policyIds,
  });
  if (answer.code !== 0) {
    expect(answer.code).toBe(status.ABORTED);
    return { outcome: answer.problem ?? "", claims: {} };
  }
  return { outcome: "issued", claims: claimsOf(String(answer.message["attestation_token"])) };
}

async function overRest(requests: readonly Individual[], policyIds: readonly string[]): Promise<Judged> {
  const answer = await post("/attestation", {
    verification_requests: requests.map(({ tee, evidence, raw, structured, digest, toml, hash }) => ({
      tee,
      evidence,
      ...(raw === undefined ? {} : { runtime_data: { raw } }),
      ...(structured === undefined ? {} : { runtime_data: { structured: JSON.parse(structured) } }),
      ...(digest === undefined ? {} : { init_data: { init_data_digest: digest } }),
      ...(toml === undefined ? {} : { init_data: { init_data_toml: toml } }),
      runtime_data_hash_algorithm: hash,
    })),
    policy_ids: policyIds,
  });
  if (answer.status === 200) return { outcome: "issued", claims: claimsOf(answer.text) };
  return { outcome: String(JSON.parse(answer.text).code), claims: {} };
}

async function post(path: string, body: unknown, token = SERVICE_TOKEN) {
  const answer = await fetch(`${service.rest}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text(), type: answer.headers.get("content-type") };
}

function claimsOf(token: string): Record<string, never> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

function evidenceIn(claims: Record<string, never>): Record<string, unknown> {
  return Object(Object(Object(claims["submods"])["cpu0"])["ear.veraison.annotated-evidence"]);
}

describe.each([
  ["gRPC", overGrpc],
  ["REST", overRest],
] as const)("evaluation over %s", (_name, evaluate) => {
  const outcome = async (over: Individual, policies: readonly string[] = ["default"]) =>
    (await evaluate([{ ...GOOD, ...over }], policies)).outcome;

  test("AS-005 AS-007 structured runtime data is bound by the hash of its canonical form, and shown", async () => {
    const { outcome: seen, claims } = await evaluate([GOOD], ["default"]);
    expect(seen).toBe("issued");
    expect(evidenceIn(claims)["runtime_data_claims"]).toEqual(RUNTIME_DATA);
    const reordered = JSON.stringify({ nonce: NONCE, a: { y: [], z: "ü" }, b: 1 });
    expect(await outcome({ structured: reordered })).toBe("issued");
    expect(await outcome({ structured: JSON.stringify({ ...RUNTIME_DATA, b: 2 }) })).toBe(
      "evidence-rejected",
    );
  });

  test.each(["sha256", "sha384", "sha512"])("AS-006 %s", async (hash) => {
    const evidence = evidenceFor(digestOf(hash, RUNTIME_DATA));
    expect(await outcome({ evidence, hash })).toBe("issued");
    expect(await outcome({ hash: hash === "sha256" ? "sha512" : "sha256" })).toBe("evidence-rejected");
  });

  test("AS-006 another hash is malformed", async () => {
    expect(await outcome({ hash: "md5" })).toBe("malformed-request");
  });

  test("AS-004 raw runtime data is compared as it is, and gives no claims", async () => {
    const bytes = Buffer.from("the very bytes");
    const request = { tee: "sample", evidence: evidenceFor(bytes), raw: base64url(bytes) };
    const { outcome: seen, claims } = await evaluate([request], ["default"]);
    expect(seen).toBe("issued");
    expect(evidenceIn(claims)["runtime_data_claims"]).toBeNull();
    const other = { ...request, raw: base64url("others") };
    expect((await evaluate([other], ["default"])).outcome).toBe("evidence-rejected");
  });

  test("AS-008 without runtime data nothing is compared", async () => {
    const { tee = "", evidence = "" } = GOOD;
    const { outcome: seen, claims } = await evaluate([{ tee, evidence }], ["default"]);
    expect(seen).toBe("issued");
    expect(evidenceIn(claims)["runtime_data_claims"]).toBeNull();
  });

  test("AS-009 an init-data document is read; a digest gives no claims", async () => {
    const toml = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"x" = "y"\n';
    const { claims } = await evaluate([{ ...GOOD, toml }], ["default"]);
    expect(evidenceIn(claims)["init_data_claims"]).toEqual({ x: "y" });
    const digest = base64url(createHash("sha256").update(toml).digest());
    const bare = await evaluate([{ ...GOOD, digest }], ["default"]);
    expect(evidenceIn(bare.claims)["init_data_claims"]).toBeNull();
    expect(evidenceIn(bare.claims)["init_data"]).toBe(evidenceIn(claims)["init_data"]);
  });

  test("AS-001 nothing to evaluate is malformed", async () => {
    expect((await evaluate([], ["default"])).outcome).toBe("malformed-request");
  });

  test("AS-002 AS-040 no policy means the default one", async () => {
    const { claims } = await evaluate([GOOD], []);
    expect(Object(Object(claims["submods"])["cpu0"])["ear.appraisal-policy-id"]).toBe("default");
  });

  test("AS-003 only the first policy counts", async () => {
    expect(await outcome({}, ["default", "nowhere"])).toBe("issued");
    expect(await outcome({}, ["nowhere", "default"])).toBe("appraisal-failed");
  });

  test("AS-039 submodules are numbered in the order of the requests", async () => {
    const { claims } = await evaluate([GOOD, { ...GOOD, tee: "sampledevice" }, GOOD], ["default"]);
    expect(Object.keys(Object(claims["submods"]))).toEqual(["cpu0", "gpu0", "cpu1"]);
  });

  test("AS-020 one refused evidence is no token", async () => {
    const bad = { ...GOOD, evidence: evidenceFor(Buffer.from("x")) };
    expect((await evaluate([GOOD, bad], ["default"])).outcome).toBe("evidence-rejected");
  });

  test.each<[string, Individual]>([
    ["an unknown TEE", { tee: "abacus" }],
    ["evidence that is not base64url", { evidence: "*" }],
    ["evidence with stray bits", { evidence: "eyJ9f" }],
    ["evidence that is not JSON", { evidence: base64url("{") }],
    ["evidence with a member twice", { evidence: base64url('{"svn":"1","svn":"2"}') }],
    ["evidence nested too deep", { evidence: base64url("[".repeat(500) + "]".repeat(500)) }],
    ["evidence that is not UTF-8", { evidence: base64url(Buffer.from([0x22, 0xff, 0x22])) }],
    ["an init-data digest that is not base64url", { digest: "a b" }],
  ])("malformed: %s", async (_what, over) => {
    expect(await outcome(over)).toBe("malformed-request");
  });

  test("too many requests, too many policies", async () => {
    expect((await evaluate(Array(18).fill(GOOD), ["default"])).outcome).toBe("malformed-request");
    expect((await evaluate([GOOD], Array(17).fill("default"))).outcome).toBe("malformed-request");
    expect((await evaluate([GOOD], ["x".repeat(201)])).outcome).toBe("malformed-request");
  });

  test("padding of base64url is taken as well", async () => {
    const { evidence = "" } = GOOD;
    const padded = evidence + "=".repeat((4 - (evidence.length % 4)) % 4);
    expect(await outcome({ evidence: padded })).toBe("issued");
  });
});

describe("evaluation over gRPC, on the wire", () => {
  test("structured runtime data that is not JSON", async () => {
    expect((await overGrpc([{ ...GOOD, structured: "{" }], ["default"])).outcome).toBe("malformed-request");
  });

  test("a message beyond the bound", async () => {
    const evidence = "A".repeat(5 << 20);
    const answer = await grpc.call("attestation", "AttestationEvaluate", {
      verification_requests: [{ tee: "sample", evidence }],
    });
    expect(answer.code).toBe(status.RESOURCE_EXHAUSTED);
  });
});

describe("evaluation over REST, on the wire", () => {
  test.each([
    ["not JSON", "{", 400, "malformed-request"],
    ["not an object", "[]", 400, "malformed-request"],
    ["AS-091 without policy_ids", { verification_requests: [] }, 400, "malformed-request"],
    ["without verification_requests", { policy_ids: [] }, 400, "malformed-request"],
    [
      "AS-091 evidence that does not verify",
      body({ evidence: evidenceFor(Buffer.from("x")) }),
      422,
      "evidence-rejected",
    ],
    [
      "AS-091 a policy that gives no judgement",
      { ...body({}), policy_ids: ["nowhere"] },
      422,
      "appraisal-failed",
    ],
    [
      "two forms of runtime data",
      body({ runtime_data: { raw: "", structured: {} } }),
      400,
      "malformed-request",
    ],
    ["an unknown form of runtime data", body({ runtime_data: { cooked: "" } }), 400, "malformed-request"],
    ["init-data that is text", body({ init_data: "x" }), 400, "malformed-request"],
    ["a TEE that is a number", body({ tee: 7 }), 400, "malformed-request"],
  ])("%s", async (_what, sent, expected, code) => {
    const answer = await post("/attestation", sent);
    expect({ status: answer.status, code: JSON.parse(answer.text).code }).toEqual({ status: expected, code });
    expect(answer.type).toBe("application/problem+json");
  });

  test("null is as good as absent", async () => {
    const sent = body({ init_data: null, runtime_data_hash_algorithm: null });
    expect((await post("/attestation", sent)).status).toBe(200);
  });

  test("a body beyond the bound is 413", async () => {
    const answer = await post("/attestation", `"${"x".repeat(5 << 20)}"`);
    expect(answer.status).toBe(413);
  });

  test("what is not there is 404, and no answer is HTML", async () => {
    for (const path of ["/attestation/x", "/kbs/v0/auth", "/kbs/v0/resource/a/b/c", "/%zz"]) {
      const answer = await fetch(`${service.rest}${path}`);
      expect([400, 404]).toContain(answer.status);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
  });
});

function body(over: object): object {
  const { tee, evidence } = GOOD;
  return {
    verification_requests: [{ tee, evidence, runtime_data: { structured: RUNTIME_DATA }, ...over }],
    policy_ids: ["default"],
  };
}

describe("challenges", () => {
  const challenge = async (tee: string) =>
    (await grpc.call("attestation", "GetAttestationChallenge", { inner: { tee, tee_params: "" } })).message[
      "attestation_challenge"
    ];

  test("AS-092 are 32 fresh random bytes in standard base64, over both interfaces", async () => {
    const made = [await challenge("sample"), await challenge("sample")];
    const rest = await post("/challenge", { tee: "sample", tee_params: "" });
    for (const text of [...made, rest.text])
      expect(Buffer.from(String(text), "base64").toString("base64")).toHaveLength(44);
    expect(new Set([...made, rest.text]).size).toBe(3);
  });

  test.each([[{ inner: { tee: "sample" } }], [{ inner: { tee_params: "" } }], [{}]])(
    "need tee and tee_params: %j",
    async (message) => {
      const answer = await grpc.call("attestation", "GetAttestationChallenge", message);
      expect(answer.problem).toBe("malformed-request");
    },
  );

  test("are refused for a TEE that is not accepted", async () => {
    expect((await post("/challenge", { tee: "cca", tee_params: "" })).status).toBe(422);
    expect((await post("/challenge", { tee: "abacus", tee_params: "" })).status).toBe(400);
  });
});

describe("what is published and recorded", () => {
  test("AS-047 the key set, over HTTP/1.1 on the port that speaks gRPC, holds the key of the token's header", async () => {
    const answer = await grpc.call("attestation", "AttestationEvaluate", {
      verification_requests: [{ tee: "sample", evidence: GOOD.evidence }],
    });
    const [head = ""] = String(answer.message["attestation_token"]).split(".");
    const { jwk } = JSON.parse(Buffer.from(head, "base64url").toString());
    for (const url of [service.grpc, service.rest]) {
      const { keys } = JSON.parse(await (await fetch(`${url}/.well-known/jwks.json`)).text());
      expect(keys).toContainEqual(expect.objectContaining(jwk));
    }
    expect((await fetch(`${service.grpc}/policy`)).status).toBe(404);
  });

  test("every evaluation is on record, with who asked and how it ended, and without evidence or nonce", async () => {
    const { evidence = "" } = GOOD;
    await overGrpc([GOOD], ["default"]);
    await overRest([{ ...GOOD, structured: JSON.stringify({ nonce: "c2VjcmV0" }) }], ["default"]);
    const text = readFileSync(service.auditFile, "utf8");
    const records = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).record)
      .filter(({ event }) => event === "evaluation");
    expect(records.at(-2)).toMatchObject({
      interface: "grpc",
      caller: "broker",
      tees: ["sample"],
      policy: "default",
      outcome: "issued",
      submodules: [
        { name: "cpu0", status: "contraindicated", policyHash: expect.stringMatching(/^[0-9a-f]{96}$/) },
      ],
    });
    expect(records.at(-1)).toMatchObject({
      interface: "rest",
      outcome: "evidence-rejected",
      check: expect.any(String),
    });
    for (const word of [evidence, NONCE, "c2VjcmV0", SERVICE_TOKEN]) expect(text).not.toContain(word);
  });

  test("AS-049 AS-050 the form of the token is the one that the Accept header asks for", async () => {
    const ask = (accept: string) =>
      fetch(`${service.rest}/attestation`, {
        method: "POST",
        headers: { authorization: `Bearer ${SERVICE_TOKEN}`, accept },
        body: JSON.stringify({
          verification_requests: [
            {
              tee: GOOD.tee,
              evidence: GOOD.evidence,
              runtime_data: { structured: RUNTIME_DATA },
            },
          ],
          policy_ids: ["default"],
        }),
      });
    const plain = await ask("*/*");
    expect(plain.headers.get("content-type")).toContain("text/plain");
    const ietf = 'application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#03"';
    const named = await ask(ietf);
    expect(named.headers.get("content-type")).toBe(ietf);
    expect(claimsOf(await named.text())).toHaveProperty("ear_status");
    const cwt = await ask("application/eat+cwt");
    expect(Buffer.from(await cwt.arrayBuffer()).subarray(0, 2)).toEqual(Buffer.from([0xd2, 0x84]));
    const other = await ask('application/eat+jwt; eat_profile="tag:example.org,2026:x"');
    expect([other.status, JSON.parse(await other.text()).code]).toEqual([400, "malformed-request"]);
  });

  test("evaluations and calls are counted", async () => {
    await overGrpc([GOOD], ["default"]);
    const text = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    expect(text).toMatch(/^kbs_attestation_service_evaluations_total\{outcome="issued"\} [1-9]/m);
    expect(text).toMatch(/^kbs_attestation_service_calls_total\{interface="grpc",outcome="ok"\} [1-9]/m);
  });

  test("health, as orchestrators ask for it", async () => {
    expect((await grpc.call("health", "Check", { service: "" })).message["status"]).toBe("SERVING");
    const known = { service: "attestation.AttestationService" };
    expect((await grpc.call("health", "Check", known)).message["status"]).toBe("SERVING");
    expect((await grpc.call("health", "Check", { service: "x" })).code).toBe(status.NOT_FOUND);
    expect((await fetch(`${service.rest}/healthz`)).status).toBe(200);
    expect((await fetch(`${service.rest}/readyz`)).status).toBe(200);
  });
});
