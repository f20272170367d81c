import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { PROBLEMS } from "../../../src/errors.ts";

test("docs/protocol.md lists every problem code with its status, title and variant", () => {
  const text = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| `([a-z-]+)` +\| (\d{3}) +\| ([^|]+?) +\| `(\w+)` +\|$/gm)];
  const documented = rows.map(([, code, status, title, kbsType]) => [code, Number(status), title, kbsType]);
  const table = Object.entries(PROBLEMS).map(([code, { status, title, kbsType }]) => [
    code,
    status,
    title,
    kbsType,
  ]);
  expect(documented).toEqual(table);
});
