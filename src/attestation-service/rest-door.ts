import type { IncomingMessage, ServerResponse } from "node:http";
import express, { type ErrorRequestHandler, type Express } from "express";
import { KbsError } from "../errors.ts";
import { tooManyCalls } from "../grpc/unavailable.ts";
import { Exchange, type ExchangeEnvironment } from "../http/exchange.ts";
import type { ExpressDoor } from "../http/express-door.ts";
import type { AdminAnswer, AdminIdentity, AdminPort } from "../http/ports.ts";
import { reworded, toKbsError } from "../http/problem.ts";
import { parseTarget } from "../http/request-target.ts";
import { JsonSyntaxError, MAX_UNTRUSTED_PARTS, readJson } from "../json/read.ts";
import type { JsonValue } from "../json/value.ts";
import { isArray, isObject, member, writeJson } from "../json/write.ts";
import { askedForm } from "../tokens/media-types.ts";
import type { Asked, Credentials } from "./callers.ts";
import type { EvaluationService } from "./evaluation.ts";
import {
  CHALLENGE,
  DELETE_POLICY,
  EVALUATE,
  GET_POLICY,
  LIST_POLICIES,
  operationOf,
  policyUpload,
  SET_POLICY,
} from "./operations.ts";
import { evaluationOfJson, teeNamed } from "./requests.ts";

export interface RestDoorParts {
  readonly evaluation: EvaluationService;
  readonly admin: Pick<AdminPort, "perform">;
  readonly authorize: (asked: Asked, exchange: Exchange, credentials: Credentials) => Promise<AdminIdentity>;
  /** Health, the key set, and the administrative calls of the KBS API, so that its tools work here too. */
  readonly others: ExpressDoor;
  readonly maxMessageBytes: number;
  /** Over all connections. */
  readonly maxConcurrentCalls: number;
  readonly environment: ExchangeEnvironment;
  readonly requestId: () => string;
  /** DER of the client's certificate, if it showed one that holds. */
  readonly certificateOf: (request: IncomingMessage) => Buffer | undefined;
}

type Method = "get" | "post" | "delete";

/** Answers of this API. */
interface Reply {
  readonly contentType: string;
  readonly body: string | Buffer;
}

type Serve = (exchange: Exchange, caller: AdminIdentity, id: string) => Promise<Reply>;

/** The attestation service over REST, as clients of the reference service know it. */
export class RestDoor {
  readonly #parts: RestDoorParts;
  readonly #app: Express;
  readonly #exchanges = new WeakMap<IncomingMessage, Exchange>();
  #running = 0;

  constructor(parts: RestDoorParts) {
    this.#parts = parts;
    this.#app = express();
    this.#app.disable("x-powered-by").enable("case sensitive routing").enable("strict routing");
    this.#route("post", "/attestation", EVALUATE, (exchange, caller) => this.#evaluate(exchange, caller));
    this.#route("post", "/challenge", CHALLENGE, (exchange) => this.#challenge(exchange));
    this.#route("post", "/policy", SET_POLICY, (exchange, caller) => this.#setPolicy(exchange, caller));
    this.#route("get", "/policy", LIST_POLICIES, (exchange, caller) => this.#listPolicies(exchange, caller));
    this.#route("get", "/policy/*id", GET_POLICY, (...at) => this.#getPolicy(...at));
    this.#route("delete", "/policy/*id", DELETE_POLICY, (...at) => this.#deletePolicy(...at));
    this.#app.use((request) => this.#elsewhere(request));
    // Express tells an error handler by its four parameters.
    const onError: ErrorRequestHandler = (error, request, _response, _next) =>
      this.#exchanges.get(request)?.refuse(asServiceRefusal(error));
    this.#app.use(onError);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const client = request.socket.remoteAddress ?? "";
    const { requestId, environment } = this.#parts;
    const exchange = new Exchange(request, response, requestId(), client, environment);
    this.#exchanges.set(request, exchange);
    if (this.#running >= this.#parts.maxConcurrentCalls) {
      exchange.refuse(tooManyCalls());
      return;
    }
    this.#running++;
    response.once("close", () => this.#running--);
    this.#app(request, response);
  }

  #route(method: Method, path: string, asked: Asked, serve: Serve): void {
    this.#app[method](path, (request) => {
      const exchange = this.#exchanges.get(request);
      if (exchange === undefined) return;
      // Express types a wildcard as text, and gives the list of its segments.
      const segments: unknown = request.params["id"];
      const id = Array.isArray(segments) ? segments.join("/") : "";
      this.#serve(exchange, asked, id, serve).catch((error: unknown) =>
        exchange.refuse(asServiceRefusal(error)),
      );
    });
  }

  async #serve(exchange: Exchange, asked: Asked, id: string, serve: Serve): Promise<void> {
    exchange.decision.event = asked.operation;
    const { authorization } = exchange.request.headers;
    const certificate = this.#parts.certificateOf(exchange.request);
    const exact = id === "" ? asked : { ...asked, path: asked.path.replace("*", id) };
    const caller = await this.#parts.authorize(exact, exchange, { authorization, certificate });
    exchange.decision.administrator = caller.name;
    const { contentType, body } = await serve(exchange, caller, id);
    exchange.answer(200, contentType, body);
  }

  #elsewhere(request: IncomingMessage): void {
    const exchange = this.#exchanges.get(request);
    if (exchange === undefined) return;
    try {
      const target = parseTarget(request.url ?? "");
      if (target.kind === "outside") this.#parts.others.handle(exchange, undefined);
      else if (SHARED_WITH_BROKER.has(target.segments[0] ?? "")) this.#parts.others.handle(exchange, target);
      else exchange.refuse(new KbsError("not-found", "There is nothing at this path."));
    } catch (error) {
      exchange.refuse(error);
    }
  }

  async #evaluate(exchange: Exchange, caller: AdminIdentity): Promise<Reply> {
    const form = askedForm(exchange.request.headers.accept);
    const request = { ...evaluationOfJson(await this.#body(exchange)), form };
    const { evaluation } = this.#parts;
    const token = await evaluation.evaluate(request, caller, "rest", exchange, exchange.signal);
    if (form === undefined) return { contentType: PLAIN, body: token };
    // Whoever names the media type gets what it stands for, and that of a CWT is bytes.
    const body = form.encoding === "cwt" ? Buffer.from(token, "base64url") : token;
    return { contentType: form.mediaType, body };
  }

  async #challenge(exchange: Exchange): Promise<Reply> {
    const body = await this.#body(exchange);
    const tee = isObject(body) ? member(body, "tee") : undefined;
    const parameters = isObject(body) ? member(body, "tee_params") : undefined;
    if (typeof tee !== "string" || typeof parameters !== "string")
      throw new KbsError("malformed-request", "Malformed request: tee and tee_params must be strings.");
    const { evaluation } = this.#parts;
    const made = await evaluation.challenge(teeNamed(tee, "body"), parameters, exchange.signal);
    return { contentType: PLAIN, body: made };
  }

  async #setPolicy(exchange: Exchange, caller: AdminIdentity): Promise<Reply> {
    const body = await this.#body(exchange);
    const id = isObject(body) ? member(body, "policy_id") : undefined;
    const policy = isObject(body) ? member(body, "policy") : undefined;
    if (typeof id !== "string" || typeof policy !== "string")
      throw new KbsError("malformed-request", "Malformed request: policy_id and policy must be strings.");
    await this.#perform(exchange, SET_POLICY, caller, "", policyUpload(id, policy));
    return { contentType: PLAIN, body: "" };
  }

  async #listPolicies(exchange: Exchange, caller: AdminIdentity): Promise<Reply> {
    const listed = readJson(textIn(await this.#perform(exchange, LIST_POLICIES, caller)));
    const ids = isArray(listed) ? listed.filter((each) => typeof each === "string") : [];
    return { contentType: "application/json", body: writeJson(ids.map((id) => ({ "policy-id": id }))) };
  }

  async #getPolicy(exchange: Exchange, caller: AdminIdentity, id: string): Promise<Reply> {
    return { contentType: PLAIN, body: textIn(await this.#perform(exchange, GET_POLICY, caller, id)) };
  }

  async #deletePolicy(exchange: Exchange, caller: AdminIdentity, id: string): Promise<Reply> {
    await this.#perform(exchange, DELETE_POLICY, caller, id);
    return { contentType: PLAIN, body: "" };
  }

  #perform(
    exchange: Exchange,
    asked: Asked,
    caller: AdminIdentity,
    id = "",
    body?: Buffer,
  ): Promise<AdminAnswer> {
    return this.#parts.admin.perform(operationOf(asked, id, body), caller, exchange, exchange.signal);
  }

  async #body(exchange: Exchange): Promise<JsonValue> {
    const bytes = await exchange.body(this.#parts.maxMessageBytes);
    try {
      return readJson(bytes, { maxParts: MAX_UNTRUSTED_PARTS });
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      throw new KbsError("malformed-request", `The body is not one JSON document: ${error.message}.`);
    }
  }
}

const PLAIN = "text/plain; charset=utf-8";
/** Administrative calls of the KBS API that are about judging evidence. What the broker releases is not for this door. */
const SHARED_WITH_BROKER: ReadonlySet<string> = new Set(["attestation-policy", "reference-value"]);

/** Codes that at this interface are a judgement about the request, not about who sent it. */
const VERDICTS: ReadonlySet<string> = new Set(["evidence-rejected", "appraisal-failed", "handshake-refused"]);

/** A judgement as 422: here 401 asks for credentials, which would not change it. */
class Verdict extends KbsError {
  override get status(): number {
    return 422;
  }
}

function asServiceRefusal(thrown: unknown): KbsError {
  const error = toKbsError(thrown);
  if (!VERDICTS.has(error.code)) return malformedUrl(thrown) ?? error;
  return new Verdict(error.code, error.detail, {
    cause: error,
    kbsType: error.kbsType,
    ...(error.extra === undefined ? {} : { extra: error.extra }),
  });
}

/** Express reports a path with a broken percent-encoding by throwing. */
function malformedUrl(thrown: unknown): KbsError | undefined {
  if (!(thrown instanceof URIError)) return undefined;
  return reworded(
    new KbsError("malformed-request", ""),
    "Request refused: the path has a broken percent-encoding.",
  );
}

function textIn({ body }: AdminAnswer): string {
  return body === undefined ? "" : String(body);
}
