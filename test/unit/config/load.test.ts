import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { checkConfigFile } from "../../../src/config/check.ts";
import { dangerousSwitches } from "../../../src/config/dangerous.ts";
import { type KeywardenConfig, loadConfig, loadConfigFile, printFault } from "../../../src/config/load.ts";
import { redact } from "../../../src/config/redact.ts";

function faults(text: string, env?: Record<string, string>): string[] {
  const loaded = loadConfig(text, env === undefined ? {} : { env });
  return loaded.faults.map((fault) => printFault(fault, "f"));
}

function paths(text: string): string[] {
  return loadConfig(text).faults.map(({ path }) => path);
}

function good(text: string): KeywardenConfig {
  const { config, faults: found } = loadConfig(text);
  expect(found).toEqual([]);
  if (config === undefined) throw new Error("unreachable");
  return config;
}

const PROVIDER = "issuer: ops, audience: kw, publicKey: a.pem";

describe("loading", () => {
  test("the empty file gives the defaults: loopback, nothing dangerous, nobody administers", () => {
    const config = good("");
    expect(config.server.host).toBe("127.0.0.1");
    expect(config.admin.identityProviders).toEqual([]);
    expect(config.verifiers.sample.allowSampleEvidence).toBe(false);
    expect(dangerousSwitches(config)).toEqual([]);
    expect(config.secrets.fs.folder).toBe(join("data", "secrets"));
    expect(config.audit.file).toBe(join("data", "audit.ndjson"));
  });

  test("a heading without a body means the defaults", () => {
    expect(good("server:\nverifiers:\n  snp:\ntokens: ~\nattestation: { token: { signer: } }\n")).toEqual(
      good(""),
    );
  });

  test("reports every fault at once, with YAML path, line and column, in the order of the text", () => {
    const text = [
      "server:",
      "  prot: 8080",
      "  maxBodyBytes: [1]",
      "  host: 0.0.0.0",
      "sessions:",
      "  ttlSeconds: 1",
      "log: { level: loud }",
      "verifiers: { snq: {}, sample: { allow_sample_evidence: true } }",
      "nonsense: 1",
    ].join("\n");
    expect(faults(text)).toEqual([
      expect.stringMatching(/^f:1:1: server\.tls: is missing/),
      'f:2:3: server.prot: unknown option; did you mean "port"?',
      expect.stringMatching(/^f:3:3: server\.maxBodyBytes: must be a number/),
      "f:6:3: sessions.ttlSeconds: must be at least 30",
      expect.stringMatching(/^f:7:8: log\.level: must be "debug" or/),
      'f:8:14: verifiers.snq: unknown verifier; did you mean "snp"?',
      'f:8:33: verifiers.sample.allow_sample_evidence: unknown option; did you mean "allowSampleEvidence"?',
      expect.stringMatching(/^f:9:1: nonsense: unknown option; known here: mode, server/),
    ]);
  });

  test("refuses YAML that is broken, doubled, tagged, not a group, too long, or an alias bomb", () => {
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
    for (let at = 0; at < 9; at++) {
      const name = String.fromCharCode(98 + at);
      const before = `*${String.fromCharCode(97 + at)}`;
      bomb.push(`${name}: &${name} [${Array.from({ length: 10 }, () => before).join(",")}]`);
    }
    const texts = [
      "a: [",
      "log: {}\nlog: {}",
      "log: !!js/function 'x'",
      "- 1",
      "text",
      "a\n---\nb",
      `# ${"x".repeat(1 << 20)}`,
    ];
    for (const text of [...texts, bomb.join("\n")]) {
      const { config, faults: found } = loadConfig(text);
      expect(config).toBeUndefined();
      expect(found.length).toBeGreaterThan(0);
    }
  });

  test("names like __proto__ are unknown options like any other", () => {
    expect(paths("__proto__: { x: 1 }\nserver: { constructor: 1, __proto__: 2 }")).toEqual([
      "__proto__",
      "server.constructor",
      "server.__proto__",
    ]);
  });

  test("never throws, and never gives a configuration together with faults", () => {
    const word = fc.constantFrom(
      "server",
      "tls",
      "admin",
      "log",
      "level",
      "snp",
      "x",
      "__proto__",
      "env",
      "file",
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: "small" },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        tie("list"),
        tie("map"),
      ),
      list: fc.array(tie("any"), { maxLength: 3 }),
      map: fc.dictionary(word, tie("any"), { maxKeys: 4 }),
    })).map;
    fc.assert(
      fc.property(
        fc.oneof(
          value.map((data) => JSON.stringify(data)),
          fc.string({ unit: "grapheme" }),
        ),
        (text) => {
          const loaded = loadConfig(text, { env: {} });
          return (loaded.config === undefined) === loaded.faults.length > 0;
        },
      ),
      { numRuns: 300 },
    );
  });

  test("relative paths start from the folder of the file, absolute ones stay", () => {
    const text = `dataDirectory: d\nserver: { tls: { certificate: c.pem, privateKey: { file: k.pem } } }
admin: { identityProviders: [{ issuer: i, audience: a, publicKey: /abs/p.pem }] }
verifiers: { snp: { offlineFolder: store } }\nattestation: { token: { signer: { key: { env: SIGNER } } } }`;
    const { config } = loadConfig(text, { baseDirectory: "/etc/kw" });
    expect(config?.dataDirectory).toBe("/etc/kw/d");
    expect(config?.secrets.fs.folder).toBe("/etc/kw/d/secrets");
    expect(config?.server.tls).toMatchObject({
      certificate: "/etc/kw/c.pem",
      privateKey: { file: "/etc/kw/k.pem" },
    });
    expect(config?.admin.identityProviders[0]?.publicKey).toBe("/abs/p.pem");
    expect(config?.verifiers.snp.offlineFolder).toBe("/etc/kw/store");
    expect(config?.attestation.token.signer).toEqual({ key: { env: "SIGNER" } });
  });
});

describe("secrets", () => {
  test("a secret written out is refused, and the message does not repeat it", () => {
    for (const text of [
      "attestation: { token: { signer: { key: hunter2 } } }",
      "attestation: { token: { signer: { key: [hunter2] } } }",
    ]) {
      const [fault] = faults(text);
      expect(fault).toContain("give { file: /path } or { env: NAME }");
      expect(fault).not.toContain("hunter2");
    }
    expect(faults('server: { port: "hunter2", host: [hunter2] }').join()).not.toContain("hunter2");
    expect(faults("log: { level: hunter2 }\nmode: hunter2").join()).not.toContain("hunter2");
  });

  test("a reference is either a file or a variable, and the variable must be set", () => {
    expect(paths("attestation: { token: { signer: { key: { file: a, env: B } } } }")).toEqual([
      "attestation.token.signer.key",
    ]);
    expect(paths("attestation: { token: { signer: { key: {} } } }")).toEqual([
      "attestation.token.signer.key",
    ]);
    expect(paths("attestation: { token: { signer: { key: { env: 'not a name' } } } }")).toEqual([
      "attestation.token.signer.key.env",
    ]);
    expect(faults("attestation: { token: { signer: { key: { env: KW_KEY } } } }", {})).toEqual([
      "f:1:42: attestation.token.signer.key.env: the environment variable KW_KEY is not set",
    ]);
    expect(faults("attestation: { token: { signer: { key: { env: KW_KEY } } } }", { KW_KEY: "x" })).toEqual(
      [],
    );
  });

  test("redaction keeps references and hides credentials in URLs and under telling names", () => {
    const printed = redact({
      signer: { file: "/k.pem" },
      url: "https://user:hunter2@host/path?key=hunter2#hunter2",
      plain: "https://host/path",
      password: "hunter2",
      nested: [{ apiKey: "hunter2", api_key: "hunter2", pin: "hunter2" }],
      bytes: 5n,
    });
    expect(printed).toEqual({
      signer: { file: "/k.pem" },
      url: "https://[redacted]@host/path",
      plain: "https://host/path",
      password: "[redacted]",
      nested: [{ apiKey: "[redacted]", api_key: "[redacted]", pin: "[redacted]" }],
      bytes: 5n,
    });
    const config = good(`admin: { identityProviders: [{ ${PROVIDER} }] }`);
    expect(redact(config)).toEqual(config);
  });
});

describe("dangerous combinations", () => {
  test.each([
    ["plain http where other machines reach it", "server: { host: 0.0.0.0 }", "server.tls"],
    ["plain http on a name", "server: { host: kbs.example.org }", "server.tls"],
    [
      "TLS and plain http at once",
      "server: { tls: { certificate: a, privateKey: { file: b } }, dangerouslyAllowPlainHttp: true }",
      "server.dangerouslyAllowPlainHttp",
    ],
    [
      "development vendors in production",
      "dev: { dangerouslyUseDevTrustAnchors: { snp: [ark.pem] } }",
      "dev.dangerouslyUseDevTrustAnchors.snp",
    ],
    [
      "development roots for Intel in production",
      "dev: { dangerouslyUseDevTrustAnchors: { intel: [root.pem] } }",
      "dev.dangerouslyUseDevTrustAnchors.intel",
    ],
    [
      "expired certificates in production",
      "verifiers: { snp: { dangerouslyIgnoreCertificateValidity: true } }",
      "verifiers.snp.dangerouslyIgnoreCertificateValidity",
    ],
    [
      "expired certificates of VMs on Azure in production",
      "verifiers: { az-snp-vtpm: { dangerouslyIgnoreCertificateValidity: true } }",
      "verifiers.az-snp-vtpm.dangerouslyIgnoreCertificateValidity",
    ],
    [
      "everybody is a trusted proxy",
      "server: { trustedProxies: [10.0.0.0/8, '::/0'] }",
      "server.trustedProxies[1]",
    ],
    [
      "a chain without its key",
      "attestation: { token: { certificates: a.pem } }",
      "attestation.token.certificates",
    ],
    [
      "an Intel source that is named and not described",
      "collateral: { intel: { sources: [pcs, pccs] } }",
      "collateral.intel.pccs.baseUrl",
    ],
    [
      "a bundle that no source reads",
      "collateral: { intel: { sources: [pcs], offlinePath: bundle.json } }",
      "collateral.intel.sources",
    ],
    ["an Intel source twice", "collateral: { intel: { sources: [pcs, pcs] } }", "collateral.intel.sources"],
    ["metrics on the main port", "server: { metrics: { port: 8080 } }", "server.metrics.port"],
    [
      "C4 a provider without audience",
      "admin: { identityProviders: [{ issuer: a, publicKey: p }] }",
      "admin.identityProviders[0]",
    ],
    [
      "C4 a provider without issuer",
      "admin: { identityProviders: [{ audience: a, publicKey: p }] }",
      "admin.identityProviders[0]",
    ],
    [
      "a provider without key",
      "admin: { identityProviders: [{ issuer: a, audience: b }] }",
      "admin.identityProviders[0]",
    ],
    [
      "a provider with two keys",
      "admin: { identityProviders: [{ issuer: a, audience: b, publicKey: p, jwksFile: j }] }",
      "admin.identityProviders[0]",
    ],
    [
      "a legacy role nobody defined",
      "admin: { identityProviders: [{ legacyKeyWithoutRole: ghost, publicKey: p }] }",
      "admin.identityProviders[0].legacyKeyWithoutRole",
    ],
    [
      "a legacy key of another kind",
      "admin: { identityProviders: [{ legacyKeyWithoutRole: admin, publicKey: p, algorithms: [RS256] }] }",
      "admin.identityProviders[0]",
    ],
    [
      "one role twice",
      "admin: { roles: [{ role: a, allow: [{ methods: [GET], paths: [/kbs/v0/x] }] }, { role: a, allow: [{ methods: [GET], paths: [/kbs/v0/y] }] }] }",
      "admin.roles[1].role",
    ],
    [
      "C2 a symmetric algorithm",
      "admin: { identityProviders: [{ issuer: a, audience: b, publicKey: p, algorithms: [HS256] }] }",
      "admin.identityProviders[0].algorithms[0]",
    ],
    [
      "C2 no algorithm",
      "tokens: { trustedIssuers: [{ jwksFile: j, algorithms: [none] }] }",
      "tokens.trustedIssuers[0].algorithms[0]",
    ],
    [
      "C5 a key set over plain http",
      "tokens: { trustedIssuers: [{ jwksUri: 'http://idp.example/keys' }] }",
      "tokens.trustedIssuers[0].jwksUri",
    ],
    [
      "C5 a key set URL with credentials",
      "tokens: { trustedIssuers: [{ jwksUri: 'https://u:p@idp.example/keys' }] }",
      "tokens.trustedIssuers[0].jwksUri",
    ],
  ])("refuses %s", (_what, text, path) => {
    expect(paths(text)).toEqual([path]);
  });

  test.each([
    "/kbs/v0/**/x",
    "kbs/v0/x",
    "/kbs/v0/../x",
    "/kbs/v0/a?x",
    "/kbs/v0/%61",
    "/kbs/v0//a",
    "/kbs/v0/",
    "^/kbs/.+$",
    "/other/**",
  ])("C8 refuses the path pattern %s", (pattern) => {
    expect(
      paths(`admin: { roles: [{ role: r, allow: [{ methods: [GET], paths: ['${pattern}'] }] }] }`),
    ).toEqual(["admin.roles[0].allow[0].paths[0]"]);
  });

  test("what is dangerous and wanted is accepted, and listed for the log", () => {
    const config = good(`mode: development
server: { host: 0.0.0.0, dangerouslyAllowPlainHttp: true }
audit: { failClosed: false }
admin: { identityProviders: [{ legacyKeyWithoutRole: admin, publicKey: p }] }
tokens: { trustedIssuers: [{ jwksUri: 'https://idp/k', dangerouslyAllowPrivateAddress: true }] }
verifiers: { sample: { allowSampleEvidence: true }, snp: { allowDebug: true, revocation: dangerously-off, dangerouslyIgnoreCertificateValidity: true }, tpm: { acceptedAkTrust: [none, enrolled] }, az-snp-vtpm: { dangerouslyAcceptAnyParavisor: true }, az-tdx-vtpm: { allowDebug: true } }
dev: { dangerouslyUseDevTrustAnchors: { snp: [ark.pem] } }`);
    const listed = dangerousSwitches(config);
    expect(listed.map(({ path }) => path).sort()).toEqual([
      "admin.identityProviders[0].legacyKeyWithoutRole",
      "audit.failClosed",
      "dev.dangerouslyUseDevTrustAnchors.snp",
      "server.dangerouslyAllowPlainHttp",
      "tokens.trustedIssuers[0].dangerouslyAllowPrivateAddress",
      "verifiers.az-snp-vtpm.dangerouslyAcceptAnyParavisor",
      "verifiers.az-tdx-vtpm.allowDebug",
      "verifiers.sample.allowSampleEvidence",
      "verifiers.snp.allowDebug",
      "verifiers.snp.dangerouslyIgnoreCertificateValidity",
      "verifiers.snp.revocation",
      "verifiers.tpm.acceptedAkTrust",
    ]);
    expect(listed.every(({ meaning }) => meaning.length > 10)).toBe(true);
  });
});

describe("config check", () => {
  async function file(text: string): Promise<string> {
    const path = join(await mkdtemp(join(tmpdir(), "keywarden-test-")), "kbs.config.yaml");
    await writeFile(path, text);
    return path;
  }

  test("prints all faults and ends with 1", async () => {
    const path = await file("server: { prot: 1 }\nlogs: {}\n");
    expect(await checkConfigFile(path)).toEqual({
      exitCode: 1,
      lines: [
        `${path}:1:11: server.prot: unknown option; did you mean "port"?`,
        `${path}:2:1: logs: unknown option; did you mean "log"?`,
        "2 faults",
      ],
    });
  });

  test("ends with 0 for a good file, and warns of dangerous switches", async () => {
    const path = await file("verifiers: { sample: { allowSampleEvidence: true } }\n");
    const { exitCode, lines } = await checkConfigFile(path);
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(/^warning: verifiers\.sample\.allowSampleEvidence: /);
  });

  test("a file that is not there is a fault like any other", async () => {
    const loaded = await loadConfigFile("/nowhere/kbs.config.yaml");
    expect(loaded.config).toBeUndefined();
    expect(loaded.faults).toHaveLength(1);
  });
});
