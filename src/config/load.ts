import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { SecretStoreConfig } from "../secrets/stores.ts";
import { checkCombinations } from "./combinations.ts";
import { PATH_FORMAT } from "./parts.ts";
import { SECTIONS, type SectionName, type SectionValues } from "./schema.ts";
import type { ConfigFault, ConfigSection } from "./section.ts";
import { didYouMean } from "./suggestion.ts";
import { VERIFIER_SECTIONS, type VerifierConfigs } from "./verifier-sections.ts";
import { mapTexts, memberOf, nullsAsAbsent, walk, without } from "./walk.ts";
import { readYaml } from "./yaml-source.ts";
import { zodSection } from "./zod-section.ts";

/** `kbs.config.yaml`, checked: every option is there, every path absolute. */
export interface KeywardenConfig extends SectionValues {
  readonly secrets: SecretStoreConfig;
  readonly audit: SectionValues["audit"] & { readonly file: string };
  /** One section per verifier driver, by TEE name. */
  readonly verifiers: VerifierConfigs;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** Folder that relative paths start from; they stay relative if absent. */
  readonly baseDirectory?: string;
  /** When given, variables that secrets refer to must be set. */
  readonly env?: Environment;
}

/** Either the whole configuration or all that is wrong with it. */
export type LoadedConfig =
  | { readonly config: KeywardenConfig; readonly faults: readonly [] }
  | { readonly config: undefined; readonly faults: readonly ConfigFault[] };

const KNOWN: readonly string[] = [...Object.keys(SECTIONS), "verifiers"];

/** Sections as the loader and the printer of the reference configuration see them. */
export const CONFIG_SECTIONS: Readonly<Record<SectionName, ConfigSection<unknown>>> = {
  mode: zodSection(SECTIONS.mode),
  server: zodSection(SECTIONS.server),
  dataDirectory: zodSection(SECTIONS.dataDirectory),
  secrets: zodSection(SECTIONS.secrets),
  state: zodSection(SECTIONS.state),
  sessions: zodSection(SECTIONS.sessions),
  attestation: zodSection(SECTIONS.attestation),
  attestationService: zodSection(SECTIONS.attestationService),
  collateral: zodSection(SECTIONS.collateral),
  tokens: zodSection(SECTIONS.tokens),
  admin: zodSection(SECTIONS.admin),
  tpmEnrolment: zodSection(SECTIONS.tpmEnrolment),
  plugins: zodSection(SECTIONS.plugins),
  policy: zodSection(SECTIONS.policy),
  referenceValues: zodSection(SECTIONS.referenceValues),
  audit: zodSection(SECTIONS.audit),
  log: zodSection(SECTIONS.log),
  dev: zodSection(SECTIONS.dev),
};

/**
 * Reads a configuration. Never throws: what is wrong stands in `faults`, all of it, in the order of the text.
 *
 * @param text - YAML; the empty text gives the defaults
 */
export function loadConfig(text: string, options: LoadOptions = {}): LoadedConfig {
  const source = readYaml(text);
  if (source.faults.length > 0) return { config: undefined, faults: source.faults };
  const { values, sound, faults } = parseSections(nullsAsAbsent(source.data));
  faults.push(...checkCombinations(sound), ...checkEnvironment(values, options.env));
  if (faults.length > 0) return { config: undefined, faults: faults.map(source.place).sort(byPlace) };
  // Every section was made by its schema; a missing one has a fault of its own.
  const found = values as unknown as SectionValues & { verifiers: VerifierConfigs };
  return { config: complete(withAbsolutePaths(found, options.baseDirectory)), faults: [] };
}

/** Reads a file; relative paths in it start from its folder. A file that cannot be read is a fault as well. */
export async function loadConfigFile(path: string, env?: Environment): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return { config: undefined, faults: [{ path: "", message: `the file ${path} cannot be read` }] };
  }
  return loadConfig(text, { baseDirectory: dirname(resolve(path)), ...(env === undefined ? {} : { env }) });
}

/** `kbs.config.yaml:12:5: server.prot: unknown option; did you mean "port"?` */
export function printFault(fault: ConfigFault, file: string): string {
  const place = fault.line === undefined ? file : `${file}:${fault.line}:${fault.col ?? 1}`;
  return [place, fault.path, fault.message].filter((part) => part !== "").join(": ");
}

interface ParsedSections {
  readonly values: Record<string, unknown>;
  /** Like `values`; of a section with faults, what remains of it without them. Only for looking at. */
  readonly sound: Partial<SectionValues> & { readonly verifiers?: Partial<VerifierConfigs> };
  readonly faults: ConfigFault[];
}

function parseSections(data: unknown): ParsedSections {
  if (data !== undefined && (typeof data !== "object" || Array.isArray(data))) {
    const message = `must be a group of options: ${KNOWN.join(", ")}`;
    return { values: {}, sound: {}, faults: [{ path: "", message }] };
  }
  const verifiers = parseVerifiers(memberOf(data, "verifiers"));
  const values: Record<string, unknown> = { verifiers: verifiers.values };
  const sound: Record<string, unknown> = { verifiers: verifiers.values };
  const faults = [...unknownSections(data), ...verifiers.faults];
  for (const [name, section] of Object.entries(CONFIG_SECTIONS)) {
    const result = section.parse(memberOf(data, name), name);
    if (result.ok) values[name] = result.value;
    else faults.push(...result.faults);
    sound[name] = result.ok ? result.value : soundPart(section, memberOf(data, name), name, result.faults);
  }
  // Each member came out of the schema of its name.
  return { values, sound: sound as ParsedSections["sound"], faults };
}

/** What a section says apart from its faults, so that combinations are reported in the same run. */
function soundPart(
  section: ConfigSection<unknown>,
  data: unknown,
  name: string,
  faults: readonly ConfigFault[],
): unknown {
  const rest = faults.reduce((left, { path }) => without(left, path.slice(name.length + 1)), data);
  const result = section.parse(rest, name);
  return result.ok ? result.value : undefined;
}

function unknownSections(data: unknown): ConfigFault[] {
  return Object.keys(data ?? {})
    .filter((name) => !KNOWN.includes(name))
    .map((name) => ({ path: name, message: `unknown option${hint(name, KNOWN)}` }));
}

function parseVerifiers(data: unknown): { values: Record<string, unknown>; faults: ConfigFault[] } {
  const values: Record<string, unknown> = {};
  const known = Object.keys(VERIFIER_SECTIONS);
  if (data !== null && data !== undefined && (typeof data !== "object" || Array.isArray(data)))
    return {
      values,
      faults: [{ path: "verifiers", message: `must be a group of options: ${known.join(", ")}` }],
    };
  const faults = Object.keys(data ?? {})
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: `verifiers.${name}`, message: `unknown verifier${hint(name, known)}` }));
  for (const [name, section] of Object.entries(VERIFIER_SECTIONS)) {
    const result = section.parse(memberOf(data, name), `verifiers.${name}`);
    if (result.ok) values[name] = result.value;
    else faults.push(...result.faults);
  }
  return { values, faults };
}

function hint(name: string, known: readonly string[]): string {
  return didYouMean(name, known) || `; known here: ${known.join(", ")}`;
}

function checkEnvironment(values: unknown, env: Environment | undefined): ConfigFault[] {
  const faults: ConfigFault[] = [];
  if (env === undefined) return faults;
  walk(values, (value, path, name) => {
    if (name !== "env" || typeof value !== "string" || (env[value] ?? "") !== "") return;
    faults.push({ path, message: `the environment variable ${value} is not set` });
  });
  return faults;
}

type Found = SectionValues & { readonly verifiers: VerifierConfigs };

function withAbsolutePaths(config: Found, baseDirectory: string | undefined): Found {
  if (baseDirectory === undefined) return config;
  const absolute = (text: string, _name: string, schema: unknown): string =>
    memberOf(schema, "format") !== PATH_FORMAT || isAbsolute(text) ? text : resolve(baseDirectory, text);
  const sections = { ...CONFIG_SECTIONS, verifiers: { jsonSchema: verifierSchemas() } };
  const resolved = Object.entries(config).map(([name, value]) => [
    name,
    mapTexts(value, absolute, name, memberOf(memberOf(sections, name), "jsonSchema")),
  ]);
  // Only texts were replaced by texts.
  return Object.fromEntries(resolved) as Found;
}

/** Fills in the defaults that depend on another option. */
function complete(config: Found): KeywardenConfig {
  const { dataDirectory, secrets, audit, verifiers, collateral } = config;
  const { snp } = verifiers;
  // What was fetched once must survive a restart on a day on which the vendor's service does not answer.
  const cacheFolder = snp.kds.cacheFolder ?? join(dataDirectory, "amd-kds");
  const intelCache = collateral.intel.cacheFolder ?? join(dataDirectory, "intel-collateral");
  return {
    ...config,
    secrets: {
      ...secrets,
      fs: { ...secrets.fs, folder: secrets.fs.folder ?? join(dataDirectory, "secrets") },
    },
    audit: { ...audit, file: audit.file ?? join(dataDirectory, "audit.ndjson") },
    collateral: { intel: { ...collateral.intel, cacheFolder: intelCache } },
    verifiers: { ...verifiers, snp: { ...snp, kds: { ...snp.kds, cacheFolder } } },
  };
}

function verifierSchemas(): { properties: Record<string, unknown> } {
  const schemas = Object.entries(VERIFIER_SECTIONS).map(([name, section]) => [name, section.jsonSchema]);
  return { properties: Object.fromEntries(schemas) };
}

function byPlace(left: ConfigFault, right: ConfigFault): number {
  return (left.line ?? 0) - (right.line ?? 0) || (left.col ?? 0) - (right.col ?? 0);
}
