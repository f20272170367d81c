import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { writeJson } from "../../src/json/write.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type LiveServer, liveServer } from "../support/live-server.ts";
import {
  corim,
  digestOf,
  ecKeys,
  envelope,
  flipped,
  OWN_PREDICATE,
  sampleMessage,
  signedCorim,
  statement,
  swid,
} from "../support/manifests.ts";

const acme = ecKeys();
const stranger = ecKeys();
const NAMES = [
  "rvps:///example.org/tdx/mr_td:v1",
  "a b",
  "a/b//c",
  "/begins",
  "ends/",
  "../../etc/passwd",
  "./x",
  "é:ü 漢字",
  "100% ?&#+=",
  "back\\slash",
  "constructor",
  "x".repeat(512),
];
const SECTION = `referenceValues:
  trustedSigners: [ { name: acme, keys: [ acme.pub.pem ], names: [ "acme/*" ] } ]
`;

let live: LiveServer;
let manifests: { path: string; dispose(): Promise<void> };
beforeAll(async () => {
  const pem = acme.publicKey.export({ type: "spki", format: "pem" }).toString();
  manifests = await temporaryFolder();
  const values = { "acme/mounted": ["ef"] };
  const predicate = { issuedAt: new Date(Date.now() - 1000).toISOString(), values };
  writeFileSync(join(manifests.path, "good"), envelope(statement({ predicate }), acme.privateKey));
  writeFileSync(join(manifests.path, "bad"), envelope(statement({ predicate }), stranger.privateKey));
  const sections = `${SECTION}  manifestFolder: ${manifests.path}\n`;
  live = await liveServer({ vendor: false, sections, files: { "acme.pub.pem": pem } });
}, 60_000);
afterAll(async () => {
  await live.close();
  await manifests.dispose();
});

async function run(...argv: readonly string[]) {
  const { code, out, err } = await live.administer(["reference-value", ...argv]);
  return { code, out: out.toString(), err };
}

/** Ends well, and prints JSON. */
async function json(...argv: readonly string[]): Promise<unknown> {
  const { code, out, err } = await run(...argv, "--json");
  if (code !== 0) throw new Error(err);
  return JSON.parse(out);
}

const describeValue = (name: string) => json("get", name, "--provenance");

test("a signed manifest of the folder is there when the server has started, another is not", async () => {
  expect(await describeValue("acme/mounted")).toMatchObject({
    value: ["ef"],
    by: "signer:acme",
    provenance: { vouchedBy: "signer", signer: "acme", source: "in-toto" },
  });
  expect((await run("list")).out).toBe("acme/mounted\n");
  expect((await run("delete", "acme/mounted")).code).toBe(0);
});

describe("AS-085 D2 names", () => {
  test.each(NAMES)(
    "%j is set, read, listed and deleted over the wire, and is no other name",
    async (name) => {
      const value = `value of ${name.slice(0, 20)}`;
      expect((await run("set", name, value)).code).toBe(0);
      expect(await run("get", name)).toMatchObject({ code: 0, out: `${writeJson([value])}\n` });
      expect(await describeValue(name)).toMatchObject({ name, value: [value] });
      expect((await run("list")).out).toBe(`${name}\n`);
      expect((await run("delete", name)).code).toBe(0);
      expect((await run("get", name)).code).toBe(1);
      expect((await run("list")).out).toBe("");
    },
  );
});

describe("registering manifests", () => {
  test("AS-087 a SWID tag, recognised by its content; the administrator vouches for it", async () => {
    const { code, out } = await run("register", live.file("rim.xml", swid()));
    expect(code).toBe(0);
    expect(out).toMatch(
      /^Registered 1 value until \d{4}-[^;]+; administrator admin vouches for it:\n {2}Example_Corporation\.GPU\.measurement_0\nnote: no policy asks for "Example_Corporation\.GPU\.measurement_0"\n$/,
    );
    expect(await describeValue("Example_Corporation.GPU.measurement_0")).toMatchObject({
      value: [digestOf("ab")],
      expired: false,
      usedBy: [],
      provenance: {
        vouchedBy: "administrator",
        source: "swid",
        payloadDigest: expect.stringMatching(/^sha384:/),
      },
    });
  });

  test("AS-088 a CoRIM that is not signed, and one that is", async () => {
    expect((await run("register", live.file("plain.cbor", corim()))).out).toContain("acme/X/kernel/digests");
    const year = 365 * 86_400_000;
    const signed = signedCorim(corim(), acme.privateKey, {
      issuedAt: Date.now() - 1000,
      validUntil: Date.now() + year,
    });
    const file = live.file("signed.cbor", signed);
    const taken = await run("register", file);
    expect([taken.code, taken.err]).toEqual([1, expect.stringContaining("fault: name-taken")]);
    await run("delete", "acme/X/kernel/digests");
    expect((await run("register", file)).out).toContain("signer acme vouches for it");
    expect(await describeValue("acme/X/kernel/digests")).toMatchObject({
      by: expect.any(String),
      provenance: {
        vouchedBy: "signer",
        signer: "acme",
        signerKey: expect.stringMatching(/^sha256:/),
        administrator: expect.any(String),
        source: "corim",
        issuedAt: expect.any(String),
      },
    });
  });

  test("a statement in an envelope, for a policy in force", async () => {
    const predicate = { issuedAt: new Date().toISOString(), values: { "acme/launch": digestOf("cd") } };
    const file = live.file(
      "values.dsse",
      envelope(statement({ predicateType: OWN_PREDICATE, predicate }), acme.privateKey),
    );
    const policy = 'package policy\n\nallow if input.launch in query_reference_value("acme/launch")\n';
    expect((await live.administer(["policy", "set", live.file("p.rego", policy)])).code).toBe(0);
    const { out } = await run("register", file, "--type", "in-toto");
    expect(out).toContain(
      'note: "acme/launch" is a single string, but resource-policy (line 3) looks for something in it',
    );
    expect(await describeValue("acme/launch")).toMatchObject({ usedBy: ["resource-policy"] });
    expect((await run("get", "acme/launch", "--provenance")).out).toMatch(/^used by: +resource-policy$/m);
  });

  test.each([
    ["of a stranger", () => envelope(statement(), stranger.privateKey), "signer-unknown"],
    ["with another byte", () => signedCorim(corim(), acme.privateKey, { mutate: flipped }), "signer-unknown"],
    [
      "with names of others",
      () =>
        envelope(
          statement({ predicate: { issuedAt: new Date().toISOString(), values: { "b/x": 1 } } }),
          acme.privateKey,
        ),
      "name-not-permitted",
    ],
    [
      "that expired",
      () => signedCorim(corim(), acme.privateKey, { validUntil: Date.now() - 1000 }),
      "expired",
    ],
    ["with a document type", () => swid({ prolog: "<!DOCTYPE x>" }), "payload-malformed"],
    [
      "of a version to come",
      () => writeJson({ version: "0.2.0", type: "sample", payload: "e30=" }),
      "version-unsupported",
    ],
  ])("D12 a manifest %s is refused by name, and nothing changes", async (_what, make, fault) => {
    const before = await json("list");
    const { code, out, err } = await run("register", live.file("bad", make()));
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`fault: ${fault}`);
    expect(await json("list")).toEqual(before);
  });

  test("a message of several values is registered from a file as it is; --expires is taken", async () => {
    const file = live.file("message.json", writeJson(sampleMessage({ "m/1": 1, "m/2": [2] })));
    expect(await json("register", file, "--expires", "2099-01-01T00:00:00Z").catch(String)).toContain(
      "expiry",
    );
    const expires = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+Z/, "Z");
    expect(await json("register", file, "--expires", expires)).toMatchObject({
      names: ["m/1", "m/2"],
      expiresAt: expires,
      provenance: { vouchedBy: "administrator" },
    });
    const listed = (await run("list", "--provenance")).out;
    expect(listed).toMatch(/^NAME +EXPIRES +VOUCHED FOR BY +FROM +USED BY$/m);
    expect(listed).toMatch(/^m\/1 +\S+ +administrator \S+ +sample +-$/m);
  });

  test("a file that is nothing of the kind needs --type", async () => {
    const file = live.file("what", "neither");
    expect(await run("register", file)).toMatchObject({ code: 2, err: expect.stringContaining("--type") });
    expect(await run("register", file, "--type", "swid")).toMatchObject({ code: 1 });
    expect(await run("register", file, "--type", "other")).toMatchObject({ code: 2 });
  });
});

test("D12 without an administrator's token nothing can be registered, signed or not", async () => {
  const before = await json("list");
  for (const body of [sampleMessage({ a: 1 }), statement()]) {
    const answer = await fetch(`${live.url}/kbs/v0/reference-value`, {
      method: "POST",
      body: writeJson(body),
    });
    expect(answer.status).toBe(401);
  }
  expect(await json("list")).toEqual(before);
});
