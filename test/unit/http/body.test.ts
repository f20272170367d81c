import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { readBody } from "../../../src/http/body.ts";
import { MemoryBudget } from "../../../src/http/memory-budget.ts";

const KIB = 1024;

/** A request whose body comes as the test emits it. */
function chunked(): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers["transfer-encoding"] = "chunked";
  return request;
}

describe("request bodies", () => {
  test("E9 pieces are copied, not kept: one of a byte would hold what it was cut from", async () => {
    const request = chunked();
    const reading = readBody(request, 100_000);
    for (let index = 0; index < 50_000; index++) {
      const piece = Buffer.from([index & 0xff]);
      request.emit("data", piece);
      piece.fill(0xee);
    }
    request.emit("end");
    const body = await reading;
    expect(body).toHaveLength(50_000);
    expect(body.every((byte, index) => byte === (index & 0xff))).toBe(true);
  });

  test("memory is taken as bytes arrive, at most twice what arrived", async () => {
    const taken: number[] = [];
    const request = chunked();
    const memory = {
      take: (bytes: number) => {
        taken.push(bytes);
        return true;
      },
    };
    const reading = readBody(request, 1_000_000, memory);
    expect(taken).toEqual([]);
    for (let index = 0; index < 70; index++) request.emit("data", Buffer.alloc(KIB));
    request.emit("end");
    await reading;
    expect(taken).toEqual([16 * KIB, 16 * KIB, 32 * KIB, 64 * KIB]);
  });

  test("E1 a body for which there is no memory is refused", async () => {
    const request = chunked();
    const reading = readBody(request, 1_000_000, { take: () => false });
    request.emit("data", Buffer.alloc(1));
    await expect(reading).rejects.toMatchObject({ code: "overloaded" });
  });
});

describe("memory of all requests", () => {
  test("E1 what is usual is free; what goes beyond is shared, and comes back", () => {
    const budget = new MemoryBudget(200 * KIB);
    const [first, second, third] = [budget.open(), budget.open(), budget.open()];
    expect(first.take(300 * KIB)).toBe(true);
    expect(second.take(128 * KIB)).toBe(true);
    expect(second.take(100 * KIB)).toBe(false);
    expect(second.take(28 * KIB)).toBe(true);
    first.close();
    expect(first.take(1)).toBe(false);
    expect(third.take(300 * KIB)).toBe(true);
    expect(second.take(1)).toBe(false);
  });
});
