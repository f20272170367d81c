import { createHash } from "node:crypto";
import { type DestinationStream, type Logger, pino } from "pino";
import { escapeActiveCharacters } from "./printable.ts";

export type { Logger } from "pino";

export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly destination: DestinationStream;
}

/**
 * Members that must never be printed, whoever passes them. The code does not log them in the first place; this
 * is the second lock.
 */
const SECRET_MEMBERS = [
  "token",
  "nonce",
  "cookie",
  "authorization",
  "evidence",
  "secret",
  "password",
  "privateKey",
  "body",
];

/** Structured log: one JSON object per line, times in RFC 3339. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [...SECRET_MEMBERS, ...SECRET_MEMBERS.map((name) => `*.${name}`)],
        censor: "[redacted]",
      },
      serializers: { err: describeError },
    },
    { write: (line: string) => options.destination.write(escapeActiveCharacters(line)) },
  );
}

/** Standard output (1) or standard error (2), buffered; call `flushSync` before the process ends. */
export function logDestination(descriptor: 1 | 2): ReturnType<typeof pino.destination> {
  return pino.destination({ dest: descriptor, sync: false });
}

interface DescribedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: DescribedError;
}

const MAX_CAUSES = 5;

/** An error for the log: never its own members, which may hold a request and with it a credential. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!isError(error)) return { type: typeof error, message: "a value that is not an Error was thrown" };
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const stack = depth === 0 && error.stack !== undefined ? { stack: error.stack } : {};
  const cause =
    error.cause === undefined || depth >= MAX_CAUSES ? {} : { cause: describeError(error.cause, depth + 1) };
  return { type: error.name, message: error.message, ...code, ...stack, ...cause };
}

/** Errors of Node's own modules are not always `instanceof Error` of this realm. */
function isError(value: unknown): value is Error {
  return (
    typeof value === "object" && value !== null && "message" in value && typeof value.message === "string"
  );
}

/** Names a session in the log without giving anybody its id. */
export function sessionHash(id: string): string {
  return createHash("sha256").update("keywarden session in log\0").update(id).digest("hex").slice(0, 16);
}
