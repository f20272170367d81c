import type { Command } from "commander";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import { readAnswer } from "../answers.ts";
import { type AdminOptions, addAdminOptions, callAdminApi, printResult } from "../connection.ts";
import { refused, type World } from "../world.ts";

type Options = AdminOptions & { readonly json?: boolean };

/** Adds `keywarden tpm …`: which machines with a bare TPM are known, and who of them may come in. */
export function registerTpm(program: Command, world: World): void {
  const group = program.command("tpm").description("manage the enrolled machines with a TPM");
  addAdminOptions(group.command("list"))
    .description("list the enrolled keys and those that wait")
    .option("--json", "print the result as JSON")
    .action((options: Options) => list(world, options));
  for (const [name, status, sentence] of [
    ["approve", "approved", "let a machine in that proved what it is"],
    ["revoke", "revoked", "withdraw a machine; its next evidence is refused"],
  ] as const)
    addAdminOptions(group.command(name))
      .description(sentence)
      .argument("<machine>", "host name, or the fingerprint of its attestation key")
      .option("--json", "print the result as JSON")
      .action((machine: string, options: Options) => decide(world, machine, name, status, options));
  addAdminOptions(group.command("delete"))
    .description("forget a machine, so that it can be enrolled anew")
    .argument("<machine>", "host name, or the fingerprint of its attestation key")
    .option("--json", "print the result as JSON")
    .action((machine: string, options: Options) => remove(world, machine, options));
  addAdminOptions(group.command("export"))
    .description("print the approved keys as the reference value trusted_aks lists them")
    .action((options: Options) => exportKeys(world, options));
}

async function list(world: World, options: Options): Promise<void> {
  const known = await enrolments(options);
  const lines = known.map(
    (one) => `${text(one, "status").padEnd(9)} ${text(one, "host")}  ${text(one, "akFingerprint")}\n`,
  );
  printResult(world, options.json, known, lines.join(""));
}

async function decide(
  world: World,
  machine: string,
  action: "approve" | "revoke",
  status: string,
  options: Options,
): Promise<void> {
  const key = await fingerprintOf(machine, options);
  const answer = readAnswer(
    await callAdminApi(options, { method: "POST", path: `tpm/enrollments/${key}/${action}` }),
  );
  printResult(world, options.json, objectOf(answer), `${machine} is ${status}.\n`);
}

async function remove(world: World, machine: string, options: Options): Promise<void> {
  const key = await fingerprintOf(machine, options);
  await callAdminApi(options, { method: "DELETE", path: `tpm/enrollments/${key}` });
  printResult(world, options.json, { akFingerprint: key, deleted: true }, `${machine} is forgotten.\n`);
}

async function exportKeys(world: World, options: Options): Promise<void> {
  const answer = await callAdminApi(options, { method: "GET", path: "tpm/enrollments?form=trusted_aks" });
  world.out(`${JSON.stringify(readAnswer(answer))}\n`);
}

/** A host that has several keys has to be told by fingerprint: approving the wrong one lets somebody in. */
async function fingerprintOf(machine: string, options: Options): Promise<string> {
  if (/^[0-9a-f]{64}$/i.test(machine)) return machine.toLowerCase();
  const found = (await enrolments(options)).filter((one) => member(one, "host") === machine);
  const [only, ...others] = found;
  if (only === undefined) throw refused(`No machine called ${machine} is enrolled or waits.`);
  if (others.length > 0)
    throw refused(
      [`${machine} has ${found.length} keys; name one of them by its fingerprint:`]
        .concat(found.map((one) => `  ${text(one, "akFingerprint")} ${text(one, "status")}`))
        .join("\n"),
    );
  return text(only, "akFingerprint");
}

async function enrolments(options: Options): Promise<readonly JsonObject[]> {
  const answer = readAnswer(await callAdminApi(options, { method: "GET", path: "tpm/enrollments" }));
  if (!isArray(answer)) throw unexpected();
  return answer.map(objectOf);
}

function objectOf(value: JsonValue): JsonObject {
  if (!isObject(value)) throw unexpected();
  return value;
}

function text(object: JsonObject, name: string): string {
  const value = member(object, name);
  if (typeof value !== "string") throw unexpected();
  return value;
}

function unexpected(): Error {
  return refused("The server's answer is no list of enrolments; is --url the address of a Keywarden server?");
}
