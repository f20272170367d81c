import { KbsError } from "../errors.ts";

/** One thing the server cannot work without. */
export interface HealthProbe {
  /** Public name, say `secret-store`. */
  readonly name: string;
  /** @throws when it is not ready; a KbsError's detail is shown, anything else only logged */
  check(signal: AbortSignal): Promise<void>;
}

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ready: boolean; readonly detail: string }[];
}

export interface HealthOptions {
  readonly probes: readonly HealthProbe[];
  readonly deadlineMilliseconds?: number;
  readonly onFailure?: (name: string, error: unknown) => void;
}

const DEADLINE_MS = 2_000;

/** Readiness: every probe, at once, each within the deadline. Concurrent questions share one answer. */
export class Health {
  readonly #options: HealthOptions;
  #draining = false;
  #running: Promise<HealthReport> | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** From here on the server is not ready, whatever the probes say: it is about to stop. */
  startDraining(): void {
    this.#draining = true;
  }

  async report(): Promise<HealthReport> {
    if (this.#draining)
      return { ready: false, checks: [{ name: "server", ready: false, detail: "draining" }] };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<HealthReport> {
    const checks = await Promise.all(this.#options.probes.map((probe) => this.#ask(probe)));
    return { ready: checks.every((check) => check.ready), checks };
  }

  async #ask(probe: HealthProbe): Promise<HealthReport["checks"][number]> {
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    // A probe that ignores its signal must not hang the answer.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        controller.abort();
        reject(new KbsError("storage-unavailable", "no answer within the deadline"));
      }, this.#options.deadlineMilliseconds ?? DEADLINE_MS);
    });
    try {
      await Promise.race([probe.check(controller.signal), late]);
      return { name: probe.name, ready: true, detail: "ready" };
    } catch (error) {
      this.#options.onFailure?.(probe.name, error);
      return {
        name: probe.name,
        ready: false,
        detail: error instanceof KbsError ? error.detail : "not ready",
      };
    } finally {
      clearTimeout(timer);
    }
  }
}
