import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { Check } from "../../attestation/verifier.ts";
import { KbsError } from "../../errors.ts";
import { JsonSyntaxError, readJson } from "../../json/read.ts";
import type { JsonObject } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { AppraiseOptions } from "../evidence/appraise.ts";
import type { Judgement } from "../evidence/judge.ts";
import {
  type EvidenceRequest,
  malformed,
  OFFLINE_TEES,
  type OfflineTee,
  parseBinding,
  parseTime,
  readId,
  readRequest,
} from "../evidence/request.ts";
import { readNamedFileOrInput } from "../files.ts";
import { misuse, refused, type World } from "../world.ts";

interface Options {
  readonly tee?: OfflineTee;
  readonly batch?: string;
  readonly at?: string;
  readonly reportData?: string;
  readonly initData?: string;
  readonly collateral: readonly string[];
  readonly trustAnchors: readonly string[];
  readonly settings?: string;
  readonly json?: boolean;
}

/** Adds `keywarden evidence verify|appraise`: the verifiers of the broker, without a broker and without a network. */
export function registerEvidence(program: Command, world: World): void {
  const group = program
    .command("evidence")
    .description("verify and appraise evidence offline, with the broker's own verifiers");
  addVerification(group.command("verify"))
    .description("say whether evidence is genuine: exit code 0 accepted, 1 refused, 2 misuse")
    .option(
      "--batch <ndjson>",
      "one request per line in, one result per line out, in the same order; - reads standard input",
    )
    .option("--json", "print the result as JSON")
    .action((file: string | undefined, options: Options) =>
      options.batch === undefined ? verifyOne(world, file, options) : verifyBatch(world, file, options.batch),
    );
  addVerification(group.command("appraise"))
    .description("verify evidence, apply an appraisal policy, and show why each claim has its value")
    .option(
      "--policy <file|id>",
      "a Rego file, or the id of policies that ship: default, default_cpu; may repeat, for other TEE classes",
      collect,
      [],
    )
    .option("--reference-values <json>", "file with an object of name to value, or the list of a server")
    .option("--runtime-data <json>", "file with what was bound into the evidence, in place of --report-data")
    .option("--runtime-data-hash <hash>", "how it was bound: sha256, sha384 or sha512 (default: sha384)")
    .option("--init-data-file <toml>", "the init-data document, in place of its digest")
    .option("--json", "print the result as JSON")
    .action((file: string | undefined, options: Options & AppraiseOptions) =>
      appraiseOne(world, file, options),
    );
}

/** What verifying takes, whatever is done afterwards. */
function addVerification(command: Command): Command {
  return command
    .argument(
      "[file]",
      "evidence: JSON, or the report (with its certificate table) or quote that the kernel hands out",
    )
    .addOption(new Option("--tee <tee>", "kind of evidence").choices(OFFLINE_TEES))
    .option("--at <time>", "time to judge certificates at, as in RFC 3339 (default: now)")
    .option("--report-data <hex>", "what the evidence must be bound to; zeros follow (default: not checked)")
    .option("--init-data <hex>", "digest of the init-data the evidence must name (default: not compared)")
    .option(
      "--collateral <path>",
      "certificates, revocation lists, Intel's statements or a bundle, a file or folder; may repeat",
      collect,
      [],
    )
    .option("--trust-anchors <pem>", "roots that replace the vendor's; may repeat", collect, [])
    .option(
      "--settings <yaml>",
      "the verifier's section of kbs.config.yaml: a file, or text such as '{allowedVmpls: [1]}'",
    );
}

async function appraiseOne(
  world: World,
  file: string | undefined,
  options: Options & AppraiseOptions,
): Promise<void> {
  const { tee } = options;
  if (file === undefined) throw misuse("Name a file with evidence.");
  if (tee === undefined) throw misuse(`Say what kind of evidence it is: --tee ${OFFLINE_TEES.join("|")}.`);
  const { appraiseEvidence } = await import("../evidence/appraise.ts");
  await appraiseEvidence(world, file, await requestOf(file, tee, options), options);
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

async function verifyOne(world: World, file: string | undefined, options: Options): Promise<void> {
  const { tee } = options;
  if (file === undefined) throw misuse("Name a file with evidence, or a list of requests with --batch.");
  if (tee === undefined) throw misuse(`Say what kind of evidence it is: --tee ${OFFLINE_TEES.join("|")}.`);
  const { judge, printJudgement } = await import("../evidence/judge.ts");
  const judgement = await judge(await requestOf(file, tee, options), ".", world.now());
  // Without a single check nothing was judged: a file or an option was of no use.
  if (judgement.verdict === "refused" && judgement.checks.length === 0) throw misuse(judgement.detail);
  world.out(options.json ? `${writeJson(printJudgement(file, judgement))}\n` : report(file, judgement));
  if (judgement.verdict === "refused") throw refused(judgement.detail);
}

async function requestOf(file: string, tee: OfflineTee, options: Options): Promise<EvidenceRequest> {
  return {
    id: file,
    tee,
    evidence: { path: file },
    at: parseTime(options.at),
    reportData: parseBinding(options.reportData, "--report-data"),
    initData: parseBinding(options.initData, "--init-data"),
    trustAnchors: options.trustAnchors,
    collateral: options.collateral,
    settings: options.settings === undefined ? undefined : await readSettings(options.settings),
  };
}

/** A YAML file, or YAML written on the command line itself. */
async function readSettings(settings: string): Promise<unknown> {
  const text = /^\s*\{/.test(settings) ? settings : await readFile(settings, "utf8").catch(() => undefined);
  if (text === undefined) throw malformed(`the settings ${settings} cannot be read`);
  const { readYaml } = await import("../../config/yaml-source.ts");
  const { data, faults } = readYaml(text);
  const [fault] = faults;
  if (fault !== undefined) throw malformed(`the settings are ${fault.message}`);
  return data;
}

/** Lines longer than this are no requests; certificates as JSON numbers take most of a long one. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

async function verifyBatch(world: World, file: string | undefined, batch: string): Promise<void> {
  if (file !== undefined) throw misuse("Give a file or --batch, not both.");
  const input = await readNamedFileOrInput(batch, "list of requests", world);
  const folder = batch === "-" ? "." : dirname(resolve(batch));
  for (const line of lines(input)) {
    if (line.trim() === "") continue;
    world.out(`${writeJson(await judgeLine(line, folder, world.now()))}\n`);
  }
}

/** Cuts the input piece by piece: one string of a large batch would not fit into memory twice. */
function* lines(input: Buffer): Generator<string> {
  for (let at = 0; at < input.length; ) {
    const end = input.indexOf(0x0a, at);
    const stop = end === -1 ? input.length : end;
    yield input.toString("utf8", at, stop);
    at = stop + 1;
  }
}

async function judgeLine(line: string, folder: string, now: number): Promise<JsonObject> {
  const { judge, printJudgement, refusalOf } = await import("../evidence/judge.ts");
  let id: string | number = "";
  try {
    if (line.length > MAX_LINE_CHARACTERS) throw malformed("the line is too long");
    const json = readJson(line);
    id = readId(isObject(json) ? member(json, "id") : undefined) ?? "";
    return printJudgement(id, await judge(readRequest(json), folder, now));
  } catch (error) {
    const reason =
      error instanceof JsonSyntaxError ? malformed(`the line is not JSON: ${error.message}`) : error;
    if (!(reason instanceof KbsError)) throw reason;
    return printJudgement(id, refusalOf(reason));
  }
}

const MARKS: Readonly<Record<Check["outcome"], string>> = { passed: "ok", failed: "NO", "not-checked": "--" };

/** The checks in order, as lines a person reads from the top. */
function report(file: string, judgement: Judgement): string {
  const width = Math.max(...judgement.checks.map(({ check }) => check.length)) + 1;
  const rows = judgement.checks.map(({ check, outcome, seen, expected, source }) => {
    const row = `  ${MARKS[outcome]}  ${check.padEnd(width)} ${seen}\n`;
    return outcome === "failed" ? `${row}      expected: ${expected}\n      source:   ${source}\n` : row;
  });
  const claims =
    judgement.verdict === "accepted"
      ? judgement.results.map(({ teeClass, claims }) => `${teeClass}: ${writeJson(claims)}\n`)
      : [];
  return `${file}: ${judgement.verdict}\n${rows.join("")}${claims.join("")}`;
}
