/** Appraisal policies for evidence that is judged without a server: shipped ones by id, others from files. */
import { basename } from "node:path";
import type { AppraisalPolicies } from "../../attestation/appraise.ts";
import type { TeeClass } from "../../attestation/verifier.ts";
import { TEE_CLASSES } from "../../policy/policy-names.ts";
import type { Policy } from "../../policy/rego/index.ts";
import { RegoEngine } from "../../policy/rego-engine.ts";
import { shippedPolicies } from "../../policy/shipped.ts";
import { failed } from "../policy/errors.ts";
import { compileLocal, errorsOf, hasPolicy, LOCAL_LIMITS, readModules } from "../policy/load.ts";
import { misuse } from "../world.ts";

/** A policy with the name that messages and explanations call it by. */
export interface LocalPolicy {
  readonly file: string;
  readonly text: string;
  /** For explanations, which need more than the engine's contract gives. */
  readonly policy: Policy;
}

export interface ChosenPolicies extends AppraisalPolicies {
  /** What the EAR names as `ear.appraisal-policy-id`. */
  readonly policyId: string;
  forClass(teeClass: TeeClass): LocalPolicy | undefined;
}

const DEFAULT_ID = "default";

/**
 * @param names - files, or ids of shipped policies (`default`, `default_cpu`). A file whose name ends in a class
 *   (`strict_gpu.rego`) judges that class, any other judges every class that no other entry is for.
 * @throws CommandFailure (misuse) for a name that is neither, (refused) for a policy that does not compile
 */
export async function choosePolicies(names: readonly string[], now: number): Promise<ChosenPolicies> {
  const shipped = await shippedPolicies();
  const byClass = new Map<TeeClass, LocalPolicy>();
  const anyClass: LocalPolicy[] = [];
  let policyId = DEFAULT_ID;
  for (const name of names.length === 0 ? [DEFAULT_ID] : names) {
    const found = TEE_CLASSES.filter((teeClass) => shipped.has(`${name}_${teeClass}`));
    policyId = idOf(name);
    if (found.length > 0)
      for (const each of found) byClass.set(each, shippedPolicy(shipped, `${name}_${each}`));
    else {
      const policy = shipped.has(name) ? shippedPolicy(shipped, name) : await localPolicy(name);
      const teeClass = classOf(name);
      if (teeClass === undefined) anyClass.push(policy);
      else byClass.set(teeClass, policy);
    }
  }
  if (anyClass.length > 1)
    throw misuse("Two policies are for no class; name the files <id>_cpu.rego, <id>_gpu.rego and so on.");
  const forClass = (teeClass: TeeClass) => byClass.get(teeClass) ?? anyClass[0];
  const engine = new RegoEngine({ now: () => now, limits: LOCAL_LIMITS });
  return {
    policyId,
    forClass,
    attestationPolicy: (_id, teeClass) => {
      const chosen = forClass(teeClass);
      return chosen === undefined ? undefined : { compiled: engine.compile([chosen]).policy };
    },
  };
}

function shippedPolicy(shipped: ReadonlyMap<string, string>, name: string): LocalPolicy {
  return compiled(`${name}.rego`, shipped.get(name) ?? "");
}

async function localPolicy(path: string): Promise<LocalPolicy> {
  if (!path.endsWith(".rego"))
    throw misuse(`There is no shipped policy ${path}, and a file of one's own ends in .rego.`);
  const [module] = await readModules([path]);
  return compiled(path, module?.text ?? "");
}

function compiled(file: string, text: string): LocalPolicy {
  const result = compileLocal([{ file, text }], "v1");
  if (!hasPolicy(result)) throw failed(errorsOf(result.findings));
  return { file, text, policy: result.policy };
}

function classOf(name: string): TeeClass | undefined {
  const stem = basename(name, ".rego");
  return TEE_CLASSES.find((teeClass) => stem.endsWith(`_${teeClass}`));
}

function idOf(name: string): string {
  const stem = basename(name, ".rego");
  const teeClass = classOf(name);
  return teeClass === undefined ? stem : stem.slice(0, -teeClass.length - 1);
}
