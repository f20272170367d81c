import { KbsError } from "../errors.ts";
import type { CallContext, Handler, ServedService } from "../grpc/server.ts";
import { methodOf, type Services, textOf } from "../grpc/services.ts";
import type { AdminAnswer, AdminIdentity, AdminPort } from "../http/ports.ts";
import { toKbsError } from "../http/problem.ts";
import { readJson } from "../json/read.ts";
import { isArray, isObject, member } from "../json/write.ts";
import type { Health } from "../observability/health.ts";
import type { Asked } from "./callers.ts";
import type { EvaluationService } from "./evaluation.ts";
import {
  CHALLENGE,
  DELETE_POLICY,
  DELETE_REFERENCE_VALUE,
  EVALUATE,
  GET_POLICY,
  LIST_POLICIES,
  LIST_REFERENCE_VALUES,
  operationOf,
  policyUpload,
  QUERY_REFERENCE_VALUE,
  REGISTER,
  SET_POLICY,
} from "./operations.ts";
import { evaluationOfMessage, teeNamed } from "./requests.ts";

export interface GrpcDoorParts {
  readonly evaluation: EvaluationService;
  readonly admin: Pick<AdminPort, "perform">;
  readonly health: Health;
}

type Serve = Handler<AdminIdentity>;

/** One method: who may call it, and what it does. */
interface Row {
  /** `undefined`: everybody may. */
  readonly asked: Asked | undefined;
  readonly serve: Serve;
}

/** One service with its rows, by the method's name. */
export interface Table {
  readonly definition: ServedService<AdminIdentity>["definition"];
  readonly rows: Readonly<Record<string, Row>>;
}

/** Everything of the attestation service over gRPC; reference values come with it, as brokers expect on this port. */
export function attestationTables(services: Services, parts: GrpcDoorParts): readonly Table[] {
  return [
    { definition: services.attestation, rows: attestationRows(parts) },
    ...referenceValueTables(services, parts),
  ];
}

/** The reference value provider alone. */
export function referenceValueTables(services: Services, parts: GrpcDoorParts): readonly Table[] {
  return [
    { definition: services.referenceValues, rows: referenceValueRows(parts) },
    { definition: services.administration, rows: administrationRows(parts) },
    { definition: services.health, rows: healthRows(parts.health) },
  ];
}

/** What each path needs, for the question that is asked before the message is read. */
export function permissionsOf(tables: readonly Table[]): ReadonlyMap<string, Asked | undefined> {
  return new Map(
    tables.flatMap(({ definition, rows }) =>
      Object.entries(rows).map(([name, { asked }]) => [methodOf(definition, name).path, asked] as const),
    ),
  );
}

export function servedServices(tables: readonly Table[]): readonly ServedService<AdminIdentity>[] {
  return tables.map(({ definition, rows }) => ({
    definition,
    handlers: Object.fromEntries(Object.entries(rows).map(([name, { serve }]) => [name, serve])),
  }));
}

function attestationRows({ evaluation, admin }: GrpcDoorParts): Table["rows"] {
  return {
    AttestationEvaluate: {
      asked: EVALUATE,
      serve: async (message, context) => {
        const request = evaluationOfMessage(message);
        const { caller, signal } = context;
        return { attestation_token: await evaluation.evaluate(request, caller, "grpc", context, signal) };
      },
    },
    SetAttestationPolicy: {
      asked: SET_POLICY,
      serve: async (message, context) => {
        const body = policyUpload(textOf(message, "policy_id"), textOf(message, "policy"));
        await perform(admin, SET_POLICY, context, "", body);
        return {};
      },
    },
    GetAttestationChallenge: {
      asked: CHALLENGE,
      serve: async (message, { signal }) => {
        const { tee, parameters } = challengeOf(message["inner"]);
        return { attestation_challenge: await evaluation.challenge(tee, parameters, signal) };
      },
    },
  };
}

function challengeOf(inner: unknown): { tee: ReturnType<typeof teeNamed>; parameters: string } {
  const tee = textAt(inner, "tee");
  const parameters = textAt(inner, "tee_params");
  if (tee === undefined || parameters === undefined)
    throw new KbsError("malformed-request", "Malformed request: inner needs tee and tee_params.");
  return { tee: teeNamed(tee, "inner"), parameters };
}

function textAt(map: unknown, name: string): string | undefined {
  if (typeof map !== "object" || map === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(map, name)?.value;
  return typeof value === "string" ? value : undefined;
}

function referenceValueRows({ admin }: GrpcDoorParts): Table["rows"] {
  return {
    QueryReferenceValue: {
      asked: QUERY_REFERENCE_VALUE,
      serve: async (message, context) => {
        const name = textOf(message, "reference_value_id");
        const found = await perform(admin, QUERY_REFERENCE_VALUE, context, name).catch(absent);
        return found === undefined ? {} : { reference_value_results: textIn(found) };
      },
    },
    RegisterReferenceValue: {
      asked: REGISTER,
      serve: async (message, context) => {
        await perform(admin, REGISTER, context, "", Buffer.from(textOf(message, "message"), "utf8"));
        return {};
      },
    },
  };
}

/** A value that is not there is an answer here, where it is a refusal over HTTP. */
function absent(thrown: unknown): undefined {
  if (toKbsError(thrown).code === "not-found") return undefined;
  throw thrown;
}

function administrationRows({ admin }: GrpcDoorParts): Table["rows"] {
  return {
    ListPolicies: {
      asked: LIST_POLICIES,
      serve: async (_message, context) => ({
        policy_ids: idsIn(textIn(await perform(admin, LIST_POLICIES, context))),
      }),
    },
    GetPolicy: {
      asked: GET_POLICY,
      serve: async (message, context) => ({
        policy: textIn(await perform(admin, GET_POLICY, context, textOf(message, "policy_id"))),
      }),
    },
    DeletePolicy: {
      asked: DELETE_POLICY,
      serve: async (message, context) => {
        await perform(admin, DELETE_POLICY, context, textOf(message, "policy_id"));
        return {};
      },
    },
    ListReferenceValues: {
      asked: LIST_REFERENCE_VALUES,
      serve: async (_message, context) => ({
        reference_values: textIn(await perform(admin, LIST_REFERENCE_VALUES, context)),
      }),
    },
    DeleteReferenceValue: {
      asked: DELETE_REFERENCE_VALUE,
      serve: async (message, context) => {
        await perform(admin, DELETE_REFERENCE_VALUE, context, textOf(message, "reference_value_id"));
        return {};
      },
    },
  };
}

function healthRows(health: Health): Table["rows"] {
  return {
    Check: {
      asked: undefined,
      serve: async (message) => {
        if (!KNOWN_SERVICES.has(textOf(message, "service")))
          throw new KbsError("not-found", "There is no such service.");
        const { ready } = await health.report();
        return { status: ready ? "SERVING" : "NOT_SERVING" };
      },
    },
  };
}

const KNOWN_SERVICES: ReadonlySet<string> = new Set([
  "",
  "attestation.AttestationService",
  "reference.ReferenceValueProviderService",
  "keywarden.v1.AttestationAdministration",
]);

function perform(
  admin: GrpcDoorParts["admin"],
  asked: Asked,
  context: CallContext<AdminIdentity>,
  id = "",
  body?: Buffer,
): Promise<AdminAnswer> {
  return admin.perform(operationOf(asked, id, body), context.caller, context, context.signal);
}

function textIn({ body }: AdminAnswer): string {
  return body === undefined ? "" : String(body);
}

/** The listing of the KBS API is a list of ids, or of objects that have one. */
function idsIn(body: string): readonly string[] {
  const list = readJson(body);
  if (!isArray(list)) return [];
  return list.flatMap((each) => {
    const id = isObject(each) ? (member(each, "policy-id") ?? member(each, "name")) : each;
    return typeof id === "string" ? [id] : [];
  });
}
