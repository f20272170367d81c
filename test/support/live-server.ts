import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfigFile } from "../../src/config/load.ts";
import { startKeywarden } from "../../src/main.ts";
import { type CommandOutcome, commandLine } from "./command-line.ts";

export interface LiveServer {
  readonly url: string;
  readonly folder: string;
  /** Path of a file in the server's folder, written with `content`. */
  file(name: string, content: string | Uint8Array): string;
  /** Runs `keywarden …` as the administrator of this server. */
  administer(argv: readonly string[], input?: string): Promise<CommandOutcome>;
  /** Runs `keywarden guest get …` against this server. */
  guestGet(path: string, options?: readonly string[]): Promise<CommandOutcome>;
  close(): Promise<void>;
}

const CONFIG = `mode: development
server: { port: 0, metrics: { port: 0 } }
dataDirectory: data
log: { level: error }
admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
attestation: { explainInDetail: true }
verifiers:
  sample: { allowSampleEvidence: true }
  snp: { kds: { enabled: false } }
dev: { dangerouslyUseDevTrustAnchors: { snp: [ vendor/trust-anchors.pem ] } }
`;

/**
 * The whole product on a free loopback port in a folder of its own, driven by its own command line: sample
 * evidence and a development vendor are believed, nothing is provisioned.
 */
export async function liveServer(): Promise<LiveServer> {
  const folder = mkdtempSync(join(tmpdir(), "keywarden-live-"));
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("kbs.config.yaml"), CONFIG);
  const keys = ["--private-key", at("admin.key"), "--public-key", at("admin.pub.pem")];
  await succeed(["admin", "keygen", ...keys]);
  await succeed(["admin", "token", "--key", at("admin.key"), "--out", at("admin.token")]);
  await succeed(["guest", "dev-pki", at("vendor")]);
  const { config, faults } = await loadConfigFile(at("kbs.config.yaml"), {});
  if (config === undefined) throw new Error(JSON.stringify(faults));
  const server = await startKeywarden(config);
  const { url } = server;
  return {
    url,
    folder,
    file: (name, content) => {
      writeFileSync(at(name), content);
      return at(name);
    },
    administer: (argv, input) =>
      commandLine([...argv, "--url", url, "--admin-token-file", at("admin.token")], input),
    guestGet: (path, options = []) =>
      commandLine(["guest", "get", path, "--url", url, "--dev-pki", at("vendor"), ...options]),
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
