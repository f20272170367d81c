import type { Command } from "commander";
import { parseResourcePath } from "../../protocol/resource-path.ts";
import { readStringList } from "../answers.ts";
import { type AdminOptions, addAdminOptions, callAdminApi, printResult } from "../connection.ts";
import { readNamedFileOrInput } from "../files.ts";
import { refused, type World } from "../world.ts";

type Options = AdminOptions & { readonly json?: boolean };

/** Adds `keywarden resource …`: what the server keeps for guests. */
export function registerResource(program: Command, world: World): void {
  const group = program
    .command("resource")
    .description("manage the secrets that the server releases to guests");
  addAdminOptions(group.command("set"))
    .description("store a secret, replacing what was there")
    .argument("<path>", "repository/type/tag")
    .argument("<file>", "file whose exact bytes are the secret; - reads standard input")
    .option("--json", "print the result as JSON")
    .action((path: string, file: string, options: Options) => setResource(world, path, file, options));
  addAdminOptions(group.command("get"))
    .description("tell whether a secret is stored; its content goes to attested guests only (see guest get)")
    .argument("<path>", "repository/type/tag")
    .option("--json", "print the result as JSON")
    .action((path: string, options: Options) => getResource(world, path, options));
  addAdminOptions(group.command("delete"))
    .description("delete a secret")
    .argument("<path>", "repository/type/tag")
    .option("--json", "print the result as JSON")
    .action((path: string, options: Options) => deleteResource(world, path, options));
  addAdminOptions(group.command("list"))
    .description("list the paths of all secrets")
    .option("--json", "print the result as JSON")
    .action((options: Options) => listResources(world, options));
}

async function setResource(world: World, path: string, file: string, options: Options): Promise<void> {
  const target = checked(path);
  const body = await readNamedFileOrInput(file, "secret", world);
  const contentType = "application/octet-stream";
  await callAdminApi(options, { method: "POST", path: `resource/${target}`, body, contentType });
  const result = { path: target, bytes: body.length };
  printResult(world, options.json, result, `Stored ${target}: ${body.length} bytes.\n`);
}

async function getResource(world: World, path: string, options: Options): Promise<void> {
  const wanted = checked(path);
  const stored = (await fetchPaths(options)).includes(wanted);
  if (!stored) throw refused(`Nothing is stored at ${wanted}.`, { path: wanted, stored });
  printResult(world, options.json, { path: wanted, stored }, `${wanted} is stored.\n`);
}

async function deleteResource(world: World, path: string, options: Options): Promise<void> {
  const target = checked(path);
  await callAdminApi(options, { method: "DELETE", path: `resource/${target}` });
  printResult(world, options.json, { path: target, deleted: true }, `Deleted ${target}.\n`);
}

async function listResources(world: World, options: Options): Promise<void> {
  const paths = await fetchPaths(options);
  printResult(world, options.json, { paths }, paths.map((path) => `${path}\n`).join(""));
}

async function fetchPaths(options: Options): Promise<readonly string[]> {
  return readStringList(await callAdminApi(options, { method: "GET", path: "resource" }));
}

/** Checked here as well, so that a typing error is told without a server. Its characters need no encoding. */
function checked(path: string): string {
  return parseResourcePath(path.replace(/^\/+/, "").split("/"));
}
