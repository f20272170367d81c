/** Our engine and a real OPA over generated modules: every difference that is not written down is a fault. */
import { expect, test } from "@jest/globals";
import { compilePolicy } from "../../src/policy/rego/index.ts";
import { describeOpa } from "../support/opa.ts";
import { OpaServer } from "../support/opa-server.ts";
import { compareCase, newTally, type Tally } from "../support/rego-differential.ts";
import { BASE, generateCase } from "../support/rego-generator/index.ts";
import { LEFT_OUT } from "./rego-known-differences.ts";

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

describeOpa("differences that the generator leaves out", (program) => {
  test("are still as they are described", async () => {
    const server = await OpaServer.start(program);
    try {
      await server.putData("base", BASE);
      for (const { rules, ours, opa } of LEFT_OUT) {
        const text = `package gen\n${rules}\n`;
        const { policy } = compilePolicy([{ file: "gen.rego", text }]);
        await server.putModule(text);
        const input = { one: 1 };
        const outcome = policy?.evaluate("data.gen.p", { input, data: { base: BASE }, strict: false });
        const answer = await server.evaluate("gen/p", input, false);
        const told =
          outcome?.kind === "value"
            ? outcome.value
            : outcome?.kind === "error"
              ? outcome.error.code
              : undefined;
        const theirs =
          answer.kind === "value"
            ? answer.value
            : answer.kind === "error"
              ? answer.errors[0]?.code
              : undefined;
        expect({ rules, ours: told, opa: theirs }).toEqual({ rules, ours, opa });
      }
    } finally {
      server.stop();
    }
  });
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
