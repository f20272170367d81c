// Named steps with a tally: what scripts report and `npm run verify` adds up.

/** A tally whose `step` runs one piece of work, tells how it went, and never throws. */
export function newTally(print = console.log) {
  const failures = [];
  let passed = 0;
  return {
    failures,
    get passed() {
      return passed;
    },
    /** @returns what the work returned, or undefined when it failed */
    async step(name, work) {
      const started = Date.now();
      try {
        const result = await work();
        passed++;
        print(`ok      ${name} (${Date.now() - started} ms)`);
        return result;
      } catch (error) {
        failures.push(name);
        print(`FAILED  ${name}: ${error.message}`);
        return undefined;
      }
    },
  };
}
