import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfigFile } from "../../src/config/load.ts";
import { startKeywarden } from "../../src/main.ts";
import { type CommandOutcome, commandLine } from "./command-line.ts";

export interface LiveServer {
  readonly url: string;
  /** Of the attestation service's doors, where `sections` open some. */
  readonly serviceUrls: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Path of a file in the server's folder, written with `content`. */
  file(name: string, content: string | Uint8Array): string;
  /** Runs `keywarden …` as the administrator of this server. */
  administer(argv: readonly string[], input?: string): Promise<CommandOutcome>;
  /** Runs `keywarden guest get …` against this server. */
  guestGet(path: string, options?: readonly string[]): Promise<CommandOutcome>;
  /** As on SIGHUP. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** What a test's server has beyond the others'. */
export interface LiveServerOptions {
  /** false: no development vendor, whose keys take seconds to make; SEV-SNP guests are refused then. */
  readonly vendor?: boolean;
  /** false: sample evidence is not believed, as in production. */
  readonly sample?: boolean;
  /** Files in the server's folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** YAML within `admin:`: further identity providers (four spaces deep), then `roles:` (two deep). */
  readonly admin?: string;
  /** YAML within `attestation: { … }`. */
  readonly attestation?: string;
  /** YAML within `verifiers:`, two spaces deep, beside `sample` and `snp`. */
  readonly verifiers?: string;
  /** YAML of sections that the configuration below does not have. */
  readonly sections?: string;
}

const DEV = "dev: { dangerouslyUseDevTrustAnchors: { snp: [ vendor/trust-anchors.pem ] } }";

const config = ({
  admin = "",
  attestation = "",
  verifiers = "",
  sections = "",
  vendor,
  sample,
}: LiveServerOptions) => `mode: development
server: { port: 0, metrics: { port: 0 } }
dataDirectory: data
log: { level: error }
admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
${admin}attestation: { explainInDetail: true, ${attestation} }
verifiers:
  sample: { allowSampleEvidence: ${sample !== false} }
  snp: { kds: { enabled: false } }
${verifiers}${vendor === false ? "" : DEV}
${sections}`;

/**
 * The whole product on a free loopback port in a folder of its own, driven by its own command line: sample
 * evidence and a development vendor are believed, nothing is provisioned.
 */
export async function liveServer(options: LiveServerOptions = {}): Promise<LiveServer> {
  const folder = mkdtempSync(join(tmpdir(), "keywarden-live-"));
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("kbs.config.yaml"), config(options));
  for (const [name, content] of Object.entries(options.files ?? {})) writeFileSync(at(name), content);
  const keys = ["--private-key", at("admin.key"), "--public-key", at("admin.pub.pem")];
  await succeed(["admin", "keygen", ...keys]);
  await succeed(["admin", "token", "--key", at("admin.key"), "--out", at("admin.token")]);
  if (options.vendor !== false) await succeed(["guest", "dev-pki", at("vendor")]);
  const { config: loaded, faults } = await loadConfigFile(at("kbs.config.yaml"), {});
  if (loaded === undefined) throw new Error(JSON.stringify(faults));
  const server = await startKeywarden(loaded);
  const { url, serviceUrls } = server;
  return {
    url,
    serviceUrls,
    folder,
    file: (name, content) => {
      writeFileSync(at(name), content);
      return at(name);
    },
    administer: (argv, input) =>
      commandLine([...argv, "--url", url, "--admin-token-file", at("admin.token")], input),
    guestGet: (path, options = []) =>
      commandLine(["guest", "get", path, "--url", url, "--dev-pki", at("vendor"), ...options]),
    reload: () => server.reload(),
    close: async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function succeed(argv: readonly string[]): Promise<void> {
  const { code, err } = await commandLine(argv);
  if (code !== 0) throw new Error(err);
}
