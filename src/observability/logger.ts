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
const SECRET_MEMBERS: ReadonlySet<string> = new Set([
  "token",
  "nonce",
  "cookie",
  "authorization",
  "evidence",
  "secret",
  "password",
  "privateKey",
  "body",
]);
/** The configuration has a group of this name; below it the other names count. */
const GROUP = "token";
const REDACTED = "[redacted]";
/** Levels of nesting that are looked through; deeper ones are not printed at all. */
const MAX_DEPTH = 8;

/** Structured log: one JSON object per line, times in RFC 3339. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp,
      formatters: { level: (label) => ({ level: label }), log: (entry) => redacted(entry, 0) },
      serializers: { err: describeError },
    },
    { write: (line: string) => options.destination.write(escapeActiveCharacters(line)) },
  );
}

// Formatting a date costs more than the rest of the line; all lines of a second share all but the last digits.
let lastSecond = Number.NaN;
let lastText = "";

function timestamp(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1000).toISOString().slice(0, -4);
  }
  return `,"time":"${lastText}${String(now % 1000).padStart(3, "0")}Z"`;
}

/** A copy without what must not be printed. Written out, because the library's own costs as much as a signature. */
function redacted(entry: Record<string, unknown>, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(entry)) {
    const value = entry[name];
    copy[name] = isSecret(name, value) ? REDACTED : isNested(value) ? nested(value, depth + 1) : value;
  }
  return copy;
}

function isSecret(name: string, value: unknown): boolean {
  return SECRET_MEMBERS.has(name) && !(name === GROUP && isNested(value) && !Array.isArray(value));
}

function nested(value: Record<string, unknown> | unknown[], depth: number): unknown {
  if (depth > MAX_DEPTH) return REDACTED;
  if (!Array.isArray(value)) return redacted(value, depth);
  return value.map((item: unknown) => (isNested(item) ? nested(item, depth + 1) : item));
}

/** Plain objects and arrays; errors have a serialiser of their own. */
function isNested(value: unknown): value is Record<string, unknown> | unknown[] {
  return typeof value === "object" && value !== null && !isError(value);
}

const FLUSH_MS = 100;

/**
 * Standard output (1) or standard error (2). Lines are written a few kilobytes at a time, and at the latest after
 * a tenth of a second; call `flushSync` before the process ends.
 */
export function logDestination(descriptor: 1 | 2): ReturnType<typeof pino.destination> {
  return pino.destination({ dest: descriptor, sync: false, minLength: 4096, periodicFlush: FLUSH_MS });
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
