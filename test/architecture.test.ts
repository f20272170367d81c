import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

/** The import rules of docs/architecture.md as a table, held against the source. */
const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** What every part may use: none of these knows anything of the parts above it. */
const LEAVES = ["crypto", "errors", "json", "protocol"];

/** Part → what it may import beside the leaves and itself. A part that is not named here has no place yet. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  errors: [],
  json: [],
  protocol: [],
  storage: [],
  observability: [],
  "policy/rego": [],
  config: [
    "attestation/verifiers/az-snp-vtpm",
    "attestation/verifiers/az-tdx-vtpm",
    "attestation/verifiers/sample",
    "attestation/verifiers/sgx",
    "attestation/verifiers/snp",
    "attestation/verifiers/tdx",
    "attestation/verifiers/tpm",
    "secrets",
  ],
  plugins: [],
  "plugins/resource": ["plugins", "secrets"],
  vault: [],
  secrets: ["secrets/fs", "secrets/memory", "secrets/vault", "storage"],
  "secrets/fs": ["secrets", "storage"],
  "secrets/memory": ["secrets"],
  "secrets/vault": ["secrets", "vault"],
  sessions: [],
  policy: ["attestation", "policy/rego", "storage"],
  attestation: ["attestation/endorsements", "attestation/formats", "config", "policy", "verifiers/*"],
  "attestation/adapters": ["attestation", "grpc", "observability"],
  "attestation/endorsements": ["attestation/formats"],
  "attestation/formats": ["attestation", "config"],
  "attestation/reference-values": ["attestation/formats", "policy", "storage", "tokens"],
  "attestation/verifiers/az-snp-vtpm": ["attestation", "attestation/formats", "config"],
  "attestation/verifiers/az-tdx-vtpm": ["attestation", "attestation/formats", "config"],
  "attestation/verifiers/sample": ["attestation", "config"],
  "attestation/verifiers/sgx": ["attestation", "attestation/formats", "config"],
  "attestation/verifiers/snp": ["attestation", "attestation/formats", "config"],
  "attestation/verifiers/tdx": ["attestation", "attestation/formats", "config"],
  "attestation/verifiers/tpm": ["attestation", "attestation/formats", "config"],
  workers: ["attestation/formats"],
  tokens: ["storage", "vault"],
  broker: ["plugins", "policy", "tokens"],
  // Enrolments of bare TPMs: verifiers only look them up.
  enrolment: ["attestation/formats", "policy", "storage"],
  admin: ["attestation/formats", "attestation/reference-values", "enrolment", "policy", "secrets", "storage"],
  http: ["observability", "sessions"],
  grpc: ["observability"],
  // The interfaces of the verifier for others: beside the broker's doors, and with the same tools as they.
  "attestation-service": ["attestation", "grpc", "http", "observability", "tokens"],
  compose: ["*"],
  main: ["compose", "config", "http", "observability"],
  verifiers: [
    "attestation",
    "attestation/endorsements",
    "attestation/formats",
    "attestation/verifiers/az-snp-vtpm",
    "attestation/verifiers/az-tdx-vtpm",
    "attestation/verifiers/sgx",
    "attestation/verifiers/snp",
    "attestation/verifiers/tdx",
    "attestation/verifiers/tpm",
    "config",
  ],
  dev: ["attestation/formats"],
  // Speaks HTTP to the server; only what works without one reaches into the house.
  cli: [
    "admin",
    "attestation",
    "attestation/endorsements",
    "attestation/formats",
    "attestation/reference-values",
    "attestation/verifiers/az-snp-vtpm",
    "attestation/verifiers/az-tdx-vtpm",
    "attestation/verifiers/sample",
    "attestation/verifiers/sgx",
    "attestation/verifiers/snp",
    "attestation/verifiers/tdx",
    "attestation/verifiers/tpm",
    "config",
    "dev",
    "main",
    "observability",
    "policy",
    "policy/rego",
    "verifiers",
    "tokens",
  ],
};

const PARTS = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);

function partOf(file: string): string {
  return PARTS.find((part) => file === `${part}.ts` || file.startsWith(`${part}/`)) ?? file;
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const allowed = MAY_IMPORT[from] ?? [];
  if (LEAVES.includes(to)) return !LEAVES.includes(from) || LEAF_ORDER[from]?.includes(to) === true;
  if (allowed.includes("*") || allowed.includes(to)) return true;
  return to.startsWith("attestation/verifiers/") && allowed.includes("verifiers/*");
}

/** The leaves among themselves. */
const LEAF_ORDER: Readonly<Record<string, readonly string[]>> = {
  json: [],
  errors: ["json"],
  protocol: ["errors", "json"],
  crypto: ["errors", "json"],
};

const FILES = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));

const TEXTS: ReadonlyMap<string, string> = new Map(
  FILES.map((file) => [file, readFileSync(join(SRC, file), "utf8")]),
);

const EDGES = [...TEXTS].flatMap(([from, text]) =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, target = ""]) => ({
    from,
    to: relative(SRC, resolve(SRC, dirname(from), target)).replaceAll("\\", "/"),
  })),
);

/** Code without comments and strings, so that a word in a sentence is not taken for a call. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"/g, "");
}

function filesThatUse(pattern: RegExp, allowed: (file: string) => boolean): string[] {
  return [...TEXTS]
    .filter(([file, text]) => !allowed(file) && pattern.test(codeOf(text)))
    .map(([file]) => file);
}

const atTheEdge = (file: string): boolean => file === "main.ts" || file.startsWith("cli/");

describe("architecture", () => {
  test("the table has a place for every file", () => {
    expect(FILES.filter((file) => MAY_IMPORT[partOf(file)] === undefined)).toEqual([]);
    expect(EDGES.length).toBeGreaterThan(FILES.length);
  });

  test("no part imports what its row does not allow", () => {
    const wrong = EDGES.filter(({ from, to }) => !mayImport(partOf(from), partOf(to)));
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  test("only compose hands out concrete stores, and only compose, main and the service's own doors know http", () => {
    const importersOf = (part: string) =>
      new Set(EDGES.filter(({ to }) => partOf(to) === part).map(({ from }) => partOf(from)));
    for (const store of ["secrets/fs", "secrets/memory", "secrets/vault"])
      expect([...importersOf(store)].filter((part) => part !== store && part !== "secrets")).toEqual([]);
    expect([...importersOf("http")].sort()).toEqual(["attestation-service", "compose", "http", "main"]);
  });

  test("the policy language imports nothing of the house", () => {
    const out = EDGES.filter(
      ({ from, to }) => partOf(from) === "policy/rego" && partOf(to) !== "policy/rego",
    );
    expect(out).toEqual([]);
  });

  test("environment, clock and network are touched at the edge and passed on", () => {
    expect(filesThatUse(/process\.env\b/, atTheEdge)).toEqual([]);
    // The conformance runner is a tool of the command line: the cases it runs ask for the time of day. The logger
    // stamps its lines, which decide nothing.
    const stamps = ["policy/rego/conformance.ts", "observability/logger.ts"];
    const clockAllowed = (file: string) => atTheEdge(file) || stamps.includes(file);
    expect(filesThatUse(/\bDate\.now\b|new Date\(\)/, clockAllowed)).toEqual([]);
    expect(filesThatUse(/(?:await|return|[=(,])\s*fetch\(|globalThis\.fetch/, atTheEdge)).toEqual([]);
    expect(filesThatUse(/\bMath\.random\b/, () => false)).toEqual([]);
  });

  test("no code is made from text", () => {
    expect(filesThatUse(/(?<![.#\w])eval\(|new Function\b|\bvm\.\w/, () => false)).toEqual([]);
  });

  test("C9 what is secret or decides is compared in constant time: plain comparisons are for public data", () => {
    const judged = (file: string) => /^(sessions|broker|admin|attestation\/verifiers)\//.test(file);
    expect(filesThatUse(/\.equals\(|Buffer\.compare\(|\.compare\(/, (file) => !judged(file))).toEqual([
      // The id of a sealing key, which stands in every cookie.
      "sessions/seal.ts",
    ]);
    for (const file of ["sessions/sessions.ts", "sessions/session-record.ts", "crypto/bytes.ts"])
      expect(TEXTS.get(file)).toContain("timingSafeEqual(");
    for (const file of [
      "attestation/formats/sev-snp/report-steps.ts",
      "attestation/formats/tpm2/quote-checks.ts",
      "attestation/verifiers/sample/verify.ts",
    ])
      expect(TEXTS.get(file)).toContain("equalBytes(");
  });

  test("@peculiar/x509 and reflect-metadata have one door", () => {
    const importers = [...TEXTS].filter(([, text]) => /"(@peculiar\/x509|reflect-metadata)"/.test(text));
    expect(importers.map(([file]) => file)).toEqual(["crypto/x509.ts"]);
  });
});
