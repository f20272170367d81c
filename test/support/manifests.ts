import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { TrustedSigner } from "../../src/attestation/reference-values/signers.ts";
import { type CborKey, CborTag, type CborValue, encodeCbor } from "../../src/crypto/cbor.ts";
import { draftCoseSign1 } from "../../src/crypto/cose-sign1.ts";
import { type SignatureAlgorithm, signWith } from "../../src/crypto/signature-algorithms.ts";
import type { JsonValue } from "../../src/json/value.ts";
import { writeJson } from "../../src/json/write.ts";

/** Manifests of made-up vendors, with every field open to a test. */

export const digestOf = (byte: string, bytes = 48): string => byte.repeat(bytes);

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function ecKeys(namedCurve = "P-256"): KeyPair {
  return generateKeyPairSync("ec", { namedCurve });
}

export function signer(keys: KeyPair, options: Partial<TrustedSigner> = {}): TrustedSigner {
  return {
    name: "acme",
    keys: [{ algorithm: "ES256", key: keys.publicKey }],
    anchors: [],
    names: ["acme/*"],
    ...options,
  };
}

/** A registration message of a type, around its payload. */
export function messageOf(
  type: string,
  payload: Uint8Array | string,
  more: Record<string, JsonValue> = {},
): JsonValue {
  return { version: "0.1.0", type, payload: Buffer.from(payload).toString("base64"), ...more };
}

export function sampleMessage(values: JsonValue, more: Record<string, JsonValue> = {}): JsonValue {
  return messageOf("sample", writeJson(values), more);
}

export interface SwidFields {
  readonly manufacturer?: string;
  readonly edition?: string;
  /** Attributes of one Resource each, as XML text. */
  readonly resources?: readonly string[];
  readonly prolog?: string;
  readonly payload?: string;
}

/** A reference integrity manifest in the shape that vendors of devices publish. */
export function swid(fields: SwidFields = {}): string {
  const { manufacturer = "Example Corporation", edition = "GPU", prolog = "" } = fields;
  const resources = fields.resources ?? [`type="Measurement" index="0" h:Hash0="${digestOf("ab")}"`];
  const payload =
    fields.payload ?? `<s:Payload>${resources.map((each) => `<s:Resource ${each}/>`).join("\n")}</s:Payload>`;
  return `${prolog}<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
  xmlns:s="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:h="http://www.w3.org/2001/04/xmlenc#sha384" name="X" tagId="1">
<s:Meta xmlns:r="https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/" edition="${edition}" r:PlatformManufacturerStr="${manufacturer}"/>
${payload}
</SoftwareIdentity>`;
}

export type Fields = ReadonlyMap<CborKey, CborValue>;

export function map(...entries: readonly (readonly [CborKey, CborValue])[]): Map<CborKey, CborValue> {
  return new Map(entries);
}

/** measurement-map with an optional key and members of measurement-values-map. */
export function measurement(
  key: CborValue | undefined,
  ...values: readonly (readonly [CborKey, CborValue])[]
) {
  return map(...(key === undefined ? [] : [[0, key] as const]), [1, map(...values)]);
}

export const digests = (...hex: readonly string[]) =>
  [2, hex.map((each) => [7, Buffer.from(each, "hex")])] as const;

export interface CorimFields {
  readonly environment?: Fields;
  readonly measurements?: readonly CborValue[];
  readonly triples?: CborValue;
  readonly tags?: readonly CborValue[];
  /** Further members of corim-map. */
  readonly members?: readonly (readonly [CborKey, CborValue])[];
}

export function comid(triples: CborValue): CborTag {
  const value = map([1, map([0, "a comid"])], [4, map([0, triples])]);
  return new CborTag(506, encodeCbor(value));
}

/** An unsigned CoRIM with one CoMID: by default vendor acme, model X, measurement key `kernel`, one digest. */
export function corim(fields: CorimFields = {}): Buffer {
  const environment = fields.environment ?? map([0, map([1, "acme"], [2, "X"])]);
  const measurements = fields.measurements ?? [measurement("kernel", digests(digestOf("ab")))];
  const triples = fields.triples ?? [[environment, measurements]];
  const tags = fields.tags ?? [comid(triples)];
  return encodeCbor(new CborTag(501, map([0, "a corim"], [1, tags], ...(fields.members ?? []))));
}

export interface SignedFields {
  readonly algorithm?: SignatureAlgorithm;
  /** Replaces the protected header beside `alg`. */
  readonly header?: readonly (readonly [CborKey, CborValue])[];
  readonly unprotected?: Fields;
  /** Milliseconds since the epoch, into corim-meta. */
  readonly issuedAt?: number;
  readonly validUntil?: number;
  readonly mutate?: (signature: Buffer) => Buffer;
}

const time = (milliseconds: number) => new CborTag(1, Math.floor(milliseconds / 1000));

/** The CoRIM as a COSE_Sign1 message, as `cocli corim sign` writes it. */
export function signedCorim(payload: Buffer, key: KeyObject, fields: SignedFields = {}): Buffer {
  const { algorithm = "ES256", issuedAt, validUntil } = fields;
  const validity =
    validUntil === undefined
      ? []
      : [
          [
            1,
            map(...(issuedAt === undefined ? [] : [[0, time(issuedAt)] as const]), [1, time(validUntil)]),
          ] as const,
        ];
  const meta = encodeCbor(map([0, map([0, "ACME"])], ...validity));
  const header = fields.header ?? [
    [3, "application/rim+cbor"],
    [8, meta],
  ];
  const draft = draftCoseSign1(algorithm, payload, header, fields.unprotected);
  const signature = signWith(algorithm, key, draft.toBeSigned);
  return draft.finish((fields.mutate ?? ((bytes: Buffer) => bytes))(signature));
}

export interface StatementFields {
  readonly type?: string;
  readonly predicateType?: string;
  readonly predicate?: JsonValue;
  readonly subject?: JsonValue;
}

export const OWN_PREDICATE = "urn:keywarden:reference-values:v1";

export function statement(fields: StatementFields = {}): JsonValue {
  return {
    _type: fields.type ?? "https://in-toto.io/Statement/v1",
    subject: fields.subject ?? [{ name: "acme/kernel", digest: { sha384: digestOf("ab") } }],
    predicateType: fields.predicateType ?? OWN_PREDICATE,
    predicate: fields.predicate ?? {
      issuedAt: "2026-05-31T00:00:00Z",
      values: { "acme/kernel": [digestOf("ab")] },
    },
  };
}

export interface EnvelopeFields {
  readonly payloadType?: string;
  /** The type that is signed; that of the envelope if absent. */
  readonly signedType?: string;
  readonly encoding?: "der" | "ieee-p1363";
  readonly hash?: string | null;
  readonly mutate?: (signature: Buffer) => Buffer;
}

/** A DSSE envelope; the signature is made here by hand, from the text of the protocol. */
export function envelope(payload: JsonValue | string, key: KeyObject, fields: EnvelopeFields = {}): string {
  const { payloadType = "application/vnd.in-toto+json", hash = "sha256", encoding = "der" } = fields;
  const body = typeof payload === "string" ? payload : writeJson(payload);
  const type = fields.signedType ?? payloadType;
  const signed = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${Buffer.byteLength(body)} ${body}`;
  const signature = sign(hash, Buffer.from(signed), { key, dsaEncoding: encoding });
  const sig = (fields.mutate ?? ((bytes: Buffer) => bytes))(signature).toString("base64");
  return writeJson({
    payloadType,
    payload: Buffer.from(body).toString("base64"),
    signatures: [{ keyid: "a hint", sig }],
  });
}

/** Another byte somewhere in the middle. */
export function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  const at = other.length >> 1;
  other[at] = (other[at] ?? 0) ^ 1;
  return other;
}
