import { describe, expect, test } from "@jest/globals";
import { call, type Literal, NOW_NS, run } from "../../../../support/rego-builtins.ts";

type Vector = readonly [string, readonly Literal[], string | undefined];

function vectors(list: readonly Vector[]): void {
  test.each(list)("%s%j is %s", (name, args, expected) => {
    expect(call(name, ...args)).toBe(expected);
  });
}

/** Wednesday, 4 March 2020, 10:11:12.123456789 UTC. */
const T = 1583316672123456789n;

test("now is the clock of the evaluation", () => {
  expect(run("time.now_ns", [])).toBe(NOW_NS);
});

describe("RFC 3339", () => {
  vectors([
    ["time.parse_rfc3339_ns", ["2020-03-04T10:11:12.123456789Z"], "1583316672123456789"],
    ["time.parse_rfc3339_ns", ["2020-03-04T10:11:12.1234567899Z"], "1583316672123456789"],
    ["time.parse_rfc3339_ns", ["2020-03-04T11:41:12+01:30"], "1583316672000000000"],
    ["time.parse_rfc3339_ns", ["1969-12-31T23:59:59.5Z"], "-500000000"],
    ["time.parse_rfc3339_ns", ["2262-04-11T23:47:16.854775807Z"], "9223372036854775807"],
    ["time.parse_rfc3339_ns", ["2262-04-11T23:47:16.854775808Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["1677-09-21T00:12:43Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-02-30T00:00:00Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2024-02-29T00:00:00Z"], "1709164800000000000"],
    ["time.parse_rfc3339_ns", ["2023-02-29T00:00:00Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-03-04 10:11:12Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-03-04T10:11:12"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-03-04T24:00:00Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-03-04T10:11:60Z"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", ["2020-03-04T10:11:12Zx"], "eval_builtin_error"],
    ["time.parse_rfc3339_ns", [1], "eval_type_error"],
  ]);
});

describe("layouts for reading", () => {
  vectors([
    ["time.parse_ns", ["2006-01-02", "2020-03-04"], "1583280000000000000"],
    ["time.parse_ns", ["RFC1123Z", "Wed, 04 Mar 2020 10:11:12 -0700"], "1583341872000000000"],
    ["time.parse_ns", ["RFC822", "04 Mar 20 10:11 UTC"], "1583316660000000000"],
    ["time.parse_ns", ["ANSIC", "Wed Mar  4 10:11:12 2020"], "1583316672000000000"],
    ["time.parse_ns", ["2006-01-02 15:04:05", "2020-03-04 10:11:12.25"], "1583316672250000000"],
    ["time.parse_ns", ["January 2, 2006 3:04pm", "march 14, 2020 12:04am"], "1584144240000000000"],
    ["time.parse_ns", ["2006-002", "2020-366"], "1609372800000000000"],
    ["time.parse_ns", ["2006-002", "2021-366"], "eval_builtin_error"],
    ["time.parse_ns", ["06-1-2", "69-3-4"], "-26179200000000000"],
    ["time.parse_ns", ["2006-01-02 -07:00:00", "2020-03-04 +02:30:15"], "1583270985000000000"],
    ["time.parse_ns", ["2006-01-02 MST", "2020-03-04 PST"], "1583280000000000000"],
    ["time.parse_ns", ["2006-01-02 MST", "2020-03-04 abc"], "eval_builtin_error"],
    ["time.parse_ns", ["2006-01-02", "2020-13-01"], "eval_builtin_error"],
    ["time.parse_ns", ["2006", "2300"], "eval_builtin_error"],
  ]);
});

describe("writing", () => {
  vectors([
    ["time.format", [T], '"2020-03-04T10:11:12.123456789Z"'],
    ["time.format", [1583316672000000000n], '"2020-03-04T10:11:12Z"'],
    ["time.format", [[T, "Asia/Kolkata"]], '"2020-03-04T15:41:12.123456789+05:30"'],
    ["time.format", [[T, "Europe/Berlin", "RFC850"]], '"Wednesday, 04-Mar-20 11:11:12 CET"'],
    ["time.format", [[T, "Asia/Kathmandu", "MST -07"]], '"+0545 +05"'],
    ["time.format", [[T, "", "Jan _2 3:04PM 06 002 .000 ,999999"]], '"Mar  4 10:11AM 20 064 .123 ,123456"'],
    ["time.format", [[T, "UTC", "Monster _2006 Z07:00 20060102"]], '"Monster _2020 Z 20200304"'],
    ["time.format", [[-1, "UTC"]], '"1969-12-31T23:59:59.999999999Z"'],
    ["time.format", [[0, "Nowhere/Else"]], "eval_builtin_error"],
    ["time.format", [[0, "Local"]], "eval_builtin_error"],
    ["time.format", [[0, "+01:00"]], "eval_builtin_error"],
    ["time.format", [2n ** 63n], "eval_builtin_error"],
    ["time.format", [1.5], "eval_builtin_error"],
    ["time.format", ["x"], "eval_type_error"],
    ["time.format", [[]], "eval_type_error"],
  ]);
});

describe("parts", () => {
  vectors([
    ["time.clock", [T], "[10, 11, 12]"],
    ["time.clock", [[T, "America/New_York"]], "[5, 11, 12]"],
    ["time.date", [[1583366400000000000n, "America/New_York"]], "[2020, 3, 4]"],
    ["time.weekday", [T], '"Wednesday"'],
    ["time.weekday", [[-1, "UTC"]], '"Wednesday"'],
    ["time.date", [-9223372036854775808n], "[1677, 9, 21]"],
  ]);
});

describe("calendar arithmetic", () => {
  vectors([
    ["time.add_date", [1582934400000000000n, 1, 0, 0], "1614556800000000000"],
    ["time.add_date", [1580428800000000000n, 0, 1, 0], "1583107200000000000"],
    ["time.add_date", [0, 0, -13, -1], "-34300800000000000"],
    ["time.add_date", [[1585353600000000000n, "Europe/Berlin"], 0, 0, 2], "1585522800000000000"],
    ["time.add_date", [0, 300, 0, 0], "eval_builtin_error"],
    ["time.add_date", [0, 0, 0, 2n ** 62n], "eval_builtin_error"],
    ["time.add_date", [0, 0.5, 0, 0], "eval_type_error"],
    ["time.diff", [0, T], "[50, 2, 3, 10, 11, 12]"],
    ["time.diff", [T, 0], "[50, 2, 3, 10, 11, 12]"],
    ["time.diff", [1580428800000000000n, 1583020800000000000n], "[0, 1, 1, 0, 0, 0]"],
  ]);
});

describe("durations", () => {
  vectors([
    ["time.parse_duration_ns", ["1h5m0.5s"], "3900500000000"],
    ["time.parse_duration_ns", ["-1.5h"], "-5400000000000"],
    ["time.parse_duration_ns", ["1µs1us1μs1ms1ns"], "1003001"],
    ["time.parse_duration_ns", ["0"], "0"],
    ["time.parse_duration_ns", ["9223372036854775807ns"], "9223372036854775807"],
    ["time.parse_duration_ns", ["9223372036854775808ns"], "eval_builtin_error"],
    ["time.parse_duration_ns", ["1"], "eval_builtin_error"],
    ["time.parse_duration_ns", ["1d"], "eval_builtin_error"],
    ["time.parse_duration_ns", [""], "eval_builtin_error"],
    ["time.parse_duration_ns", ["."], "eval_builtin_error"],
  ]);
});
