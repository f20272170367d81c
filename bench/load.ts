import { Agent, request } from "node:http";
import { type Attester, sampleAttester } from "../src/cli/guest/attester.ts";
import { printAttestation, runtimeDataDigest } from "../src/cli/guest/generation.ts";
import { openDevVendor, snpDevAttester } from "../src/cli/guest/snp-dev.ts";
import { generateTeeKey, type TeeKey, type TeeKeyKind } from "../src/cli/guest/tee-key.ts";
import { isObject } from "../src/json/write.ts";

/** One job for the load generator, which is a process of its own so that its work is not the server's. */
export interface LoadJob {
  readonly url: string;
  readonly kind: "flow" | "release" | "auth" | "attest-only";
  readonly attester: "sample" | "snp-dev" | "snp-dev-no-chain";
  readonly teeKey: TeeKeyKind;
  readonly path: string;
  readonly count: number;
  readonly concurrency: number;
  /** For `snp-dev`: where the development vendor's keys are. */
  readonly devAmd?: string;
}

export interface LoadResult {
  readonly completed: number;
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly cookie: string | undefined;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

function send(
  job: LoadJob,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = "",
): Promise<Answer> {
  const url = new URL(path, job.url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        method,
        host: url.hostname,
        port: url.port,
        path: url.pathname,
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            body: Buffer.concat(chunks),
            cookie: incoming.headers["set-cookie"]?.[0]?.split(";")[0],
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function must(answer: Answer, step: string): Answer {
  if (answer.status !== 200)
    throw new Error(`${step}: ${answer.status} ${answer.body.toString("utf8").slice(0, 300)}`);
  return answer;
}

async function auth(job: LoadJob, tee: string): Promise<{ nonce: string; cookie: string }> {
  const body = JSON.stringify({ version: "0.4.0", tee, "extra-params": "" });
  const answer = must(await send(job, "POST", "/kbs/v0/auth", {}, body), "auth");
  return { nonce: String(JSON.parse(answer.body.toString("utf8")).nonce), cookie: answer.cookie ?? "" };
}

async function attest(
  job: LoadJob,
  attester: Attester,
  key: TeeKey,
): Promise<{ cookie: string; token: string }> {
  const { nonce, cookie } = await auth(job, attester.tee);
  const evidence = await attester.collect({
    reportData: runtimeDataDigest("sha384", nonce, key.jwk, ""),
    initDataDigest: undefined,
  });
  const body = printAttestation("0.4.0", {
    nonce,
    teeKey: key.jwk,
    evidence,
    additionalEvidence: "",
    initData: undefined,
  });
  const answer = must(await send(job, "POST", "/kbs/v0/attest", { cookie }, body), "attest");
  return { cookie, token: String(JSON.parse(answer.body.toString("utf8")).token) };
}

async function prepare(job: LoadJob, attester: Attester): Promise<() => Promise<void>> {
  // A key per worker: making one is the guest's cost, and RSA keys are slow to make.
  const key = generateTeeKey(job.teeKey);
  if (job.kind === "auth") return async () => void (await auth(job, attester.tee));
  if (job.kind === "attest-only") return async () => void (await attest(job, attester, key));
  if (job.kind === "flow")
    return async () => {
      const { cookie } = await attest(job, attester, key);
      must(await send(job, "GET", `/kbs/v0/resource/${job.path}`, { cookie }), "resource");
    };
  const { token } = await attest(job, attester, key);
  const headers = { authorization: `Bearer ${token}` };
  return async () => void must(await send(job, "GET", `/kbs/v0/resource/${job.path}`, headers), "resource");
}

async function run(job: LoadJob): Promise<LoadResult> {
  const attester =
    job.attester === "sample"
      ? sampleAttester
      : await devAttester(job.devAmd ?? "", job.attester === "snp-dev");
  const latencies: number[] = [];
  let left = job.count;
  let failed = 0;
  let firstFailure: string | undefined;
  const workers = await Promise.all(Array.from({ length: job.concurrency }, () => prepare(job, attester)));
  process.send?.("ready");
  await new Promise((go) => process.once("message", go));
  const start = performance.now();
  await Promise.all(
    workers.map(async (work) => {
      while (left-- > 0) {
        const begin = performance.now();
        try {
          await work();
          latencies.push(performance.now() - begin);
        } catch (error) {
          failed++;
          firstFailure ??= String(error);
        }
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return { completed: latencies.length, failed, firstFailure, seconds, p50: at(0.5), p99: at(0.99) };
}

async function devAttester(folder: string, chain: boolean): Promise<Attester> {
  const { vendor } = await openDevVendor(folder, Date.now());
  const attester = snpDevAttester(vendor, { debug: false, measurement: undefined });
  if (chain) return attester;
  // Without certificates of its own, the broker has to ask the vendor for this chip's.
  return {
    tee: "snp",
    collect: async (request) => {
      const evidence = await attester.collect(request);
      return isObject(evidence) ? { ...evidence, cert_chain: null } : evidence;
    },
  };
}

process.once("message", (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => process.send?.({ error: String(error) }, () => process.exit(1)),
  );
});
