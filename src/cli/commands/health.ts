import { type Command, Option } from "commander";
import { type ConnectionOptions, openConnection, parseServerUrl } from "../connection.ts";
import { readRefusal } from "../guest/refusal.ts";
import { refused, type World } from "../world.ts";

interface Options extends ConnectionOptions {
  readonly ready?: boolean;
}

/** Where the listener for probes is unless the configuration says otherwise (`server.metrics`). */
const DEFAULT_URL = "http://127.0.0.1:9464";

/** Adds `keywarden health`, for probes that cannot speak HTTP: an image without a shell has no other program. */
export function registerHealth(program: Command, world: World): void {
  program
    .command("health")
    .description("ask a server whether it lives; the exit code is the answer: 0 yes, 1 no")
    .addOption(
      new Option("--url <url>", "address of the server, or of its listener for probes (server.metrics)")
        .env("KEYWARDEN_HEALTH_URL")
        .default(DEFAULT_URL),
    )
    .option("--ready", "ask as well whether it can serve: its stores, its keys")
    .addOption(
      new Option("--ca <pem>", "file of the only root certificates to trust, for an https address").env(
        "KEYWARDEN_CA",
      ),
    )
    .option("--timeout <seconds>", "take no answer after this long for a no", "5")
    .action((options: Options) => askHealth(world, options));
}

async function askHealth(world: World, options: Options): Promise<void> {
  const path = options.ready ? "/readyz" : "/healthz";
  const base = parseServerUrl(options.url);
  // A root that is set for other commands is no fault where the listener for probes speaks plain http.
  const { ca, ...plain } = options;
  const http = await openConnection(
    base.protocol === "https:" && ca !== undefined ? { ...plain, ca } : plain,
    "keywarden-health",
  );
  try {
    const url = new URL(`${base.href.replace(/\/+$/, "")}${path}`);
    const { status, body } = await http.send({ method: "GET", url });
    if (status !== 200)
      throw refused(`${path} answers ${status}: ${readRefusal("resource", status, body).message}`);
    world.out(options.ready ? "ready\n" : "alive\n");
  } finally {
    http.close();
  }
}
