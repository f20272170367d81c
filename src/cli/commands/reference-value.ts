import { type Command, Option } from "commander";
import {
  MESSAGE_TYPES,
  type MessageType,
  messageForFile,
  messageForValue,
} from "../../attestation/reference-values/manifest-file.ts";
import { readJson } from "../../json/read.ts";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isObject, writeJson } from "../../json/write.ts";
import { readAnswer } from "../answers.ts";
import { type AdminOptions, addAdminOptions, callAdminApi, printResult } from "../connection.ts";
import { readNamedFileOrInput } from "../files.ts";
import type { HttpAnswer } from "../http-client.ts";
import { descriptionText, listOf, listText, registrationText } from "../reference-values/texts.ts";
import { misuse, type World } from "../world.ts";

type Options = AdminOptions & { readonly json?: boolean };
type RegisterOptions = Options & { readonly type?: MessageType; readonly expires?: string };
type ShowOptions = Options & { readonly provenance?: boolean };
type SetOptions = Options & {
  readonly asInteger?: boolean;
  readonly asBool?: boolean;
  readonly asJson?: boolean;
  readonly asSingleValue?: boolean;
  readonly expires?: string;
};

/** Adds `keywarden reference-value …`: known good measurements that policies compare with. */
export function registerReferenceValue(program: Command, world: World): void {
  const group = program
    .command("reference-value")
    .description("manage the known good values that policies compare evidence with");
  addExpires(addAdminOptions(group.command("register")))
    .description("register all values of a manifest, or none of them")
    .argument("<file>", "the manifest; - reads standard input")
    .addOption(
      new Option("--type <type>", "what the file is (default: found out from its content)").choices(
        MESSAGE_TYPES,
      ),
    )
    .option("--json", "print the result as JSON")
    .action((file: string, options: RegisterOptions) => registerFile(world, file, options));
  addExpires(addAdminOptions(group.command("set")))
    .description("register a value under a name; several values mean any of them")
    .argument("<name>", "name, as policies ask for it")
    .argument("<values...>", "the values")
    .option("--as-integer", "the values are whole numbers")
    .option("--as-bool", "the values are true or false")
    .option("--as-json", "the one value is JSON text, registered as it is")
    .option("--as-single-value", "register the one value itself and not a list that holds it")
    .option("--json", "print the result as JSON")
    .action((name: string, values: string[], options: SetOptions) => setValue(world, name, values, options));
  addAdminOptions(group.command("get"))
    .description("print a value as JSON")
    .argument("<name>", "name of the value")
    .option("--provenance", "print what else is known: expiry, who vouched for it, which policies ask for it")
    .option("--json", "with --provenance: print it as JSON")
    .action((name: string, options: ShowOptions) => getValue(world, name, options));
  addAdminOptions(group.command("list"))
    .description("list the names of all values, expired ones among them")
    .option("--provenance", "with expiry, who vouched for it, and which policies ask for it")
    .option("--json", "print values and what is known about them as JSON")
    .action((options: ShowOptions) => listValues(world, options));
  addAdminOptions(group.command("delete"))
    .description("delete a value")
    .argument("<name>", "name of the value")
    .option("--json", "print the result as JSON")
    .action((name: string, options: Options) => deleteValue(world, name, options));
}

function addExpires(command: Command): Command {
  return command.option(
    "--expires <time>",
    "from when on the values count as unknown, as 2027-01-31T00:00:00Z (default: twelve months from now)",
  );
}

async function registerFile(world: World, file: string, options: RegisterOptions): Promise<void> {
  const content = await readNamedFileOrInput(file, "manifest", world);
  const message = messageForFile(content, options.type, options.expires);
  if (message === undefined)
    throw misuse(
      `The file is none that is recognised; say with --type which it is: ${MESSAGE_TYPES.join(", ")}.`,
    );
  const answer = await register(options, message);
  world.out(options.json ? `${writeJson(answer ?? {})}\n` : registrationText(answer, `Registered ${file}.`));
}

async function setValue(world: World, name: string, values: string[], options: SetOptions): Promise<void> {
  const value = parseValues(values, options);
  const answer = await register(options, messageForValue(name, value, options.expires));
  const report = isObject(answer) ? answer : {};
  world.out(
    options.json
      ? `${writeJson({ ...report, name, value })}\n`
      : registrationText(answer, `Registered ${name}.`),
  );
}

/** @returns the server's report; `undefined` from a server that makes none */
async function register(options: AdminOptions, message: JsonObject): Promise<JsonValue | undefined> {
  const answer = await callAdminApi(options, {
    method: "POST",
    path: "reference-value?report=true",
    body: writeJson(message),
    contentType: "application/json",
    explain: placeOfFault,
  });
  return answer.body.length === 0 ? undefined : readAnswer(answer);
}

/** The stable name of what is wrong, for scripts and searches; the sentence itself says where. */
function placeOfFault(refusal: JsonObject): readonly string[] {
  const { fault } = refusal;
  return typeof fault === "string" ? [`fault: ${fault}`] : [];
}

function parseValues(texts: readonly string[], options: SetOptions): JsonValue {
  const [first = "", ...more] = texts;
  if ((options.asJson || options.asSingleValue) && more.length > 0)
    throw misuse("--as-json and --as-single-value take exactly one value.");
  if (options.asJson) return jsonValue(first);
  const values = texts.map((text) => scalar(text, options));
  return options.asSingleValue ? (values[0] ?? null) : values;
}

function scalar(text: string, options: SetOptions): JsonValue {
  if (options.asBool) {
    if (text === "true" || text === "false") return text === "true";
    throw misuse(`With --as-bool a value is true or false, not ${text}.`);
  }
  if (!options.asInteger) return text;
  if (/^-?\d{1,20}$/.test(text)) return jsonValue(text);
  throw misuse(`With --as-integer a value is a whole number, not ${text}.`);
}

function jsonValue(text: string): JsonValue {
  try {
    return readJson(text);
  } catch (error) {
    throw misuse(`The value is not JSON: ${error instanceof Error ? error.message : "unknown reason"}.`);
  }
}

async function getValue(world: World, name: string, options: ShowOptions): Promise<void> {
  const more = options.provenance === true ? { provenance: "true" } : {};
  const answer = readAnswer(await callAdminApi(options, { method: "GET", path: valuePath(name, more) }));
  if (options.provenance !== true || options.json === true || !isObject(answer))
    world.out(`${writeJson(answer)}\n`);
  else world.out(descriptionText(answer));
}

async function listValues(world: World, options: ShowOptions): Promise<void> {
  const found: HttpAnswer = await callAdminApi(options, { method: "GET", path: "reference-value" });
  const answer = readAnswer(found);
  const values = listOf(answer);
  if (options.json === true) world.out(`${writeJson(answer)}\n`);
  else if (options.provenance === true) world.out(listText(values));
  else world.out(values.map(({ name }) => `${String(name)}\n`).join(""));
}

async function deleteValue(world: World, name: string, options: Options): Promise<void> {
  await callAdminApi(options, { method: "DELETE", path: valuePath(name) });
  printResult(world, options.json, { name, deleted: true }, `Deleted ${name}.\n`);
}

/** In the path, where roles can tell names apart; names that a path would change go into the query. */
function valuePath(name: string, query: Readonly<Record<string, string>> = {}): string {
  const segments = name.split("/");
  const isPlain = !name.includes("\\") && segments.every((segment) => !/^\.{0,2}$/.test(segment));
  const parameters = new URLSearchParams(isPlain ? query : { id: name, ...query });
  const path = isPlain ? `reference-value/${segments.map(encodeURIComponent).join("/")}` : "reference-value";
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}
