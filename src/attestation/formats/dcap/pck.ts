/** The SGX extensions of a PCK certificate (Intel SGX PCK certificate and CRL specification 1.5 §1.3.5). */
import type { Certificate } from "../../../crypto/certificate.ts";
import {
  booleanValue,
  DerError,
  type DerNode,
  DerReader,
  oidText,
  readDer,
  smallInteger,
  TAG,
} from "../../../crypto/der.ts";

const SGX_EXTENSIONS = "1.2.840.113741.1.13.1";
const SGX_TYPES = ["Standard", "Scalable", "Scalable with Integrity"] as const;
type SgxType = (typeof SGX_TYPES)[number];

/** What Intel certified about a platform at one TCB. */
export interface PckPlatform {
  /** 16 bytes. */
  readonly ppid: Buffer;
  /** 16 numbers, 0 to 255 each. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 16 bytes. */
  readonly cpuSvn: Buffer;
  /** 4 lower-case hexadecimal digits, in the order of the bytes. */
  readonly pceId: string;
  /** 12 lower-case hexadecimal digits. */
  readonly fmspc: string;
  readonly sgxType: SgxType;
  /** 16 bytes in the order of the certificate; Platform CA only. */
  readonly platformInstanceId: Buffer | undefined;
  /** Platform CA only. */
  readonly configuration:
    | { readonly dynamicPlatform: boolean; readonly cachedKeys: boolean; readonly smtEnabled: boolean }
    | undefined;
}

/**
 * Reads the extension by OID, whatever the order of its members; one that occurs twice is refused.
 *
 * @throws DerError
 */
export function readPckPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.get(SGX_EXTENSIONS);
  if (extension === undefined) throw new DerError("no SGX extensions in the certificate");
  const members = readMembers(readDer(extension.value, TAG.sequence), SGX_EXTENSIONS);
  const tcb = readMembers(required(members, 2), `${SGX_EXTENSIONS}.2`);
  return {
    ppid: octets(required(members, 1), 16),
    components: Array.from({ length: 16 }, (_, i) => integer(required(tcb, i + 1), 255)),
    pceSvn: integer(required(tcb, 17), 65_535),
    cpuSvn: octets(required(tcb, 18), 16),
    pceId: octets(required(members, 3), 2).toString("hex"),
    fmspc: octets(required(members, 4), 6).toString("hex"),
    sgxType: sgxType(required(members, 5)),
    platformInstanceId: optional(members.get(6), (node) => octets(node, 16)),
    configuration: optional(members.get(7), readConfiguration),
  };
}

function readConfiguration(node: DerNode): NonNullable<PckPlatform["configuration"]> {
  const members = readMembers(node, `${SGX_EXTENSIONS}.7`);
  const flag = (last: number) => {
    const member = required(members, last);
    if (member.tag !== TAG.boolean) throw new DerError("a platform flag that is no BOOLEAN");
    return booleanValue(member);
  };
  return { dynamicPlatform: flag(1), cachedKeys: flag(2), smtEnabled: flag(3) };
}

/** Members by the last arc of their OID below `prefix`. */
function readMembers(sequence: DerNode, prefix: string): ReadonlyMap<number, DerNode> {
  if (sequence.tag !== TAG.sequence) throw new DerError("SGX extensions that are no SEQUENCE");
  const members = new Map<number, DerNode>();
  const list = new DerReader(sequence.content);
  while (!list.atEnd) {
    const entry = list.enter(TAG.sequence);
    const oid = oidText(entry.next(TAG.oid));
    const value = entry.next();
    entry.end();
    if (!oid.startsWith(`${prefix}.`)) throw new DerError(`${oid} among the SGX extensions`);
    const last = Number(oid.slice(prefix.length + 1));
    if (members.has(last)) throw new DerError(`SGX extension ${oid} occurs twice`);
    members.set(last, value);
  }
  return members;
}

function required(members: ReadonlyMap<number, DerNode>, last: number): DerNode {
  const node = members.get(last);
  if (node === undefined) throw new DerError(`an SGX extension is missing (number ${last})`);
  return node;
}

function optional<T>(node: DerNode | undefined, read: (node: DerNode) => T): T | undefined {
  return node === undefined ? undefined : read(node);
}

function octets(node: DerNode, length: number): Buffer {
  if (node.tag !== TAG.octetString || node.content.length !== length)
    throw new DerError(`an SGX extension that is no OCTET STRING of ${length} bytes`);
  return node.content;
}

function integer(node: DerNode, maximum: number): number {
  if (node.tag !== TAG.integer) throw new DerError("an SGX extension that is no INTEGER");
  const value = smallInteger(node);
  if (value > maximum) throw new DerError("a security version number out of range");
  return value;
}

function sgxType(node: DerNode): SgxType {
  const name = node.tag === TAG.enumerated ? SGX_TYPES[smallInteger(node)] : undefined;
  if (name === undefined) throw new DerError("an unknown SGX type");
  return name;
}
