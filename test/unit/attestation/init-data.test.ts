import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MAX_INIT_DATA_BYTES, readInitData, receiveInitData } from "../../../src/attestation/init-data.ts";
import { KbsError } from "../../../src/errors.ts";

const REFUSED = expect.objectContaining({ code: "handshake-refused" });

function document(data: string, algorithm = "sha256"): string {
  return `version = "0.1.0"\nalgorithm = "${algorithm}"\n\n[data]\n${data}\n`;
}

const VECTOR = `version = "0.1.0"
algorithm = "sha256"

[data]
"aa.toml" = '''
[token_configs]
[token_configs.kbs]
url = "http://kbs:8080"
'''
`;

describe("digest", () => {
  test("P30 A.4b: the named algorithm over the exact text", () => {
    expect(readInitData(VECTOR).digest.toString("hex")).toBe(
      "f92c3f43e566425fa661e87aedd5b24ce183b099c0bf761f5c3cd64e2c1f4323",
    );
  });

  test.each(["sha256", "sha384", "sha512", "sm3"])("%s", (algorithm) => {
    const text = document("", algorithm);
    expect(readInitData(text).digest).toEqual(createHash(algorithm).update(text).digest());
  });

  test("B26 appended white space changes it", () => {
    expect(readInitData(`${VECTOR}\n`).digest).not.toEqual(readInitData(VECTOR).digest);
  });

  test.each(["sha3-256", "sha1", "md5", "SHA256", "sha-256", "", "sha256 "])(
    "B26 algorithm %j is refused",
    (algorithm) => {
      expect(() => readInitData(document("", algorithm))).toThrow(REFUSED);
    },
  );
});

describe("from a guest that has proved nothing yet", () => {
  const long = (head: string) => `${head}\n[data]\na = '${"x".repeat(20_000)}'\n`;

  test.each(["sha256", "sha384", "sha512"])(
    "a long document is hashed with %s and read later",
    (algorithm) => {
      const text = long(`version = "0.1.0"\r\n  algorithm='${algorithm}' # which`);
      const { digest, open } = receiveInitData(text);
      expect(digest).toEqual(createHash(algorithm).update(text).digest());
      expect(open()).toEqual(readInitData(text));
    },
  );

  test("a short one is read at once, however it is spelled", () => {
    const text = 'version = "0.1.0"\n"algorithm" = "sha512"\n[data]\n';
    expect(receiveInitData(text).digest).toEqual(createHash("sha512").update(text).digest());
    expect(() => receiveInitData("version = ")).toThrow(REFUSED);
  });

  test.each([
    'version = "0.1.0"\n"algorithm" = "sha512"',
    'version = "0.1.0"\nalgorithm = "md5"',
    'version = "0.1.0"',
    `version = "0.1.0"\n${"#\n".repeat(10_000)}algorithm = "sha256"`,
  ])("B26 a long one that does not show its algorithm is refused", (head) => {
    expect(() => receiveInitData(long(head))).toThrow(REFUSED);
  });

  test("B26 a long one that shows another algorithm than its member is refused when it is read", () => {
    const text = long(`x = """\nalgorithm = "sha256"\n"""\nversion = "0.1.0"\nalgorithm = "sha512"`);
    const received = receiveInitData(text);
    expect(received.digest).toEqual(createHash("sha256").update(text).digest());
    expect(received.open).toThrow(REFUSED);
  });

  test("E9 one that is too long is not even hashed", () => {
    expect(() => receiveInitData(`algorithm = "sha256"\n${"#".repeat(MAX_INIT_DATA_BYTES)}`)).toThrow(
      REFUSED,
    );
  });
});

describe("P29 documents that are refused", () => {
  test.each([
    ["not TOML", "version = "],
    ["no version", 'algorithm = "sha256"\n[data]\n'],
    ["version no string", 'version = 1\nalgorithm = "sha256"\n[data]\n'],
    ["no algorithm", 'version = "0.1.0"\n[data]\n'],
    ["no data", 'version = "0.1.0"\nalgorithm = "sha256"\n'],
    ["data no table", 'version = "0.1.0"\nalgorithm = "sha256"\ndata = "x"\n'],
    ["a member that is no string", document('"a" = 1')],
    ["the empty text", ""],
    ["a member twice", document('"a" = "1"\n"a" = "2"')],
  ])("%s", (_, text) => {
    expect(() => readInitData(text)).toThrow(REFUSED);
  });

  test("B29 longer than the bound", () => {
    expect(() => readInitData(document(`"a" = "${"x".repeat(MAX_INIT_DATA_BYTES)}"`))).toThrow(REFUSED);
  });

  test("B29 10,000 levels of dotted keys", () => {
    expect(() => readInitData(`${"a.".repeat(10_000)}a = 1\n${VECTOR}`)).toThrow(REFUSED);
    // Seventy levels parse well, and would be more than anything that reads the claims takes.
    for (const levels of [70, 10_000]) {
      const inner = `${"a.".repeat(levels)}a = 1`;
      expect(readInitData(document(`"aa.toml" = '${inner}'`)).claims).toEqual({ "aa.toml": inner });
    }
  });

  test("B29 nesting of 10,000 levels", () => {
    expect(() => readInitData(document(`x = ${"[".repeat(10_000)}${"]".repeat(10_000)}`))).toThrow(REFUSED);
  });
});

describe("claims", () => {
  test("P31 AS-011 aa.toml and cdh.toml appear as JSON when they parse", () => {
    expect(readInitData(VECTOR).claims).toEqual({
      "aa.toml": { token_configs: { kbs: { url: "http://kbs:8080" } } },
    });
    expect(readInitData(document(`"cdh.toml" = 'not toml'\n"other.toml" = 'a = 1'`)).claims).toEqual({
      "cdh.toml": "not toml",
      "other.toml": "a = 1",
    });
  });

  test("values that JSON lacks leave the text alone", () => {
    expect(readInitData(document("\"aa.toml\" = 'a = nan'")).claims).toEqual({ "aa.toml": "a = nan" });
    expect(readInitData(document("\"aa.toml\" = 'a = 9007199254740993'")).claims).toEqual({
      "aa.toml": { a: 9007199254740993n },
    });
  });

  test("P31 AS-012 policy data at the end of policy.rego replaces it", () => {
    const rego = 'package agent_policy\n\npolicy_data := {\n  "containers": [1]\n}\n\n';
    expect(readInitData(document(`"policy.rego" = '''${rego}'''`)).claims).toEqual({
      agent_policy_claims: { containers: [1] },
    });
  });

  test.each([
    'package a\npolicy_data := {"containers": []}\nallow := true',
    'package a\npolicy_data := {"containers": [,]}',
    "package a\npolicy_data = {}",
  ])("AS-012 a policy that ends otherwise stays as text: %j", (rego) => {
    expect(readInitData(document(`"policy.rego" = '''${rego}'''`)).claims).toEqual({ "policy.rego": rego });
  });

  test("a member named __proto__ is a member like any other", () => {
    const { claims } = readInitData(document(`"__proto__" = "x"`));
    expect(Object.getOwnPropertyNames(claims)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
  });
});

test("P27 B30 no text makes the reader fail otherwise than by refusing", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string({ unit: "binary" }).map((text) => document(text)),
      ),
      (text) => {
        try {
          readInitData(text);
        } catch (error) {
          expect(error).toBeInstanceOf(KbsError);
        }
      },
    ),
  );
});
