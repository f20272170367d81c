import { fileURLToPath } from "node:url";
import {
  load,
  type MethodDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";

/**
 * The gRPC services that Keywarden serves and calls. This folder is the one door to the gRPC library: what leaves it
 * are plain objects and `KbsError`.
 */

/** A decoded protobuf message: members that are not set in the proto3 sense are there with their default. */
export type Message = Readonly<Record<string, unknown>>;

export type Method = MethodDefinition<object, object>;

export interface Services {
  readonly attestation: ServiceDefinition;
  readonly referenceValues: ServiceDefinition;
  readonly administration: ServiceDefinition;
  readonly health: ServiceDefinition;
}

/** `resources/` lies beside `src/` and beside `dist/`. */
const FOLDER = fileURLToPath(new URL("../../resources/proto/", import.meta.url));
const FILES = ["attestation.proto", "reference.proto", "administration.proto", "health.proto"];
/** Field names as they stand in the files; `oneofs` says which member of a oneof was set. */
const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

let loading: Promise<Services> | undefined;

/** Reads the service descriptions, once. @throws Error when the files that ship with the program are not there */
export function loadServices(): Promise<Services> {
  loading ??= load(FILES, { ...OPTIONS, includeDirs: [FOLDER] }).then((found) => ({
    attestation: service(found, "attestation.AttestationService"),
    referenceValues: service(found, "reference.ReferenceValueProviderService"),
    administration: service(found, "keywarden.v1.AttestationAdministration"),
    health: service(found, "grpc.health.v1.Health"),
  }));
  return loading;
}

/** @throws TypeError for a name that the description does not have */
export function methodOf(definition: ServiceDefinition, name: string): Method {
  const method = definition[name];
  if (method === undefined) throw new TypeError(`the service has no method ${name}`);
  return method;
}

function service(found: PackageDefinition, name: string): ServiceDefinition {
  const definition = found[name];
  if (definition === undefined || "format" in definition) throw new TypeError(`${name} is not a service`);
  // Only messages and enums have a format; what remains is a service, which the library's type cannot say.
  return definition as ServiceDefinition;
}

/** @returns the string at `name`, `""` where the field was not set */
export function textOf(message: Message, name: string): string {
  const value = Object.hasOwn(message, name) ? message[name] : undefined;
  return typeof value === "string" ? value : "";
}

/** @returns the string at `name`; `undefined` where an optional field or a oneof was not set */
export function optionalTextOf(message: Message, name: string): string | undefined {
  const value = Object.hasOwn(message, name) ? message[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** @returns the messages of a repeated field */
export function messagesOf(message: Message, name: string): readonly Message[] {
  const value = Object.hasOwn(message, name) ? message[name] : undefined;
  return Array.isArray(value) ? value.filter((each) => typeof each === "object" && each !== null) : [];
}

/** @returns the strings of a repeated field */
export function textsOf(message: Message, name: string): readonly string[] {
  const value = Object.hasOwn(message, name) ? message[name] : undefined;
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
