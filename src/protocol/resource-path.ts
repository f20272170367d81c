import { KbsError } from "../errors.ts";

declare const checked: unique symbol;

/**
 * `repository/type/tag`, checked. Stores never see a raw string: three segments of `[A-Za-z0-9_.-]`, none
 * beginning with a dot, so a path can neither escape nor be spelled in two ways.
 */
export type ResourcePath = string & { readonly [checked]: true };

/** Longest segment; keeps an encoded name within the 255 bytes that file systems allow. */
export const MAX_SEGMENT_LENGTH = 120;

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

/** Whether `segment` may be a repository, a type or a tag. */
export function isPathSegment(segment: string): boolean {
  return segment.length <= MAX_SEGMENT_LENGTH && SEGMENT.test(segment);
}

/** @throws KbsError `resource-path-invalid` */
export function parseResourcePath(segments: readonly string[]): ResourcePath {
  if (segments.length !== 3) {
    throw invalid(`a resource path has three parts, repository/type/tag, not ${segments.length}`);
  }
  for (const segment of segments) {
    if (segment.length > MAX_SEGMENT_LENGTH)
      throw invalid(`a part is longer than ${MAX_SEGMENT_LENGTH} characters`);
    if (!SEGMENT.test(segment))
      throw invalid("a part may hold A–Z a–z 0–9 _ . - and must not begin with a dot");
  }
  // The brand is what the loop above established.
  return segments.join("/") as ResourcePath;
}

function invalid(reason: string): KbsError {
  return new KbsError("resource-path-invalid", `Resource path refused: ${reason}.`);
}
