import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createLogger, describeError, sessionHash } from "../../../src/observability/logger.ts";
import { escapeActiveCharacters } from "../../../src/observability/printable.ts";

function setUp() {
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  return { lines, log };
}

describe("logger", () => {
  test("writes one JSON object per line with a named level and time", () => {
    const { lines, log } = setUp();
    log.info({ event: "release", outcome: "released" }, "released");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? "");
    expect(line).toMatchObject({ level: "info", event: "release", msg: "released" });
    expect(new Date(line.time).toISOString()).toBe(line.time);
  });

  test("A7 redacts secrets that somebody passes all the same", () => {
    const { lines, log } = setUp();
    for (const name of [
      "token",
      "nonce",
      "cookie",
      "authorization",
      "evidence",
      "secret",
      "privateKey",
      "body",
    ])
      log.info({ [name]: "VALUE", inner: { [name]: "VALUE" } });
    expect(lines).toHaveLength(8);
    expect(lines.join("")).not.toContain("VALUE");
  });

  test("A7 looks into nested members, and prints nothing that lies too deep to look at", () => {
    const { lines, log } = setUp();
    log.info({
      a: [{ b: { token: "VALUE" } }],
      deep: Array.from({ length: 9 }).reduce<object>((inner) => ({ inner }), { harmless: "VALUE" }),
      n: null,
    });
    expect(lines[0]).not.toContain("VALUE");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ a: [{ b: { token: "[redacted]" } }], n: null });
  });

  test("A7 a group of options named token is shown without what is secret in it; a token never is", () => {
    const { lines, log } = setUp();
    log.info({ token: { ttl: 300, secret: "VALUE", token: "VALUE" } });
    log.info({ token: ["VALUE"] });
    expect(lines.join("")).not.toContain("VALUE");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ token: { ttl: 300 } });
  });

  test("E14 a value cannot begin a line, move the cursor or turn the text around", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const { lines, log } = setUp();
        log.info({ path: value });
        expect(lines[0]?.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
        expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
      }),
    );
  });

  test("E14 escaping changes no document", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(JSON.parse(escapeActiveCharacters(json))).toEqual(JSON.parse(json));
      }),
    );
  });

  test("describes an error by name, message, code and causes, never by its other members", () => {
    const error = Object.assign(new Error("outer", { cause: new TypeError("inner") }), {
      code: "ECONNREFUSED",
      config: { headers: { authorization: "Bearer VALUE" } },
    });
    const described = describeError(error);
    expect(described).toMatchObject({ type: "Error", message: "outer", code: "ECONNREFUSED" });
    expect(described.cause).toMatchObject({ type: "TypeError", message: "inner" });
    expect(JSON.stringify(described)).not.toContain("VALUE");
  });

  test("ends with an error that is its own cause", () => {
    const error = new Error("circle");
    error.cause = error;
    expect(JSON.stringify(describeError(error)).length).toBeLessThan(100_000);
  });

  test("A7 a session's name in the log is not its id", () => {
    const id = "0123456789abcdef0123456789abcdef";
    expect(sessionHash(id)).toMatch(/^[0-9a-f]{16}$/);
    expect(id).not.toContain(sessionHash(id));
  });
});
