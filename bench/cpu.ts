import { readdirSync, readFileSync } from "node:fs";

/**
 * CPU time a process has used, all its threads, as the operating system counts it. Wall-clock time on a shared
 * machine says little; this holds.
 *
 * @returns milliseconds with nanosecond resolution (Linux, `/proc/<pid>/task/*​/schedstat`, first field)
 */
export function cpuMilliseconds(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // The thread ended between the listing and the reading.
    }
  }
  return nanoseconds / 1e6;
}

/** Resident memory of a process in MiB (`VmRSS`). */
export function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}
