import { KbsError } from "../errors.ts";

/** A file in a store's folder that the store cannot use. The rest of the store keeps working. */
export interface StorageFault {
  /** Path of the file, for the log. */
  readonly file: string;
  /** One sentence for a person. */
  readonly reason: string;
}

export type ReportFault = (fault: StorageFault) => void;

/** Turns whatever a file system said into the one error stores throw; the reason stays private. */
export function storageUnavailable(doing: string, cause: unknown): KbsError {
  if (cause instanceof KbsError) return cause;
  return new KbsError("storage-unavailable", `Storage failed while ${doing}; the log has the reason.`, {
    cause,
  });
}
