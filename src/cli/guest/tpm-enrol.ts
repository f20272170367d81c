/** A machine's side of the enrolment of its TPM. */
import { createHmac } from "node:crypto";
import { readJson } from "../../json/read.ts";
import type { JsonObject } from "../../json/value.ts";
import { isObject, member, writeJson } from "../../json/write.ts";
import type { HttpClient } from "../http-client.ts";
import { refused } from "../world.ts";
import { readRefusal } from "./refusal.ts";
import { activate, ekCertificate, ensureAk, ensureEk, type TpmOptions } from "./tpm-tools.ts";

export interface EnrolOptions {
  readonly url: URL;
  readonly http: HttpClient;
  readonly tpm: TpmOptions;
  readonly host: string;
  /** Kind of attestation key that is made where there is none. */
  readonly kind: "rsa" | "ecc";
  /** DER; in the place of what the TPM holds, the endorsement key's own first. */
  readonly certificates: readonly Buffer[];
}

/**
 * Enrols this machine: makes its keys where they are missing, asks the server, lets the TPM open the credential, and
 * proves that it did.
 *
 * @returns the server's last answer: `status`, `host`, `ak_name`, `ak_fingerprint`
 * @throws CommandFailure (refused), TransportError
 */
export async function enrol(options: EnrolOptions): Promise<JsonObject> {
  const { tpm, host, kind } = options;
  const ekPublic = await ensureEk(tpm);
  const akPublic = await ensureAk(tpm, kind);
  const challenge = await post(options, "tpm/enroll", {
    host,
    ek_public: ekPublic.toString("base64"),
    ek_certificates: (await certificates(options, ekPublic)).map((der) => der.toString("base64")),
    ak_public: akPublic.toString("base64"),
  });
  const id = text(challenge, "enrolment");
  const secret = await activate(tpm, ekPublic, Buffer.from(text(challenge, "credential_file"), "base64"));
  const akName = Buffer.from(text(challenge, "ak_name"), "hex");
  const proof = createHmac("sha256", secret).update(id, "ascii").update(akName).digest("base64");
  return await post(options, `tpm/enroll/${encodeURIComponent(id)}`, { proof });
}

async function certificates(
  { tpm, certificates }: EnrolOptions,
  ekPublic: Buffer,
): Promise<readonly Buffer[]> {
  if (certificates.length > 0) return certificates;
  const own = await ekCertificate(tpm, ekPublic);
  return own === undefined ? [] : [own];
}

async function post({ url, http }: EnrolOptions, path: string, body: JsonObject): Promise<JsonObject> {
  const answer = await http.send({
    method: "POST",
    url: new URL(`${url.href.replace(/\/+$/, "")}/kbs/v0/${path}`),
    headers: { "content-type": "application/json" },
    body: writeJson(body),
  });
  if (answer.status !== 200) {
    const { message } = readRefusal("resource", answer.status, answer.body);
    throw refused(`The server refused the enrolment (${answer.status}): ${message}`);
  }
  const json = readJson(answer.body);
  if (!isObject(json)) throw refused("The server's answer is no JSON object.");
  return json;
}

function text(answer: JsonObject, name: string): string {
  const value = member(answer, name);
  if (typeof value !== "string") throw refused(`The server's answer has no ${name}.`);
  return value;
}
