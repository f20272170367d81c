import { type Command, Option } from "commander";
import type { JsonObject, JsonValue } from "../../json/value.ts";
import { isArray, isObject, member } from "../../json/write.ts";
import { readAnswer, readStringList } from "../answers.ts";
import { type AdminOptions, addAdminOptions, callAdminApi, printResult } from "../connection.ts";
import { readNamedFileOrInput } from "../files.ts";
import { registerPolicyTools } from "../policy-tools.ts";
import type { World } from "../world.ts";

const KINDS = ["resource", "attestation"] as const;
type Kind = (typeof KINDS)[number];

/** Id that the server consults when none is named. */
const DEFAULT_ID: Readonly<Record<Kind, string>> = {
  resource: "resource-policy",
  attestation: "default_cpu",
};

type Options = AdminOptions & { readonly kind: Kind; readonly id?: string; readonly json?: boolean };
type ListOptions = AdminOptions & { readonly kind?: Kind; readonly json?: boolean };

/** Adds `keywarden policy set|get|list|delete`, the policies that a server keeps, and the tools for policies in files. */
export function registerPolicy(program: Command, world: World): void {
  const group = program.command("policy").description("manage, check and try policies");
  addPolicyOptions(group.command("set"))
    .description("install a policy; one that does not compile is refused and the old one stays")
    .argument("<file>", "Rego source; - reads standard input")
    .action((file: string, options: Options) => setPolicy(world, file, options));
  addPolicyOptions(group.command("get"))
    .description("print the source of a policy")
    .action((options: Options) => getPolicy(world, options));
  addPolicyOptions(group.command("delete"))
    .description("delete a policy; afterwards the shipped one of that name holds, if there is one")
    .action((options: Options) => deletePolicy(world, options));
  addAdminOptions(group.command("list"))
    .description("list the ids of the installed policies")
    .addOption(new Option("--kind <kind>", "only this kind").choices(KINDS))
    .option("--json", "print the result as JSON")
    .action((options: ListOptions) => listPolicies(world, options));
  addAdminOptions(group.command("diff"))
    .description("show how the server's appraisal policies differ from the ones that come with it")
    .option("--id <id>", "only this policy, default_cpu say")
    .option("--json", "print the result as JSON")
    .action((options: Omit<Options, "kind">) => diffPolicies(world, options));
  registerPolicyTools(group, world);
}

function addPolicyOptions(command: Command): Command {
  return addAdminOptions(command)
    .addOption(
      new Option("--kind <kind>", "resource: who gets a secret; attestation: what evidence is worth")
        .choices(KINDS)
        .default("resource"),
    )
    .option("--id <id>", "id of the policy (default: resource-policy, or default_cpu for --kind attestation)")
    .option("--json", "print the result as JSON");
}

async function setPolicy(world: World, file: string, options: Options): Promise<void> {
  const source = await readNamedFileOrInput(file, "policy", world);
  const id = idOf(options);
  const upload = uploadOf(options.kind, id, source.toString("base64url"));
  const explain = (answer: JsonObject) => findingLines(answer, file, source.toString());
  await callAdminApi(options, { ...upload, explain });
  printResult(world, options.json, { kind: options.kind, id }, `Installed ${options.kind} policy ${id}.\n`);
}

function uploadOf(kind: Kind, id: string, policy: string) {
  const body = kind === "attestation" ? { type: "rego", policy_id: id, policy } : { policy_id: id, policy };
  return {
    method: "POST" as const,
    path: `${kind}-policy`,
    body: JSON.stringify(body),
    contentType: "application/json",
  };
}

/** Shows each finding with its place in the file, the line itself and a caret. */
function findingLines(answer: JsonObject, file: string, source: string): readonly string[] {
  const findings = member(answer, "findings");
  const lines = source.split(/\r?\n/);
  return (isArray(findings) ? findings : []).flatMap((finding) => {
    if (!isObject(finding)) return [];
    const { row, col, code, message } = finding;
    if (typeof row !== "number" || typeof col !== "number") return [`  ${String(message)}`];
    const line = lines[row - 1];
    const shown =
      line === undefined
        ? []
        : [
            `    ${line.replaceAll("\t", " ")}`,
            `    ${" ".repeat(Math.min(Math.max(col - 1, 0), line.length))}^`,
          ];
    return [`  ${file}:${row}:${col}: ${String(code)}: ${String(message)}`, ...shown];
  });
}

async function getPolicy(world: World, options: Options): Promise<void> {
  const id = idOf(options);
  const answer = await callAdminApi(options, { method: "GET", path: policyPath(options.kind, id) });
  const source = answer.body.toString();
  printResult(world, options.json, { kind: options.kind, id, source }, source);
}

async function deletePolicy(world: World, options: Options): Promise<void> {
  const id = idOf(options);
  await callAdminApi(options, { method: "DELETE", path: policyPath(options.kind, id) });
  printResult(
    world,
    options.json,
    { kind: options.kind, id, deleted: true },
    `Deleted ${options.kind} policy ${id}.\n`,
  );
}

async function listPolicies(world: World, options: ListOptions): Promise<void> {
  const policies: { kind: Kind; id: string }[] = [];
  for (const kind of options.kind === undefined ? KINDS : [options.kind])
    for (const id of readStringList(await callAdminApi(options, { method: "GET", path: `${kind}-policy` })))
      policies.push({ kind, id });
  const lines = policies.map(({ kind, id }) => `${kind}\t${id}\n`).join("");
  printResult(world, options.json, { policies }, lines);
}

/** `GET attestation-policy?compare=shipped`: the server knows both texts, this program may be of another release. */
async function diffPolicies(world: World, options: Omit<Options, "kind">): Promise<void> {
  const path = options.id === undefined ? "attestation-policy" : policyPath("attestation", options.id);
  const answer = readAnswer(await callAdminApi(options, { method: "GET", path: `${path}?compare=shipped` }));
  const differences = (isArray(answer) ? answer : [answer]).filter(
    (each) => isObject(each) && member(each, "differs") === true,
  );
  const none =
    options.id === undefined
      ? "Every appraisal policy that comes with the server is in force as it is.\n"
      : `${options.id} is the shipped policy.\n`;
  const text = differences.map(differenceText).join("\n");
  printResult(world, options.json, { differences }, differences.length === 0 ? none : text);
}

const CHANGED: ReadonlyMap<JsonValue, string> = new Map([
  [true, "The shipped policy has become another one since: see what is new in it."],
  [false, "The shipped policy is still the one that it replaced."],
]);

function differenceText(difference: JsonValue): string {
  if (!isObject(difference)) return "";
  const { name, version, by, at, shippedChanged, diff } = difference;
  const head = `${String(name)}: stored by ${String(by)}, ${String(at)} (version ${String(version)}).`;
  const change = CHANGED.get(shippedChanged ?? null) ?? "What was shipped when it was stored is not known.";
  const lines = typeof diff === "string" ? diff : "The two texts have too little in common to be compared.\n";
  return `${head} ${change}\n${lines}`;
}

function policyPath(kind: Kind, id: string): string {
  return `${kind}-policy/${id.split("/").map(encodeURIComponent).join("/")}`;
}

function idOf(options: Options): string {
  return options.id ?? DEFAULT_ID[options.kind];
}
