/** Commands that work on policies in files, with the server's own engine and without a server. */
import { type Command, Option } from "commander";
import type { CheckOptions } from "./policy/check.ts";
import type { EvalOptions } from "./policy/eval.ts";
import type { ExplainOptions } from "./policy/explain.ts";
import type { FmtOptions } from "./policy/fmt.ts";
import type { TestOptions } from "./policy/test.ts";
import type { World } from "./world.ts";

const V0 = ["--v0", "read policies as Rego v0"] as const;
const JSON_OUT = ["--json", "print the result as JSON"] as const;

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

/** Adds `keywarden policy check|eval|test|…` to the group of policy commands. */
export function registerPolicyTools(group: Command, world: World): void {
  registerCheck(group, world);
  registerEval(group, world);
  registerTest(group, world);
  registerFmt(group, world);
  registerExplain(group, world);
}

function registerCheck(group: Command, world: World): void {
  group
    .command("check")
    .description("say what an upload of these policies would say: exit code 1 if one would be refused")
    .argument("<file...>", "Rego source; each file is a policy of its own")
    .option("--together", "the files are modules of one policy")
    .option(...V0)
    .option(...JSON_OUT)
    .action(async (files: readonly string[], options: CheckOptions) => {
      const { checkPolicies } = await import("./policy/check.ts");
      await checkPolicies(world, files, options);
    });
}

function registerEval(group: Command, world: World): void {
  addSituation(group.command("eval"))
    .description("evaluate a query, as the server would evaluate a policy")
    .argument("[query]", "data.policy.allow, say")
    .option(
      "--batch <ndjson>",
      "one query per line in, one answer per line out, in the same order; - reads standard input",
    )
    .option(...JSON_OUT)
    .action(async (query: string | undefined, options: EvalOptions) => {
      const { evalPolicy } = await import("./policy/eval.ts");
      await evalPolicy(world, query, options);
    });
}

/** Options that say what a policy is evaluated with. */
function addSituation(command: Command): Command {
  return command
    .option("--policy <file>", "Rego source; may repeat", collect, [])
    .option("--data <file>", "JSON that becomes data; may repeat", collect, [])
    .option("--input <file>", "JSON that becomes input (default: input is undefined)")
    .option(
      "--reference-values <file>",
      "JSON object: what query_reference_value answers, by id (default: null)",
    )
    .option(...V0)
    .option("--lenient", "a built-in that fails is undefined, as in OPA, and does not end the evaluation");
}

function registerTest(group: Command, world: World): void {
  group
    .command("test")
    .description("run the tests of policies: rules named test_…; exit code 1 if one does not pass")
    .argument("<path...>", "Rego sources and folders of them; name_test.rego is tested with name.rego")
    .option("--coverage", "say which lines of the policies the tests reached")
    .addOption(
      new Option("--format <format>", "how to print the results")
        .choices(["text", "json", "junit"])
        .default("text"),
    )
    .option(...V0)
    .action(async (paths: readonly string[], options: TestOptions) => {
      const { testPolicies } = await import("./policy/test.ts");
      await testPolicies(world, paths, options);
    });
}

function registerFmt(group: Command, world: World): void {
  group
    .command("fmt")
    .description("lay policies out in the usual way and print them")
    .argument("<file...>", "Rego sources")
    .option("--write", "replace the files instead, and name those that changed")
    .option("--check", "only name the files that are laid out differently: exit code 1 if there are any")
    .option(...V0)
    .action(async (files: readonly string[], options: FmtOptions) => {
      const { formatPolicies } = await import("./policy/fmt.ts");
      await formatPolicies(world, files, options);
    });
}

function registerExplain(group: Command, world: World): void {
  addSituation(group.command("explain"))
    .description("say why a rule is false or undefined: for every definition what failed, and what it saw")
    .argument("<rule>", "data.policy.allow, or allow for short")
    .option("--trace", "show every step instead")
    .option(...JSON_OUT)
    .action(async (rule: string, options: ExplainOptions) => {
      const { explainPolicy } = await import("./policy/explain.ts");
      await explainPolicy(world, rule, options);
    });
}

/** Adds `keywarden conformance rego`. */
export function registerConformance(program: Command, world: World): void {
  program
    .command("conformance")
    .description("run other people's test suites")
    .command("rego")
    .description("run cases of OPA's evaluation suite in their JSON form: exit code 1 if one fails")
    .argument("<folder>", "holds *.json files with a list of cases each")
    .option("--v0", "the cases are written in Rego v0")
    .option(...JSON_OUT)
    .action(async (folder: string, options: { readonly v0?: boolean; readonly json?: boolean }) => {
      const { conformanceRego } = await import("./policy/conformance.ts");
      await conformanceRego(world, folder, options);
    });
}
