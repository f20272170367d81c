import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import type { Command } from "commander";
import { allCommands, createProgram } from "../../../src/cli/program.ts";

const DOC = new URL("../../../docs/cli.md", import.meta.url);
const MARK =
  "<!-- What follows is the help of every command; the tests keep it equal (KEYWARDEN_UPDATE=1 rewrites it). -->";

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function section(command: Command): string {
  return `\n### ${fullName(command)}\n\n\`\`\`text\n${command.helpInformation().trim()}\n\`\`\`\n`;
}

const world = {
  env: {},
  now: Date.now,
  out: () => undefined,
  err: () => undefined,
  readInput: async () => Buffer.alloc(0),
};
const commands = allCommands(createProgram(world, "0"));

test("docs/cli.md shows the help of every command, word for word", () => {
  const [written = "", shown = ""] = readFileSync(DOC, "utf8").split(MARK);
  const expected = `\n${commands.map(section).join("")}`;
  if (process.env["KEYWARDEN_UPDATE"] === "1") writeFileSync(DOC, `${written}${MARK}${expected}`);
  else expect(shown).toBe(expected);
});

test("every command, argument and option says what it is for", () => {
  const silent = commands.flatMap((command) => [
    ...(command.description() === "" ? [fullName(command)] : []),
    ...command.options
      .filter(({ description }) => description === "")
      .map(({ flags }) => `${fullName(command)} ${flags}`),
    ...command.registeredArguments
      .filter(({ description }) => description === "")
      .map((argument) => `${fullName(command)} ${argument.name()}`),
  ]);
  expect(silent).toEqual([]);
});

/** Anything on a command line can be read by every user of the machine, and stays in the shell's history. */
test("no option takes a token, a password or a key itself, only files that hold one", () => {
  const dangerous = commands.flatMap((command) =>
    command.options
      .filter(({ flags }) => /token|password|secret|key/i.test(flags) && flags.includes("<"))
      .filter(({ flags }) => !/<(file|pem|folder|kind|kid)>/.test(flags))
      .map(({ flags }) => `${fullName(command)} ${flags}`),
  );
  expect(dangerous).toEqual([]);
});
