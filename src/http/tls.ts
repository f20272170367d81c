import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Oldest protocol spoken. */
export const TLS_MINIMUM = "TLSv1.2";

/** PEM texts of the server's private key and of its certificate chain, leaf first. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
}

export interface TlsFiles {
  readonly keyPath: string;
  readonly certPath: string;
}

/**
 * Reads key and certificate and proves that they can serve.
 *
 * @throws Error that names the file, when it cannot be read, is not PEM, or the two do not belong together
 */
export async function loadTls(files: TlsFiles): Promise<TlsMaterial> {
  const [key, cert] = await Promise.all([readPem(files.keyPath), readPem(files.certPath)]);
  const leaf = parsed(files.certPath, "a certificate", () => new X509Certificate(cert));
  const privateKey = parsed(files.keyPath, "an unencrypted private key", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey))
    throw new Error(`${files.keyPath} is not the private key of the certificate in ${files.certPath}`);
  parsed(files.certPath, "usable by TLS", () => createSecureContext({ key, cert, minVersion: TLS_MINIMUM }));
  return { key, cert };
}

export interface CertificateWatchOptions {
  readonly files: TlsFiles;
  readonly intervalMilliseconds: number;
  readonly replace: (material: TlsMaterial) => void;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Replaces the server's certificate when its files change. Their times are looked at, not file system events:
 * orchestrators swap links, which no event of the file itself reports.
 */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #seen = "";
  #running: Promise<boolean> | undefined;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#seen = await fingerprint(this.#options.files);
    this.#timer = setInterval(() => void this.check(), this.#options.intervalMilliseconds);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Loads the files if they changed. @returns whether the certificate was replaced */
  async check(): Promise<boolean> {
    const now = await fingerprint(this.#options.files);
    if (now === this.#seen) return false;
    const replaced = await this.reload();
    // While the pair is half written it does not load; the next look tries again.
    if (replaced) this.#seen = now;
    return replaced;
  }

  /** Loads the files now, say on SIGHUP. A pair that cannot serve leaves the old one in place. */
  reload(): Promise<boolean> {
    this.#running ??= this.#reload().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #reload(): Promise<boolean> {
    const { files, replace, log, metrics } = this.#options;
    try {
      const material = await loadTls(files);
      replace(material);
      const { validTo, fingerprint256 } = new X509Certificate(material.cert);
      log.info({ event: "certificate-reload", outcome: "ok", validTo, fingerprint256 });
      metrics.certificateReloads.inc({ outcome: "ok" });
      return true;
    } catch (error) {
      log.error({ event: "certificate-reload", outcome: "failed", err: error });
      metrics.certificateReloads.inc({ outcome: "failed" });
      return false;
    }
  }
}

async function fingerprint(files: TlsFiles): Promise<string> {
  const states = [files.keyPath, files.certPath].map((path) =>
    stat(path).then(
      ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
      () => "missing",
    ),
  );
  return (await Promise.all(states)).join("; ");
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`${path} cannot be read`, { cause: error });
  }
}

function parsed<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Error(`${path} is not ${what}`, { cause: error });
  }
}
