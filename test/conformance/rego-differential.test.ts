/** Our engine and a real OPA over generated modules: every difference that is not written down is a fault. */
import { expect, test } from "@jest/globals";
import { describeOpa } from "../support/opa.ts";
import { OpaServer } from "../support/opa-server.ts";
import { compareCase, newTally, type Tally } from "../support/rego-differential.ts";
import { BASE, generateCase } from "../support/rego-generator/index.ts";

const MODULES = process.env["KEYWARDEN_FULL"] === "1" ? 20_000 : 500;
/** Two servers: while one of them compiles, we evaluate. */
const SERVERS = 2;
const LONG = 3_600_000;

describeOpa("differential test against OPA", (program) => {
  test(
    `${MODULES} generated modules mean the same to both engines`,
    async () => {
      const tally = newTally();
      const shares = Array.from({ length: SERVERS }, (_, share) => compareShare(program, share, tally));
      await Promise.all(shares);
      console.info(summary(tally));
      expect(tally.differences).toEqual([]);
      // The generator has to make modules that compile and rules that have values, or nothing was compared.
      expect(tally.accepted).toBeGreaterThan(MODULES / 2);
      expect(tally.values).toBeGreaterThan(MODULES * 5);
      expect(tally.undefineds).toBeGreaterThan(MODULES);
      expect(tally.errors).toBeGreaterThan(MODULES / 2);
    },
    LONG,
  );
});

async function compareShare(program: string, share: number, tally: Tally): Promise<void> {
  const server = await OpaServer.start(program);
  try {
    await server.putData("base", BASE);
    for (let seed = share; seed < MODULES; seed += SERVERS) {
      await compareCase(server, generateCase(seed), tally);
    }
  } finally {
    server.stop();
  }
}

function summary(tally: Tally): string {
  const { modules, accepted, refused, values, undefineds, errors } = tally;
  const known = [...tally.known].map(([why, times]) => `  ${times} × ${why}`);
  const counts = `${modules} modules, ${accepted} accepted and ${refused} refused by both`;
  const answers = `${values} equal values, ${undefineds} undefined in both, ${errors} errors in both`;
  return [`${counts}; ${answers}; known differences:`, ...known].join("\n");
}
