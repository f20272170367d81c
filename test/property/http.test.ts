import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { KbsError } from "../../src/errors.ts";
import { prefixOf, TrustedProxies } from "../../src/http/client-prefix.ts";
import { sessionCookieOf, setSessionCookie } from "../../src/http/cookies.ts";
import { bearerOf } from "../../src/http/guest-door.ts";
import { canonicalPath, parseQuery, parseTarget } from "../../src/http/request-target.ts";

/** The value, or the code of the only error there may be. */
function valueOrCode<T>(parse: () => T): T | string {
  try {
    return parse();
  } catch (error) {
    if (error instanceof KbsError) return error.code;
    throw error;
  }
}

const text = fc.string({ unit: "grapheme" });
const wellFormed = text.filter((value) => !/\p{Surrogate}/u.test(value));

describe("request targets", () => {
  test("no text crashes the parser, and it refuses with one code only", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((rest) => `/kbs/v0/${rest}`),
          fc.webUrl(),
        ),
        (target) => {
          const result = valueOrCode(() => parseTarget(target));
          if (typeof result === "string") expect(result).toBe("malformed-request");
        },
      ),
    );
  });

  test("the canonical path reads as the same segments, and is its own canonical path", () => {
    fc.assert(
      fc.property(
        fc.array(
          wellFormed.map((segment) => segment.replaceAll("/", "")),
          { minLength: 1 },
        ),
        (segments) => {
          const path = canonicalPath(segments);
          const target = parseTarget(path);
          expect(target).toMatchObject({ kind: "api", segments });
          if (target.kind === "api") expect(canonicalPath(target.segments)).toBe(path);
        },
      ),
    );
  });

  test("however a path is encoded, it routes like its decoded form", () => {
    const percent = (value: string) =>
      [...Buffer.from(value)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
    const segment = fc.stringMatching(/^[A-Za-z0-9_.-]{1,10}$/);
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 5 }),
        fc.array(fc.boolean()),
        (segments, choices) => {
          const plain = `/kbs/v0/${segments.join("/")}`;
          const rest = [...segments.join("/")].map((letter, at) =>
            choices[at] === true ? percent(letter) : letter,
          );
          expect(parseTarget(`/kbs/v0/${rest.join("")}`)).toEqual(parseTarget(plain));
        },
      ),
    );
  });

  test("a query means what URLSearchParams says, the last of a name counting", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(wellFormed, wellFormed), { maxLength: 20 }), (pairs) => {
        const query = parseQuery(new URLSearchParams(pairs).toString());
        expect(new Map(Object.entries(query))).toEqual(new Map(pairs));
      }),
    );
  });

  test("no query crashes the parser or gets at a prototype", () => {
    fc.assert(
      fc.property(text, (query) => {
        const result = valueOrCode(() => parseQuery(query));
        if (typeof result === "string") expect(result).toBe("malformed-request");
        else expect(Object.getPrototypeOf(result)).toBeNull();
      }),
    );
  });
});

describe("cookies", () => {
  const value = fc.stringMatching(/^[A-Za-z0-9_-]{1,200}$/);
  const otherName = fc.stringMatching(/^[A-Za-z-]{1,20}$/).filter((name) => name !== "kbs-session-id");

  test("what was set is what comes back, among whatever else the jar holds", () => {
    fc.assert(
      fc.property(value, fc.array(fc.tuple(otherName, value)), fc.nat(10), (session, others, place) => {
        const set = setSessionCookie(session, 2_000_000, 1_000_000, false).split(";")[0] ?? "";
        const header = others
          .map(([name, other]) => `${name}=${other}`)
          .toSpliced(place, 0, set)
          .join("; ");
        expect(sessionCookieOf(header)).toBe(session);
      }),
    );
  });

  test("a name that merely ends or begins alike is another cookie", () => {
    for (const header of [
      "x-kbs-session-id=a",
      "kbs-session-id2=a",
      "a=kbs-session-id=b",
      "kbs-session-id",
      "KBS-SESSION-ID=a",
    ])
      expect(sessionCookieOf(header)).toBeUndefined();
  });

  test("of two the first counts; an empty one is none", () => {
    expect(sessionCookieOf("kbs-session-id=a; kbs-session-id=b")).toBe("a");
    expect(sessionCookieOf("kbs-session-id=")).toBeUndefined();
  });

  test("no header crashes the reader or gives a value with a separator in it", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((rest) => `kbs-session-id=${rest}`),
        ),
        (header) => {
          expect(sessionCookieOf(header) ?? "").not.toMatch(/[;\s]/);
        },
      ),
    );
  });

  // A reader that backtracks over these would run for hours and fail by the time limit of the test.
  test("no header takes long", () => {
    const nasty = ["; ".repeat(300_000), ` ${"\t ".repeat(300_000)}`, ";kbs-session-i".repeat(60_000)];
    expect(nasty.map((header) => sessionCookieOf(header)?.length)).toEqual([undefined, undefined, undefined]);
    expect(nasty.map((header) => bearerOf(`bearer ${header}`)?.length)).toEqual([
      undefined,
      undefined,
      840_000,
    ]);
  });
});

describe("client prefixes", () => {
  const ipv6 = fc.ipV6();

  test("every address has a prefix, every other text is one client", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6), (address) => {
        expect(prefixOf(address)).not.toBe("unknown");
      }),
    );
    fc.assert(
      fc.property(text, (address) => {
        expect(prefixOf(address).length).toBeLessThan(60);
      }),
    );
  });

  test("E2 addresses that differ only behind the prefix are one client, others are not", () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 12, maxLength: 12 }), fc.nat(3), (groups, at) => {
        const hex = groups.map((each) => each.toString(16));
        const one = [...hex.slice(0, 4), ...hex.slice(4, 8)].join(":");
        const neighbour = [...hex.slice(0, 4), ...hex.slice(8, 12)].join(":");
        const elsewhere = groups.with(at, (groups[at] ?? 0) ^ 1).map((each) => each.toString(16));
        expect(prefixOf(one)).toBe(prefixOf(neighbour));
        expect(prefixOf(one)).not.toBe(prefixOf(elsewhere.slice(0, 8).join(":")));
      }),
    );
  });

  test.each([
    ["2001:db8::1", "2001:db8:0:0:ffff::1"],
    ["2001:0DB8:0000::1", "2001:db8::2"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "::192.0.2.1"],
    ["fe80::1%eth0", "fe80::2"],
  ])("%s and %s are one client", (one, other) => {
    expect(prefixOf(one)).toBe(prefixOf(other));
  });

  test("shorter prefixes put more addresses together", () => {
    const lengths = { ipv4PrefixLength: 24, ipv6PrefixLength: 36 };
    expect(prefixOf("192.0.2.1", lengths)).toBe(prefixOf("192.0.2.254", lengths));
    expect(prefixOf("192.0.2.1", lengths)).not.toBe(prefixOf("192.0.3.1", lengths));
    expect(prefixOf("2001:db8:fff::1", lengths)).toBe(prefixOf("2001:db8:0::1", lengths));
    expect(prefixOf("2001:db8:1fff::1", lengths)).not.toBe(prefixOf("2001:db8:0::1", lengths));
  });

  test.each(["10.0.0.0/33", "10.0.0", "::/129", "a/8", "10.0.0.0/8/8", "10.0.0.0/-1", ""])(
    "%j is no network",
    (network) => {
      expect(() => new TrustedProxies([network])).toThrow(RangeError);
    },
  );

  test("E2 only what trusted proxies say about the client is believed", () => {
    const proxies = new TrustedProxies(["10.0.0.0/8", "fd00::/8"]);
    expect(proxies.clientOf("192.0.2.9", "198.51.100.1")).toBe("192.0.2.9");
    expect(proxies.clientOf("10.1.2.3", "203.0.113.5, 198.51.100.1, 10.9.9.9")).toBe("198.51.100.1");
    expect(proxies.clientOf("::ffff:10.1.2.3", "198.51.100.1")).toBe("198.51.100.1");
    expect(proxies.clientOf("fd00::1", "10.0.0.1")).toBe("fd00::1");
    expect(proxies.clientOf("10.1.2.3", "nonsense, 198.51.100.1, x")).toBe("10.1.2.3");
    expect(proxies.clientOf("10.1.2.3", undefined)).toBe("10.1.2.3");
  });
});
