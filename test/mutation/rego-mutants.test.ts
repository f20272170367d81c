/** Every fault of the list is caught by a test: `KEYWARDEN_FULL=1` tries all of them, else those marked as short. */
import { seededFaults } from "../support/seeded-faults.ts";
import { MUTANTS } from "./rego-mutants.ts";

seededFaults("seeded faults in the Rego engine", MUTANTS, [
  "test/unit/policy/rego/language.test.ts",
  "test/unit/policy/rego/with.test.ts",
  "test/unit/policy/rego/documents.test.ts",
  "test/unit/policy/rego/dangerous-parts.test.ts",
  "test/unit/policy/rego-engine.test.ts",
  "test/unit/broker/release.test.ts",
]);
