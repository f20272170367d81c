/** Every fault of the list is caught by a test: `KEYWARDEN_FULL=1` tries all of them, else those marked as short. */
import { seededFaults } from "../support/seeded-faults.ts";
import { MUTANTS } from "./tpm-mutants.ts";

seededFaults("seeded faults in the verification of TPMs", MUTANTS, [
  "test/unit/attestation/tpm",
  "test/unit/attestation/azure",
  "test/unit/attestation/ima",
  "test/unit/attestation/eventlog",
  "test/unit/enrolment",
]);
