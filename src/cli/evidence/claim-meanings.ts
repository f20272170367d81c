import type { TrustClaim } from "../../protocol/trust-tiers.ts";

/** What a claim is about, and what its registered values say (draft-ietf-rats-ar4si §2.3.4), in few words. */
interface ClaimMeaning {
  readonly about: string;
  readonly values: Readonly<Record<number, string>>;
}

const MEANINGS: Readonly<Record<TrustClaim, ClaimMeaning>> = {
  "instance-identity": {
    about: "who the attester is",
    values: {
      2: "a known one, not known to be compromised",
      96: "a known one that is not to be trusted",
      97: "not a known one, and it should be",
    },
  },
  configuration: {
    about: "how it is set up",
    values: {
      2: "known and approved",
      3: "without known weaknesses",
      32: "with known weaknesses",
      36: "something that matters for security is not as it should be, or not shown",
      96: "exposes it in an unacceptable way",
    },
  },
  executables: {
    about: "what runs in it",
    values: {
      2: "only what was approved, at boot and since",
      3: "what was approved, at boot",
      4: "what was approved, at boot through a boot loader",
      32: "approved, with known faults in a part",
      33: "not recognised",
      96: "known to be harmful",
    },
  },
  "file-system": {
    about: "what its files hold",
    values: { 2: "only approved files", 32: "files that are not recognised", 96: "harmful files" },
  },
  hardware: {
    about: "hardware and firmware",
    values: {
      2: "genuine and supported",
      32: "genuine, with known weaknesses",
      96: "not to be trusted",
      97: "not recognised, and it should be",
    },
  },
  "runtime-opaque": {
    about: "its memory",
    values: { 2: "encrypted and isolated", 32: "isolated, not encrypted", 96: "visible to others" },
  },
  "storage-opaque": {
    about: "its storage",
    values: { 2: "keys kept by hardware", 32: "keys kept by software", 96: "secrets in the clear" },
  },
  "sourced-data": {
    about: "data from elsewhere",
    values: {
      2: "from attesters that are affirming",
      32: "from others",
      96: "from attesters that are contraindicated",
    },
  },
};

/** The same for every claim. */
const COMMON: Readonly<Record<number, string>> = {
  [-1]: "the verifier failed",
  0: "nothing is said",
  1: "the evidence held something unexpected",
  99: "cryptography of the evidence failed",
};

export function claimAbout(claim: TrustClaim): string {
  return MEANINGS[claim].about;
}

/** @returns `undefined` for a value that only the policy's author can explain */
export function valueMeaning(claim: TrustClaim, value: number): string | undefined {
  return COMMON[value] ?? MEANINGS[claim].values[value];
}
