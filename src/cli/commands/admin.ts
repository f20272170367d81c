import type { Command } from "commander";
import { writeNewFile } from "../files.ts";
import { misuse, type World } from "../world.ts";

interface KeygenOptions {
  readonly privateKey: string;
  readonly publicKey: string;
}

interface TokenOptions {
  readonly key: string;
  readonly issuer: string;
  readonly audience: string;
  readonly role: string;
  readonly subject?: string;
  readonly ttl: string;
  readonly keyId?: string;
  readonly out?: string;
}

/** Adds `keywarden admin …`: credentials of administrators, made where the administrator is. */
export function registerAdmin(program: Command, world: World): void {
  const group = program.command("admin").description("make administrators' credentials");
  group
    .command("keygen")
    .description("make the Ed25519 key that signs administrators' tokens; existing files are never replaced")
    .option("--private-key <file>", "where the private key goes, readable by its owner only", "admin.key")
    .option("--public-key <file>", "where the public key goes, for admin.identityProviders", "admin.pub.pem")
    .action((options: KeygenOptions) => keygen(world, options));
  group
    .command("token")
    .description("sign an administrator's token")
    .option(
      "--key <file>",
      "private key as keygen makes it; P-256, P-384 and RSA keys are taken too",
      "admin.key",
    )
    .option("--issuer <name>", "the token's iss, as admin.identityProviders expects it", "ops")
    .option("--audience <name>", "the token's aud, as admin.identityProviders expects it", "keywarden")
    .option("--role <role>", "one of admin.roles", "admin")
    .option("--subject <name>", "who the token is for; the role if absent")
    .option("--ttl <seconds>", "how long the token is valid", "3600")
    .option("--key-id <kid>", "names the key where the server knows several")
    .option(
      "--out <file>",
      "write the token to a new file, readable by its owner only, instead of printing it",
    )
    .action((options: TokenOptions) => token(world, options));
}

async function keygen(world: World, { privateKey, publicKey }: KeygenOptions): Promise<void> {
  const { generateAdminKey } = await import("../../admin/credentials.ts");
  await generateAdminKey({ privateKey, publicKey });
  world.out(`Private key: ${privateKey}\nPublic key:  ${publicKey}\n`);
  world.err(
    `keywarden: name ${publicKey} in admin.identityProviders; make tokens with: keywarden admin token --key ${privateKey}\n`,
  );
}

async function token(world: World, options: TokenOptions): Promise<void> {
  const { MAX_ADMIN_TOKEN_TTL_SECONDS, signAdminToken } = await import("../../admin/credentials.ts");
  const ttlSeconds = Number(options.ttl);
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_ADMIN_TOKEN_TTL_SECONDS)
    throw misuse(`--ttl is a whole number of seconds from 1 to ${MAX_ADMIN_TOKEN_TTL_SECONDS}.`);
  const signed = await signAdminToken({
    privateKeyFile: options.key,
    issuer: options.issuer,
    audience: options.audience,
    role: options.role,
    ttlSeconds,
    now: world.now(),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.keyId === undefined ? {} : { keyId: options.keyId }),
  });
  if (options.out === undefined) world.out(`${signed}\n`);
  else await writeNewFile(options.out, `${signed}\n`, 0o600);
}
