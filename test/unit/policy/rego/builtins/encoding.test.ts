import { describe, expect, test } from "@jest/globals";
import { toJson } from "../../../../../src/policy/rego/json.ts";
import { call, run } from "../../../../support/rego-builtins.ts";

describe("base64", () => {
  test.each([
    ["base64.encode", "é", '"w6k="'],
    ["base64url.encode", "é?>", '"w6k_Pg=="'],
    ["base64url.encode_no_pad", "é?>", '"w6k_Pg"'],
    ["base64.decode", "w6k=", '"é"'],
    ["base64.decode", "w6\nk=", '"é"'],
    ["base64.decode", "", '""'],
    ["base64.decode", "w6k", "eval_builtin_error"],
    ["base64.decode", "w6k==", "eval_builtin_error"],
    ["base64.decode", "w6-_", "eval_builtin_error"],
    ["base64.decode", "w 6k=", "eval_builtin_error"],
    ["base64.is_valid", "w6k=", "true"],
    ["base64.is_valid", "w6k", "false"],
    ["base64.is_valid", 1, "false"],
    ["base64url.decode", "w6k_Pg", '"é?>"'],
    ["base64url.decode", "w6k_Pg==", '"é?>"'],
    ["base64url.decode", "w6k_P", "eval_builtin_error"],
    ["base64url.decode", "w6k+", "eval_builtin_error"],
  ] as const)("%s of %j is %s", (name, input, expected) => {
    expect(call(name, input)).toBe(expected);
  });

  test("trailing bits that mean nothing may be set, the digits before may not differ", () => {
    expect(call("base64.decode", "YWJ=")).toBe('"ab"');
    expect(call("base64.decode", "Y*J=")).toBe("eval_builtin_error");
  });
});

describe("bytes that are not UTF-8", () => {
  const decoded = (base64: string) => String(run("base64.decode", [base64]));

  test("count one code point each", () => {
    expect(call("count", decoded("2E84ZuPUd7zfvCZSNEchVpDEIj6PL7JfLpIqyxVG16k="))).toBe("30");
  });

  test("stay different from each other", () => {
    expect(decoded("//79")).not.toBe(decoded("//78"));
    expect(decoded("/w==")).not.toBe(decoded("77+9"));
  });

  test("can be encoded again and digested as the bytes they are", () => {
    const bytes = decoded("2E84ZuPUd7zfvCZSNEchVpDEIj6PL7JfLpIqyxVG16k=");
    expect(call("hex.encode", bytes)).toBe(
      '"d84f3866e3d477bcdfbc265234472156' + '90c4223e8f2fb25f2e922acb1546d7a9"',
    );
    expect(call("base64.encode", bytes)).toBe('"2E84ZuPUd7zfvCZSNEchVpDEIj6PL7JfLpIqyxVG16k="');
    expect(call("crypto.md5", decoded("/w=="))).toBe('"00594fd4f42ba43fc1ca0427a0576295"');
  });

  test("are recognised by RFC 3629, not by the look of their first byte", () => {
    const points = (hex: string) => call("count", decoded(Buffer.from(hex, "hex").toString("base64")));
    expect([
      points("c3a9ff"),
      points("c080ff"),
      points("eda080ff"),
      points("f4908080ff"),
      points("e282ff"),
    ]).toEqual([
      "2", // one sequence of two bytes
      "3", // overlong
      "4", // a surrogate
      "5", // beyond U+10FFFF
      "3", // cut off
    ]);
  });

  test("leave the engine as replacement characters", () => {
    expect(toJson(decoded("/2E="))).toBe("\ufffda");
    expect(call("json.marshal", decoded("/2E="))).toBe('"\\"\ufffda\\""');
  });
});

describe("hex", () => {
  test.each([
    ["hex.encode", "é", '"c3a9"'],
    ["hex.decode", "C3a9", '"é"'],
    ["hex.decode", "c3a", "eval_builtin_error"],
    ["hex.decode", "zz", "eval_builtin_error"],
    ["hex.decode", 1, "eval_type_error"],
  ] as const)("%s of %j is %s", (name, input, expected) => {
    expect(call(name, input)).toBe(expected);
  });
});

describe("JSON text", () => {
  test("is read exactly", () => {
    expect(call("json.unmarshal", '{"n":18446744073709551615}')).toBe('{"n": 18446744073709551615}');
    expect(call("json.unmarshal", "{} x")).toBe("eval_builtin_error");
    expect(call("json.unmarshal", 1)).toBe("eval_type_error");
    expect(call("json.is_valid", "[1,]")).toBe("false");
    expect(call("json.is_valid", 1)).toBe("false");
  });

  test("nested too deeply is a budget error, valid or not", () => {
    expect(call("json.unmarshal", "[".repeat(10_000) + "]".repeat(10_000))).toBe("budget valueDepth");
    expect(call("json.is_valid", "[".repeat(10_000))).toBe("budget valueDepth");
  });

  test("is written compactly with sorted members", () => {
    expect(run("json.marshal", [{ b: [1, new Set(["<"])], a: null }])).toBe('{"a":null,"b":[1,["\\u003c"]]}');
  });

  test("takes a layout", () => {
    expect(run("json.marshal_with_options", [{ a: [1] }, { indent: " ", prefix: "> " }])).toBe(
      '> {\n>  "a": [\n>   1\n>  ]\n> }',
    );
    expect(run("json.marshal_with_options", [{ a: [1] }, { pretty: false, indent: " " }])).toBe('{"a":[1]}');
    expect(run("json.marshal_with_options", [[], { pretty: true }])).toBe("[]");
    expect(call("json.marshal_with_options", [], { colour: true })).toBe("eval_type_error");
    expect(call("json.marshal_with_options", [], { pretty: 1 })).toBe("eval_type_error");
  });
});

describe("form encoding", () => {
  test.each([
    ["urlquery.encode", "a b&é~", '"a+b%26%C3%A9~"'],
    ["urlquery.decode", "a+b%26%C3%A9", '"a b&é"'],
    ["urlquery.decode", "%zz", "eval_builtin_error"],
    ["urlquery.decode", "%a", "eval_builtin_error"],
    ["urlquery.decode_object", "x=1&y&x=2&&=z", '{"": ["z"], "x": ["1", "2"], "y": [""]}'],
    ["urlquery.decode_object", "a;b=1", "eval_builtin_error"],
    [
      "urlquery.encode_object",
      { b: ["y", "x"], a: "1 2", c: new Set(["q", "p"]) },
      '"a=1+2&b=y&b=x&c=p&c=q"',
    ],
    ["urlquery.encode_object", { a: 1 }, "eval_type_error"],
  ] as const)("%s of %j is %s", (name, input, expected) => {
    expect(call(name, input)).toBe(expected);
  });
});
