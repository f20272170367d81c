import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { runProgram } from "../program.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";
import { OTHER_IMAGE, prepareWorkshop, type Workshop } from "./workshop.ts";

export interface StoryDependencies {
  readonly print: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Sets what the commands of the story read from the environment. */
  readonly setEnv: (name: string, value: string) => void;
  /** Registers what must happen even if the process is interrupted in the middle; it cannot wait then. */
  readonly atExit: (cleanUp: () => void) => void;
}

interface Said {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

/** The story went another way than it should; the message says where. */
export class StoryFault extends Error {}

/**
 * From a guest's evidence to a released secret, told with the product's own commands and a real server process
 * over TLS. Leaves nothing running and nothing on disk, whatever happens.
 *
 * @throws StoryFault
 */
export async function tellStory(dependencies: StoryDependencies): Promise<void> {
  const { print, now, atExit } = dependencies;
  print("Keywarden quickstart: from a guest's evidence to a released secret");
  heading(print, 1, "Throw-away keys, configuration and data (three RSA-4096 keys take a few seconds)");
  const workshop = await prepareWorkshop(now());
  let server: ServerProcess | undefined;
  atExit(() => {
    server?.kill();
    rmSync(workshop.folder, { recursive: true, force: true });
  });
  try {
    await makeAdministrator(dependencies, workshop);
    print(`   folder     ${workshop.folder}`);
    print("   TLS        a certificate authority of our own; guests and administrator trust no other");
    print("   admin      an Ed25519 key; the server knows only its public half");
    print("   vendor     stands in for AMD: root, intermediates, and a chip with its key");
    heading(print, 2, "A real server");
    server = await startServerProcess({
      config: workshop.config,
      ready: workshop.readyFile,
      log: workshop.log,
    });
    print(`   process ${server.pid} listens on ${server.url}`);
    print(
      "   It believes the vendor above, a switch that is named dangerous and works in mode development only.",
    );
    await tellWithServer(dependencies, workshop, server);
  } finally {
    await server?.stop();
    await rm(workshop.folder, { recursive: true, force: true });
  }
  whatNext(print);
}

async function makeAdministrator({ now }: StoryDependencies, workshop: Workshop): Promise<void> {
  const { adminKey, adminPublicKey, adminToken } = workshop;
  await mustDo(["admin", "keygen", "--private-key", adminKey, "--public-key", adminPublicKey], now);
  await mustDo(["admin", "token", "--key", adminKey, "--out", adminToken], now);
}

async function tellWithServer(
  dependencies: StoryDependencies,
  workshop: Workshop,
  server: ServerProcess,
): Promise<void> {
  const { print, now, setEnv } = dependencies;
  setEnv("KEYWARDEN_URL", server.url);
  setEnv("KEYWARDEN_CA", workshop.authority);
  await provision(dependencies, workshop);
  await release(print, now, workshop);
  await refuseDebug(print, now, workshop);
  await denyByPolicy(print, now, workshop);
  await lookAtAudit(print, now, workshop);
}

async function provision({ print, now, setEnv }: StoryDependencies, workshop: Workshop): Promise<void> {
  heading(print, 3, "The administrator provisions");
  const anonymous = await command(["resource", "set", "default/disk/passphrase", workshop.passphrase], now);
  if (anonymous.code !== 1) throw new StoryFault(`without a token the server answered: ${anonymous.err}`);
  print("   without a token   refused");
  setEnv("KEYWARDEN_ADMIN_TOKEN_FILE", workshop.adminToken);
  for (const [path, file] of [
    ["default/disk/passphrase", workshop.passphrase],
    ["default/image-key/web", workshop.imageKey],
  ] as const) {
    print(`   $ keywarden resource set ${path} …`);
    echo(print, await mustDo(["resource", "set", path, file], now));
  }
  print("   $ keywarden policy set release.rego");
  echo(print, await mustDo(["policy", "set", workshop.policy], now));
  print("     Secrets go to genuine SEV-SNP guests that were started from one image, and to nobody else.");
}

async function release(print: Print, now: () => number, workshop: Workshop): Promise<void> {
  heading(print, 4, "A confidential guest asks for its secrets");
  const passphrase = await guestGet(print, now, workshop, "default/disk/passphrase", ["--verbose"]);
  if (passphrase.code !== 0) throw new StoryFault(passphrase.err);
  for (const step of passphrase.err.split("\n").filter((line) => line in STEPS)) print(`     ${STEPS[step]}`);
  print(`     got: ${passphrase.out.toString()}`);
  const imageKey = await guestGet(print, now, workshop, "default/image-key/web", []);
  if (imageKey.code !== 0) throw new StoryFault(imageKey.err);
  const digest = createHash("sha256").update(imageKey.out).digest("hex");
  print(`     got: ${imageKey.out.length} bytes, SHA-256 ${digest.slice(0, 16)}…`);
}

/** What each line of `--verbose` means. */
const STEPS: Readonly<Record<string, string>> = {
  "resource: 401": "ask       401: attest first",
  "auth: 200": "auth      a fresh challenge",
  "attest: 200":
    "attest    the chip signs challenge and guest's key; the server checks it from root to last bit",
  "resource: 200": "resource  the policy says yes; the secret comes encrypted to the guest's key",
};

async function refuseDebug(print: Print, now: () => number, workshop: Workshop): Promise<void> {
  heading(print, 5, "The same guest, but its host may read its memory (debug is on)");
  const said = await guestGet(print, now, workshop, "default/disk/passphrase", ["--debug"]);
  if (said.code !== 1 || !/check: +\S+/.test(said.err) || !/seen: /.test(said.err))
    throw new StoryFault(`a debug guest was answered: ${said.err}`);
  quote(print, said.err);
}

async function denyByPolicy(print: Print, now: () => number, workshop: Workshop): Promise<void> {
  heading(print, 6, "A second guest: genuine hardware, another image");
  const other = ["--measurement", OTHER_IMAGE.toString("hex")];
  const said = await guestGet(print, now, workshop, "default/disk/passphrase", other, "--measurement …");
  if (said.code !== 1 || !/resource \(403\)/.test(said.err))
    throw new StoryFault(`the second guest was answered: ${said.err}`);
  quote(print, said.err);
  print("     Its evidence held; the release policy said no. 403 tells the guest not to attest again.");
}

async function lookAtAudit(print: Print, now: () => number, workshop: Workshop): Promise<void> {
  heading(print, 7, "What the audit log holds");
  print("   $ keywarden audit verify audit.ndjson");
  const said = await mustDo(["audit", "verify", workshop.auditLog], now);
  print(`     ${said.out.toString().trim().replace(`${workshop.folder}/data/`, "")}`);
}

function whatNext(print: Print): void {
  print("");
  print("The server has stopped and the folder is gone. What next:");
  print("   docs/getting-started.md   the same by hand, then with a configuration of your own");
  print("   kbs.config.yaml           every option with its default and a sentence");
  print("   npx keywarden --help      the commands of this story and all others");
  print("   npm run verify            types, lint, all tests, and the built program under plain Node");
}

type Print = (line: string) => void;

function heading(print: Print, number: number, text: string): void {
  print("");
  print(`${number}. ${text}`);
}

function guestGet(
  print: Print,
  now: () => number,
  workshop: Workshop,
  path: string,
  options: readonly string[],
  shown = options.filter((option) => option !== "--verbose").join(" "),
): Promise<Said> {
  print(`   $ keywarden guest get ${path} --tee snp-dev ${shown}`.trimEnd());
  return command(
    ["guest", "get", path, "--tee", "snp-dev", "--dev-pki", workshop.vendorFolder, ...options],
    now,
  );
}

async function mustDo(argv: readonly string[], now: () => number): Promise<Said> {
  const said = await command(argv, now);
  if (said.code !== 0) throw new StoryFault(`keywarden ${argv.slice(0, 2).join(" ")}: ${said.err}`);
  return said;
}

async function command(argv: readonly string[], now: () => number): Promise<Said> {
  const out: Buffer[] = [];
  let err = "";
  const world = {
    env: {},
    now,
    out: (data: string | Uint8Array) => {
      out.push(Buffer.from(data));
    },
    err: (text: string) => {
      err += text;
    },
    readInput: async () => Buffer.alloc(0),
  };
  const code = await runProgram(argv, world, "quickstart");
  return { code, out: Buffer.concat(out), err };
}

function echo(print: Print, said: Said): void {
  print(`     ${said.out.toString().trim()}`);
}

function quote(print: Print, text: string): void {
  for (const line of text.trim().split("\n")) print(`     ${line}`);
}
