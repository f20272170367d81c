import type { JsonObject, JsonValue } from "../../../../json/value.ts";
import { fileOf } from "../decode/device-path.ts";
import { INITRD_TAG, LOAD_OPTIONS_TAG, readTag } from "../decode/tag.ts";
import { iplText, tdPayloadInfo } from "../decode/text.ts";
import { imagePath } from "../details.ts";
import { EV } from "../event-types.ts";
import { belongsTo } from "../registers.ts";
import { BoundedList, type CoveredEvent, type FactCollector } from "./collector.ts";
import { isNoCode } from "./explained.ts";

const IMAGE_TYPES: ReadonlySet<number> = new Set([
  EV.efiBootServicesApplication,
  EV.efiBootServicesDriver,
  EV.efiRuntimeServicesDriver,
]);

/** PCRs that loaders and stubs measure into. */
const [OPTION_ROMS, BOOT, COMMANDS, FILES, STUB_CONFIG, MOK] = [2, 4, 8, 9, 12, 14];

interface CommandLine {
  readonly text: string;
  readonly bound: boolean;
  readonly source: "grub" | "stub" | "td-shim";
}

/** What was loaded on the way to the kernel: images, files, command line, initial RAM disk. */
export class BootPathFacts implements FactCollector {
  readonly #images = new BoundedList<JsonValue>({ path: "", authenticode: "" });
  readonly #files = new BoundedList<JsonValue>({ path: "", digest: "" });
  readonly #commandLines = new BoundedList<CommandLine>({ text: "", bound: false, source: "grub" });
  readonly #loadOptions = new BoundedList<string>("");
  readonly #initrds = new BoundedList<string>("");
  readonly #mok: Record<string, string> = {};

  add(covered: CoveredEvent): void {
    const { event, kind } = covered;
    if (event.kind !== "pcclient") return;
    if (belongsTo(event, BOOT, kind)) this.#code(covered);
    else if (IMAGE_TYPES.has(event.type) && belongsTo(event, OPTION_ROMS, kind)) this.#image(covered);
    if (event.type === EV.ipl) this.#text(covered);
    else if (event.type === EV.eventTag) this.#tag(covered);
    else if (event.type === EV.platformConfigFlags) this.#payload(covered);
  }

  /**
   * Whatever is not certainly something else counts as code, so that calling an image by another type does not take it off
   * the list.
   */
  #code(covered: CoveredEvent): void {
    if (!isNoCode(covered)) this.#image(covered);
  }

  /** The digest is the image's Authenticode hash; nothing vouches for the path. */
  #image({ event, digest }: CoveredEvent): void {
    const texts = IMAGE_TYPES.has(event.type) ? (imagePath(event.data) ?? []) : [];
    const path = fileOf(texts) ?? texts.join("/");
    this.#images.add({ path, authenticode: digest, register: event.register });
  }

  #text({ event, bound, digest, kind }: CoveredEvent): void {
    const said = iplText(event.data);
    if (said === undefined) return;
    const { source, text } = said;
    const inCommands = belongsTo(event, COMMANDS, kind);
    if (source === "grub-kernel-cmdline" && inCommands)
      this.#commandLines.add({ text, bound, source: "grub" });
    else if (source === "stub-text" && (inCommands || belongsTo(event, STUB_CONFIG, kind)))
      this.#commandLines.add({ text, bound, source: "stub" });
    else if (source === "label") this.#label(text, { event, digest, kind });
  }

  #label(text: string, { event, digest, kind }: Pick<CoveredEvent, "event" | "digest" | "kind">): void {
    if (/^MokList[A-Za-z]{0,12}$/.test(text) && belongsTo(event, MOK, kind)) this.#mok[text] ??= digest;
    else if (belongsTo(event, FILES, kind)) this.#files.add({ path: text, digest });
  }

  #tag({ event, digest, kind }: CoveredEvent): void {
    if (!belongsTo(event, FILES, kind)) return;
    const tag = readTag(event.data);
    if (tag?.id === INITRD_TAG) this.#initrds.add(digest);
    if (tag?.id === LOAD_OPTIONS_TAG) this.#loadOptions.add(digest);
  }

  #payload({ event, bound }: CoveredEvent): void {
    const payload = tdPayloadInfo(event.data);
    if (payload !== undefined) this.#commandLines.add({ text: payload.text, bound, source: "td-shim" });
  }

  facts(): JsonObject {
    return {
      images: this.#images.items,
      ...(this.#commandLines.empty && this.#loadOptions.empty ? {} : { kernel_cmdline: this.#commandLine() }),
      ...(this.#loadOptions.empty ? {} : { load_options_digests: this.#loadOptions.items }),
      ...(this.#initrds.empty ? {} : { initrd_digests: this.#initrds.items }),
      ...(this.#files.empty ? {} : { files: this.#files.items }),
      ...(Object.keys(this.#mok).length === 0 ? {} : { mok: this.#mok }),
    };
  }

  /**
   * Software may measure a second command line after the first. Where there are several, none is `bound`: which of them
   * the kernel got the log does not tell.
   */
  #commandLine(): JsonObject {
    const [first] = this.#commandLines.items;
    if (first === undefined) return { bound: false, source: "efi" };
    const texts = [...new Set(this.#commandLines.items.map(({ text }) => text))];
    const bound = texts.length === 1 && this.#commandLines.items.every((line) => line.bound);
    return { text: first.text, bound, source: first.source, ...(texts.length === 1 ? {} : { all: texts }) };
  }
}
