import { randomBytes } from "node:crypto";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevVendor } from "../guest/snp-dev.ts";
import { makeServerCertificate } from "./certificates.ts";

/** Everything of the story that lies on disk; one folder, thrown away at the end. */
export interface Workshop {
  readonly folder: string;
  readonly config: string;
  readonly authority: string;
  readonly adminKey: string;
  readonly adminPublicKey: string;
  readonly adminToken: string;
  readonly vendorFolder: string;
  readonly policy: string;
  readonly passphrase: string;
  readonly imageKey: string;
  readonly readyFile: string;
  readonly log: string;
  readonly auditLog: string;
  /** SHA-384 that the development vendor's guests report, in hex: what the policy lets in. */
  readonly measurement: string;
}

/** What the simulated guests were started from; the firmware would measure it. */
const GOOD_IMAGE = Buffer.from("keywarden development guest".padEnd(48, "."));
export const OTHER_IMAGE = Buffer.from("some other image".padEnd(48, "."));

/** @param now - milliseconds since the epoch */
export async function prepareWorkshop(now: number): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), "keywarden-quickstart-"));
  const workshop = pathsIn(folder);
  const certificate = await makeServerCertificate(now);
  await writeFile(workshop.authority, certificate.authority);
  await writeFile(join(folder, "server.pem"), certificate.certificate);
  await writeFile(join(folder, "server.key"), certificate.privateKey, { mode: 0o600 });
  await openDevVendor(workshop.vendorFolder, now);
  await writeFile(workshop.config, CONFIG);
  await writeFile(workshop.policy, policyFor(workshop.measurement));
  await writeFile(workshop.passphrase, `correct-horse-${randomBytes(6).toString("hex")}`, { mode: 0o600 });
  await writeFile(workshop.imageKey, randomBytes(32), { mode: 0o600 });
  return workshop;
}

function pathsIn(folder: string): Workshop {
  const at = (name: string): string => join(folder, name);
  return {
    folder,
    config: at("kbs.config.yaml"),
    authority: at("ca.pem"),
    adminKey: at("admin.key"),
    adminPublicKey: at("admin.pub.pem"),
    adminToken: at("admin.token"),
    vendorFolder: at("vendor"),
    policy: at("release.rego"),
    passphrase: at("passphrase"),
    imageKey: at("image.key"),
    readyFile: at("ready.json"),
    log: at("server.log"),
    auditLog: at("data/audit.ndjson"),
    measurement: GOOD_IMAGE.toString("hex"),
  };
}

const CONFIG = `mode: development
server:
  port: 0
  tls:
    certificate: server.pem
    privateKey: { file: server.key }
  metrics: { port: 0 }
dataDirectory: data
admin:
  identityProviders:
    - { issuer: ops, audience: keywarden, algorithms: [ EdDSA ], publicKey: admin.pub.pem }
attestation:
  # A refused guest is told what was expected and what was seen, not only which check failed.
  explainInDetail: true
verifiers:
  snp:
    # The development vendor publishes no revocation lists, and AMD has never heard of its chips.
    kds: { enabled: false }
dev:
  # The one thing that is not as in production: a vendor of our own counts as AMD.
  dangerouslyUseDevTrustAnchors:
    snp: [ vendor/trust-anchors.pem ]
`;

function policyFor(measurement: string): string {
  return `# Who gets a secret: genuine SEV-SNP guests that were started from one image.
package policy

default allow := false

allow if {
	data.plugin == "resource"
	guest.measurement == "${measurement}"
}

guest := input.submods.cpu0["ear.veraison.annotated-evidence"].snp
`;
}
