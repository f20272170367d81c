import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { Callers, type CallersOptions, staticToken } from "../../../src/attestation-service/callers.ts";
import { EVALUATE, QUERY_REFERENCE_VALUE, SET_POLICY } from "../../../src/attestation-service/operations.ts";
import { x509 } from "../../../src/crypto/x509.ts";
import { KbsError } from "../../../src/errors.ts";
import { issueCertificate } from "../../support/certificates.ts";
import { testAuthority } from "../../support/tls-certificates.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const CONTEXT = { requestId: "id", client: "127.0.0.1" };

function callers(over: Partial<CallersOptions> = {}): Callers {
  return new Callers({
    tokens: [staticToken({ name: "kbs", may: ["evaluate"] }, TOKEN, "token")],
    clients: [{ name: "spiffe://example.org/kbs", may: ["evaluate"] }],
    admin: {
      authorize: async ({ authorization }) => {
        if (authorization === "Bearer admin") return { name: "ada", role: "admin" };
        throw new KbsError("unauthenticated", "No.");
      },
    },
    anonymousEvaluation: false,
    anonymousAdministration: false,
    ...over,
  });
}

async function outcome(
  who: Callers,
  shown: { authorization?: string; certificate?: Buffer },
  asked = EVALUATE,
): Promise<string> {
  const credentials = { authorization: shown.authorization, certificate: shown.certificate };
  try {
    return (await who.authorize(asked, credentials, CONTEXT, AbortSignal.timeout(5_000))).name;
  } catch (error) {
    return error instanceof KbsError ? error.code : String(error);
  }
}

describe("bearer tokens", () => {
  test.each([
    [`Bearer ${TOKEN}`, "kbs"],
    [`bearer  ${TOKEN}`, "kbs"],
    ["Bearer admin", "ada"],
    [`Bearer ${TOKEN}x`, "unauthenticated"],
    [`Bearer ${TOKEN.slice(1)}`, "unauthenticated"],
    [`Basic ${TOKEN}`, "unauthenticated"],
    [TOKEN, "unauthenticated"],
    ["", "unauthenticated"],
  ])("%j: %s", async (authorization, expected) => {
    expect(await outcome(callers(), { authorization })).toBe(expected);
  });

  test("a token may do what its entry says, whatever administrators may", async () => {
    const authorization = `Bearer ${TOKEN}`;
    expect(await outcome(callers(), { authorization }, SET_POLICY)).toBe("admin-forbidden");
    expect(await outcome(callers(), { authorization }, QUERY_REFERENCE_VALUE)).toBe("admin-forbidden");
  });

  test.each([
    "short",
    "with spaces in between that make it long enough",
    "ümläuts-that-make-it-long-enough-too",
  ])("%j is no token", (token) => {
    expect(() => staticToken({ name: "a", may: ["evaluate"] }, token, "path")).toThrow("path");
  });
});

describe("a wrong credential beside the switches", () => {
  test("is refused where nobody would need one", async () => {
    const open = callers({ anonymousEvaluation: true, anonymousAdministration: true });
    expect(await outcome(open, {})).toBe("anonymous");
    expect(await outcome(open, { authorization: "Bearer wrong" })).toBe("unauthenticated");
  });
});

describe("names of client certificates", () => {
  type Name = { readonly type: "dns" | "url"; readonly value: string };
  const withNames = async (...names: Name[]): Promise<Buffer> =>
    new X509Certificate((await (await testAuthority()).issue("kbs.example.org", names)).cert).raw;
  const clients = (name: string): CallersOptions["clients"] => [{ name, may: ["evaluate"] }];

  test("a URI counts as it is", async () => {
    const certificate = await withNames({ type: "url", value: "spiffe://example.org/kbs" });
    expect(await outcome(callers(), { certificate })).toBe("spiffe://example.org/kbs");
    const other = await withNames({ type: "url", value: "spiffe://example.org/kbs2" });
    expect(await outcome(callers(), { certificate: other })).toBe("unauthenticated");
  });

  test("no entry can pretend to be two", async () => {
    const forged = await withNames({ type: "url", value: "x, URI:spiffe://example.org/kbs, y" });
    expect(await outcome(callers(), { certificate: forged })).toBe("unauthenticated");
    const dns = await withNames({ type: "dns", value: "x, URI:spiffe://example.org/kbs" });
    expect(await outcome(callers(), { certificate: dns })).toBe("unauthenticated");
  });

  test("the common name counts only where there is no subjectAltName", async () => {
    const who = callers({ clients: clients("kbs.example.org") });
    const withAlternative = await withNames({ type: "dns", value: "other.example.org" });
    expect(await outcome(who, { certificate: withAlternative })).toBe("unauthenticated");
    const { x509: made } = await issueCertificate({ name: "kbs.example.org" });
    expect(made).toBeInstanceOf(x509.X509Certificate);
    expect(await outcome(who, { certificate: Buffer.from(made.rawData) })).toBe("kbs.example.org");
  });
});
