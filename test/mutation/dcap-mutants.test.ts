/** Every fault of the list is caught by a test: `KEYWARDEN_FULL=1` tries all of them, else those marked as short. */
import { seededFaults } from "../support/seeded-faults.ts";
import { MUTANTS } from "./dcap-mutants.ts";

seededFaults("seeded faults in the verification of DCAP quotes", MUTANTS, ["test/unit/attestation/dcap"]);
