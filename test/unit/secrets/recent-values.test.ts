import { expect, test } from "@jest/globals";
import { type FileIdentity, RecentValues } from "../../../src/secrets/fs/recent-values.ts";

const FILE: FileIdentity = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 4n, ctimeNs: 5n };
const LATER = 10 ** 6;

test("answers only for the very file that was read", () => {
  const recent = new RecentValues(1 << 20);
  recent.remember("a", FILE, Uint8Array.of(1, 2, 3), LATER);
  expect(recent.get("a", { ...FILE }, LATER)).toEqual(Uint8Array.of(1, 2, 3));
  expect(recent.get("b", FILE, LATER)).toBeUndefined();
  for (const member of ["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const)
    expect(recent.get("a", { ...FILE, [member]: 99n }, LATER)).toBeUndefined();
});

test("knows since when a file was not looked at", () => {
  const recent = new RecentValues(1 << 20);
  recent.remember("a", FILE, Uint8Array.of(1), LATER);
  expect(recent.checkedSince("a", LATER)).toEqual(Uint8Array.of(1));
  expect(recent.checkedSince("a", LATER + 1)).toBeUndefined();
  recent.get("a", { ...FILE, size: 99n }, LATER + 1);
  expect(recent.checkedSince("a", LATER + 1)).toBeUndefined();
  recent.get("a", FILE, LATER + 1);
  expect(recent.checkedSince("a", LATER + 1)).toEqual(Uint8Array.of(1));
  expect(recent.checkedSince("b", 0)).toBeUndefined();
});

test("keeps nothing of a file younger than a second, nor of one from the future", () => {
  const recent = new RecentValues(1 << 20);
  for (const at of [0, 1, 999]) {
    recent.remember("a", FILE, Uint8Array.of(1), at);
    expect(recent.get("a", FILE, LATER)).toBeUndefined();
  }
});

test("stays within its memory, and forgets on demand", () => {
  const recent = new RecentValues(4096);
  for (let at = 0; at < 100; at++) recent.remember(`name ${at}`, FILE, new Uint8Array(500), LATER);
  const kept = Array.from({ length: 100 }, (_, at) => recent.get(`name ${at}`, FILE, LATER)).filter(Boolean);
  expect(kept.length).toBeLessThanOrEqual(4);
  expect(recent.get("name 99", FILE, LATER)).toBeDefined();
  recent.forget("name 99");
  expect(recent.get("name 99", FILE, LATER)).toBeUndefined();
  recent.clear();
  expect(recent.get("name 98", FILE, LATER)).toBeUndefined();
});

test("a size of zero keeps nothing", () => {
  const recent = new RecentValues(0);
  recent.remember("a", FILE, Uint8Array.of(1), LATER);
  expect(recent.get("a", FILE, LATER)).toBeUndefined();
});
