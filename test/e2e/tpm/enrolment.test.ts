/** Enrolment at a listening server, by machines whose TPMs are software, honest ones and others. */
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { JsonObject } from "../../../src/json/value.ts";
import { type Answer, type Product, product } from "../../support/product.ts";
import { Machine, proofBody } from "../../support/software-tpm/machine.ts";

const POLICY = 'package policy\ndefault allow := false\nallow if startswith(input.host, "ours-")\n';
const ENROL = "/kbs/v0/tpm/enroll";

describe("enrolment at a listening server", () => {
  const [first, second, third] = [new Machine(), new Machine("second"), new Machine("third")];
  let server: Product;

  beforeAll(async () => {
    const eks = [first, second, third].map(({ ekFingerprint }) => ekFingerprint).join(", ");
    server = await product({
      vendor: false,
      files: { "enrolment.rego": POLICY },
      sections: `tpmEnrolment: { enabled: true, policyFile: enrolment.rego, allowedEks: [ ${eks} ] }`,
    });
  }, 60_000);
  afterAll(() => server?.close());

  const post = (path: string, body: string | Buffer) =>
    server.send("POST", path, { body: typeof body === "string" ? body : new Uint8Array(body) });
  const begin = async (of: Machine, host: string): Promise<JsonObject> => {
    const { status, text } = await post(ENROL, of.request({ host }));
    if (status !== 200) throw new Error(text);
    return JSON.parse(text);
  };
  const complete = (of: Machine, challenge: JsonObject): Promise<Answer> =>
    post(`${ENROL}/${String(challenge["enrolment"])}`, proofBody(of.proof(challenge)));
  const statusOf = async (key: string) =>
    (await server.admin("GET", `/kbs/v0/tpm/enrollments/${key}`)).json["status"];

  test("B19 of two TPMs that prove themselves for one host at once, one is enrolled", async () => {
    const challenges = await Promise.all([begin(first, "ours-1"), begin(second, "ours-1")]);
    const answers = await Promise.all([complete(first, challenges[0]), complete(second, challenges[1])]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const [won, lost] = answers[0]?.status === 200 ? [first, second] : [second, first];
    expect(await statusOf(won.akFingerprint)).toBe("approved");
    expect((await server.admin("GET", `/kbs/v0/tpm/enrollments/${lost.akFingerprint}`)).status).toBe(404);
    const again = await post(ENROL, lost.request({ host: "ours-1" }));
    expect(again).toMatchObject({ status: 409, json: { code: "conflict" } });
  });

  test("B18 a challenge opens for its own machine, once, and no other proof counts", async () => {
    const challenge = await begin(third, "ours-3");
    const other = await begin(third, "ours-3");
    const wrong = await post(`${ENROL}/${String(challenge["enrolment"])}`, proofBody(third.proof(other)));
    expect(wrong.json["code"]).toBe("enrolment-refused");
    expect(await complete(third, challenge)).toMatchObject({ status: 404, json: { code: "not-found" } });
    expect(await complete(third, other)).toMatchObject({ status: 200, json: { status: "approved" } });
    expect(await complete(third, other)).toMatchObject({ status: 404 });
  });

  test("B20 a machine that was revoked cannot come back, not even by a challenge from before", async () => {
    const before = await begin(third, "ours-3");
    const revoked = await server.admin("POST", `/kbs/v0/tpm/enrollments/${third.akFingerprint}/revoke`);
    expect(revoked.status).toBe(200);
    expect(await complete(third, before)).toMatchObject({ status: 409, json: { code: "conflict" } });
    expect(await statusOf(third.akFingerprint)).toBe("revoked");
    expect(await post(ENROL, third.request({ host: "ours-9" }))).toMatchObject({ status: 409 });
  });

  test("only administrators see and decide", async () => {
    const path = `/kbs/v0/tpm/enrollments/${third.akFingerprint}`;
    for (const [method, at] of [
      ["GET", "/kbs/v0/tpm/enrollments"],
      ["GET", path],
      ["POST", `${path}/approve`],
      ["DELETE", path],
    ] as const)
      expect(await server.send(method, at)).toMatchObject({ status: 401, json: { code: "unauthenticated" } });
    expect(await statusOf(third.akFingerprint)).toBe("revoked");
  });

  test("B29 hostile requests are refused by code, and the server goes on", async () => {
    const valid = JSON.parse(first.request().toString());
    const bad: readonly (readonly [code: string, body: string | Buffer])[] = [
      ["payload-too-large", Buffer.alloc(300 << 10, 0x20)],
      ["malformed-request", "[".repeat(200_000)],
      ["malformed-request", `{"host":"a","host":"b"}`],
      ["malformed-request", Buffer.of(0xff, 0xfe, 0x00)],
      ["malformed-request", ""],
      ["malformed-request", JSON.stringify({ ...valid, host: "../../etc" })],
      ["malformed-request", JSON.stringify({ ...valid, __proto__: null, constructor: 1 })],
      ["malformed-request", JSON.stringify({ ...valid, ek_certificates: Array(9).fill("MAA=") })],
      ["enrolment-refused", JSON.stringify({ ...valid, ek_public: valid.ak_public })],
      ["enrolment-refused", JSON.stringify({ ...valid, ak_public: valid.ek_public })],
    ];
    for (const [code, body] of bad) {
      const answer = await post(ENROL, body);
      expect([answer.json["code"], /\bat .*\.ts|node:/.test(answer.text)]).toEqual([code, false]);
    }
    for (const id of ["x", "%00", "..%2f..", "a".repeat(4000)])
      expect((await post(`${ENROL}/${id}`, proofBody(Buffer.alloc(32)))).status).toBeGreaterThanOrEqual(400);
    for (const method of ["GET", "PUT", "DELETE"])
      expect((await server.send(method, ENROL)).status).toBe(404);
    expect((await server.send("GET", "/healthz")).status).toBe(200);
  });
});
