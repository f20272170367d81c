import { describe, expect, test } from "@jest/globals";
import { dangerousSwitches } from "../../../src/config/dangerous.ts";
import { loadConfig } from "../../../src/config/load.ts";

const signer = (name: string, names: string, more = "keys: [a.pem]") =>
  `{ name: ${name}, ${more}, names: [${names}] }`;
const load = (...signers: readonly string[]) =>
  loadConfig(`referenceValues:\n  trustedSigners: [${signers.join(", ")}]\n`);
const faults = (...signers: readonly string[]) =>
  load(...signers).faults.map(({ path, message }) => `${path} ${message}`);

describe("referenceValues", () => {
  test("nobody is trusted unless the file says so, and expired values count as unknown", () => {
    expect(loadConfig("").config?.referenceValues).toEqual({
      trustedSigners: [],
      dangerouslyAcceptExpired: false,
    });
  });

  test("signers with keys or roots and the names they may set", () => {
    const both = load(signer("a", "acme/*, exact"), signer("b", "other*", "certificates: roots.pem"));
    expect(both.faults).toEqual([]);
    expect(both.config?.referenceValues.trustedSigners).toEqual([
      { name: "a", keys: ["a.pem"], names: ["acme/*", "exact"] },
      { name: "b", keys: [], certificates: "roots.pem", names: ["other*"] },
    ]);
  });

  test.each([
    ["without any key", [signer("a", "x", "keys: []")], "needs keys or certificates"],
    ["without a name to set", ["{ name: a, keys: [a.pem], names: [] }"], "names"],
    ["with a * in the middle", [signer("a", "'x*y'")], "may have one *, at its end"],
    ["under one name twice", [signer("a", "x"), signer("a", "y")], "is the name of another signer"],
    [
      "with a name of another",
      [signer("a", "x"), signer("b", "y, x")],
      "covers names that another signer may set",
    ],
    ["with a name below another's", [signer("a", "'x/*'"), signer("b", "x/y")], "covers names"],
    ["with a wider pattern", [signer("a", "'x/*'"), signer("b", "'x*'")], "covers names"],
    ["with a narrower pattern", [signer("a", "'*'"), signer("b", "'x/*'")], "covers names"],
  ])("D12 refuses a signer %s", (_what, signers, message) => {
    expect(faults(...signers).join("\n")).toContain(message);
  });

  test("names beside each other are no conflict", () => {
    expect(faults(signer("a", "'x/*', y"), signer("b", "'x-*', y1"))).toEqual([]);
  });

  test("accepting expired values is logged as dangerous", () => {
    const { config } = loadConfig("referenceValues: { dangerouslyAcceptExpired: true }");
    if (config === undefined) throw new Error("the configuration was refused");
    expect(dangerousSwitches(config).map(({ path }) => path)).toEqual([
      "referenceValues.dangerouslyAcceptExpired",
    ]);
  });
});
