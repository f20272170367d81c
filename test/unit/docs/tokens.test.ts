import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { loadConfig } from "../../../src/config/load.ts";
import { PROFILE_TAGS, TOKEN_PROFILES } from "../../../src/tokens/forms.ts";
import { SIGNING_ALGORITHMS } from "../../../src/tokens/signer.ts";

const TEXT = readFileSync(new URL("../../../docs/tokens.md", import.meta.url), "utf8");

test("docs/tokens.md: every configuration in it is good", () => {
  const blocks = [...TEXT.matchAll(/```yaml\n([^`]*)```/g)].map(([, yaml = ""]) => yaml);
  expect(blocks).toHaveLength(3);
  for (const yaml of blocks) expect(loadConfig(yaml).faults).toEqual([]);
});

test("docs/tokens.md: every profile with its tag, every algorithm", () => {
  for (const profile of TOKEN_PROFILES)
    expect(TEXT).toContain(`| \`profile: ${profile}\` | \`${PROFILE_TAGS[profile]}\``);
  for (const algorithm of SIGNING_ALGORITHMS) expect(TEXT).toContain(`\`${algorithm}\``);
});
