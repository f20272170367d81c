import { describe, expect, test } from "@jest/globals";
import { BUILTINS, FORBIDDEN } from "../../../../../src/policy/rego/builtins/index.ts";
import { BuiltinError } from "../../../../../src/policy/rego/errors.ts";
import { call, context, run } from "../../../../support/rego-builtins.ts";

describe("digests of text", () => {
  // RFC 1321 A.5, FIPS 180-4 examples, RFC 2202 and RFC 4231 test case 2.
  test.each([
    ["crypto.md5", ["abc"], "900150983cd24fb0d6963f7d28e17f72"],
    ["crypto.sha1", ["abc"], "a9993e364706816aba3e25717850c26c9cd0d89d"],
    ["crypto.sha256", ["abc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["crypto.hmac.md5", ["what do ya want for nothing?", "Jefe"], "750c783e6ab0b503eaa86e310a5db738"],
    [
      "crypto.hmac.sha1",
      ["what do ya want for nothing?", "Jefe"],
      "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ],
    [
      "crypto.hmac.sha256",
      ["what do ya want for nothing?", "Jefe"],
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    [
      "crypto.hmac.sha512",
      ["what do ya want for nothing?", "Jefe"],
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ],
  ])("%s", (name, args, digest) => {
    expect(run(name, args)).toBe(digest);
  });

  test("comparison of codes", () => {
    expect(call("crypto.hmac.equal", "a", "a")).toBe("true");
    expect(call("crypto.hmac.equal", "a", "b")).toBe("false");
    expect(call("crypto.hmac.equal", "a", "ab")).toBe("false");
    expect(call("crypto.hmac.equal", 1, "a")).toBe("eval_type_error");
  });
});

describe("the table", () => {
  test("offers nothing that reaches out, signs, or tells about the broker", () => {
    const names = [
      "http.send",
      "net.lookup_ip_addr",
      "opa.runtime",
      "rego.parse_module",
      "io.jwt.encode_sign",
      "io.jwt.encode_sign_raw",
      "crypto.parse_private_keys",
      "providers.aws.sign_req",
    ];
    for (const name of names) {
      expect(BUILTINS.has(name)).toBe(false);
      expect(FORBIDDEN.get(name)?.reason).toMatch(/./);
    }
  });

  test("names only clock, randomness and token times as not deterministic", () => {
    const names = [...BUILTINS.values()].filter((builtin) => !builtin.deterministic).map(({ name }) => name);
    expect(names.sort()).toEqual(["io.jwt.decode_verify", "rand.intn", "time.now_ns"]);
  });

  test("names what only the older dialect may call", () => {
    const names = [...BUILTINS.values()].filter((builtin) => builtin.deprecated).map(({ name }) => name);
    expect(names.sort()).toEqual(
      "all any cast_array cast_boolean cast_null cast_object cast_set cast_string net.cidr_overlap re_match set_diff".split(
        " ",
      ),
    );
  });

  test("has signatures as long as the arity", () => {
    for (const builtin of BUILTINS.values()) expect(builtin.args).toHaveLength(builtin.arity);
  });
});

test("errors name the function", () => {
  expect(() => run("count", [1])).toThrow(BuiltinError);
  expect(() => run("count", [1])).toThrow(/^count: operand 1 must be /);
});

test("trace writes its note", () => {
  const notes: string[] = [];
  expect(run("trace", ["here"], context({}, notes))).toBe(true);
  expect(notes).toEqual(["here"]);
});
