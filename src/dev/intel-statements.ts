/** Intel's signed statements about platforms and quoting enclaves (PCS API v4). For development and tests. */
import type { KeyObject } from "node:crypto";
import type { DcapTee } from "../attestation/formats/dcap/collateral.ts";
import type { SignedMember } from "../attestation/formats/dcap/signed-json.ts";
import type { JsonObject, JsonValue } from "../json/value.ts";
import { writeJson } from "../json/write.ts";
import { p1363 } from "./intel-quote.ts";

/** The body of the service's answer. */
export function signedStatement(name: SignedMember, statement: JsonValue, key: KeyObject): Buffer {
  const text = writeJson(statement);
  const signature = p1363(key, Buffer.from(text)).toString("hex");
  return Buffer.from(`{"${name}":${text},"signature":"${signature}"}`);
}

export interface StatementSpec {
  readonly tee: DcapTee;
  readonly issueDate: string;
  readonly nextUpdate: string;
  /** 12 hexadecimal digits. */
  readonly fmspc: string;
}

export function tcbLevel(
  status: string,
  sgx: readonly number[],
  tdx: readonly number[] | undefined,
  more: JsonObject = {},
): JsonObject {
  return {
    tcb: {
      sgxtcbcomponents: sgx.map((svn) => ({ svn })),
      pcesvn: 11,
      ...(tdx === undefined ? {} : { tdxtcbcomponents: tdx.map((svn) => ({ svn })) }),
    },
    tcbDate: "2024-03-13T00:00:00Z",
    tcbStatus: status,
    ...more,
  };
}

export function isvLevel(status: string, isvsvn: number, more: JsonObject = {}): JsonObject {
  return { tcb: { isvsvn }, tcbDate: "2024-03-13T00:00:00Z", tcbStatus: status, ...more };
}

/** Numbers of 16 components, the first ones as given and the rest zero. */
export function components(...first: readonly number[]): number[] {
  return Array.from({ length: 16 }, (_, i) => first[i] ?? 0);
}

const MODULE = { mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "FF".repeat(8) };

/** TCB info of version 3 with a level per status, told apart by component 8. */
export function tcbInfo({ tee, issueDate, nextUpdate, fmspc }: StatementSpec): JsonObject {
  const statuses = ["UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate", "Revoked"];
  const tdx = tee === "tdx" ? components(5, 0, 3) : undefined;
  return {
    id: tee === "tdx" ? "TDX" : "SGX",
    version: 3,
    issueDate,
    nextUpdate,
    fmspc: fmspc.toUpperCase(),
    pceId: "0000",
    tcbType: 0,
    tcbEvaluationDataNumber: 18,
    ...(tee === "tdx" ? { tdxModule: MODULE, tdxModuleIdentities: [moduleIdentity("TDX_01")] } : {}),
    tcbLevels: statuses.map((status, i) =>
      tcbLevel(status, components(4, 4, 2, 2, 4, 1, 0, 4 - i), tdx, { advisoryIDs: [`INTEL-SA-0100${i}`] }),
    ),
  };
}

function moduleIdentity(id: string): JsonObject {
  return {
    id,
    ...MODULE,
    tcbLevels: [
      isvLevel("UpToDate", 6),
      isvLevel("OutOfDate", 4, { advisoryIDs: ["INTEL-SA-91004"] }),
      isvLevel("Revoked", 2),
    ],
  };
}

export const QE_MRSIGNER = "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";

export function qeIdentity({ tee, issueDate, nextUpdate }: StatementSpec): JsonObject {
  return {
    id: tee === "tdx" ? "TD_QE" : "QE",
    version: 2,
    issueDate,
    nextUpdate,
    tcbEvaluationDataNumber: 18,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: QE_MRSIGNER.toUpperCase(),
    isvprodid: tee === "tdx" ? 2 : 1,
    tcbLevels: [isvLevel("UpToDate", 8), isvLevel("OutOfDate", 6), isvLevel("Revoked", 4)],
  };
}
