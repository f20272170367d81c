import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { loadRememberedKeys, saveRememberedKeys } from "../../../src/tokens/remembered-keys.ts";
import { certificatesOf, type SigningAlgorithm } from "../../../src/tokens/signer.ts";
import { generateSigningKey } from "../../../src/tokens/signer-files.ts";
import { ephemeralSigner, FileSigner } from "../../../src/tokens/signer-source.ts";
import { SignerWatch } from "../../../src/tokens/signer-watch.ts";
import { SigningKeys } from "../../../src/tokens/signing-keys.ts";
import { TestClock } from "../../support/clock.ts";
import { testAuthority } from "../../support/tls-certificates.ts";

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signer-watch-"));
  file = join(folder, "key.pem");
  await newKey();
});
afterEach(() => rm(folder, { recursive: true }));

/** Same size, maybe the same millisecond: a replacement is told by its inode as well. */
async function newKey(algorithm: SigningAlgorithm = "ES256"): Promise<void> {
  const pem = String(generateSigningKey(algorithm).export({ type: "pkcs8", format: "pem" }));
  await rm(file, { force: true });
  await writeFile(file, pem, { mode: 0o600 });
}

function source(certificates?: string) {
  return new FileSigner({
    what: "attestation.token.signer.key",
    algorithm: "ES256",
    readKey: () => readFile(file, "utf8"),
    readChain: async () =>
      certificates === undefined
        ? undefined
        : { certificates: certificatesOf(await readFile(certificates, "utf8")) },
    watched: certificates === undefined ? [file] : [file, certificates],
  });
}

async function setUp(certificates?: string) {
  const clock = new TestClock();
  const from = source(certificates);
  const keys = new SigningKeys(await from.load(), { publishMs: 1000, overlapMs: 2000, now: clock.now });
  const path = join(folder, "keys", "token-keys.json");
  const onChange = jest.fn<(kids: readonly string[]) => void>();
  const onFailure = jest.fn<(error: unknown) => void>();
  const watch = new SignerWatch({
    source: from,
    keys,
    intervalMs: 60_000,
    timeoutMs: 1000,
    remember: (all) => saveRememberedKeys(path, all),
    onChange,
    onFailure,
  });
  return { clock, keys, path, onChange, onFailure, watch };
}

describe("a signing key in a file", () => {
  test("is replaced without a restart, first in the key set and then at work", async () => {
    const { clock, keys, watch, onChange } = await setUp();
    const { kid } = keys.current;
    await watch.check();
    expect(onChange).not.toHaveBeenCalled();
    await newKey();
    await watch.check();
    expect(onChange).toHaveBeenCalledTimes(1);
    expect(keys.published).toHaveLength(2);
    expect(keys.current.kid).toBe(kid);
    clock.advance(1000);
    expect(keys.current.kid).not.toBe(kid);
  });

  test("that is damaged, of another type or gone leaves the old one at work, and is looked at again", async () => {
    const { keys, watch, onFailure } = await setUp();
    const { kid } = keys.current;
    await writeFile(file, "no key");
    await watch.check();
    await newKey("ES384");
    await watch.check();
    await rm(file);
    await watch.check();
    expect(onFailure).toHaveBeenCalledTimes(3);
    expect(keys.published.map((key) => key.kid)).toEqual([kid]);
    await newKey();
    await watch.check();
    expect(keys.published).toHaveLength(2);
  });

  test("AS-044 with certificates waits for the other half of the pair", async () => {
    const authority = await testAuthority();
    const chain = join(folder, "chain.pem");
    const first = await authority.issue("first");
    await writeFile(file, first.key);
    await writeFile(chain, first.cert);
    const { keys, watch, onFailure } = await setUp(chain);
    const second = await authority.issue("second");
    await writeFile(file, `${second.key}\n`);
    await watch.check();
    expect(onFailure).toHaveBeenCalledTimes(1);
    expect(keys.published).toHaveLength(1);
    await writeFile(chain, `${second.cert}\n`);
    await watch.check();
    expect(keys.published.map(({ publicJwk }) => publicJwk["x5c"])).toHaveLength(2);
  });

  test("looks that come together are one", async () => {
    const { keys, watch, onChange } = await setUp();
    await newKey();
    await Promise.all([watch.reload(), watch.reload(), watch.reload()]);
    expect(onChange).toHaveBeenCalledTimes(1);
    expect(keys.published).toHaveLength(2);
  });
});

describe("keys remembered over a restart", () => {
  test("come back as they were, in a file for the owner only", async () => {
    const { keys, path, watch } = await setUp();
    await newKey();
    await watch.check();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const warn = jest.fn<(sentence: string) => void>();
    const back = await loadRememberedKeys(path, warn);
    expect(back.map(({ key, signsFrom }) => [key.kid, signsFrom])).toEqual(
      keys.remembered.map(({ key, signsFrom }) => [key.kid, signsFrom]),
    );
    expect(await readFile(path, "utf8")).not.toMatch(/"d"|PRIVATE/);
    expect(warn).not.toHaveBeenCalled();
  });

  test.each([
    "",
    "{}",
    '{"keys":[1]}',
    '{"keys":[{"signsFrom":"2026-01-01T00:00:00Z","jwk":{"kty":"oct","k":"AA","alg":"HS256"}}]}',
    '{"keys":[{"signsFrom":"2026-01-01T00:00:00Z","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA","alg":"ES256"}}]}',
    '{"keys":[{"signsFrom":"soon","jwk":{}}]}',
  ])("a damaged file (%j) is said and believed in nothing", async (text) => {
    const path = join(folder, "token-keys.json");
    await writeFile(path, text);
    const warn = jest.fn<(sentence: string) => void>();
    await expect(loadRememberedKeys(path, warn)).resolves.toEqual([]);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  test("no file is no key", async () => {
    await expect(loadRememberedKeys(join(folder, "none"), () => {})).resolves.toEqual([]);
  });
});

test("AS-045 an ephemeral key fits its algorithm and stays", async () => {
  const signer = ephemeralSigner("EdDSA");
  const [first] = await signer.load(AbortSignal.timeout(1));
  const [second] = await signer.load(AbortSignal.timeout(1));
  expect(first?.signer.algorithm).toBe("EdDSA");
  expect(second?.signer).toBe(first?.signer);
});
