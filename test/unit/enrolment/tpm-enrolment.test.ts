import { createPublicKey, randomBytes } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { authoritiesFromPem } from "../../../src/attestation/formats/tpm2/certificate-chain.ts";
import { activateCredential, readCredentialFile } from "../../../src/attestation/formats/tpm2/credential.ts";
import { sized } from "../../../src/attestation/formats/tpm2/cursor.ts";
import { keyFingerprint } from "../../../src/attestation/formats/tpm2/keys.ts";
import { readPublicArea } from "../../../src/attestation/formats/tpm2/public-area.ts";
import { approvalPolicy, BY_ADMINISTRATOR } from "../../../src/enrolment/approval.ts";
import { Enrolments } from "../../../src/enrolment/enrolments.ts";
import { TpmEnrolment, type TpmEnrolmentDependencies } from "../../../src/enrolment/tpm-enrolment.ts";
import { KbsError } from "../../../src/errors.ts";
import type { JsonObject } from "../../../src/json/value.ts";
import { RegoEngine } from "../../../src/policy/rego-engine.ts";
import { MemoryDocumentStore } from "../../../src/storage/memory-documents.ts";
import { AK_ATTRIBUTES, EK_ATTRIBUTES, keyOf, NOW, vendors } from "../../support/software-tpm/index.ts";
import { Machine, proofBody } from "../../support/software-tpm/machine.ts";
import { printPublicArea } from "../../support/software-tpm/structures.ts";

const SIGNAL = new AbortController().signal;
const CONTEXT = { requestId: "r", client: "127.0.0.1" };

const codeOf = (error: unknown) => (error instanceof KbsError ? error.code : error);
const attempt = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    return codeOf(error);
  }
};

let machine: Machine;
let enrolments: Enrolments;
let audit: JsonObject[];
let now: number;
let parts: TpmEnrolmentDependencies;
let listed: string[];

beforeAll(async () => {
  await vendors();
});

beforeEach(async () => {
  machine = new Machine();
  now = NOW;
  audit = [];
  listed = [machine.ekFingerprint];
  enrolments = await Enrolments.open(
    {
      store: new MemoryDocumentStore(),
      clocks: new MemoryDocumentStore(),
      now: () => now,
      maxEnrolments: 40,
    },
    SIGNAL,
  );
  parts = {
    enrolments,
    rules: { ekAuthorities: { pinned: [] }, allowedEks: listed, ignoreValidity: false },
    approve: BY_ADMINISTRATOR,
    audit: { record: async (event) => void audit.push(event) },
    now: () => now,
    random: randomBytes,
    challengeSeconds: 300,
  };
});

async function enrol(service: TpmEnrolment, of: Machine, over: Record<string, unknown> = {}) {
  const challenge = service.begin(of.request(over));
  return service.complete(String(challenge["enrolment"]), proofBody(of.proof(challenge)), CONTEXT, SIGNAL);
}

describe("the proof", () => {
  test("B20 of a machine that holds both keys enrols it, waiting", async () => {
    const service = new TpmEnrolment(parts);
    expect(await enrol(service, machine)).toEqual({
      status: "pending",
      host: "node-1",
      ak_name: machine.akName.toString("hex"),
      ak_fingerprint: machine.akFingerprint,
    });
    expect(await enrolments.find(machine.akFingerprint)).toMatchObject({
      status: "pending",
      ekTrust: "listed",
    });
    expect(audit).toMatchObject([{ event: "tpm-enrolment", outcome: "enrolled", status: "pending" }]);
  });

  test("of another secret, another name or another challenge is refused, on record, and uses the challenge up", async () => {
    const service = new TpmEnrolment(parts);
    const wrong: ((challenge: JsonObject) => Buffer)[] = [
      () => randomBytes(32),
      (challenge) => {
        const proof = machine.proof(challenge);
        proof.writeUInt8(proof.readUInt8(31) ^ 1, 31);
        return proof;
      },
      () => machine.proof(service.begin(machine.request())),
    ];
    for (const make of wrong) {
      const challenge = service.begin(machine.request());
      const id = String(challenge["enrolment"]);
      const right = proofBody(machine.proof(challenge));
      const sent = service.complete(id, proofBody(make(challenge)), CONTEXT, SIGNAL);
      await expect(sent).rejects.toMatchObject({ code: "enrolment-refused" });
      await expect(service.complete(id, right, CONTEXT, SIGNAL)).rejects.toMatchObject({ code: "not-found" });
    }
    expect(audit.map(({ outcome }) => outcome)).toEqual(["refused", "refused", "refused"]);
    expect(enrolments.list()).toEqual([]);
  });

  test("B18 of a TPM that holds another key under the name is impossible", () => {
    const service = new TpmEnrolment(parts);
    const challenge = service.begin(machine.request());
    const other = new Machine("other");
    const file = readCredentialFile(Buffer.from(String(challenge["credential_file"]), "base64"));
    const area = readPublicArea(machine.ekArea);
    expect(() => activateCredential(area, machine.ek, other.akName, file)).toThrow();
    expect(() => activateCredential(area, other.ek, machine.akName, file)).toThrow();
  });

  test("that comes too late is refused; one in time is not", async () => {
    const service = new TpmEnrolment(parts);
    const [late, inTime] = [service.begin(machine.request()), service.begin(machine.request())];
    const [lateProof, proof] = [late, inTime].map((challenge) => proofBody(machine.proof(challenge)));
    now += 299_999;
    await service.complete(String(inTime["enrolment"]), proof ?? Buffer.of(), CONTEXT, SIGNAL);
    now += 1;
    await expect(
      service.complete(String(late["enrolment"]), lateProof ?? Buffer.of(), CONTEXT, SIGNAL),
    ).rejects.toMatchObject({ code: "not-found" });
  });

  test("does not count when it cannot be recorded", async () => {
    const unavailable = new KbsError("audit-unavailable", "no");
    const service = new TpmEnrolment({ ...parts, audit: { record: () => Promise.reject(unavailable) } });
    await expect(enrol(service, machine)).rejects.toMatchObject({ code: "audit-unavailable" });
    expect(enrolments.list()).toEqual([]);
  });

  test("B19 of two TPMs for one host at once enrols one, and the record tells of the other's refusal", async () => {
    const other = new Machine("other");
    listed.push(other.ekFingerprint);
    const approve = async () => ({ status: "approved" as const, by: "the enrolment policy" });
    const service = new TpmEnrolment({ ...parts, approve });
    const both = await Promise.allSettled([enrol(service, machine), enrol(service, other)]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(audit.at(-1)).toMatchObject({
      outcome: "refused",
      reason: "conflict",
      ekFingerprint: other.ekFingerprint,
    });
  });

  test("once more changes nothing, and the record says what holds", async () => {
    await enrol(new TpmEnrolment(parts), machine);
    const approve = async () => ({ status: "approved" as const, by: "the enrolment policy" });
    const again = await enrol(new TpmEnrolment({ ...parts, approve }), machine);
    expect([again["status"], audit.at(-1)?.["status"]]).toEqual(["pending", "pending"]);
  });

  test("a machine that asks again and again keeps out nobody", async () => {
    const other = new Machine("other");
    listed.push(other.ekFingerprint);
    const service = new TpmEnrolment(parts);
    const first = service.begin(other.request({ host: "node-2" }));
    for (let i = 0; i < 20; i++) service.begin(machine.request());
    const proof = proofBody(other.proof(first));
    expect(await service.complete(String(first["enrolment"]), proof, CONTEXT, SIGNAL)).toMatchObject({
      host: "node-2",
    });
  });
});

describe("somebody who knows a machine's endorsement key, which is no secret", () => {
  test("does not push its challenges out, from another address", async () => {
    const service = new TpmEnrolment(parts);
    const challenge = service.begin(machine.request(), "192.0.2.1");
    for (let i = 0; i < 300; i++) attempt(() => service.begin(machine.request(), `198.51.100.${i % 8}`));
    const proof = proofBody(machine.proof(challenge));
    const answer = await service.complete(String(challenge["enrolment"]), proof, CONTEXT, SIGNAL);
    expect(answer).toMatchObject({ host: "node-1" });
  });

  test("cannot fill the table from many addresses", () => {
    const service = new TpmEnrolment(parts);
    const codes = Array.from({ length: 300 }, (_, i) =>
      attempt(() => service.begin(machine.request(), `2001:db8::${i}`)),
    );
    expect(codes.filter((code) => code === "overloaded")).toHaveLength(300 - 256);
  });
});

describe("the endorsement key", () => {
  test("counts by a manufacturer's certificate, whose words about the TPM are kept", async () => {
    const { vendor } = await vendors();
    const rules = { ...parts.rules, ekAuthorities: authoritiesFromPem([vendor.pem]), allowedEks: [] };
    const service = new TpmEnrolment({ ...parts, rules });
    const ek_certificates = [(await machine.certificate()).toString("base64")];
    await enrol(service, machine, { ek_certificates });
    expect(enrolments.get(machine.akFingerprint)).toMatchObject({
      ekTrust: "certificate",
      manufacturer: "id:00001014",
      model: "swtpm",
      firmwareVersion: "id:20191023",
    });
  });

  test("B18 is refused without certificate or list, by a stranger's, an expired, a foreign or a wrong one, listed or not", async () => {
    const { vendor, stranger } = await vendors();
    const authorities = authoritiesFromPem([vendor.pem]);
    const refusal = async (certificates: Buffer[], allowedEks: string[], ekAuthorities = authorities) => {
      const service = new TpmEnrolment({ ...parts, rules: { ...parts.rules, ekAuthorities, allowedEks } });
      return attempt(() =>
        service.begin(
          machine.request({ ek_certificates: certificates.map((der) => der.toString("base64")) }),
        ),
      );
    };
    expect(await refusal([], [])).toBe("enrolment-refused");
    expect(await refusal([await machine.certificate()], [], { pinned: [] })).toBe("enrolment-refused");
    for (const der of [
      await machine.certificate({ issuer: stranger.name, signingKey: stranger.key }),
      await machine.certificate({ to: -1 }),
      await machine.certificate({ extendedUsage: [] }),
      await new Machine("other").certificate(),
    ])
      for (const allowed of [[], [machine.ekFingerprint]])
        expect(await refusal([der], allowed)).toBe("enrolment-refused");
  });

  test("and the attestation key have to be what they are said to be", () => {
    const service = new TpmEnrolment(parts);
    // fixedTPM, restricted and decrypt are needed of the one; fixedTPM, restricted, sign and no decrypt of the other.
    for (const ek of [
      EK_ATTRIBUTES & ~2,
      EK_ATTRIBUTES & ~0x10000,
      EK_ATTRIBUTES & ~0x20000,
      EK_ATTRIBUTES | 0x40000,
    ])
      expect(attempt(() => service.begin(new Machine("", { ek }).request()))).toBe("enrolment-refused");
    for (const ak of [
      AK_ATTRIBUTES & ~2,
      AK_ATTRIBUTES & ~0x10,
      AK_ATTRIBUTES & ~0x20,
      AK_ATTRIBUTES & ~0x10000,
      AK_ATTRIBUTES & ~0x40000,
      AK_ATTRIBUTES | 0x20000,
    ])
      expect(attempt(() => service.begin(new Machine("", { ak }).request()))).toBe("enrolment-refused");
  });
});

describe("B18 a key that is too weak to tie anything to", () => {
  test("an attestation key named by SHA-1, for a second key with that name can be made", () => {
    const akArea = printPublicArea(machine.ak, {
      attributes: AK_ATTRIBUTES,
      nameAlgorithm: "sha1",
      scheme: { name: "ecdsa", hash: "sha256" },
    });
    const body = machine.request({ ak_public: sized(akArea).toString("base64") });
    expect(attempt(() => new TpmEnrolment(parts).begin(body))).toBe("enrolment-refused");
  });

  test("an endorsement key that others can compute, listed or certified", () => {
    for (const kind of ["RSA-1024", "RSA-2048, exponent 3"] as const) {
      const weak = keyOf(kind, "weak");
      const ekArea = printPublicArea(weak, {
        attributes: EK_ATTRIBUTES,
        symmetricBits: 128,
        exponent: kind === "RSA-1024" ? 0 : 3,
      });
      listed.push(keyFingerprint(createPublicKey(weak)));
      const body = machine.request({ ek_public: sized(ekArea).toString("base64") });
      expect(attempt(() => new TpmEnrolment(parts).begin(body))).toBe("enrolment-refused");
    }
  });
});

describe("a policy that lets machines in", () => {
  const engine = new RegoEngine({ now: () => NOW, randomBytes });
  const lookup = async () => new Map([["our machines", ["node-1"]]]);
  const enrolWith = async (text: string) => {
    const approve = approvalPolicy(engine, text, () => lookup);
    return (await enrol(new TpmEnrolment({ ...parts, approve }), machine))["status"];
  };

  test("sees host, keys and reference values, and only true lets in", async () => {
    const policy = (rule: string) => `package policy\n${rule}\n`;
    expect(
      await enrolWith(
        policy(
          'allow if { input.host in query_reference_value("our machines"); input.ek.trust == "listed" }',
        ),
      ),
    ).toBe("approved");
    await enrolments.delete(machine.akFingerprint, SIGNAL);
    for (const rule of [
      "allow := false",
      'allow := "true"',
      "allow if input.host == 1",
      "allow if 1 / 0 == 1",
      "allow if input.absent",
    ]) {
      expect(await enrolWith(policy(rule))).toBe("pending");
      await enrolments.delete(machine.akFingerprint, SIGNAL);
    }
  });

  test("is refused when it does not compile or decides nothing", () => {
    for (const text of [
      "package policy\nallow if",
      "package policy\ndeny := true",
      "package other\nallow := true",
    ])
      expect(attempt(() => approvalPolicy(engine, text, () => lookup))).toBe("policy-invalid");
  });
});

describe("bad input", () => {
  test("is refused with a code, whatever it is", () => {
    const service = new TpmEnrolment(parts);
    const valid: Record<string, unknown> = JSON.parse(machine.request().toString());
    const bad: Buffer[] = [
      Buffer.from(""),
      Buffer.from("[]"),
      Buffer.from("nope"),
      Buffer.of(0xff, 0xfe),
      ...["host", "ek_public", "ak_public"].map((name) =>
        Buffer.from(JSON.stringify({ ...valid, [name]: undefined })),
      ),
      ...["", "a/b", "..", "-a", "a".repeat(300), "a b", "a\n", 7].map((host) => machine.request({ host })),
      ...["", "AAA", "!!!!", 5, null].map((ek_public) => machine.request({ ek_public })),
      machine.request({ ak_public: machine.ekArea.subarray(0, 40).toString("base64") }),
      machine.request({ ek_certificates: "x" }),
      machine.request({ ek_certificates: Array(9).fill("AAAA") }),
      machine.request({ more: 1 }),
    ];
    for (const body of bad) expect(attempt(() => service.begin(body))).toBe("malformed-request");
  });

  test("of any kind never throws anything else", async () => {
    const service = new TpmEnrolment(parts);
    const codes = ["malformed-request", "enrolment-refused", "not-found"];
    const outcome = (error: unknown) => (error instanceof KbsError ? error.code : String(error));
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue(),
        fc.uint8Array({ maxLength: 400 }),
        fc.nat(),
        async (json, bytes, at) => {
          const damaged = Buffer.from(machine.request());
          const place = at % damaged.length;
          damaged.writeUInt8((damaged.readUInt8(place) + 1) & 0xff, place);
          for (const body of [Buffer.from(JSON.stringify(json)), bytes, damaged]) {
            const begun = attempt(() => service.begin(body));
            if (typeof begun !== "object") expect(codes).toContain(begun);
            expect(codes).toContain(await service.complete("x", body, CONTEXT, SIGNAL).then(String, outcome));
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
