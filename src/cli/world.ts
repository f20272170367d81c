/**
 * What a command may touch of the process around it. The entry point passes the real one on; tests pass their
 * own and read what was said.
 */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Results: what a script reads. */
  readonly out: (data: string | Uint8Array) => void;
  /** Everything said to a person. */
  readonly err: (text: string) => void;
  /** All of standard input. */
  readonly readInput: () => Promise<Buffer>;
  /** Standard input piece by piece, for commands that answer before it ends. Absent: read as a whole. */
  readonly inputPieces?: () => AsyncIterable<Buffer>;
}

/** Why a command ended without success, and how the process says so. */
export const EXIT = { done: 0, refused: 1, misuse: 2 } as const;

/** Ends a command with one sentence on stderr. */
export class CommandFailure extends Error {
  readonly exitCode: 1 | 2;
  /** Printed on stdout instead, where the command was asked for JSON. */
  readonly json: object | undefined;

  constructor(exitCode: 1 | 2, message: string, json?: object) {
    super(message);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
    this.json = json;
  }
}

export function misuse(message: string): CommandFailure {
  return new CommandFailure(EXIT.misuse, message);
}

export function refused(message: string, json?: object): CommandFailure {
  return new CommandFailure(EXIT.refused, message, json);
}
