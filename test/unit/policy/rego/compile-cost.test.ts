/** What compiling costs must not grow with the square of a text: uploads are bounded in size, not in shape. */
import { describe, expect, test } from "@jest/globals";
import { answer, policyOf, refusals } from "../../../support/rego.ts";

const lines = (count: number, make: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => make(at)).join("\n");

describe("literals that wait for each other", () => {
  test("are put in order, as many as a text can hold", () => {
    const chain = `p if {\n${lines(8_000, (at) => `x${at} = x${at + 1}`)}\nx8000 = 1\n}`;
    expect(policyOf(chain).entryPoints).toEqual(["data.policy.p"]);
  });

  test("keep the order of the text where they can", () => {
    const rules = `
      p := [a, b, c] if {
        print("first", c)
        a = b
        print("second", b)
        b = c
        c = 1
        print("third", c)
      }`;
    const outcome = policyOf(rules).evaluate("data.policy.p");
    expect(outcome).toMatchObject({ kind: "value", value: [1, 1, 1] });
    expect(outcome.stats.prints.map((line) => line.split(" ").at(-2))).toEqual(["third", "first", "second"]);
  });

  test("wait for either of two variables, and are placed once", () => {
    expect(answer("p := [x, y] if { x = y; y = 1; x = 1 }", "p")).toEqual([1, 1]);
    expect(answer("p := [x, y] if { x = y; y = 1; x = 2 }", "p")).toBe("undefined");
  });

  test("are refused when no order helps", () => {
    expect(refusals("p if { x = y; y = z; z = x }")).toContain("rego_unsafe_var_error");
  });
});

test("thousands of rules that each reach every rule are refused at once", () => {
  const rules = lines(5_000, (at) => `r${at} if data.policy[input.x]`);
  expect(refusals(rules)).toContain("rego_compile_error");
});
