import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "@jest/globals";
import { wellKnownPort } from "../../../src/compose/ports.ts";
import type { Tokens } from "../../../src/compose/trust.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createSigner } from "../../../src/tokens/signer.ts";
import { SigningKeys } from "../../../src/tokens/signing-keys.ts";

const signer = createSigner(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
const keys = new SigningKeys([{ signer }], { publishMs: 0, overlapMs: 0, now: () => 0 });

function jwksUri(yaml: string): unknown {
  const { config } = loadConfig(yaml);
  if (config === undefined) throw new Error("the configuration is good");
  // Nothing but the keys is looked at.
  return wellKnownPort(config, { keys } as Tokens).openidConfiguration("https://evil.example")["jwks_uri"];
}

test("C5 the key set is found where the operator says, not where a Host header says", () => {
  expect(jwksUri("server: { publicUrl: https://kbs.example.org/a/ }")).toBe(
    "https://kbs.example.org/a/.well-known/jwks.json",
  );
  expect(jwksUri("")).toBe("https://evil.example/.well-known/jwks.json");
});
