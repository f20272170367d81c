/** Where in Vault a secret lies. */
import { parseResourcePath, type ResourcePath } from "../../protocol/resource-path.ts";

const PARTS = ["repository", "type", "tag"] as const;
type Part = (typeof PARTS)[number];
const PLACEHOLDER = /^\{(repository|type|tag)\}$/;
/** What operators write around the parts; nothing that could leave the mount or mean something in a URL. */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/**
 * A template such as `kbs/{repository}/{type}/{tag}`. Every part fills a segment of its own, so two secrets never lie at
 * one place, and what a listing shows can be read back.
 */
export class PlaceTemplate {
  readonly #segments: readonly (Part | { readonly plain: string })[];

  /** @throws RangeError saying what is wrong, for the configuration */
  constructor(template: string) {
    this.#segments = template.split("/").map((segment) => {
      const part = PARTS.find((one) => PLACEHOLDER.exec(segment)?.[1] === one);
      if (part !== undefined) return part;
      if (!PLAIN.test(segment))
        throw new RangeError(`the segment ${JSON.stringify(segment)} is neither plain nor a part`);
      return { plain: segment };
    });
    for (const part of PARTS)
      if (this.#segments.filter((segment) => segment === part).length !== 1)
        throw new RangeError(`{${part}} has to be a segment once`);
  }

  /** Segments of a resource path need no escapes in a URL. */
  placeOf(path: ResourcePath): string {
    const [repository = "", type = "", tag = ""] = path.split("/");
    const values = { repository, type, tag };
    return this.#segments
      .map((segment) => (typeof segment === "string" ? values[segment] : segment.plain))
      .join("/");
  }

  /** Number of segments. */
  get depth(): number {
    return this.#segments.length;
  }

  /** Which names at a depth can lead to secrets: the one that is written there, or any. */
  fits(depth: number, name: string): boolean {
    const segment = this.#segments[depth];
    return segment !== undefined && (typeof segment === "string" || segment.plain === name);
  }

  /** @returns undefined for a place that is no secret of ours */
  pathAt(place: readonly string[]): ResourcePath | undefined {
    const values = PARTS.map((part) => place[this.#segments.indexOf(part)] ?? "");
    try {
      return parseResourcePath(values);
    } catch {
      return undefined;
    }
  }
}
