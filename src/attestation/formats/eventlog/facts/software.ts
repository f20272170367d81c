import { digestHex } from "../../../../crypto/digest.ts";
import type { JsonObject, JsonValue } from "../../../../json/value.ts";
import { isObject, member } from "../../../../json/write.ts";
import type { HashName } from "../algorithms.ts";
import { readAgentEvent } from "../decode/tag.ts";
import {
  readSipaEvents,
  SIPA_AUTHENTICODE,
  SIPA_FILE_PATH,
  SIPA_FLAGS,
  SIPA_NUMBERS,
  sipaNumber,
  sipaText,
} from "../decode/windows.ts";
import { EV } from "../event-types.ts";
import { belongsTo } from "../registers.ts";
import { BoundedList, type CoveredEvent, type FactCollector } from "./collector.ts";

const UKI_PCR = 11;

/** Section names of a unified kernel image (UKI specification). */
const SECTIONS = [
  ".linux",
  ".osrel",
  ".cmdline",
  ".initrd",
  ".ucode",
  ".splash",
  ".dtb",
  ".dtbauto",
  ".hwids",
  ".uname",
  ".sbat",
  ".pcrpkey",
  ".profile",
  ".efifw",
];

/** What systemd-pcrphase measures, in the order in which systems go through it. */
const PHASES = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];

/**
 * A unified kernel image: each of its sections is measured as a name and then as content (systemd-stub), and later the
 * system's phases follow (systemd-pcrphase). Names and phases are known by their digests, for what the log calls an event
 * is not measured. `complete` says that the register holds these and nothing else, and no section twice: then what
 * software measured later cannot pass for the image.
 */
export class UkiFacts implements FactCollector {
  readonly #sections = new BoundedList<JsonValue>({ name: "", digest: "" });
  readonly #phases = new BoundedList<string>("");
  readonly #seen = new Set<string>();
  #name: string | undefined;
  #complete = true;

  add({ event, digest, kind, algorithm, isSeparator }: CoveredEvent): void {
    if (!belongsTo(event, UKI_PCR, kind)) return;
    if (this.#name !== undefined) {
      this.#sections.add({ name: this.#name, digest });
      this.#name = undefined;
      return;
    }
    const section = namedBy(digest, algorithm, SECTION_DIGESTS, (name) => `${name}\0`, SECTIONS);
    const phase = namedBy(digest, algorithm, PHASE_DIGESTS, (name) => name, PHASES);
    if (section !== undefined) this.#begin(section);
    else if (phase !== undefined) this.#phases.add(phase);
    else if (!isSeparator) this.#complete = false;
  }

  #begin(section: string): void {
    if (this.#seen.has(section) || !this.#phases.empty) this.#complete = false;
    this.#seen.add(section);
    this.#name = section;
  }

  facts(): JsonObject {
    if (this.#sections.empty && this.#phases.empty) return {};
    const complete = this.#complete && this.#name === undefined && !this.#sections.empty;
    return { uki: { complete, sections: this.#sections.items, phases: this.#phases.items } };
  }
}

type NameDigests = Map<HashName, ReadonlyMap<string, string>>;
const SECTION_DIGESTS: NameDigests = new Map();
const PHASE_DIGESTS: NameDigests = new Map();

function namedBy(
  digest: string,
  algorithm: HashName,
  known: NameDigests,
  measured: (name: string) => string,
  names: readonly string[],
): string | undefined {
  let digests = known.get(algorithm);
  if (digests === undefined) {
    digests = new Map(names.map((name) => [digestHex(algorithm, Buffer.from(measured(name))), name]));
    known.set(algorithm, digests);
  }
  return digests.get(digest);
}

const CONTAINERS_DOMAIN = "github.com/confidential-containers";

/** What the attestation agent of Confidential Containers measured at run time, pulled images among it. */
export class AgentFacts implements FactCollector {
  readonly #events = new BoundedList<JsonValue>({ domain: "", operation: "", content: "" });
  readonly #containers = new BoundedList<JsonValue>({ image: "", digest: "" });

  add({ event, bound }: CoveredEvent): void {
    if (!bound || event.kind !== "pcclient" || event.type !== EV.eventTag) return;
    const said = readAgentEvent(event.data);
    if (said === undefined) return;
    const { domain, operation, content } = said;
    this.#events.add({ domain, operation, content });
    if (domain !== CONTAINERS_DOMAIN || operation !== "PullImage" || !isObject(content)) return;
    const [image, digest] = [member(content, "image"), member(content, "digest")];
    if (typeof image === "string" && typeof digest === "string") this.#containers.add({ image, digest });
  }

  facts(): JsonObject {
    return this.#events.empty ? {} : { containers: this.#containers.items, agent_events: this.#events.items };
  }
}

/** Google's Confidential Space: which container was launched, and how. */
export class ConfidentialSpaceFacts implements FactCollector {
  readonly #entries = new BoundedList<JsonValue>({ name: "", value: "" });

  add({ event, bound }: CoveredEvent): void {
    if (!bound || event.kind !== "cos") return;
    const name = event.typeName.replace(/^COS_/, "").toLowerCase();
    this.#entries.add({ name, value: (event.text ?? "").slice(name.length + 1) });
  }

  facts(): JsonObject {
    return this.#entries.empty ? {} : { confidential_space: this.#entries.items };
  }
}

const WINDOWS_PCRS: readonly number[] = [11, 12, 13, 14];

/** Windows: debugging, code integrity, virtualisation-based security, loaded modules. Its separators end the list. */
export class WindowsFacts implements FactCollector {
  readonly #values: Record<string, JsonValue> = {};
  readonly #modules = new BoundedList<JsonValue>({ path: "", authenticode: "" });
  #path: string | undefined;

  add({ event, bound, kind, afterSeparator }: CoveredEvent): void {
    if (!bound || afterSeparator || kind !== "pcr" || event.type !== EV.eventTag) return;
    if (event.kind !== "pcclient" || !WINDOWS_PCRS.includes(event.register)) return;
    for (const { type, data } of readSipaEvents(event.data) ?? []) this.#sipa(type, data);
  }

  /** What was said first counts; a second, different value makes the claim useless, so it goes. */
  #sipa(type: number, data: Buffer): void {
    const [flag, number] = [SIPA_FLAGS.get(type), SIPA_NUMBERS.get(type)];
    const value = sipaNumber(data);
    if (flag !== undefined && value !== undefined) this.#set(flag, value !== 0n);
    else if (number !== undefined && value !== undefined)
      this.#set(number, value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);
    else if (type === SIPA_FILE_PATH) this.#path = sipaText(data);
    else if (type === SIPA_AUTHENTICODE) this.#module(data);
  }

  #set(name: string, value: JsonValue): void {
    const before = this.#values[name];
    this.#values[name] = before === undefined || before === value ? value : null;
  }

  #module(data: Buffer): void {
    this.#modules.add({ path: this.#path ?? "", authenticode: data.toString("hex") });
    this.#path = undefined;
  }

  facts(): JsonObject {
    if (Object.keys(this.#values).length === 0 && this.#modules.empty) return {};
    return { windows: { ...this.#values, modules: this.#modules.items } };
  }
}
