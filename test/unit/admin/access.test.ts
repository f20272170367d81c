import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { authoriseAdmin, matchesPattern, type Role } from "../../../src/admin/access.ts";
import { KbsError } from "../../../src/errors.ts";
import { API_PREFIX, parseTarget, type RequestTarget } from "../../../src/http/request-target.ts";

const ROLES: readonly Role[] = [
  { role: "admin", allow: [{ methods: ["*"], paths: ["/kbs/v0/**"] }] },
  {
    role: "uploader",
    allow: [
      { methods: ["POST"], paths: ["/kbs/v0/resource/team-a/**"] },
      { methods: ["GET"], paths: ["/kbs/v0/resource", "/kbs/v0/reference-value/**"] },
    ],
  },
  { role: "one", allow: [{ methods: ["POST"], paths: ["/kbs/v0/resource/*/key/v*-tag"] }] },
];

function allowed(role: string, method: string, path: string): boolean {
  try {
    authoriseAdmin({ subject: "x", role, provider: "ops" }, method, path, ROLES);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "admin-forbidden" });
    return false;
  }
}

/** `undefined` for a target that is refused before anybody asks who may. */
function parsedTarget(target: string): RequestTarget | undefined {
  try {
    return parseTarget(target);
  } catch (error) {
    if (!(error instanceof KbsError)) throw error;
    return undefined;
  }
}

/** As a request comes in: routed on and authorised by the one decoded form. */
function requested(role: string, method: string, target: string): boolean {
  const parsed = parsedTarget(target);
  return parsed?.kind === "api" && allowed(role, method, API_PREFIX + parsed.segments.join("/"));
}

describe("what a role may do", () => {
  test("nothing, unless a rule says so", () => {
    expect(allowed("admin", "DELETE", "/kbs/v0/resource/a/b/c")).toBe(true);
    expect(allowed("nobody", "GET", "/kbs/v0/resource/a/b/c")).toBe(false);
    expect(allowed("admin", "GET", "/metrics")).toBe(false);
    expect(allowed("Admin", "GET", "/kbs/v0/x")).toBe(false);
    expect(allowed("constructor", "GET", "/kbs/v0/x")).toBe(false);
  });

  test("the method counts", () => {
    expect(allowed("uploader", "POST", "/kbs/v0/resource/team-a/key/1")).toBe(true);
    for (const method of ["DELETE", "PUT", "GET", "post", ""])
      expect(allowed("uploader", method, "/kbs/v0/resource/team-a/key/1")).toBe(false);
  });

  test.each([
    "/kbs/v0/resource/team-a/key/1",
    "/kbs/v0/%72esource/team-a/key/1",
    "/kbs/v0/resource/team%2Da/key/1",
    "/kbs/v0/resource%2Fteam-a%2Fkey%2F1",
    "/kbs/v0/resource/team-a/key/1?x=/kbs/v0/resource/team-b/key/1",
    "//kbs/v0/resource/team-a/key/1",
  ])("P62 C8 every spelling of a path the role may write is permitted: %s", (target) => {
    expect(requested("uploader", "POST", target)).toBe(true);
  });

  test.each([
    "/kbs/v0/resource/team-b/key/1",
    "/kbs/v0/resource/team-ab/key/1",
    "/kbs/v0/resource/team-a",
    "/kbs/v0/resource/TEAM-A/key/1",
    "/kbs/v0/resource/team-a/../team-b/key/1",
    "/kbs/v0/resource/team-a/%2e%2e/team-b/key/1",
    "/kbs/v0/resource/team-a%2f..%2fteam-b/key/1",
    "/kbs/v0/resource/team-a/./key",
    "/kbs/v0/resource/team-b/key/1?/kbs/v0/resource/team-a/key/1",
    "/kbs/v0/resource/team-b/key/1#/kbs/v0/resource/team-a/",
    "/kbs/v0/resource//team-a/key/1",
    "/kbs/v0//resource/team-a/key/1",
    "/kbs/v0/resource/team%252Da/key/1",
    "/kbs/v0/resource/team-a%00/key/1",
    "/kbs/v0/resource/team-a\\..\\team-b/key",
    "/kbs/v0/resource/team-a%5C..%5Cteam-b/key",
    "/kbs/v0/resource/team-a%0a/key/1",
    "/kbs/v0/resource-policy",
    "/kbs/v0/attestation-policy",
    "/kbs/v0/x/kbs/v0/resource/team-a/key/1",
    "/x/../kbs/v0/resource/team-a/key/1",
    "/KBS/v0/resource/team-a/key/1",
  ])("P62 C8 no spelling of another path is permitted: %s", (target) => {
    expect(requested("uploader", "POST", target)).toBe(false);
  });

  test("reference values whose names hold empty segments can still be reached", () => {
    expect(
      requested("uploader", "GET", "/kbs/v0/reference-value/rvps%3A%2F%2F%2Fexample.org%2Ftdx%2Fmr_td%3Av1"),
    ).toBe(true);
    expect(requested("uploader", "POST", "/kbs/v0/reference-value/rvps%3A%2F%2F%2Fx")).toBe(false);
  });

  test("a star stands for one part or a piece of one, never for an empty one", () => {
    expect(allowed("one", "POST", "/kbs/v0/resource/any/key/v1-tag")).toBe(true);
    expect(allowed("one", "POST", "/kbs/v0/resource/any/key/v-tag")).toBe(true);
    for (const path of [
      "//key/v1-tag",
      "/a/b/key/v1-tag",
      "/a/key/v1-tag/more",
      "/a/key/1-tag",
      "/a/key/v1-tagx",
      "/a/key/v-ta",
    ])
      expect(allowed("one", "POST", `/kbs/v0/resource${path}`)).toBe(false);
    expect(matchesPattern("/a/ab*ba", ["a", "aba"])).toBe(false);
    expect(matchesPattern("/a/x*y*z", ["a", "x-y-z"])).toBe(true);
    expect(matchesPattern("/a/x*y*z", ["a", "x-z-y"])).toBe(false);
    expect(matchesPattern("/a/**", ["a"])).toBe(false);
    expect(matchesPattern("/a/*", ["a", ""])).toBe(false);
  });

  test("a pattern without stars matches its own path and no other", () => {
    const segment = fc.string({
      unit: fc.constantFrom(..."ab.*-%/".replaceAll(/[*/]/g, "").split("")),
      minLength: 1,
      maxLength: 4,
    });
    const path = fc.array(segment, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        path,
        path,
        (left, right) => matchesPattern(`/${left.join("/")}`, right) === (left.join("/") === right.join("/")),
      ),
    );
  });
});
