import { describe, expect, test } from "@jest/globals";
import { discoveryDocument, keySetDocument } from "../../../src/tokens/documents.ts";
import type { KeyChoice } from "../../../src/tokens/key-source.ts";
import { type OfferedKey, SigningKeys } from "../../../src/tokens/signing-keys.ts";
import { ownIssuer } from "../../../src/tokens/trusted-issuers.ts";
import { TokenVerifier } from "../../../src/tokens/verify.ts";
import { TestClock } from "../../support/clock.ts";
import { cpuSubmodule, freshSigner, testIssuer } from "../../support/ear.ts";
import { NOW } from "../../support/tokens.ts";

const PUBLISH = 300_000;
const OVERLAP = 360_000;
const SIGNAL = new AbortController().signal;
const [a, b, c] = [freshSigner(), freshSigner("ES384"), freshSigner()];

function setUp(offered: readonly OfferedKey[] = [{ signer: a }], remembered: SigningKeys["remembered"] = []) {
  const clock = new TestClock(NOW);
  const options = { publishMs: PUBLISH, overlapMs: OVERLAP, now: clock.now };
  return { clock, options, keys: new SigningKeys(offered, options, remembered) };
}

const kids = (keys: readonly { readonly kid: string }[]) => keys.map(({ kid }) => kid);
const accepted = (keys: SigningKeys, kid: string): KeyChoice["keys"] => keys.candidates({ kid }).keys;

describe("rotation of signing keys", () => {
  test("the first key signs at once", () => {
    const { keys } = setUp();
    expect(keys.current).toBe(a);
    expect(kids(keys.published)).toEqual([a.kid]);
    expect(keys.offer([{ signer: a }])).toBe(false);
  });

  test("a new key is published first, signs later, and the old one ends when its last token has", () => {
    const { clock, keys } = setUp();
    expect(keys.offer([{ signer: b }])).toBe(true);
    expect(keys.current).toBe(a);
    expect(kids(keys.published)).toEqual([a.kid, b.kid]);
    clock.advance(PUBLISH - 1);
    expect(keys.current).toBe(a);
    clock.advance(1);
    expect(keys.current).toBe(b);
    expect(kids(keys.published)).toEqual([b.kid, a.kid]);
    expect(accepted(keys, a.kid)).toEqual([{ ...a.verificationKey, notAfter: NOW + PUBLISH + OVERLAP }]);
    const { version } = keys;
    clock.advance(OVERLAP);
    expect(kids(keys.published)).toEqual([b.kid]);
    expect(accepted(keys, a.kid)).toEqual([]);
    expect(keys.version).not.toBe(version);
  });

  test("a key that is replaced while it waits never signs, and is forgotten at once", () => {
    const { clock, keys } = setUp();
    keys.offer([{ signer: b }]);
    clock.advance(1000);
    keys.offer([{ signer: c }]);
    expect(kids(keys.published)).toEqual([a.kid, c.kid]);
    clock.advance(PUBLISH);
    expect(keys.current).toBe(c);
  });

  test("going back to an earlier key is a rotation like any other", () => {
    const { clock, keys } = setUp();
    keys.offer([{ signer: b }]);
    clock.advance(PUBLISH + 1);
    expect(keys.current).toBe(b);
    keys.offer([{ signer: a }]);
    expect(keys.current).toBe(b);
    clock.advance(PUBLISH);
    expect(keys.current.kid).toBe(a.kid);
    clock.advance(OVERLAP);
    expect(kids(keys.published)).toEqual([a.kid]);
  });

  test("the same key with a new certificate takes over at once", () => {
    const { keys } = setUp();
    const renewed = { ...a, chain: [Buffer.from("00", "hex")] };
    keys.offer([{ signer: renewed }]);
    expect(keys.current).toBe(renewed);
  });

  test("after a restart earlier keys verify and no longer sign", () => {
    const { clock, keys, options } = setUp();
    keys.offer([{ signer: b }]);
    clock.advance(PUBLISH + 10);
    const again = new SigningKeys([{ signer: b }], options, keys.remembered);
    expect(again.current).toBe(b);
    expect(accepted(again, a.kid)).toHaveLength(1);
    clock.advance(OVERLAP);
    expect(accepted(again, a.kid)).toEqual([]);
  });

  test("after a restart in the middle of a rotation the new key signs at once, for the old one is gone", () => {
    const { clock, keys, options } = setUp();
    keys.offer([{ signer: b }]);
    clock.advance(10);
    const again = new SigningKeys([{ signer: b }], options, keys.remembered);
    expect(again.current).toBe(b);
    expect(accepted(again, a.kid)).toHaveLength(1);
    expect(accepted(again, b.kid)).toHaveLength(1);
  });

  test("a source that holds every key drops one at once by no longer holding it", () => {
    const { keys } = setUp([
      { signer: a, since: NOW - 1_000_000 },
      { signer: b, since: NOW - PUBLISH - 1 },
    ]);
    expect(keys.current).toBe(b);
    expect(accepted(keys, a.kid)).toHaveLength(1);
    const { version } = keys;
    keys.offer([{ signer: b, since: NOW - PUBLISH - 1 }], true);
    expect(accepted(keys, a.kid)).toEqual([]);
    expect(keys.version).not.toBe(version);
  });

  test("replicas that look at different moments agree, because the source knows when a key was made", () => {
    const offered = [
      { signer: a, since: NOW - 1_000_000 },
      { signer: b, since: NOW - 100_000 },
    ];
    const { clock, keys } = setUp(offered);
    const { keys: late } = setUp(offered.slice(0, 1));
    late.offer(offered, true);
    expect([keys.current, late.current]).toEqual([a, a]);
    clock.advance(PUBLISH - 100_000);
    expect(keys.current).toBe(b);
  });

  test("no more than sixteen keys are held, whatever is offered", () => {
    const { clock, keys } = setUp();
    for (let round = 0; round < 20; round++) {
      keys.offer([{ signer: freshSigner() }]);
      clock.advance(PUBLISH);
    }
    expect(keys.published.length).toBeLessThanOrEqual(16);
  });

  test("AS-047 key set and discovery follow", () => {
    const { keys } = setUp();
    keys.offer([{ signer: b }]);
    expect(keySetDocument(keys.published)).toEqual({ keys: [a.publicJwk, b.publicJwk] });
    expect(discoveryDocument("https://kbs", "kbs", keys.published)).toMatchObject({
      id_token_signing_alg_values_supported: ["ES256", "ES384"],
    });
  });

  test("AS-060 the broker takes tokens of the old key for the overlap only", async () => {
    const { clock, keys } = setUp();
    const issuer = testIssuer(keys, { now: clock.now, lifetimeSeconds: 86_400 });
    const verifier = new TokenVerifier({ issuers: [ownIssuer(keys, "keywarden")], now: clock.now });
    const attestation = { submodules: [cpuSubmodule()], protocol: undefined };
    const { token: old } = await issuer.issue(attestation, SIGNAL);
    await expect(verifier.verify(old, SIGNAL)).resolves.toBeDefined();
    keys.offer([{ signer: b }]);
    clock.advance(PUBLISH);
    const { token: fresh } = await issuer.issue(attestation, SIGNAL);
    clock.advance(OVERLAP - 1);
    await expect(verifier.verify(old, SIGNAL)).resolves.toBeDefined();
    clock.advance(1);
    // It was verified before and would live for a day: what it rests on has gone all the same.
    await expect(verifier.verify(old, SIGNAL)).rejects.toMatchObject({ code: "token-rejected" });
    await expect(verifier.verify(fresh, SIGNAL)).resolves.toBeDefined();
  });
});
