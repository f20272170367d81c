import type { Command } from "commander";
import { readJson } from "../../json/read.ts";
import type { JsonValue } from "../../json/value.ts";
import { isArray, isObject, member, writeJson } from "../../json/write.ts";
import { readAnswer } from "../answers.ts";
import { type AdminOptions, addAdminOptions, callAdminApi, printResult } from "../connection.ts";
import { misuse, refused, type World } from "../world.ts";

type Options = AdminOptions & { readonly json?: boolean };
type SetOptions = Options & {
  readonly asInteger?: boolean;
  readonly asBool?: boolean;
  readonly asJson?: boolean;
  readonly asSingleValue?: boolean;
};

/** Adds `keywarden reference-value …`: known good measurements that policies compare with. */
export function registerReferenceValue(program: Command, world: World): void {
  const group = program
    .command("reference-value")
    .description("manage the known good values that policies compare evidence with");
  addAdminOptions(group.command("set"))
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
    .action((name: string, options: Options) => getValue(world, name, options));
  addAdminOptions(group.command("list"))
    .description("list the names of all values")
    .option("--json", "print names and what is known about them as JSON")
    .action((options: Options) => listValues(world, options));
  addAdminOptions(group.command("delete"))
    .description("delete a value")
    .argument("<name>", "name of the value")
    .option("--json", "print the result as JSON")
    .action((name: string, options: Options) => deleteValue(world, name, options));
}

async function setValue(world: World, name: string, values: string[], options: SetOptions): Promise<void> {
  const value = parseValues(values, options);
  const payload = Buffer.from(writeJson({ [name]: value })).toString("base64");
  await callAdminApi(options, {
    method: "POST",
    path: "reference-value",
    body: JSON.stringify({ version: "0.1.0", type: "sample", payload }),
    contentType: "application/json",
  });
  world.out(options.json ? `${writeJson({ name, value })}\n` : `Registered ${name}.\n`);
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

async function getValue(world: World, name: string, options: Options): Promise<void> {
  const answer = await callAdminApi(options, { method: "GET", path: valuePath(name) });
  world.out(`${writeJson(readAnswer(answer))}\n`);
}

async function listValues(world: World, options: Options): Promise<void> {
  const answer = readAnswer(await callAdminApi(options, { method: "GET", path: "reference-value" }));
  world.out(
    options.json
      ? `${writeJson(answer)}\n`
      : namesIn(answer)
          .map((name) => `${name}\n`)
          .join(""),
  );
}

function namesIn(answer: JsonValue): readonly string[] {
  const items = isArray(answer) ? answer : [undefined];
  return items.map((item) => {
    const name = isObject(item) ? member(item, "name") : undefined;
    if (typeof name === "string") return name;
    throw refused("The server's answer is not a list of reference values.");
  });
}

async function deleteValue(world: World, name: string, options: Options): Promise<void> {
  await callAdminApi(options, { method: "DELETE", path: valuePath(name) });
  printResult(world, options.json, { name, deleted: true }, `Deleted ${name}.\n`);
}

function valuePath(name: string): string {
  return `reference-value/${name.split("/").map(encodeURIComponent).join("/")}`;
}
