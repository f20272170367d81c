import { expect, test } from "@jest/globals";
import { CookieJar } from "../../../../src/cli/guest/cookie-jar.ts";

const AUTH = new URL("http://kbs.test/kbs/v0/auth");
const RESOURCE = new URL("http://kbs.test/kbs/v0/resource/a/b/c");
const NOW = Date.parse("2026-11-24T13:00:00Z");

function sent(line: string, url = RESOURCE, later = 0): string | undefined {
  let now = NOW;
  const jar = new CookieJar(() => now);
  jar.store(AUTH, { "set-cookie": [line] });
  now += later;
  return jar.header(url);
}

test.each([
  ["no attributes: the default path is the folder of /auth", "a=1"],
  ["attributes of a sealed cookie", "a=1; HttpOnly; SameSite=Strict; Path=/kbs/v0; Max-Age=300"],
  ["an expiry ahead", "a=1; Expires=Tue, 24 Nov 2026 13:05:00 GMT"],
  [
    "Max-Age before an Expires that the guest's clock has passed",
    "a=1; Expires=Tue, 24 Nov 2026 12:00:00 GMT; Max-Age=300",
  ],
  ["a path that is no path", "a=1; Path=kbs"],
])("sends it back: %s", (_name, line) => {
  expect(sent(line)).toBe("a=1");
});

test.each([
  ["an expiry behind the guest's clock", "a=1; Expires=Tue, 24 Nov 2026 12:59:59 GMT"],
  ["a path that does not cover the request", "a=1; Path=/kbs/v0/auth"],
  ["a path that only begins alike", "a=1; Path=/kbs/v0/res"],
  ["Secure over plain HTTP", "a=1; Secure"],
  ["a cookie without a name", "=1"],
])("keeps it back: %s", (_name, line) => {
  expect(sent(line)).toBeUndefined();
});

test("Secure goes over HTTPS, and to a loopback address", () => {
  expect(sent("a=1; Secure", new URL("https://kbs.test/kbs/v0/attest"))).toBe("a=1");
  expect(sent("a=1; Secure", new URL("http://127.0.0.1/kbs/v0/attest"))).toBe("a=1");
});

test("forgets a cookie when its time is over", () => {
  expect(sent("a=1; Max-Age=300", RESOURCE, 299_999)).toBe("a=1");
  expect(sent("a=1; Max-Age=300", RESOURCE, 300_000)).toBeUndefined();
});

test("a later cookie of the same name replaces the earlier", () => {
  const jar = new CookieJar(() => NOW);
  jar.store(AUTH, { "set-cookie": ["a=1", "b=2"] });
  jar.store(AUTH, { "set-cookie": ["a=3; Path=/kbs/v0"] });
  expect(jar.header(RESOURCE)).toBe("b=2; a=3");
});
