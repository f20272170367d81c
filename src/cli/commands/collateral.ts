import { type Command, InvalidArgumentError, Option } from "commander";
import type { PieceName } from "../../attestation/endorsements/intel-pieces.ts";
import type { IntelUpdateType } from "../../attestation/endorsements/intel-settings.ts";
import type { DcapTee } from "../../attestation/formats/dcap/collateral.ts";
import { PRODUCTS, type Product } from "../../attestation/formats/sev-snp/product.ts";
import { isServiceOrigin, isServiceUrl } from "../../config/parts.ts";
import { KbsError } from "../../errors.ts";
import { writeJson } from "../../json/write.ts";
import type { Material } from "../collateral/inputs.ts";
import { bundleText, jsonOf, stateOf, tableOf } from "../collateral/print.ts";
import {
  type Anchors,
  amdStatements,
  gaps,
  intelStatements,
  newest,
  type Statement,
} from "../collateral/statements.ts";
import { parseTime } from "../evidence/request.ts";
import { readNamedFile, replaceFile } from "../files.ts";
import { misuse, refused, type World } from "../world.ts";

const DAY_MILLISECONDS = 86_400_000;
const MAX_DAYS = 3650;
const TEES: readonly DcapTee[] = ["tdx", "sgx"];

interface CommonOptions {
  readonly at?: string;
  readonly trustAnchors: readonly string[];
  readonly json?: boolean;
}

/** Adds `keywarden collateral …`: what vendors state about platforms, for sites without a network. */
export function registerCollateral(program: Command, world: World): void {
  const group = program
    .command("collateral")
    .description(
      "vendors' statements about platforms: fetch, look at, verify and carry them to another site",
    );
  registerFetch(group, world);
  withCommon(
    group
      .command("show")
      .description(
        "say what collateral is there and when it ends: exit code 1 when something has ended or ends soon",
      )
      .argument("<paths...>", "bundles, folders, answers of vendors' services")
      .option("--within <days>", "count what ends within so many days as ending", parseDays, 0),
  ).action((paths: string[], options: CommonOptions & { readonly within: number }) =>
    show(world, paths, options),
  );
  withCommon(
    group
      .command("verify")
      .description(
        "verify signatures, issuers and time of all collateral: exit code 1 when anything does not hold",
      )
      .argument("<paths...>", "bundles, folders, answers of vendors' services"),
  ).action((paths: string[], options: CommonOptions) => verify(world, paths, options));
  withCommon(
    group
      .command("bundle")
      .description("put genuine collateral of many files into one bundle, the newest of each kind")
      .argument(
        "<paths...>",
        "bundles, folders, answers of vendors' services, certificates, revocation lists",
      )
      .requiredOption("--out <file>", "the bundle to write; one that is there is replaced"),
  ).action((paths: string[], options: CommonOptions & { readonly out: string }) =>
    bundle(world, paths, options),
  );
}

interface FetchOptions {
  readonly fmspc: readonly string[];
  readonly tee: readonly DcapTee[];
  readonly evidence: readonly string[];
  readonly update: IntelUpdateType;
  readonly pcs: string;
  readonly rootCrl: string;
  readonly pccs?: string;
  readonly pccsApi: "v3" | "v4";
  readonly pccsCertificates?: string;
  readonly amdProduct: readonly Product[];
  readonly kds: string;
  readonly trustAnchors: readonly string[];
  readonly out: string;
}

function registerFetch(group: Command, world: World): void {
  group
    .command("fetch")
    .description("fetch collateral from vendors' services, verify it and write a bundle")
    .option("--fmspc <hex>", "kind of Intel platform, 12 hexadecimal digits; may repeat", collectFmspc, [])
    .option("--evidence <file>", "TDX or SGX evidence to take the FMSPC from; may repeat", collect, [])
    .addOption(
      new Option("--tee <tee>", "only for this kind of TEE; may repeat (default: tdx and sgx)")
        .argParser(collectChoice(TEES))
        .default([]),
    )
    .addOption(
      new Option("--update <type>", "which TCB levels: those of today, or of half a year ago")
        .choices(["early", "standard"])
        .default("early"),
    )
    .option(
      "--pcs <origin>",
      "Intel's service or a proxy for it",
      parseOrigin,
      "https://api.trustedservices.intel.com",
    )
    .option(
      "--root-crl <url>",
      "the revocation list of Intel's root",
      parseUrl,
      "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
    )
    .option("--pccs <origin>", "a PCCS to ask in the place of Intel's service", parseOrigin)
    .addOption(new Option("--pccs-api <version>", "version of its paths").choices(["v3", "v4"]).default("v4"))
    .option("--pccs-certificates <pem>", "roots for its TLS certificate")
    .addOption(
      new Option(
        "--amd-product <name>",
        `AMD processors (${PRODUCTS.join(", ")}) whose issuers and lists to fetch; may repeat`,
      )
        .argParser(collectChoice(PRODUCTS))
        .default([]),
    )
    .option("--kds <origin>", "AMD's service or a proxy for it", parseOrigin, "https://kdsintf.amd.com")
    .option("--trust-anchors <pem>", "roots that count beside the vendors' own; may repeat", collect, [])
    .requiredOption("--out <file>", "the bundle to write; one that is there is replaced")
    .action((options: FetchOptions) => fetchBundle(world, options));
}

function withCommon(command: Command): Command {
  return command
    .option("--at <time>", "time to judge at, as in RFC 3339 (default: now)")
    .option("--trust-anchors <pem>", "roots that count beside the vendors' own; may repeat", collect, [])
    .option("--json", "print the result as JSON");
}

async function fetchBundle(world: World, options: FetchOptions): Promise<void> {
  const { readAnchors } = await import("../collateral/inputs.ts");
  const { fetchCollateral, platformOf } = await import("../collateral/fetch.ts");
  const anchors = await readAnchors(options.trustAnchors);
  const platforms = await Promise.all(options.evidence.map((file) => platformOf(file, anchors)));
  const fmspcs = [...new Set([...options.fmspc, ...platforms.map(({ fmspc }) => fmspc)])];
  if (fmspcs.length === 0 && options.amdProduct.length === 0)
    throw misuse("Say for which platforms: --fmspc, --evidence or --amd-product.");
  const { pccs, pccsCertificates } = options;
  const plan = {
    ...options,
    fmspcs,
    tees: options.tee.length === 0 ? TEES : options.tee,
    products: options.amdProduct,
    pccs,
    pccsRoots:
      pccsCertificates === undefined
        ? undefined
        : (await readNamedFile(pccsCertificates, "root certificate")).toString("latin1"),
  };
  const say = (sentence: string) => world.err(`keywarden: ${sentence}\n`);
  const material = await fetchCollateral(plan, world.now, say).catch((error: unknown) => {
    throw error instanceof KbsError ? refused(error.detail) : error;
  });
  const unknown = fmspcs.filter((fmspc) => !material.intel.pieces.some(({ name }) => isFor(name, fmspc)));
  if (unknown.length > 0) throw refused(`Nothing is stated about FMSPC ${unknown.join(", ")}.`);
  await writeBundle(world, material, anchors, world.now(), options.out);
}

function isFor(name: PieceName, fmspc: string): boolean {
  return name.kind === "tcb-info" && name.fmspc === fmspc;
}

/** Only what is genuine and counts is worth carrying; anything else of a service is refused as a whole. */
async function writeBundle(
  world: World,
  material: Material,
  anchors: Anchors,
  at: number,
  out: string,
): Promise<void> {
  const statements = statementsOf(material, anchors);
  const bad = statements.filter((statement) => stateOf(statement, at) !== "good");
  if (bad.length > 0)
    throw refused(`What the service answered cannot be used:\n${tableOf(bad, at).trimEnd()}`);
  requireComplete(statements);
  await replaceFile(out, bundleText(statements, at), 0o644);
  world.out(`${out}: ${statements.length} statements\n${tableOf(statements, at)}`);
}

function requireComplete(statements: readonly Statement[]): void {
  const missing = gaps(statements);
  if (statements.length === 0) throw refused("There is nothing to write: no service has such a platform.");
  if (missing.length > 0) throw refused(`The collateral is not complete: ${missing.join(", ")}.`);
}

function statementsOf(material: Material, anchors: Anchors): readonly Statement[] {
  return [...intelStatements(material.intel, anchors), ...amdStatements(material.amd, anchors)];
}

async function read(paths: readonly string[], options: CommonOptions, world: World) {
  const { readAnchors, readCollateralFiles } = await import("../collateral/inputs.ts");
  const anchors = await readAnchors(options.trustAnchors);
  const statements = statementsOf(await readCollateralFiles(paths), anchors);
  if (statements.length === 0) throw misuse("These files hold no collateral.");
  return { statements, at: timeOf(options, world) };
}

function timeOf({ at }: CommonOptions, world: World): number {
  return parseTime(at) ?? world.now();
}

async function show(
  world: World,
  paths: readonly string[],
  options: CommonOptions & { readonly within: number },
): Promise<void> {
  const { statements, at } = await read(paths, options, world);
  const within = options.within * DAY_MILLISECONDS;
  print(world, options, statements, at, within);
  const ending = statements.filter((statement) => stateOf(statement, at, within) !== "good");
  if (ending.length === 0) return;
  const when =
    options.within === 0 ? "have ended or do not count" : `end within ${options.within} days or do not count`;
  throw refused(`${ending.length} of ${statements.length} statements ${when}.`);
}

async function verify(world: World, paths: readonly string[], options: CommonOptions): Promise<void> {
  const { statements, at } = await read(paths, options, world);
  print(world, options, statements, at, 0);
  const bad = statements.filter((statement) => stateOf(statement, at) !== "good");
  if (bad.length > 0) throw refused(`${bad.length} of ${statements.length} statements do not hold.`);
  const missing = gaps(statements);
  if (missing.length > 0) throw refused(`The collateral is not complete: ${missing.join(", ")}.`);
}

function print(
  world: World,
  { json }: CommonOptions,
  statements: readonly Statement[],
  at: number,
  within: number,
): void {
  if (json === true) world.out(`${writeJson({ statements: jsonOf(statements, at, within) })}\n`);
  else world.out(tableOf(statements, at, within));
}

async function bundle(
  world: World,
  paths: readonly string[],
  options: CommonOptions & { readonly out: string },
): Promise<void> {
  const { statements, at } = await read(paths, options, world);
  const left = statements.filter(({ fault }) => fault !== undefined);
  for (const { title, fault } of left) world.err(`keywarden: left out: ${title}: ${fault}\n`);
  const kept = newest(statements);
  if (kept.length === 0) throw refused("There is nothing genuine to write.");
  await replaceFile(options.out, bundleText(kept, at), 0o644);
  print(world, options, kept, at, 0);
  for (const gap of gaps(kept)) world.err(`keywarden: not complete: ${gap}\n`);
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

function collectFmspc(value: string, previous: readonly string[]): readonly string[] {
  if (!/^[0-9a-fA-F]{12}$/.test(value)) throw new InvalidArgumentError("It has 12 hexadecimal digits.");
  return [...previous, value.toLowerCase()];
}

function collectChoice<Choice extends string>(choices: readonly Choice[]) {
  return (value: string, previous: readonly Choice[]): readonly Choice[] => {
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    return [...previous, chosen];
  };
}

function parseDays(value: string): number {
  const days = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN;
  if (!(days <= MAX_DAYS)) throw new InvalidArgumentError(`It is a number of days up to ${MAX_DAYS}.`);
  return days;
}

function parseUrl(value: string): string {
  if (!isServiceUrl(value)) throw new InvalidArgumentError("It is an https:// URL.");
  return value;
}

function parseOrigin(value: string): string {
  if (!isServiceOrigin(value)) throw new InvalidArgumentError("It is an https:// origin, without a path.");
  return value;
}
