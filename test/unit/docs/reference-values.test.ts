import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { REFERENCE_VALUES_PREDICATE } from "../../../src/attestation/reference-values/extract-in-toto.ts";
import { MANIFEST_FAULTS, TRUST_FAULTS } from "../../../src/attestation/reference-values/manifest.ts";

const TEXT = readFileSync(new URL("../../../docs/reference-values.md", import.meta.url), "utf8");

test("docs/reference-values.md lists every fault that a refusal can name", () => {
  const rows = [...TEXT.matchAll(/^\| `([a-z-]+)` +\| +[^|\s]/gm)].map(([, name]) => name);
  expect(rows).toEqual([...MANIFEST_FAULTS, ...TRUST_FAULTS]);
});

test("docs/reference-values.md signs a statement of the predicate that is read", () => {
  expect(TEXT).toContain(`"predicateType": "${REFERENCE_VALUES_PREDICATE}"`);
});
