import { z } from "zod";
import type { JsonObject } from "../json/value.ts";
import { LITERAL_SECRET } from "./parts.ts";
import type { ConfigFault, ConfigResult, ConfigSection } from "./section.ts";
import { didYouMean } from "./suggestion.ts";

/**
 * A section described by a zod schema: strict objects, every option with `.describe("One sentence.")` and a
 * default, or optional with `.meta({ examples: [...] })`. Messages never repeat what was written: it may be
 * a secret in the wrong place.
 */
export function zodSection<Schema extends z.ZodType>(schema: Schema): ConfigSection<z.output<Schema>> {
  // The library types its result as a wider object; it is plain JSON.
  const jsonSchema = z.toJSONSchema(schema, { io: "input", override: keepExamples }) as JsonObject;
  return {
    jsonSchema,
    parse(value: unknown, path: string): ConfigResult<z.output<Schema>> {
      // YAML reads a heading without a body as null; it means what an absent section means.
      const result = schema.safeParse(value ?? undefined, { reportInput: false });
      if (result.success) return { ok: true, value: result.data };
      return { ok: false, faults: result.error.issues.flatMap((issue) => faultsOf(issue, path, jsonSchema)) };
    },
  };
}

/** The library takes examples for results and drops them where input is transformed; ours are input. */
function keepExamples({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: object }): void {
  const examples = z.globalRegistry.get(zodSchema)?.["examples"];
  if (examples !== undefined) Object.assign(jsonSchema, { examples });
}

/** `server.tls` and `[0]` joined as YAML paths are usually written. */
export function joinPath(path: string, steps: readonly PropertyKey[]): string {
  let joined = path;
  for (const step of steps) {
    if (typeof step === "number") joined += `[${step}]`;
    else joined += joined === "" ? String(step) : `.${String(step)}`;
  }
  return joined;
}

function faultsOf(issue: z.core.$ZodIssue, path: string, schema: JsonObject): ConfigFault[] {
  const at = joinPath(path, issue.path);
  if (issue.code !== "unrecognized_keys") return [{ path: at, message: messageOf(issue) }];
  const known = knownKeys(schema, issue.path);
  return issue.keys.map((key) => ({
    path: joinPath(path, [...issue.path, key]),
    message: `unknown option${didYouMean(key, known) || listed(known)}`,
  }));
}

function listed(known: readonly string[]): string {
  return known.length === 0 ? "" : `; known here: ${known.join(", ")}`;
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.message === LITERAL_SECRET) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      // "received undefined" means that the member is not there; its value is not repeated.
      return issue.message.endsWith("received undefined")
        ? `is missing: ${article(issue.expected)} is required`
        : `must be ${article(issue.expected)}`;
    case "invalid_value":
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `must be ${sized(issue.origin, "at least", issue.minimum)}`;
    case "too_big":
      return `must be ${sized(issue.origin, "at most", issue.maximum)}`;
    case "invalid_union":
      return "has none of the forms that are allowed here";
    case "invalid_format":
    case "custom":
      return issue.message;
    default:
      return "is not acceptable here";
  }
}

const WORDS: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "a group of options",
  record: "a group of options",
};

function article(expected: string): string {
  return WORDS[expected] ?? expected;
}

function sized(origin: string, bound: string, size: number | bigint): string {
  if (origin === "array") return `a list of ${bound} ${size} entries`;
  if (origin === "string") return `a text of ${bound} ${size} characters`;
  return `${bound} ${size}`;
}

/** Names of the options that may stand at `steps` below the section. */
function knownKeys(schema: JsonObject, steps: readonly PropertyKey[]): readonly string[] {
  let at: unknown = schema;
  for (const step of steps) {
    at = typeof step === "number" ? below(at, "items") : below(below(at, "properties"), String(step));
  }
  const properties = below(at, "properties");
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}

function below(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
