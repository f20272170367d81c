import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Private key and certificate chain (leaf first) of the server, as PEM text. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
  /** Oldest version spoken. */
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** Where the material comes from; whatever the key rests in, the caller reads it. */
export interface TlsSource {
  readonly certPath: string;
  /** The file that holds the private key, if one does: it is watched for changes. */
  readonly keyPath: string | undefined;
  /** PEM text of the private key. */
  readonly readKey: () => Promise<string>;
  readonly minVersion: TlsMaterial["minVersion"];
}

/** A source whose key lies in a file. */
export function tlsFiles(
  certPath: string,
  keyPath: string,
  minVersion: TlsMaterial["minVersion"] = "TLSv1.2",
): TlsSource {
  return { certPath, keyPath, minVersion, readKey: () => readPem(keyPath) };
}

/** @returns what Node's TLS takes; nothing is left to its defaults that a flag of the process could lower */
export function tlsOptions(material: TlsMaterial): SecureContextOptions {
  return { key: material.key, cert: material.cert, minVersion: material.minVersion };
}

/**
 * Reads key and certificate and proves that they can serve.
 *
 * @throws Error that names the file, when it cannot be read, is not PEM, or the two do not belong together
 */
export async function loadTls(source: TlsSource): Promise<TlsMaterial> {
  const [key, cert] = await Promise.all([source.readKey(), readPem(source.certPath)]);
  const { certPath, minVersion } = source;
  const keyName = source.keyPath ?? "the configured value";
  const leaf = parsed(certPath, "a certificate", () => new X509Certificate(cert));
  const privateKey = parsed(keyName, "an unencrypted private key", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey))
    throw new Error(`${keyName} is not the private key of the certificate in ${certPath}`);
  const material = { key, cert, minVersion };
  parsed(certPath, "usable by TLS", () => createSecureContext(tlsOptions(material)));
  return material;
}

export interface CertificateWatchOptions {
  readonly source: TlsSource;
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
    this.#seen = await fingerprint(this.#options.source);
    this.#timer = setInterval(() => void this.check(), this.#options.intervalMilliseconds);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Loads the files if they changed. @returns whether the certificate was replaced */
  async check(): Promise<boolean> {
    const now = await fingerprint(this.#options.source);
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
    const { source, replace, log, metrics } = this.#options;
    try {
      const material = await loadTls(source);
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

async function fingerprint(source: TlsSource): Promise<string> {
  const paths = source.keyPath === undefined ? [source.certPath] : [source.keyPath, source.certPath];
  const states = paths.map((path) =>
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
