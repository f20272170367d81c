import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { residentMiB } from "./cpu.ts";
import { type Deployment, deploy, SECRET_PATH } from "./deployment.ts";
import { measure } from "./generator.ts";
import type { LoadJob } from "./load.ts";
import { rawCosts } from "./raw.ts";
import { type Row, table } from "./table.ts";

const ABANDONED = 1_000_000;

function job(url: string, vendorFolder: string, over: Partial<LoadJob>): LoadJob {
  return {
    url,
    kind: "flow",
    attester: "sample",
    teeKey: "p256",
    path: SECRET_PATH,
    count: 4000,
    concurrency: 8,
    devAmd: vendorFolder,
    ...over,
  };
}

/** Whole flows and releases, for each TEE and each kind of key, beside the raw cost of the cryptography. */
export async function benchFlows(quick: boolean): Promise<readonly Row[]> {
  const server = await deploy();
  const rows: Row[] = [];
  try {
    for (const attester of ["sample", "snp-dev"] as const)
      await measure(server.pid, job(server.url, server.vendorFolder, { attester, count: 4000 }));
    server.watchLoop();
    for (const variant of VARIANTS) rows.push(await flowRow(server, variant, quick ? 0.1 : 1));
  } catch (error) {
    await server.stop();
    throw error;
  }
  const held = await server.stop();
  return [
    ...rows,
    { what: "event loop held at once, ms", goal: 20, "p99 ms": held.p99, "longest ms": held.max },
  ];
}

interface Variant extends Partial<LoadJob> {
  readonly name: string;
  /** CPU milliseconds. */
  readonly goal?: number;
}

const VARIANTS: readonly Variant[] = [
  { name: "sample flow, EC key", goal: 0.85 },
  { name: "sample flow, RSA key", teeKey: "rsa" },
  { name: "SNP flow, EC key", attester: "snp-dev", count: 2000, goal: 1.5 },
  { name: "SNP flow, RSA key", attester: "snp-dev", teeKey: "rsa", count: 2000 },
  { name: "release by Bearer, EC key", kind: "release", count: 20_000, goal: 0.25 },
  { name: "release by Bearer, RSA key", kind: "release", teeKey: "rsa", count: 20_000 },
];

async function flowRow(server: Deployment, { name, goal, ...over }: Variant, scale: number): Promise<Row> {
  const full = job(server.url, server.vendorFolder, over);
  const result = await measure(server.pid, { ...full, count: Math.ceil(full.count * scale) });
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} failed, first ${result.firstFailure}`);
  return {
    what: name,
    "CPU ms": result.cpuPerJob,
    goal: goal ?? "",
    "per second": result.completed / result.seconds,
    "p50 ms": result.p50,
    "p99 ms": result.p99,
  };
}

export function benchRaw(): readonly Row[] {
  return rawCosts().map(({ operation, milliseconds }) => ({ what: operation, "CPU ms": milliseconds }));
}

/** Resident memory before and after a flood of handshakes that nobody finishes. */
export async function benchFlood(quick: boolean): Promise<readonly Row[]> {
  const server = await deploy();
  try {
    const flood = job(server.url, server.vendorFolder, { kind: "auth", concurrency: 32 });
    // Until the heap has its working size, growth says nothing.
    await measure(server.pid, { ...flood, count: quick ? 10_000 : 100_000 });
    const before = residentMiB(server.pid);
    const result = await measure(server.pid, { ...flood, count: quick ? ABANDONED / 20 : ABANDONED });
    const after = residentMiB(server.pid);
    const still = await measure(server.pid, job(server.url, server.vendorFolder, { count: 100 }));
    return [
      {
        what: `${result.completed} abandoned /auth`,
        "CPU ms": result.cpuPerJob,
        "MiB before": before,
        "MiB after": after,
        "growth MiB": after - before,
        "flows after": still.completed,
      },
    ];
  } finally {
    await server.stop();
  }
}

/** Guests whose certificates are at hand go on while the vendor's service hangs for others. */
export async function benchHangingKds(): Promise<readonly Row[]> {
  const kds = createServer(() => undefined);
  await new Promise<void>((resolve) => kds.listen(0, "127.0.0.1", resolve));
  const { port } = kds.address() as AddressInfo; // a TCP listener has an AddressInfo
  const server = await deploy(`{ kds: { baseUrl: "http://127.0.0.1:${port}", timeoutSeconds: 20 } }`);
  try {
    const healthy = job(server.url, server.vendorFolder, { count: 1280, concurrency: 64 });
    const alone = await measure(server.pid, healthy);
    const stuck = measure(
      server.pid,
      job(server.url, server.vendorFolder, {
        attester: "snp-dev-no-chain",
        kind: "attest-only",
        count: 64,
        concurrency: 64,
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const beside = await measure(server.pid, healthy);
    const waiting = await stuck;
    return [
      {
        what: "64 concurrent guests, KDS not needed",
        "p50 ms": alone.p50,
        "p99 ms": alone.p99,
        failed: alone.failed,
      },
      {
        what: "the same while 64 others wait for a hanging KDS",
        "p50 ms": beside.p50,
        "p99 ms": beside.p99,
        failed: beside.failed,
      },
      {
        what: "those others: refused with",
        failed: waiting.failed,
        why: waiting.firstFailure?.slice(0, 120) ?? "",
      },
    ];
  } finally {
    await server.stop();
    kds.closeAllConnections();
    kds.close();
  }
}

export function report(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}\n${table(rows)}`);
}
