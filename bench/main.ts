import { cpus } from "node:os";
import { benchAppraisal } from "./appraisal.ts";
import { benchFlood, benchFlows, benchHangingKds, benchRaw, report } from "./broker.ts";
import { benchLogs } from "./logs.ts";
import { benchRego } from "./rego.ts";
import { benchTdx } from "./tdx.ts";
import { benchTpm } from "./tpm.ts";

/** `npm run bench [-- NAME…] [-- --quick]`; without a name all that measure the broker. */
const BENCHMARKS: Readonly<Record<string, (quick: boolean) => Promise<void>>> = {
  flows: async (quick) => {
    report("Flows and releases (CPU of the server process, per whole flow)", await benchFlows(quick));
    report("The same cryptographic operations alone, in this run", benchRaw());
  },
  appraisal: async (quick) =>
    report("SEV-SNP appraisals (CPU time of this process, all threads)", await benchAppraisal(quick)),
  tdx: async (quick) =>
    report("TDX verifications (CPU time of this process, all threads)", await benchTdx(quick)),
  tpm: async (quick) => report("TPM quotes (CPU time of this process)", await benchTpm(quick)),
  flood: async (quick) => report("Abandoned handshakes", await benchFlood(quick)),
  rego: async (quick) => report("Rego policies (CPU time, one thread, warm)", benchRego(quick)),
  logs: async (quick) => report("Event logs and IMA lists", await benchLogs(quick)),
  kds: async () => report("A vendor's service that hangs", await benchHangingKds()),
};

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const quick = process.argv.includes("--quick");
console.log(
  `${new Date().toISOString()}; Node ${process.version}; ${cpus().length} × ${cpus()[0]?.model ?? "?"}`,
);
for (const name of names.length === 0 ? Object.keys(BENCHMARKS) : names) {
  const run = BENCHMARKS[name];
  if (run === undefined)
    throw new Error(`no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(", ")}`);
  await run(quick);
}
