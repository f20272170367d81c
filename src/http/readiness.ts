import { KbsError } from "../errors.ts";
import { writeJson } from "../json/write.ts";
import type { Health } from "../observability/health.ts";

/** @returns the body of `/readyz` @throws KbsError `storage-unavailable` naming what is not ready */
export async function readiness(health: Health): Promise<string> {
  const { ready, checks } = await health.report();
  if (ready) return writeJson({ ready, checks });
  const failed = checks.filter((check) => !check.ready).map((check) => check.name);
  throw new KbsError("storage-unavailable", `Not ready: ${failed.join(", ")}.`, { extra: { ready, checks } });
}
