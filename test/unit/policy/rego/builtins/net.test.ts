import { describe, expect, test } from "@jest/globals";
import { call, type Literal } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

describe("validity", () => {
  test.each([
    "10.0.0.0/8",
    "10.1.2.3/16",
    "::/0",
    "::ffff:10.0.0.0/104",
    "1.2.3.4/32",
    "10.0.0.0/08",
    "1::/128",
  ])("%s is a CIDR", (text) => {
    expect(call("net.cidr_is_valid", text)).toBe("true");
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "010.0.0.0/8",
    "10.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "fe80::1%eth0/64",
    "1::2::3/64",
    "12345::/16",
    "1:2:3:4:5:6:7:8:9/64",
    "1:2:3:4:5:6:7::8/64x",
    "256.0.0.0/8",
    "",
    1,
  ])("%s is none", (text) => {
    expect(call("net.cidr_is_valid", text)).toBe("false");
  });
});

describe("containment", () => {
  vectors([
    ["net.cidr_contains", ["10.0.0.0/8", "10.1.2.3"], "true"],
    ["net.cidr_contains", ["10.0.0.0/8", "10.1.0.0/16"], "true"],
    ["net.cidr_contains", ["10.1.0.0/16", "10.0.0.0/8"], "false"],
    ["net.cidr_contains", ["10.0.0.0/8", "::ffff:10.1.2.3"], "true"],
    ["net.cidr_contains", ["::/0", "10.1.2.3"], "false"],
    ["net.cidr_contains", ["2001:db8::/32", "2001:db8:ffff::1"], "true"],
    ["net.cidr_contains", ["10.0.0.0", "10.0.0.0"], "eval_builtin_error"],
    ["net.cidr_contains", ["10.0.0.0/8", "x"], "eval_builtin_error"],
    ["net.cidr_contains", [1, "x"], "eval_type_error"],
    ["net.cidr_overlap", ["10.0.0.0/8", "10.1.2.3"], "true"],
    ["net.cidr_intersects", ["10.1.0.0/16", "10.0.0.0/8"], "true"],
    ["net.cidr_intersects", ["10.1.0.0/16", "10.2.0.0/16"], "false"],
    ["net.cidr_contains_matches", ["1.1.1.0/24", "1.1.1.7"], '{["1.1.1.0/24", "1.1.1.7"]}'],
    [
      "net.cidr_contains_matches",
      [[["1.1.1.0/24", "x"], "2.0.0.0/8"], { k: "2.2.2.2", l: ["1.1.1.1"] }],
      '{[0, "l"], [1, "k"]}',
    ],
    ["net.cidr_contains_matches", [[[]], "1.1.1.1"], "eval_builtin_error"],
    ["net.cidr_contains_matches", [[[1]], "1.1.1.1"], "eval_type_error"],
  ]);
});

describe("sets of addresses", () => {
  vectors([
    ["net.cidr_expand", ["10.0.0.5/30"], '{"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"}'],
    ["net.cidr_expand", ["2001:db8::/127"], '{"2001:db8::", "2001:db8::1"}'],
    ["net.cidr_expand", ["1:0:0:2:0:0:0:3/128"], '{"1:0:0:2::3"}'],
    ["net.cidr_expand", ["10.0.0.0/8"], "budget cells"],
    ["net.cidr_expand", ["::/0"], "budget cells"],
    ["net.cidr_merge", [["10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24", "10.0.0.7/32"]], '{"10.0.0.0/23"}'],
    ["net.cidr_merge", [new Set(["10.0.0.0/24", "10.0.2.0/24"])], '{"10.0.0.0/24", "10.0.2.0/24"}'],
    ["net.cidr_merge", [["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]], '{"0.0.0.0/0", "::/0"}'],
    ["net.cidr_merge", [["::1"]], "eval_builtin_error"],
    ["net.cidr_merge", [[1]], "eval_builtin_error"],
  ]);
});

describe("versions", () => {
  test("are ordered as in section 11 of SemVer", () => {
    const ascending = [
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0-rc.1",
      "1.0.0",
      "1.0.1",
      "1.10.0",
      "2.0.0",
    ];
    for (const [i, a] of ascending.entries())
      for (const [j, b] of ascending.entries())
        expect(call("semver.compare", a, b)).toBe(String(Math.sign(i - j)));
  });

  vectors([
    ["semver.compare", ["1.0.0+a", "1.0.0+b"], "0"],
    ["semver.compare", ["1.0", "1.0.0"], "eval_builtin_error"],
    ["semver.is_valid", ["1.0.0-rc.1+build.5"], "true"],
    ["semver.is_valid", ["v1.0.0"], "true"],
    ["semver.is_valid", ["01.0.0"], "false"],
    ["semver.is_valid", ["1.0.0-01"], "false"],
    ["semver.is_valid", ["1.0.0-01a+01"], "true"],
    ["semver.is_valid", ["1.0.0-"], "false"],
    ["semver.is_valid", ["1.0.0-a..b"], "false"],
    ["semver.is_valid", ["99999999999999999999.0.0"], "false"],
    ["semver.is_valid", [1], "false"],
  ]);
});

describe("UUIDs", () => {
  vectors([
    [
      "uuid.parse",
      ["urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
      '{"clocksequence": 10085, "macvariables": "global:unicast", "nodeid": "00-a0-c9-1e-6b-f6", "time": 854991792216875000, "variant": "RFC4122", "version": 1}',
    ],
    ["uuid.parse", ["{00000000-0000-4000-c000-000000000000}"], '{"variant": "Microsoft", "version": 4}'],
    ["uuid.parse", ["00000000000040008000000000000000"], '{"variant": "RFC4122", "version": 4}'],
    ["uuid.parse", ["f81d4fae-7dec-11d0-a765-00a0c91e6bfg"], undefined],
    ["uuid.parse", [""], undefined],
    ["uuid.parse", [1], "eval_type_error"],
  ]);
});
