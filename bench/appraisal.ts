/**
 * One SEV-SNP appraisal in this process: evidence verified, policy applied, token signed. Every report is another one
 * with a signature of its own; the certificates below it are those of one chip, as in a cluster whose guests come back.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import type { JsonValue } from "../src/json/value.ts";
import type { KbsAttestation } from "../src/protocol/handshake.ts";
import type { Row } from "./table.ts";

/** The built program, as it is shipped: what compiles sources on the fly would be measured along. */
function built<Module>(path: string): Promise<Module> {
  return import(new URL(`../dist/${path}.js`, import.meta.url).href);
}

const { Appraiser } = await built<typeof import("../src/attestation/appraise.ts")>("attestation/appraise");
const { runtimeDataClaims, runtimeDataDigest } =
  await built<typeof import("../src/attestation/binding.ts")>("attestation/binding");
const { NO_MATERIAL, offlineEndorsements } = await built<
  typeof import("../src/attestation/endorsements/amd-material.ts")
>("attestation/endorsements/amd-material");
const { trustAnchorsFromPem } = await built<
  typeof import("../src/attestation/formats/sev-snp/trust-anchors.ts")
>("attestation/formats/sev-snp/trust-anchors");
const { snpSection } = await built<typeof import("../src/attestation/verifiers/snp/settings.ts")>(
  "attestation/verifiers/snp/settings",
);
const { SnpVerifier } = await built<typeof import("../src/attestation/verifiers/snp/verify.ts")>(
  "attestation/verifiers/snp/verify",
);
const { generateTeeKey } = await built<typeof import("../src/cli/guest/tee-key.ts")>("cli/guest/tee-key");
const { createDevAmd } = await built<typeof import("../src/dev/fake-amd.ts")>("dev/fake-amd");
const { readJson } = await built<typeof import("../src/json/read.ts")>("json/read");
const { writeJson } = await built<typeof import("../src/json/write.ts")>("json/write");
const { RegoEngine } = await built<typeof import("../src/policy/rego-engine.ts")>("policy/rego-engine");
const { parseAttestation } = await built<typeof import("../src/protocol/handshake.ts")>("protocol/handshake");
const { parseTeePublicKey } = await built<typeof import("../src/protocol/jwk.ts")>("protocol/jwk");
const { TokenIssuer } = await built<typeof import("../src/tokens/issue.ts")>("tokens/issue");
const { createSigner } = await built<typeof import("../src/tokens/signer.ts")>("tokens/signer");

type DevAmd = Awaited<ReturnType<typeof createDevAmd>>;

const GOAL_RATIO = 1.4;
const REPORTS = 64;
const NEVER = new AbortController().signal;

const REFERENCE: Readonly<Record<string, JsonValue>> = {
  snp_bootloader: [10],
  snp_microcode: [84],
  snp_snp_svn: [23],
  snp_tee_svn: [0],
  snp_smt_enabled: true,
  snp_tsme_enabled: false,
};

/** What a guest sends to `/attest`. */
interface Guest {
  readonly nonce: string;
  readonly body: string;
  readonly attestation: KbsAttestation;
}

export async function benchAppraisal(quick: boolean): Promise<readonly Row[]> {
  const vendor = await createDevAmd(Date.now());
  const guests = Array.from({ length: REPORTS }, () => guestOf(vendor));
  const appraise = pipeline(vendor);
  const count = quick ? 500 : 4_000;
  const raw = rawChecks();
  const whole = await cpuMilliseconds(count, (at) => appraise(guests, at, false));
  const rawAgain = rawChecks();
  const withBody = await cpuMilliseconds(count, (at) => appraise(guests, at, true));
  const check = (raw.verify + rawAgain.verify) / 2;
  const ratio = whole / check;
  return [
    { what: "ES384 verify, the one check that differs for each report", "CPU ms": check },
    { what: "ES256 sign, the token", "CPU ms": (raw.sign + rawAgain.sign) / 2 },
    {
      what: "SNP appraisal: verification, policy, token",
      "CPU ms": whole,
      "per CPU second": 1000 / whole,
      "× the check": `${ratio.toFixed(2)} (goal ${GOAL_RATIO}) ${ratio <= GOAL_RATIO ? "✓" : "above the goal"}`,
    },
    {
      what: "the same from the bytes of the request",
      "CPU ms": withBody,
      "per CPU second": 1000 / withBody,
      "× the check": (withBody / check).toFixed(2),
    },
  ];
}

function guestOf(vendor: DevAmd): Guest {
  const nonce = randomBytes(32).toString("base64");
  const { jwk } = generateTeeKey("p256");
  const claims = runtimeDataClaims({ nonce, teePublicKey: parseTeePublicKey(jwk), additionalEvidence: "" });
  const body = writeJson({
    "init-data": null,
    "runtime-data": { nonce, "tee-pubkey": jwk },
    "tee-evidence": {
      primary_evidence: vendor.signReport({ reportData: runtimeDataDigest(claims, "sha384") }),
      additional_evidence: "",
    },
  });
  return { nonce, body, attestation: parseAttestation(readJson(body), "0.4") };
}

/** The parts as the server puts them together. */
function pipeline(
  vendor: DevAmd,
): (guests: readonly Guest[], at: number, fromBody: boolean) => Promise<void> {
  const settings = snpSection.parse({}, "verifiers.snp");
  if (!settings.ok) throw new Error("the defaults are not acceptable");
  const endorsements = offlineEndorsements(trustAnchorsFromPem([vendor.trustAnchorsPem]), NO_MATERIAL);
  const text = readFileSync(new URL("../policies/attestation/default_cpu.rego", import.meta.url), "utf8");
  const compiled = new RegoEngine({ now: Date.now }).compile([{ file: "default_cpu.rego", text }]).policy;
  const appraiser = new Appraiser({
    verifiers: new Map([["snp" as const, new SnpVerifier(settings.value, endorsements, Date.now)]]),
    policies: { attestationPolicy: () => ({ compiled }) },
    referenceValues: async (ids) => new Map(ids.map((id) => [id, REFERENCE[id] ?? null])),
  });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = new TokenIssuer({
    keys: { current: createSigner(privateKey) },
    issuer: "keywarden",
    developer: "keywarden",
    build: "bench",
    lifetimeSeconds: 300,
    embedKey: true,
    now: Date.now,
  });
  return async (guests, at, fromBody) => {
    const guest = guests[at % guests.length];
    if (guest === undefined) throw new Error("no guests");
    const { nonce, body, attestation: parsed } = guest;
    const attestation = fromBody ? parseAttestation(readJson(Buffer.from(body)), "0.4") : parsed;
    const request = {
      tee: "snp" as const,
      generation: "0.4" as const,
      nonce,
      runtimeDataHash: "sha384" as const,
      attestation,
    };
    const result = await appraiser.appraise(request, NEVER);
    const { token } = await issuer.issue(result, NEVER);
    if (token.length < 1000) throw new Error("that is no token");
  };
}

/** The same operations of OpenSSL with nothing around them. */
function rawChecks(): { readonly verify: number; readonly sign: number } {
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const messages = Array.from({ length: REPORTS }, () => randomBytes(672));
  const signed = messages.map((message) => ({
    message,
    signature: sign("sha384", message, { key: p384.privateKey, dsaEncoding: "ieee-p1363" }),
  }));
  const key = { key: p384.publicKey, dsaEncoding: "ieee-p1363" as const };
  return {
    verify: cpuOf(600, (at) => {
      const one = signed[at % REPORTS];
      if (one === undefined || !verify("sha384", one.message, key, one.signature))
        throw new Error("not verified");
    }),
    sign: cpuOf(2_000, (at) =>
      sign("sha256", messages[at % REPORTS] ?? Buffer.alloc(0), {
        key: p256.privateKey,
        dsaEncoding: "ieee-p1363",
      }),
    ),
  };
}

function cpuOf(count: number, run: (at: number) => unknown): number {
  for (let at = 0; at < count / 4; at += 1) run(at);
  const start = process.cpuUsage();
  for (let at = 0; at < count; at += 1) run(at);
  return since(start, count);
}

/** Several at once, as a server has them. */
const CONCURRENCY = 8;

async function cpuMilliseconds(count: number, run: (at: number) => Promise<void>): Promise<number> {
  await several(count / 4, run);
  const start = process.cpuUsage();
  await several(count, run);
  return since(start, count);
}

async function several(count: number, run: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < count; at = next++) await run(at);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** CPU time of this process with all its threads, per run: other load on the machine does not count. */
function since(start: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / count;
}
