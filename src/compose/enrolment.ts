import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { readAuthorities } from "../attestation/endorsements/tpm-authorities.ts";
import type { KeywardenConfig } from "../config/load.ts";
import { type Approve, approvalPolicy, BY_ADMINISTRATOR } from "../enrolment/approval.ts";
import { type EnrolmentAudit, TpmEnrolment } from "../enrolment/tpm-enrolment.ts";
import { KbsError } from "../errors.ts";
import type { State } from "./state.ts";
import type { World } from "./world.ts";

/**
 * What machines with a bare TPM are enrolled by; `undefined` where the configuration does not want any.
 *
 * @throws KbsError naming the file that stands in the way
 */
export async function openEnrolment(
  { tpmEnrolment, verifiers }: KeywardenConfig,
  state: State,
  audit: EnrolmentAudit,
  { now }: World,
): Promise<TpmEnrolment | undefined> {
  const { enabled, allowedEks, challengeSeconds, policyFile } = tpmEnrolment;
  if (!enabled) return undefined;
  const { ekAuthorities, dangerouslyIgnoreCertificateValidity } = verifiers.tpm;
  return new TpmEnrolment({
    enrolments: state.enrolments,
    rules: {
      ekAuthorities: await readAuthorities(ekAuthorities),
      allowedEks,
      ignoreValidity: dangerouslyIgnoreCertificateValidity,
    },
    approve: policyFile === undefined ? BY_ADMINISTRATOR : await byPolicy(policyFile, state),
    audit,
    now,
    random: randomBytes,
    challengeSeconds,
  });
}

async function byPolicy(file: string, state: State): Promise<Approve> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new KbsError("internal", `tpmEnrolment.policyFile: ${file} cannot be read.`, { cause });
  });
  return approvalPolicy(state.engine, text, () => state.lookup);
}
