import { z } from "zod";
import { filePath, flag } from "./parts.ts";

const trustedSigner = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
        "may hold A–Z a–z 0–9 . _ - and begins with a letter or digit",
      )
      .describe("What values are listed as coming from."),
    keys: z
      .array(filePath())
      .max(8)
      .default([])
      .describe("Public keys: PEM, JWK or JWK set files; P-256, P-384, P-521 or Ed25519."),
    certificates: filePath()
      .optional()
      .describe("PEM roots; the x5chain of a signed CoRIM must end in one of them."),
    names: z
      .array(z.string().min(1).max(512).refine(isPattern, "may have one *, at its end"))
      .min(1)
      .max(256)
      .describe("Names it may set; one that ends in * stands for all that begin so."),
  })
  .superRefine(({ keys, certificates }, context) => {
    if (keys.length === 0 && certificates === undefined)
      context.addIssue({ code: "custom", message: "needs keys or certificates" });
  });

function isPattern(pattern: string): boolean {
  const star = pattern.indexOf("*");
  return star < 0 || star === pattern.length - 1;
}

interface SignerShape {
  readonly name: string;
  readonly names: readonly string[];
}

/** A name has one owner; otherwise whoever comes first could set what another vouches for. */
function checkOwners(signers: readonly SignerShape[], context: z.RefinementCtx): void {
  for (const [at, right] of signers.entries())
    for (const left of signers.slice(0, at)) {
      if (left.name === right.name)
        context.addIssue({ code: "custom", path: [at, "name"], message: "is the name of another signer" });
      const shared = right.names.findIndex((mine) => left.names.some((other) => overlap(other, mine)));
      if (shared >= 0)
        context.addIssue({
          code: "custom",
          path: [at, "names", shared],
          message: "covers names that another signer may set",
        });
    }
}

/** Whether some name matches both. */
function overlap(left: string, right: string): boolean {
  const [a, b] = [left.replace(/\*$/, ""), right.replace(/\*$/, "")];
  if (left.endsWith("*") && b.startsWith(a)) return true;
  if (right.endsWith("*") && a.startsWith(b)) return true;
  return left === right;
}

export const referenceValuesSchema = z
  .strictObject({
    trustedSigners: z
      .array(trustedSigner)
      .max(32)
      .superRefine(checkOwners)
      .default([])
      .meta({
        examples: [[{ name: "acme-firmware", keys: ["trust/acme.pub.pem"], names: ["acme/*"] }]],
      })
      .describe("Whose signed manifests are believed, and which names each of them may set."),
    manifestFolder: filePath()
      .optional()
      .meta({ examples: ["/etc/keywarden/manifests"] })
      .describe(
        "Folder of signed manifests that are registered at each start; what nobody above signed is left out.",
      ),
    dangerouslyAcceptExpired: flag(false).describe(
      "Answer policies with values that have expired, as deployments may expect that never renewed theirs.",
    ),
  })
  .prefault({})
  .describe("Known good values that policies compare evidence with.");
