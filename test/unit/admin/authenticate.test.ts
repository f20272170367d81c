import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type JWTPayload, SignJWT } from "jose";
import { authenticateAdmin } from "../../../src/admin/authenticate.ts";
import {
  type AdminAlgorithm,
  type IdentityProvider,
  type IdentityProviderConfig,
  loadIdentityProviders,
} from "../../../src/admin/identity-providers.ts";
import { KbsError } from "../../../src/errors.ts";
import { temporaryFolder } from "../../support/folder.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z");
const SECONDS = NOW / 1000;
const CLAIMS = {
  iss: "ops",
  aud: "keywarden",
  sub: "alice",
  role: "admin",
  iat: SECONDS,
  exp: SECONDS + 600,
};

const PAIRS = {
  EdDSA: generateKeyPairSync("ed25519"),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
} as const;
const STRANGER = generateKeyPairSync("ed25519");

let folder: string;
let dispose: () => Promise<void>;
let written = 0;
beforeAll(async () => {
  ({ path: folder, dispose } = await temporaryFolder());
});
afterAll(() => dispose());

async function pemFile(key: KeyObject): Promise<string> {
  const path = join(folder, `key-${written++}.pem`);
  await writeFile(path, key.export({ type: "spki", format: "pem" }));
  return path;
}

async function jwksFile(set: unknown): Promise<string> {
  const path = join(folder, `set-${written++}.jwks`);
  await writeFile(path, typeof set === "string" ? set : JSON.stringify(set));
  return path;
}

async function provider(change: Partial<IdentityProviderConfig> = {}): Promise<readonly IdentityProvider[]> {
  const publicKey = change.jwksFile === undefined ? await pemFile(PAIRS.EdDSA.publicKey) : undefined;
  return loadIdentityProviders([
    { issuer: "ops", audience: "keywarden", algorithms: ["EdDSA"], publicKey, ...change },
  ]);
}

function sign(
  claims: JWTPayload,
  key: KeyObject = PAIRS.EdDSA.privateKey,
  header: object = { alg: "EdDSA" },
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", ...header }).sign(key);
}

/** A token nobody's library would make: any header, any signature. */
function forge(header: object, claims: object, signature: (input: string) => Buffer): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signature(input).toString("base64url")}`;
}

function authenticate(token: string | undefined, providers: readonly IdentityProvider[]) {
  const header = token === undefined ? undefined : `Bearer ${token}`;
  return authenticateAdmin(header, { providers, now: () => NOW, leewaySeconds: 60 });
}

const REFUSED = { code: "unauthenticated" };

describe("administrators' tokens", () => {
  test.each(["EdDSA", "ES256", "ES384", "RS256", "PS256", "PS384"] as const)(
    "P60 %s with role is accepted",
    async (alg) => {
      const pair = PAIRS[alg === "PS256" || alg === "PS384" ? "RS256" : alg];
      const providers = await provider({ algorithms: [alg], publicKey: await pemFile(pair.publicKey) });
      const token = await sign(CLAIMS, pair.privateKey, { alg });
      expect(await authenticate(token, providers)).toEqual({
        subject: "alice",
        role: "admin",
        provider: "ops",
      });
    },
  );

  test.each([
    ["no role", { role: undefined }],
    ["an empty role", { role: "" }],
    ["a role that is no text", { role: ["admin"] }],
    ["another issuer", { iss: "other" }],
    ["no issuer", { iss: undefined }],
    ["another audience", { aud: "other-server" }],
    ["an audience list without us", { aud: ["a", "b"] }],
    ["no audience", { aud: undefined }],
    ["no expiry", { exp: undefined }],
    ["an expiry beyond the leeway", { exp: SECONDS - 61 }],
    ["an expiry that is no number", { exp: "tomorrow" }],
    ["a beginning in the future", { nbf: SECONDS + 61 }],
  ])("P60 C4 refuses a token with %s", async (_what, change) => {
    const claims: JWTPayload = JSON.parse(JSON.stringify({ ...CLAIMS, ...change }));
    await expect(authenticate(await sign(claims), await provider())).rejects.toMatchObject(REFUSED);
  });

  test("P60 an expired token is accepted within 60 seconds of leeway", async () => {
    const token = await sign({ ...CLAIMS, exp: SECONDS - 59, nbf: SECONDS + 59 });
    expect(await authenticate(token, await provider())).toMatchObject({ role: "admin" });
  });

  test("P61 aud may be a text or a list", async () => {
    const providers = await provider();
    for (const aud of ["keywarden", ["other", "keywarden"]])
      expect(await authenticate(await sign({ ...CLAIMS, aud }), providers)).toMatchObject({ role: "admin" });
  });

  test("P64 an Ed25519 token without role counts only where a legacy key is configured, with that role", async () => {
    const legacy = { iat: SECONDS, exp: SECONDS + 7200 };
    const token = await sign(legacy);
    await expect(authenticate(token, await provider())).rejects.toMatchObject(REFUSED);
    const providers = await provider({
      legacyKeyWithoutRole: "uploader",
      issuer: undefined,
      audience: undefined,
    });
    expect(await authenticate(token, providers)).toMatchObject({ role: "uploader" });
    await expect(authenticate(await sign({ ...legacy, role: "admin" }), providers)).rejects.toMatchObject(
      REFUSED,
    );
    await expect(authenticate(await sign({ iat: SECONDS }), providers)).rejects.toMatchObject(REFUSED);
    await expect(authenticate(await sign(legacy, STRANGER.privateKey), providers)).rejects.toMatchObject(
      REFUSED,
    );
  });

  test("C7 P59 without a provider everybody is refused, and told how to begin", async () => {
    for (const token of [undefined, await sign(CLAIMS), "x"])
      await expect(authenticate(token, [])).rejects.toMatchObject({
        code: "unauthenticated",
        detail: expect.stringContaining("keywarden admin keygen"),
      });
  });

  test("P59 a header that is no bearer token is refused, and never repeated", async () => {
    const providers = await provider();
    const token = await sign(CLAIMS);
    const headers = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      `Basic ${token}`,
      `Bearer ${token} more`,
      token,
      `Bearer ${"x".repeat(20_000)}`,
      "Bearer ..",
      "Bearer a.b.c",
    ];
    for (const header of headers) {
      const refusal = authenticateAdmin(header, { providers, now: () => NOW, leewaySeconds: 60 });
      await expect(refusal).rejects.toMatchObject({ ...REFUSED, detail: expect.not.stringContaining(token) });
    }
    const lower = authenticateAdmin(`bearer ${token}`, { providers, now: () => NOW, leewaySeconds: 60 });
    expect(await lower).toMatchObject({ subject: "alice" });
  });

  test("C1 a key named by the token is never used", async () => {
    const providers = await provider();
    const jwk = STRANGER.publicKey.export({ format: "jwk" });
    const x5c = [Buffer.from("certificate").toString("base64")];
    const url = "https://attacker.example/keys";
    for (const header of [
      { jwk },
      { jku: url },
      { x5u: url },
      { x5c },
      { jwk, kid: "a", jku: url },
      { jwk: { ...jwk, alg: "EdDSA" } },
    ])
      await expect(
        authenticate(await sign(CLAIMS, STRANGER.privateKey, header), providers),
      ).rejects.toMatchObject(REFUSED);
    // Such members beside a good signature change nothing.
    expect(
      await authenticate(await sign(CLAIMS, PAIRS.EdDSA.privateKey, { jwk, jku: url }), providers),
    ).toMatchObject({ role: "admin" });
  });

  test("C2 no algorithm, and HMAC under the public key, are refused for every kind of key", async () => {
    for (const alg of ["EdDSA", "ES256", "RS256"] as const) {
      const { publicKey } = PAIRS[alg];
      const providers = await provider({ algorithms: [alg], publicKey: await pemFile(publicKey) });
      const forms = [
        publicKey.export({ type: "spki", format: "pem" }),
        publicKey.export({ type: "spki", format: "der" }),
      ];
      for (const name of ["none", "None", "NONE", ""])
        await expect(
          authenticate(
            forge({ alg: name }, CLAIMS, () => Buffer.alloc(0)),
            providers,
          ),
        ).rejects.toMatchObject(REFUSED);
      for (const form of forms)
        for (const [name, hash] of [
          ["HS256", "sha256"],
          ["HS384", "sha384"],
          ["HS512", "sha512"],
        ] as const) {
          const token = forge({ alg: name }, CLAIMS, (input) =>
            createHmac(hash, form).update(input).digest(),
          );
          await expect(authenticate(token, providers)).rejects.toMatchObject(REFUSED);
        }
    }
  });

  test("C2 an algorithm the provider does not list is refused, though its key could verify it", async () => {
    const publicKey = await pemFile(PAIRS.RS256.publicKey);
    const providers = await provider({ algorithms: ["RS256"], publicKey });
    expect(
      await authenticate(await sign(CLAIMS, PAIRS.RS256.privateKey, { alg: "RS256" }), providers),
    ).toBeDefined();
    for (const alg of ["PS256", "RS384", "RS512"]) {
      const token = await sign(CLAIMS, PAIRS.RS256.privateKey, { alg });
      await expect(authenticate(token, providers)).rejects.toMatchObject(REFUSED);
    }
  });

  test("unknown critical headers and unencoded payloads are refused", async () => {
    const providers = await provider();
    for (const header of [
      { alg: "EdDSA", crit: ["x"], x: 1 },
      { alg: "EdDSA", crit: ["b64"], b64: false },
    ]) {
      const token = forge(header, CLAIMS, () => Buffer.alloc(64));
      await expect(authenticate(token, providers)).rejects.toMatchObject(REFUSED);
    }
  });

  test("every single changed character of a token is refused", async () => {
    const providers = await provider();
    const token = await sign(CLAIMS);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === "A" ? "B" : "A";
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      // The last character of a part carries bits that base64url ignores.
      if (token[at] === "." || Buffer.from(changed, "latin1").equals(Buffer.from(token, "latin1"))) continue;
      const same = token
        .split(".")
        .every((part, index) =>
          Buffer.from(part, "base64url").equals(Buffer.from(changed.split(".")[index] ?? "", "base64url")),
        );
      if (same) continue;
      await expect(authenticate(changed, providers)).rejects.toMatchObject(REFUSED);
    }
  });

  test("providers are asked in turn, and one provider's key does not vouch for another's issuer", async () => {
    const first = await provider({ name: "first" });
    const second = await provider({
      name: "second",
      issuer: "other",
      publicKey: await pemFile(STRANGER.publicKey),
    });
    const both = [...first, ...second];
    const token = await sign({ ...CLAIMS, iss: "other" }, STRANGER.privateKey);
    expect(await authenticate(token, both)).toMatchObject({ provider: "second" });
    await expect(authenticate(await sign({ ...CLAIMS, iss: "other" }), both)).rejects.toMatchObject(REFUSED);
    await expect(authenticate(await sign(CLAIMS, STRANGER.privateKey), both)).rejects.toMatchObject(REFUSED);
  });

  test("in a key set `kid` chooses, and each key keeps to its own algorithms", async () => {
    const jwk = (alg: keyof typeof PAIRS, more: object) => ({
      ...PAIRS[alg].publicKey.export({ format: "jwk" }),
      ...more,
    });
    const file = await jwksFile({
      keys: [jwk("ES256", { kid: "ec", alg: "ES256" }), jwk("RS256", { kid: "rsa" })],
    });
    const providers = await provider({
      jwksFile: file,
      publicKey: undefined,
      algorithms: ["ES256", "RS256"],
    });
    const token = (alg: "ES256" | "RS256", kid: string | undefined) =>
      sign(CLAIMS, PAIRS[alg].privateKey, { alg, kid });
    expect(await authenticate(await token("ES256", "ec"), providers)).toBeDefined();
    expect(await authenticate(await token("RS256", "rsa"), providers)).toBeDefined();
    for (const [alg, kid] of [
      ["ES256", "rsa"],
      ["RS256", "ec"],
      ["ES256", "unknown"],
      ["ES256", undefined],
    ] as const)
      await expect(authenticate(await token(alg, kid), providers)).rejects.toMatchObject(REFUSED);
  });

  test("any header ends in an administrator or in a refusal", async () => {
    const providers = await provider();
    const part = fc.oneof(
      fc.base64String(),
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: "grapheme" }),
          fc.tuple(part, part, part).map((parts) => parts.join(".")),
        ),
        async (text) => {
          try {
            await authenticateAdmin(`Bearer ${text}`, { providers, now: () => NOW, leewaySeconds: 60 });
            return false;
          } catch (error) {
            return error instanceof KbsError && error.code === "unauthenticated";
          }
        },
      ),
    );
  });
});

describe("configured keys", () => {
  const config = (change: Partial<IdentityProviderConfig>) =>
    loadIdentityProviders([{ issuer: "ops", audience: "keywarden", algorithms: ["EdDSA"], ...change }]);

  test.each([
    ["a file that is not there", async () => ({ publicKey: join(folder, "nowhere") })],
    [
      "a private key",
      async () => ({
        publicKey: await jwksFile(String(PAIRS.EdDSA.privateKey.export({ type: "pkcs8", format: "pem" }))),
      }),
    ],
    ["text that is no key", async () => ({ publicKey: await jwksFile("hello") })],
    [
      "a key none of the algorithms can use",
      async () => ({ publicKey: await pemFile(PAIRS.ES256.publicKey) }),
    ],
    [
      "a short RSA key",
      async () => ({
        algorithms: ["RS256"] as AdminAlgorithm[],
        publicKey: await pemFile(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey),
      }),
    ],
    ["a set that is no JSON", async () => ({ jwksFile: await jwksFile("{") })],
    ["a set without keys", async () => ({ jwksFile: await jwksFile({ keys: [] }) })],
    [
      "a key without kid",
      async () => ({ jwksFile: await jwksFile({ keys: [PAIRS.EdDSA.publicKey.export({ format: "jwk" })] }) }),
    ],
    [
      "two keys of one kid",
      async () => ({
        jwksFile: await jwksFile({
          keys: [1, 2].map(() => ({ ...PAIRS.EdDSA.publicKey.export({ format: "jwk" }), kid: "a" })),
        }),
      }),
    ],
    [
      "a symmetric key",
      async () => ({
        jwksFile: await jwksFile({ keys: [{ kty: "oct", k: "AAAA", kid: "a", alg: "HS256" }] }),
      }),
    ],
    [
      "a private key in a set",
      async () => ({
        jwksFile: await jwksFile({
          keys: [{ ...PAIRS.EdDSA.privateKey.export({ format: "jwk" }), kid: "a" }],
        }),
      }),
    ],
  ])("refuses to start with %s, naming the option", async (_what, change) => {
    await expect(config(await change())).rejects.toMatchObject({
      code: "internal",
      detail: expect.stringMatching(/^admin\.identityProviders\[0\]\.(publicKey|jwksFile)/),
    });
  });

  test("keeps public keys only", async () => {
    const [{ keys } = { keys: [] }] = await provider();
    expect(keys.map(({ key }) => key.type)).toEqual(["public"]);
    expect(
      keys[0]?.key.equals(createPublicKey(PAIRS.EdDSA.publicKey.export({ type: "spki", format: "pem" }))),
    ).toBe(true);
  });
});
