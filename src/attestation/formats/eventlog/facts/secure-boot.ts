import type { JsonObject, JsonValue } from "../../../../json/value.ts";
import {
  authorityCertificate,
  type DescribedCertificate,
  describeCertificate,
  readSignatureLists,
  type SignatureEntry,
} from "../decode/signature-list.ts";
import {
  type EfiVariable,
  GLOBAL_VARIABLE,
  IMAGE_SECURITY_DATABASE,
  readVariable,
  SHIM_LOCK,
} from "../decode/variable.ts";
import { EV } from "../event-types.ts";
import { belongsTo } from "../registers.ts";
import { BoundedList, type CoveredEvent, type FactCollector } from "./collector.ts";
import { isNoCode } from "./explained.ts";

const SECURE_BOOT_PCR = 7;
const MORE: DescribedCertificate = { sha256: "", subject: "", issuer: "", notAfter: "" };

/** Variables of Secure Boot, and the vendor that each must be of. */
const DATABASES: ReadonlyMap<string, string> = new Map([
  ["SecureBoot", GLOBAL_VARIABLE],
  ["PK", GLOBAL_VARIABLE],
  ["KEK", GLOBAL_VARIABLE],
  ["db", IMAGE_SECURITY_DATABASE],
  ["dbx", IMAGE_SECURITY_DATABASE],
]);

/**
 * Secure Boot: switched on or not, whose keys, and which keys admitted what was loaded. Firmware measures the variables
 * before the separator, so what looks like one behind it is somebody else's.
 */
export class SecureBootFacts implements FactCollector {
  readonly #databases = new Map<string, readonly SignatureEntry[]>();
  readonly #authorities = new BoundedList<DescribedCertificate>(MORE);
  readonly #switches: boolean[] = [];
  /** Whether every event of the register is one of these: what is called something else could be an authority. */
  #complete = true;
  #sbatLevel: string | undefined;
  #mokListTrusted: boolean | undefined;

  add(covered: CoveredEvent): void {
    const { event, bound, kind, afterSeparator } = covered;
    if (event.kind !== "pcclient" || !belongsTo(event, SECURE_BOOT_PCR, kind)) return;
    const variable = bound ? readVariable(event.data) : undefined;
    const isConfiguration = event.type === EV.efiVariableDriverConfig && !afterSeparator;
    if (variable !== undefined && isConfiguration) this.#configuration(variable);
    else if (variable !== undefined && event.type === EV.efiVariableAuthority) this.#authority(variable);
    else if (!covered.isSeparator && !isAction(covered)) this.#complete = false;
  }

  #configuration({ name, guid, data }: EfiVariable): void {
    if (DATABASES.get(name) !== guid) return;
    if (name === "SecureBoot") this.#switches.push(data.length === 1 && data[0] === 1);
    else if (!this.#databases.has(name)) this.#databases.set(name, readSignatureLists(data) ?? []);
  }

  #authority({ name, guid, data }: EfiVariable): void {
    if (guid === SHIM_LOCK && name === "SbatLevel") {
      this.#sbatLevel ??= data.toString("latin1").replaceAll("\0", "").trim();
      return;
    }
    if (guid === SHIM_LOCK && name === "MokListTrusted") {
      this.#mokListTrusted ??= data.length === 1 && data[0] === 1;
      return;
    }
    const certificate = authorityCertificate(data);
    if (certificate !== undefined) this.#authorities.add(certificate);
  }

  facts(): JsonObject {
    return {
      ...(this.#switches.length === 0 ? {} : { secure_boot: this.#secureBoot() }),
      ...(this.#sbatLevel === undefined ? {} : { sbat_level: this.#sbatLevel }),
      ...(this.#mokListTrusted === undefined ? {} : { mok_list_trusted: this.#mokListTrusted }),
    };
  }

  /** Measured twice and differently, the switch is off: a policy must not pick the better half. */
  #secureBoot(): JsonObject {
    const pk = this.#certificates("PK")[0];
    return {
      enabled: this.#switches.every((on) => on),
      complete: this.#complete,
      ...(pk === undefined ? {} : { pk_sha256: pk.sha256 }),
      kek: this.#certificates("KEK").map(({ sha256 }) => sha256),
      db: this.#certificates("db").map(({ sha256 }) => sha256),
      db_hashes: this.#hashes("db"),
      dbx_count: this.#databases.get("dbx")?.length ?? 0,
      authorities: [...new Set(this.#authorities.items.map(({ sha256 }) => sha256))],
      certificates: this.#described(),
    };
  }

  #certificates(name: string): DescribedCertificate[] {
    const entries = this.#databases.get(name) ?? [];
    return entries.flatMap(({ kind, data }) => (kind === "x509" ? (describeCertificate(data) ?? []) : []));
  }

  #hashes(name: string): string[] {
    const entries = this.#databases.get(name) ?? [];
    return entries.flatMap(({ kind, data }) => (kind === "sha256" ? data.toString("hex") : []));
  }

  #described(): JsonValue[] {
    const list = new BoundedList<JsonValue>({
      variable: "",
      sha256: "",
      subject: "",
      issuer: "",
      not_after: "",
    });
    const add = (variable: string, { sha256, subject, issuer, notAfter }: DescribedCertificate) =>
      list.add({ variable, sha256, subject, issuer, not_after: notAfter });
    for (const name of ["PK", "KEK", "db"]) for (const one of this.#certificates(name)) add(name, one);
    for (const one of this.#authorities.items) add("authority", one);
    return list.items;
  }
}

/** Remarks of firmware, `UEFI Debug Mode` say. */
function isAction(covered: CoveredEvent): boolean {
  return covered.event.type === EV.efiAction && isNoCode(covered);
}
