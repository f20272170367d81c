import { expect, test } from "@jest/globals";
import { type FileIdentity, RecentValues } from "../../../src/secrets/fs/recent-values.ts";

const FILE: FileIdentity = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 5n };
const LATER = 10n ** 12n;

test("answers only for the very file that was read", () => {
  const recent = new RecentValues(1 << 20);
  recent.remember("a", FILE, Uint8Array.of(1, 2, 3), LATER);
  expect(recent.get("a", { ...FILE })).toEqual(Uint8Array.of(1, 2, 3));
  expect(recent.get("b", FILE)).toBeUndefined();
  for (const member of ["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const)
    expect(recent.get("a", { ...FILE, [member]: 99n })).toBeUndefined();
});

test("keeps nothing of a file younger than a second, nor of one from the future", () => {
  const recent = new RecentValues(1 << 20);
  for (const at of [FILE.ctimeNs, FILE.ctimeNs + 999_999_999n, 0n]) {
    recent.remember("a", FILE, Uint8Array.of(1), at);
    expect(recent.get("a", FILE)).toBeUndefined();
  }
});

test("stays within its memory, and forgets on demand", () => {
  const recent = new RecentValues(4096);
  for (let at = 0; at < 100; at++) recent.remember(`name ${at}`, FILE, new Uint8Array(500), LATER);
  const kept = Array.from({ length: 100 }, (_, at) => recent.get(`name ${at}`, FILE)).filter(Boolean);
  expect(kept.length).toBeLessThanOrEqual(4);
  expect(recent.get("name 99", FILE)).toBeDefined();
  recent.forget("name 99");
  expect(recent.get("name 99", FILE)).toBeUndefined();
  recent.clear();
  expect(recent.get("name 98", FILE)).toBeUndefined();
});

test("a size of zero keeps nothing", () => {
  const recent = new RecentValues(0);
  recent.remember("a", FILE, Uint8Array.of(1), LATER);
  expect(recent.get("a", FILE)).toBeUndefined();
});
