import type { Registration } from "../attestation/reference-values/reference-values.ts";
import { enrolmentJson } from "../enrolment/enrolment-record.ts";
import type { KnownAk } from "../enrolment/enrolments.ts";
import { KbsError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import type { ShippedDifference } from "../policy/shipped-difference.ts";
import type { PolicySnapshot } from "../policy/stored-policies.ts";
import { authoriseAdmin, type Role } from "./access.ts";
import type { Administration, ListedReferenceValue } from "./administration.ts";
import { type AdminAuthentication, authenticateAdmin } from "./authenticate.ts";

/** A call before its body is read: what is asked for, and by whom allegedly. */
export interface AdminCall {
  readonly method: string;
  /** Percent-decoded once; what the rules of a role are matched against. */
  readonly path: string;
  readonly authorization: string | undefined;
}

export interface AdminIdentity {
  readonly name: string;
  readonly role: string;
}

export interface AdminOperation {
  readonly operation: string;
  readonly plugin: string;
  readonly method: string;
  /** Decoded segments after the plugin's name. */
  readonly path: readonly string[];
  /** The same, joined with `/`. */
  readonly id: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface AdminAnswer {
  readonly contentType?: string;
  readonly body?: string;
  /** Facts for the audit record. */
  readonly audit?: JsonObject;
}

export interface AdminServiceDependencies {
  readonly administration: Administration;
  readonly authentication: AdminAuthentication;
  readonly roles: readonly Role[];
}

/** The administrative calls of the KBS API as one table: who may make them, and what each of them does. */
export class AdminService {
  readonly #parts: AdminServiceDependencies;

  constructor(parts: AdminServiceDependencies) {
    this.#parts = parts;
  }

  /** @throws KbsError `unauthenticated`, `admin-forbidden` */
  async authorize(call: AdminCall): Promise<AdminIdentity> {
    const administrator = await authenticateAdmin(call.authorization, this.#parts.authentication);
    authoriseAdmin(administrator, call.method, call.path, this.#parts.roles);
    return { name: administrator.subject, role: administrator.role };
  }

  /** @throws KbsError of the use case, see `Administration` */
  async perform(
    operation: AdminOperation,
    administrator: AdminIdentity,
    _context: unknown,
    signal: AbortSignal,
  ): Promise<AdminAnswer> {
    const name =
      operation.operation === "plugin" ? `${operation.plugin} ${operation.method}` : operation.operation;
    const use = Object.hasOwn(USE_CASES, name) ? USE_CASES[name] : undefined;
    if (use === undefined) throw new KbsError("plugin-not-found", `Plugin ${operation.plugin} not found`);
    return use(this.#parts.administration, operation, administrator.name, signal);
  }
}

type UseCase = (
  administration: Administration,
  operation: AdminOperation,
  by: string,
  signal: AbortSignal,
) => AdminAnswer | Promise<AdminAnswer>;

const USE_CASES: Readonly<Record<string, UseCase>> = {
  "resource POST": async (admin, { path, body, query }, _by, signal) => {
    const overwrite = overwriteOf(query);
    const stored = await admin.setResource(path, body, { overwrite }, signal);
    return { audit: { resource: stored, bytes: body.length, overwrite } };
  },
  "resource DELETE": async (admin, { path }, _by, signal) => ({
    audit: { resource: await admin.deleteResource(path, signal) },
  }),
  "resource.list": async (admin, _operation, _by, signal) => json([...(await admin.listResources(signal))]),

  "resource-policy.set": async (admin, { body }, by, signal) =>
    stored(await admin.setResourcePolicy(body, by, signal)),
  "resource-policy.list": (admin) => json([...admin.listResourcePolicies()]),
  "resource-policy.get": (admin, { id }) => text(admin.getResourcePolicy(id)),
  "resource-policy.delete": async (admin, { id }, _by, signal) => {
    await admin.deleteResourcePolicy(id, signal);
    return {};
  },

  "attestation-policy.set": async (admin, { body }, by, signal) =>
    stored(await admin.setAttestationPolicy(body, by, signal)),
  "attestation-policy.list": (admin, { query }) =>
    compares(query)
      ? json(admin.attestationPolicyDifferences().map(difference))
      : json([...admin.listAttestationPolicies()]),
  "attestation-policy.get": (admin, { id, query }) => {
    if (!compares(query)) return text(admin.getAttestationPolicy(id));
    const found = admin.attestationPolicyDifference(id);
    return json(found === undefined ? { name: id, differs: false } : difference(found));
  },
  "attestation-policy.delete": async (admin, { id }, _by, signal) => {
    await admin.deleteAttestationPolicy(id, signal);
    return {};
  },

  "reference-value.set": async (admin, { body, query }, by, signal) =>
    registered(await admin.setReferenceValues(body, by, signal), isAsked(query, "report")),
  "reference-value.list": (admin, { query }) =>
    query["id"] === undefined
      ? json(admin.listReferenceValues().map(plain))
      : referenceValue(admin, query["id"], query),
  "reference-value.get": (admin, { id, query }) => referenceValue(admin, id, query),
  "tpm-enrolment.list": (admin, { query }) => json(enrolmentList(admin, query)),
  "tpm-enrolment.get": (admin, { path }) => json(enrolment(admin.getEnrolment(keyOf(path)))),
  "tpm-enrolment.approve": async (admin, { path }, by, signal) =>
    decided(await admin.decideEnrolment(keyOf(path), "approved", by, signal)),
  "tpm-enrolment.revoke": async (admin, { path }, by, signal) =>
    decided(await admin.decideEnrolment(keyOf(path), "revoked", by, signal)),
  "tpm-enrolment.delete": async (admin, { path }, _by, signal) =>
    decided(await admin.deleteEnrolment(keyOf(path), signal)),

  "reference-value.delete": async (admin, { id, query }, by, signal) => {
    // A name that a path would change, such as one with two slashes in a row, comes as a parameter.
    await admin.deleteReferenceValue(id === "" ? (query["id"] ?? "") : id, by, signal);
    return {};
  },
};

/** `/tpm/enrollments/<fingerprint>/…` */
function keyOf([, key = ""]: readonly string[]): string {
  return key.toLowerCase();
}

/** `?form=trusted_aks`: the keys that count, as the reference value of that name lists them. */
function enrolmentList(admin: Administration, { form }: Readonly<Record<string, string>>): JsonValue {
  const known = admin.listEnrolments();
  if (form === undefined) return known.map(enrolment);
  if (form !== "trusted_aks")
    throw new KbsError("malformed-request", "The query parameter form can only be trusted_aks.");
  return known.filter(({ status }) => status === "approved").map(({ akSpki }) => akSpki);
}

function enrolment({ lastClock, ...known }: KnownAk): JsonObject {
  const clock = lastClock === undefined ? null : { ...lastClock };
  return { ...enrolmentJson(known), lastClock: clock };
}

function decided(known: KnownAk): AdminAnswer {
  const { host, akFingerprint, ekFingerprint, status } = known;
  return { ...json(enrolment(known)), audit: { host, akFingerprint, ekFingerprint, status } };
}

/** `?overwrite=false` keeps what is there. */
function overwriteOf(query: Readonly<Record<string, string>>): boolean {
  const asked = query["overwrite"] ?? "true";
  if (asked !== "true" && asked !== "false")
    throw new KbsError("malformed-request", "The query parameter overwrite is true or false.");
  return asked === "true";
}

/** `?name=true`; absent means no. */
function isAsked(query: Readonly<Record<string, string>>, name: string): boolean {
  const asked = query[name] ?? "false";
  if (asked !== "true" && asked !== "false")
    throw new KbsError("malformed-request", `The query parameter ${name} is true or false.`);
  return asked === "true";
}

/** The bare value, as clients of the provider expect it; with `?provenance=true` all that is known about it. */
function referenceValue(
  admin: Administration,
  name: string,
  query: Readonly<Record<string, string>>,
): AdminAnswer {
  return json(
    isAsked(query, "provenance") ? plain(admin.describeReferenceValue(name)) : admin.getReferenceValue(name),
  );
}

function plain(value: ListedReferenceValue): JsonObject {
  return { ...value, provenance: { ...value.provenance }, usedBy: [...value.usedBy] };
}

const MAX_AUDITED_NAMES = 100;

/** Clients of the provider expect no body; with `?report=true` it tells what a person should know. */
function registered({ names, values, remarks }: Registration, report: boolean): AdminAnswer {
  const [first] = values;
  const provenance = first === undefined ? {} : { ...first.provenance };
  const expiresAt = first?.expiresAt ?? "";
  return {
    contentType: "application/json",
    ...(report
      ? { body: writeJson({ names: [...names], expiresAt, provenance, remarks: [...remarks] }) }
      : {}),
    audit: {
      names: names.slice(0, MAX_AUDITED_NAMES),
      count: names.length,
      provenance,
      warnings: remarks.slice(0, 20),
    },
  };
}

/** `?compare=shipped`: how a policy differs from the one that comes with the program. */
function compares(query: Readonly<Record<string, string>>): boolean {
  const asked = query["compare"];
  if (asked === undefined || asked === "shipped") return asked === "shipped";
  throw new KbsError("malformed-request", "The query parameter compare can only be shipped.");
}

function difference({ shippedChanged, diff, ...known }: ShippedDifference): JsonObject {
  return { ...known, differs: true, shippedChanged: shippedChanged ?? null, diff: diff ?? null };
}

function json(value: JsonValue): AdminAnswer {
  return { contentType: "application/json", body: writeJson(value) };
}

function text(policy: PolicySnapshot): AdminAnswer {
  return { contentType: "text/plain; charset=utf-8", body: policy.text };
}

/** Clients take no body here; what was warned of stands in the audit record, and the policy can be read back. */
function stored({ name, version, compiled, findings }: PolicySnapshot): AdminAnswer {
  const warnings = findings.map(({ code, row, message }) => `${row}: ${code}: ${message}`).slice(0, 20);
  return { audit: { policy: name, version, hash: compiled?.hash ?? null, warnings } };
}
