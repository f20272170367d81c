import { randomBytes } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { KeyRing } from "../../../src/sessions/seal.ts";

const text = (bytes: Buffer | undefined) => bytes?.toString("utf8");

describe("sealing", () => {
  test("derives the message key as the XAES-256-GCM vectors say", () => {
    const halves = [Buffer.from("ABCDEFGHIJKL"), Buffer.from("MNOPQRSTUVWX")];
    const drawing = () => {
      const left = [...halves];
      return () => left.shift() ?? Buffer.alloc(0);
    };
    const ring = new KeyRing([Buffer.alloc(32, 0x01)], drawing());
    const sealed = ring.seal("session", "", Buffer.from("XAES-256-GCM"));
    // CTR ciphertext does not depend on the associated data: it is the vector's, only the tag differs.
    expect(sealed.subarray(28, 28 + 12).toString("hex")).toBe("ce546ef63c9cc60765923609");
    const other = new KeyRing([Buffer.alloc(32, 0x03)], drawing());
    expect(other.seal("session", "", Buffer.from("XAES-256-GCM")).subarray(28, 40).toString("hex")).toBe(
      "986ec1832593df5443a17943",
    );
  });

  test("opens what it sealed, and only for the same purpose and context", () => {
    const ring = new KeyRing([randomBytes(32)]);
    const sealed = ring.seal("token", "session a", Buffer.from("value"));
    expect(text(ring.open("token", "session a", sealed))).toBe("value");
    expect(ring.open("session", "session a", sealed)).toBeUndefined();
    expect(ring.open("token", "session b", sealed)).toBeUndefined();
  });

  test("draws a new message key in good time, and every nonce is fresh", () => {
    const ring = new KeyRing([randomBytes(32)]);
    const prefixes = new Set<string>();
    const nonces = new Set<string>();
    const count = (1 << 16) + 10;
    for (let index = 0; index < count; index++) {
      const sealed = ring.seal("session", "", Buffer.alloc(0));
      prefixes.add(sealed.toString("latin1", 4, 16));
      nonces.add(sealed.toString("latin1", 4, 28));
    }
    expect(prefixes.size).toBe(2);
    expect(nonces.size).toBe(count);
  });

  test("opens messages of more keys than it remembers", () => {
    const key = randomBytes(32);
    const sealed = Array.from({ length: 100 }, (_, index) =>
      new KeyRing([key]).seal("session", "", Buffer.from(String(index))),
    );
    const ring = new KeyRing([key]);
    expect(sealed.map((each) => text(ring.open("session", "", each)))).toEqual(
      sealed.map((_, index) => String(index)),
    );
    expect(text(ring.open("session", "", sealed[0] ?? Buffer.alloc(0)))).toBe("0");
  });

  test("refuses every single changed bit and every cut", () => {
    const ring = new KeyRing([randomBytes(32)]);
    const sealed = ring.seal("session", "", Buffer.from("value"));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(ring.open("session", "", changed)).toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length++)
      expect(ring.open("session", "", sealed.subarray(0, length))).toBeUndefined();
  });

  test("a rotated key still opens, a removed one does not", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const sealed = new KeyRing([old]).seal("session", "", Buffer.from("value"));
    expect(text(new KeyRing([fresh, old]).open("session", "", sealed))).toBe("value");
    expect(new KeyRing([fresh]).open("session", "", sealed)).toBeUndefined();
  });

  test("seals with the first key", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const sealed = new KeyRing([fresh, old]).seal("session", "", Buffer.from("value"));
    expect(text(new KeyRing([fresh]).open("session", "", sealed))).toBe("value");
  });

  test.each([
    ["no key", []],
    ["a short key", [new Uint8Array(31)]],
    ["the same key twice", [new Uint8Array(32), new Uint8Array(32)]],
  ])("refuses %s", (_, keys) => {
    expect(() => new KeyRing(keys)).toThrow(RangeError);
  });
});
