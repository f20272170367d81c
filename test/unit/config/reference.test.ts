import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { stringify } from "yaml";
import { CONFIG_SECTIONS, loadConfig } from "../../../src/config/load.ts";
import { renderReferenceConfig } from "../../../src/config/render.ts";
import { VERIFIER_SECTIONS } from "../../../src/config/verifier-sections.ts";
import { memberOf } from "../../../src/config/walk.ts";

const FILE = fileURLToPath(new URL("../../../kbs.config.yaml", import.meta.url));

/** Run with UPDATE_REFERENCE_CONFIG=1 after a schema changed. */
test("kbs.config.yaml shows every option with its default and its sentence, as the schema has them", () => {
  const rendered = renderReferenceConfig();
  if (process.env["UPDATE_REFERENCE_CONFIG"] === "1") writeFileSync(FILE, rendered);
  expect(readFileSync(FILE, "utf8")).toBe(rendered);
});

test("kbs.config.yaml means exactly what the empty file means", () => {
  const { config, faults } = loadConfig(readFileSync(FILE, "utf8"));
  expect(faults).toEqual([]);
  expect(config).toEqual(loadConfig("").config);
});

interface Option {
  readonly path: readonly string[];
  readonly schema: unknown;
}

/** Every option of every section, entries of lists included. */
function options(schema: unknown, path: readonly string[]): Option[] {
  const below = memberOf(schema, "properties") ?? memberOf(memberOf(schema, "items"), "properties") ?? {};
  return [
    { path, schema },
    ...Object.entries(below).flatMap(([name, each]) => options(each, [...path, name])),
  ];
}

const ALL = [
  ...Object.entries(CONFIG_SECTIONS).flatMap(([name, { jsonSchema }]) => options(jsonSchema, [name])),
  ...Object.entries(VERIFIER_SECTIONS).flatMap(([name, { jsonSchema }]) =>
    options(jsonSchema, ["verifiers", name]),
  ),
];

test("every option has one sentence", () => {
  const without = ALL.filter(({ schema }) => !/\.$/.test(String(memberOf(schema, "description") ?? "")));
  expect(without.map(({ path }) => path.join("."))).toEqual([]);
});

function mergedAttestation(token: object, data: unknown): object {
  const ephemeral = memberOf(memberOf(memberOf(data, "token"), "signer"), "ephemeral") === true;
  // A key that lives as long as the process has no certificate.
  const base = ephemeral ? {} : token;
  return { ...Object(data), token: { ...base, ...Object(memberOf(data, "token")) } };
}

/** Vault needs an address and one login; its certificate and key come together, and serve the login by certificate. */
function mergedSecrets(data: unknown): object {
  const vault = Object(memberOf(data, "vault"));
  const tls = { certificate: "c", privateKey: { file: "k" }, ...Object(memberOf(vault, "tls")) };
  const login = memberOf(vault, "login") ?? { token: { file: "t" } };
  return { vault: { address: "https://vault.example.org:8200", ...vault, tls, login } };
}

test("every example in the reference configuration is accepted as it stands", () => {
  const withExample = ALL.filter(({ schema }) => Array.isArray(memberOf(schema, "examples")));
  expect(withExample.length).toBeGreaterThan(10);
  for (const { path, schema } of withExample) {
    const [example] = [memberOf(schema, "examples")].flat();
    const data = path.reduceRight<unknown>((value, name) => ({ [name]: value }), example);
    // Needed by one example each: a chain belongs to a signer, made-up vendors to development.
    const token = { signer: { key: { file: "k" } }, certificates: "c" };
    const base = { attestation: { token }, mode: "development" };
    const [head = ""] = path;
    const merged =
      head === "attestation"
        ? { ...base, attestation: mergedAttestation(token, memberOf(data, head)) }
        : {
            ...base,
            ...Object(data),
            ...(path[1] === "vault" ? { secrets: mergedSecrets(memberOf(data, head)) } : {}),
          };
    expect({ path, faults: loadConfig(stringify(merged)).faults }).toEqual({ path, faults: [] });
  }
});
