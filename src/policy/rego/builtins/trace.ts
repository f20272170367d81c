import { type Builtin, define, stringAt } from "./builtin.ts";

/** Notes for whoever watches the evaluation. */
export const TRACE: readonly Builtin[] = [
  define("trace", ["string"], "boolean", (args, ctx) => {
    ctx.trace(stringAt(args, 0));
    return true;
  }),
];
