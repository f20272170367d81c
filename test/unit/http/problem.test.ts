import { describe, expect, test } from "@jest/globals";
import { KbsError, PROBLEMS, type ProblemCode } from "../../../src/errors.ts";
import { problemBody, reworded, toKbsError } from "../../../src/http/problem.ts";

// The table's keys are its codes; Object.keys only forgets their type.
const CODES = Object.keys(PROBLEMS) as ProblemCode[];

describe("problems", () => {
  test.each(CODES)("P10 %s has what clients and RFC 9457 want", (code) => {
    const body = JSON.parse(problemBody(new KbsError(code, "A sentence."), "id-1"));
    expect(body).toEqual({
      type: `https://github.com/confidential-containers/kbs/errors/${PROBLEMS[code].kbsType}`,
      title: PROBLEMS[code].title,
      status: PROBLEMS[code].status,
      detail: "A sentence.",
      instance: "id-1",
      code,
    });
  });

  test("extra members add, and never replace", () => {
    const extra = { check: "debug", status: 200, detail: "all is well", count: 12345678901234567890n };
    const text = problemBody(new KbsError("policy-denied", "Denied.", { extra }), "id");
    expect(JSON.parse(text)).toMatchObject({ check: "debug", status: 403, detail: "Denied." });
    expect(text).toContain('"count":12345678901234567890');
  });

  test("causes stay inside", () => {
    const error = new KbsError("internal", "Failed.", { cause: new Error("password") });
    expect(problemBody(error, "id")).not.toContain("password");
  });

  test.each([new TypeError("x"), "text", undefined, null, 1])(
    "%p becomes an internal error that says nothing",
    (thrown) => {
      const error = toKbsError(thrown);
      expect(error.code).toBe("internal");
      expect(error.detail).not.toMatch(/x|text|TypeError$/);
    },
  );

  test("rewording keeps code, members, pause and the original as cause", () => {
    const original = new KbsError("overloaded", "Busy.", { extra: { a: 1 }, retryAfterSeconds: 3 });
    const error = reworded(original, "Come back.", { extra: { b: 2 } });
    expect(error).toMatchObject({
      code: "overloaded",
      detail: "Come back.",
      extra: { a: 1, b: 2 },
      retryAfterSeconds: 3,
    });
    expect(error.cause).toBe(original);
  });
});
