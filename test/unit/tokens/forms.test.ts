import { describe, expect, test } from "@jest/globals";
import {
  CborError,
  type CborKey,
  type CborMap,
  CborTag,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborMap,
} from "../../../src/crypto/cbor.ts";
import { COSE_HEADER, draftCoseSign1, parseCoseSign1 } from "../../../src/crypto/cose-sign1.ts";
import { readJson } from "../../../src/json/read.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { isObject, member } from "../../../src/json/write.ts";
import {
  formName,
  PROFILE_TAGS,
  TOKEN_ENCODINGS,
  TOKEN_PROFILES,
  type TokenForm,
} from "../../../src/tokens/forms.ts";
import { parseToken } from "../../../src/tokens/signed-token.ts";
import { ownIssuer } from "../../../src/tokens/trusted-issuers.ts";
import { TokenVerifier, type TrustedIssuer } from "../../../src/tokens/verify.ts";
import { cpuSubmodule, fixedKeys, freshSigner, testIssuer } from "../../support/ear.ts";
import { NOW, NOW_SECONDS, TEE_KEY } from "../../support/tokens.ts";

const SIGNAL = new AbortController().signal;
const FORMS = TOKEN_ENCODINGS.flatMap((encoding) => TOKEN_PROFILES.map((profile) => ({ encoding, profile })));
const IDENTIFIERS = { "ear.trustee.identifiers": { validated: { images: ["a"] } } };
const SUBMODULES = [
  cpuSubmodule({}, { extensions: IDENTIFIERS, extensionKeys: { "ear.trustee.identifiers": -18 } }),
  cpuSubmodule(
    { count: 2n ** 63n - 1n },
    { name: "gpu0", status: "contraindicated", trustVector: { hardware: 97 } },
  ),
];

const signer = freshSigner();
const keys = fixedKeys(signer);
const own = ownIssuer(keys, "keywarden");
const issuer = testIssuer(keys);

async function issued(form: TokenForm, submodules = SUBMODULES) {
  return issuer.issue({ submodules, protocol: undefined }, SIGNAL, form);
}

function verify(token: string, changes: Partial<TrustedIssuer> = {}) {
  const verifier = new TokenVerifier({ issuers: [{ ...own, ...changes }], now: () => NOW });
  return verifier.verify(token, SIGNAL);
}

async function signedJwt(claims: JsonObject): Promise<string> {
  const part = (text: string) => Buffer.from(text).toString("base64url");
  const header = part(JSON.stringify({ typ: "JWT", alg: "ES256", kid: signer.kid }));
  const signed = `${header}.${part(JSON.stringify(claims))}`;
  return `${signed}.${(await signer.sign(Buffer.from(signed), SIGNAL)).toString("base64url")}`;
}

async function signedCwt(claims: CborValue, header: [CborKey, CborValue][] = KID): Promise<string> {
  const draft = draftCoseSign1("ES256", encodeCbor(claims), header);
  return draft.finish(await signer.sign(draft.toBeSigned, SIGNAL)).toString("base64url");
}

const KID: [CborKey, CborValue][] = [[COSE_HEADER.kid, Buffer.from(signer.kid)]];

function jwtPayload(token: string): JsonObject {
  const value = readJson(Buffer.from(token.split(".")[1] ?? "", "base64url"));
  if (!isObject(value)) throw new Error("no claims");
  return value;
}

function cwtPayload(token: string): CborMap {
  const { payload } = parseCoseSign1(Buffer.from(token, "base64url"));
  const claims = decodeCbor(payload ?? Buffer.alloc(0));
  if (!isCborMap(claims)) throw new Error("no claims");
  return claims;
}

const REJECTED = expect.objectContaining({ code: "token-rejected" });

describe("forms of a token", () => {
  test.each(FORMS)("%o says the same to whoever verifies it here", async (form) => {
    const { token, claims } = await issued(form);
    const verified = await verify(token);
    expect(verified.teePublicKey).toEqual(TEE_KEY.jwk);
    expect(verified.claims).toEqual(claims);
    expect(claims["eat_profile"]).toBe(PROFILE_TAGS[form.profile]);
    expect(formName(form)).toBe(`${form.encoding}/${form.profile}`);
  });

  test.each(FORMS)("C4 %o: what was made for another broker counts there, and not here", async (form) => {
    const attestation = { submodules: SUBMODULES, protocol: undefined, origin: "evaluation" } as const;
    const { token } = await issuer.issue(attestation, SIGNAL, form);
    await expect(verify(token)).rejects.toEqual(REJECTED);
    const { claims } = await verify(token, { handshakesOnly: false });
    expect(claims["keywarden.origin"]).toBe("evaluation");
  });

  test("AS-041 the form that nobody chose is the one of the Confidential Containers clients", async () => {
    const { token } = await issuer.issue({ submodules: SUBMODULES, protocol: undefined }, SIGNAL);
    expect(jwtPayload(token)).toEqual((await issued({ encoding: "jwt", profile: "trustee" })).claims);
  });

  test("AS-050 the IETF profile has underscores, a list of policies and no dotted member of EAR", async () => {
    const payload = jwtPayload((await issued({ encoding: "jwt", profile: "ietf" })).token);
    expect(payload).toEqual({
      eat_profile: "tag:ietf.org,2026:rats/ear#03",
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 300,
      iss: "keywarden",
      ear_verifier_id: { developer: "https://kbs.example", build: "keywarden 0.1.0" },
      ear_status: "contraindicated",
      submods: {
        cpu0: {
          ear_status: "affirming",
          ear_trustworthiness_vector: { hardware: 2, configuration: 2 },
          ear_appraisal_policy_ids: ["default"],
          ear_veraison_annotated_evidence: SUBMODULES[0]?.annotatedEvidence,
          ear_trustee_identifiers: { validated: { images: ["a"] } },
        },
        gpu0: expect.objectContaining({ ear_status: "contraindicated" }),
      },
    });
    expect(
      JSON.stringify(payload, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    ).not.toContain('"ear.');
  });

  test("AS-049 a CWT has the labels of the draft", async () => {
    const claims = cwtPayload((await issued({ encoding: "cwt", profile: "trustee" })).token);
    expect([...claims.keys()].sort()).toEqual([1, 1004, 265, 266, 4, 6]);
    expect(claims.get(1004)).toEqual(
      new Map([
        [0, "https://kbs.example"],
        [1, "keywarden 0.1.0"],
      ]),
    );
    const submods = claims.get(266);
    const cpu = isCborMap(submods) ? submods.get("cpu0") : undefined;
    expect(isCborMap(cpu) && [...cpu.keys()].sort()).toEqual([-18, -70000, 1000, 1001, 1003]);
    expect(isCborMap(cpu) && cpu.get(1000)).toBe(2);
    expect(isCborMap(cpu) && cpu.get(1001)).toEqual(
      new Map([
        [1, 2],
        [4, 2],
      ]),
    );
  });

  test("AS-051 in the IETF profile every label that is not registered lies below -65536", async () => {
    const extensions = { "ear.trustee.identifiers": 1, low: 2, high: 3, bare: 4 };
    const extensionKeys = { "ear.trustee.identifiers": -18, low: -70_009, high: 2_000_000 };
    const { token } = await issued({ encoding: "cwt", profile: "ietf" }, [
      cpuSubmodule({}, { extensions, extensionKeys }),
    ]);
    const submods = cwtPayload(token).get(266);
    const cpu = isCborMap(submods) ? submods.get("cpu0") : undefined;
    if (!isCborMap(cpu)) throw new Error("no submodule");
    const registered = [1000, 1001, 1003];
    const labels = [...cpu.keys()].filter((key) => typeof key === "number" && !registered.includes(key));
    expect(labels.filter((label) => typeof label === "number" && label >= -65536)).toEqual([]);
    expect(cpu.get(-200_018)).toBe(1);
    expect(cpu.get(-70_009)).toBe(2);
    expect(cpu.get("high")).toBe(3);
    expect(cpu.get("bare")).toBe(4);
    expect(cpu.get(1003)).toEqual(["default"]);
  });

  test("AS-053 integers of 64 bits are exact in a CWT too", async () => {
    const wide = { a: 2n ** 63n - 1n, b: 2n ** 63n, c: 9_007_199_254_740_993n };
    const { token } = await issued({ encoding: "cwt", profile: "trustee" }, [cpuSubmodule({ wide })]);
    const { claims } = await verify(token);
    expect(claims).toHaveProperty(["submods", "cpu0", "ear.veraison.annotated-evidence", "wide"], {
      ...wide,
      b: "9223372036854775808",
    });
  });

  test.each(["ES384", "EdDSA"] as const)("%s signs every form", async (algorithm) => {
    const other = freshSigner(algorithm);
    const otherKeys = fixedKeys(other);
    for (const form of FORMS) {
      const { token } = await testIssuer(otherKeys).issue(
        { submodules: SUBMODULES, protocol: "0.1" },
        SIGNAL,
        form,
      );
      const { claims } = await verify(token, { keys: otherKeys });
      expect(claims).toHaveProperty(["keywarden.protocol"], "0.1");
    }
  });

  test("two members of one appraisal never share a label", async () => {
    const extensions = { a: 1, b: 2 };
    const submodule = cpuSubmodule({}, { extensions, extensionKeys: { a: -18, b: -200_018 } });
    await expect(issued({ encoding: "cwt", profile: "ietf" }, [submodule])).rejects.toThrow(TypeError);
  });
});

describe("reading tokens of others", () => {
  const EAR: JsonObject = {
    eat_profile: PROFILE_TAGS.veraison,
    iss: "keywarden",
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    "ear.verifier-id": { developer: "d", build: "b" },
    "tee-pubkey": TEE_KEY.jwk,
    submods: { cpu0: { "ear.status": "affirming", "ear.trustworthiness-vector": { hardware: 2 } } },
  };
  const IETF: JsonObject = {
    eat_profile: PROFILE_TAGS.ietf,
    iss: "keywarden",
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    ear_verifier_id: { developer: "d", build: "b" },
    "tee-pubkey": TEE_KEY.jwk,
    submods: { cpu0: { ear_status: "affirming", ear_trustworthiness_vector: { hardware: 2 } } },
  };
  const withCpu = (claims: JsonObject, cpu: JsonObject): JsonObject => ({
    ...claims,
    submods: { cpu0: cpu },
  });

  test("a status as number and claims that are null mean what they mean in text", async () => {
    const cpu = {
      "ear.status": 32,
      "ear.trustworthiness-vector": { hardware: 2, configuration: null, executables: 33 },
    };
    const { claims } = await verify(await signedJwt(withCpu(EAR, cpu)));
    expect(claims["submods"]).toEqual({
      cpu0: { "ear.status": "warning", "ear.trustworthiness-vector": { hardware: 2, executables: 33 } },
    });
  });

  test("several policies stay a list, one becomes a text", async () => {
    const withPolicies = (ids: readonly string[]) =>
      withCpu(IETF, { ear_status: "none", ear_appraisal_policy_ids: ids });
    const one = await verify(await signedJwt(withPolicies(["a"])));
    expect(one.claims).toHaveProperty(["submods", "cpu0", "ear.appraisal-policy-id"], "a");
    const two = await verify(await signedJwt(withPolicies(["a", "b"])));
    expect(two.claims).toHaveProperty(["submods", "cpu0", "ear.appraisal-policy-id"], ["a", "b"]);
    await expect(verify(await signedJwt(withPolicies([])))).rejects.toEqual(REJECTED);
  });

  test("C2 a status may not be better than the vector beside it", async () => {
    const cpu = (status: string | number, hardware: number) =>
      signedJwt(withCpu(EAR, { "ear.status": status, "ear.trustworthiness-vector": { hardware } }));
    await expect(verify(await cpu("affirming", 32))).rejects.toEqual(REJECTED);
    await expect(verify(await cpu("warning", 97))).rejects.toEqual(REJECTED);
    await expect(verify(await cpu("none", 96))).rejects.toEqual(REJECTED);
    await expect(verify(await cpu("none", 2))).resolves.toBeDefined();
    await expect(verify(await cpu("contraindicated", 2))).resolves.toBeDefined();
    await expect(verify(await cpu("affirming", -1))).resolves.toBeDefined();
    const whole = { ...EAR, ...withCpu(EAR, { "ear.status": "warning" }), "ear.status": "affirming" };
    await expect(verify(await signedJwt(whole))).rejects.toEqual(REJECTED);
  });

  test.each([
    ["a fraction as iat", { ...EAR, iat: NOW_SECONDS + 0.5 }],
    ["no submodule", { ...EAR, submods: {} }],
    ["a submodule without status", withCpu(EAR, { "ear.appraisal-policy-id": "a" })],
    ["an unknown status", withCpu(EAR, { "ear.status": "good" })],
    ["a status that is no tier's number", withCpu(EAR, { "ear.status": 3 })],
    [
      "an unknown claim in the vector",
      withCpu(EAR, { "ear.status": "none", "ear.trustworthiness-vector": { color: 2 } }),
    ],
    [
      "a value of nine bits",
      withCpu(EAR, { "ear.status": "none", "ear.trustworthiness-vector": { hardware: 128 } }),
    ],
    ["the names of both dialects", { ...EAR, ear_verifier_id: {} }],
    [
      "the names of both dialects, in a submodule",
      withCpu(EAR, { "ear.status": "none", ear_status: "none" }),
    ],
    ["another profile than its names", { ...IETF, eat_profile: PROFILE_TAGS.veraison }],
    ["a profile that is not accepted", { ...EAR, eat_profile: "tag:example.org,2026:other" }],
    [
      "no profile where one is asked for",
      Object.fromEntries(Object.entries(EAR).filter(([name]) => name !== "eat_profile")),
    ],
  ])("refuses an attestation result with %s", async (_, claims: JsonObject) => {
    await expect(verify(await signedJwt(claims))).rejects.toEqual(REJECTED);
  });

  test("the names of the IETF drafts count only where their profile is configured", async () => {
    const token = await signedJwt(IETF);
    await expect(verify(token, { profiles: undefined })).rejects.toEqual(REJECTED);
    await expect(verify(token, { profiles: [PROFILE_TAGS.ietf] })).resolves.toBeDefined();
    const later = await signedJwt({ ...IETF, eat_profile: "tag:ietf.org,2026:rats/ear#04" });
    await expect(verify(later, { profiles: ["tag:ietf.org,2026:rats/ear#04"] })).resolves.toBeDefined();
  });

  test("a CWT counts only where CWT is configured", async () => {
    const { token } = await issued({ encoding: "cwt", profile: "trustee" });
    await expect(verify(token, { encodings: ["jwt"] })).rejects.toEqual(REJECTED);
    const { encodings: _, ...byDefault } = own;
    const verifier = new TokenVerifier({ issuers: [byDefault], now: () => NOW });
    await expect(verifier.verify(token, SIGNAL)).rejects.toEqual(REJECTED);
  });

  test("a CWT in its own tag around that of COSE is read too", async () => {
    const bytes = Buffer.from((await issued({ encoding: "cwt", profile: "trustee" })).token, "base64url");
    const tagged = encodeCbor(new CborTag(61, decodeCbor(bytes))).toString("base64url");
    await expect(verify(tagged)).resolves.toBeDefined();
  });
});

describe("CWTs that are refused", () => {
  const good = async () => cwtPayload((await issued({ encoding: "cwt", profile: "trustee" })).token);
  const changed = async (key: CborKey, value: CborValue) =>
    signedCwt(new Map([...(await good()), [key, value]]));

  test("C1 C4 a key that is not configured, an issuer that is not the key's", async () => {
    const stranger = testIssuer(fixedKeys(freshSigner()));
    const { token } = await stranger.issue({ submodules: SUBMODULES, protocol: undefined }, SIGNAL, {
      encoding: "cwt",
      profile: "trustee",
    });
    await expect(verify(token)).rejects.toEqual(REJECTED);
    await expect(verify(await changed(1, "somebody else"))).rejects.toEqual(REJECTED);
    await expect(verify(await changed(1, "keywarden"))).resolves.toBeDefined();
  });

  test("C2 an algorithm that is not the issuer's, and MACs, whatever the header says", async () => {
    const token = await changed(1, "keywarden");
    await expect(verify(token, { algorithms: ["ES384"] })).rejects.toEqual(REJECTED);
    const parts = decodeCbor(Buffer.from(token, "base64url"));
    if (!(parts instanceof CborTag) || !Array.isArray(parts.value)) throw new Error("not a message");
    const [, unprotected, payload, signature] = parts.value;
    const hmac = encodeCbor(
      new CborTag(18, [encodeCbor(new Map([[1, 5]])), unprotected, payload, signature]),
    );
    await expect(verify(hmac.toString("base64url"))).rejects.toEqual(REJECTED);
  });

  test("a flipped bit anywhere", async () => {
    const bytes = Buffer.from(await changed(1, "keywarden"), "base64url");
    for (let at = 0; at < bytes.length; at += 7) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      await expect(verify(flipped.toString("base64url"))).rejects.toEqual(REJECTED);
    }
  });

  test.each<[string, CborKey, CborValue]>([
    ["an expired one", 4, NOW_SECONDS - 61],
    ["one that is not valid yet", 5, NOW_SECONDS + 61],
    ["one whose exp is text", 4, "never"],
    ["one with a claim under its label and its name", "exp", NOW_SECONDS],
    [
      "one whose status is better than its vector",
      266,
      new Map([
        [
          "cpu0",
          new Map<CborKey, CborValue>([
            [1000, 2],
            [1001, new Map([[4, 97]])],
          ]),
        ],
      ]),
    ],
    ["one with a number that JSON does not have", 99, Number.POSITIVE_INFINITY],
  ])("%s", async (_, key, value) => {
    await expect(verify(await changed(key, value))).rejects.toEqual(REJECTED);
  });

  test.each([
    "",
    "AAAA",
    "0oQ",
    "not base64url!",
    "gaGhoQ",
    Buffer.from("d2844043a1012640", "hex").toString("base64url"),
  ])("%j is no token", async (token) => {
    await expect(verify(token)).rejects.toEqual(REJECTED);
  });

  test("E1 headers of very many parts, before one of them is made", () => {
    const tail = Buffer.from("4101", "hex");
    const many = Buffer.concat([
      Buffer.from("d28443a10126a10a9a00010000", "hex"),
      Buffer.alloc(1 << 16, 0x80),
      tail,
      tail,
    ]);
    expect(() => parseToken(many.toString("base64url"))).toThrow(
      expect.objectContaining({ code: "token-rejected", cause: new CborError("more than 1000 items") }),
    );
  });

  test("claims that are no map, and nested without end", async () => {
    await expect(verify(await signedCwt([1]))).rejects.toEqual(REJECTED);
    const deep = Array.from({ length: 200 }).reduce<CborValue>((value) => [value], 1);
    await expect(verify(await signedCwt(new Map([[99, deep]])))).rejects.toEqual(REJECTED);
  });

  test("an unknown label is a member named by its digits, bytes are base64url, bignums are numbers", async () => {
    const odd = new Map<CborKey, CborValue>([
      [-18, Buffer.from([1, 2, 3])],
      ["big", new CborTag(2, Buffer.from("010000000000000000", "hex"))],
      ["negative", new CborTag(3, Buffer.from("01", "hex"))],
    ]);
    const { claims } = await verify(await changed(-4711, odd));
    expect(member(claims, "-4711")).toEqual({ "-18": "AQID", big: 1n << 64n, negative: -2 });
  });
});
